"""The command line, ``convmae-mm``: a table of commands and one border.

The module of a command has ``configure(parser)``, which adds its arguments,
and ``run(args)``, which returns the exit code and raises what goes wrong: how
an error is told is settled here, for all. It is imported when it is called
and not before.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from convmae_mm.cli._border import exit_code
from convmae_mm.version import __version__

# Command -> its module in this folder, and its help. Two words: an action of
# a group.
COMMANDS = {
    'convert': ('convert', 'Convert a released checkpoint to ours, or back.'),
    'data browse': (
        '_data_browse',
        'Draw the pictures that a training sees, with their labels.',
    ),
    'data check': (
        '_data_check',
        'Say what is missing, miscounted or misplaced, and how to mend it.',
    ),
    'data convert': (
        '_data_convert',
        'Turn labels of YOLO, Pascal VOC or labelme into a COCO file.',
    ),
    'data split': (
        '_data_split',
        'Hold pictures of a COCO file out for validation.',
    ),
    'data stats': (
        '_data_stats',
        'Measure mean and deviation per channel; print a ready '
        'data_preprocessor.',
    ),
    'demo': (
        'demo',
        'Pretrain, fine-tune a detector and a segmentor, and report, in one '
        'go.',
    ),
    'digit-scenes': (
        'digit_scenes',
        'Generate the DigitScenes data set (COCO, label maps, image folder).',
    ),
    'doctor': (
        'doctor',
        'Say what is installed, what is wrong with it and how to mend it.',
    ),
    'embed': (
        'embed',
        'Write a vector for each picture; classes of neighbours, a map.',
    ),
    'inspect': (
        'inspect',
        'Say what a checkpoint holds, released or ours, and how to use it.',
    ),
    'new classifier': (
        '_new_classifier',
        'Write a config for folders of classes.',
    ),
    'new detector': (
        '_new_detector',
        'Write a config for boxes or masks in COCO form.',
    ),
    'new encoder': (
        '_new_encoder',
        'Write a config for pictures without labels.',
    ),
    'new segmentor': ('_new_segmentor', 'Write a config for label maps.'),
    'predict': (
        'predict',
        'Predict on pictures, folders and videos: drawn pictures and a file '
        'of results.',
    ),
    'reconstruct': (
        'reconstruct',
        'Show what a pretrained network makes of the patches that it sees.',
    ),
    'report': (
        'report',
        'Show what came of a training: curves, scores of each class, the '
        'best and the worst pictures.',
    ),
    'run': (
        'run',
        'Everything in one go: pretrain on pictures, train on labels, score.',
    ),
    'test': (
        'test',
        'Score a checkpoint on the test data of its config, and draw '
        'predictions.',
    ),
    'train': (
        'train',
        'Train any config: pretraining, detection, segmentation, '
        'classification.',
    ),
}
GROUPS = {
    'data': 'Check, convert or split a data set, or measure the mean and '
    'deviation of its pictures.',
    'new': 'Look at your data and write a config that fits them and this '
    'machine.',
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: The arguments, those of the process by default.

    Returns:
        The exit code; 1 after an error, 130 after an interruption.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    words = [x for x in argv if not x.startswith('-')]
    name = next(
        (x for x in COMMANDS if words[: len(x.split())] == x.split()), ''
    )

    def run() -> int:
        args = _parse(argv, name)
        code: int = args.call(args)
        return code

    return exit_code(run, name, debug='--debug' in argv)


class _Parser(argparse.ArgumentParser):
    """Tells a wrong usage in one line too."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f'{self.prog}: {message} (see {self.prog} --help)\n')


def _parse(argv: list[str], chosen: str) -> argparse.Namespace:
    parser = _Parser(
        prog='convmae-mm',
        description='ConvMAE: pretrain, detect, segment, classify.',
    )
    parser.add_argument(
        '--version', action='version', version=f'%(prog)s {__version__}'
    )
    commands = {'': _subparsers(parser, 'command')}
    for name, (file, summary) in COMMANDS.items():
        group, _, word = name.rpartition(' ')
        if group not in commands:
            text = GROUPS[group]
            child = commands[''].add_parser(group, help=text, description=text)
            commands[group] = _subparsers(child, 'action')
        command = commands[group].add_parser(
            word, help=summary, description=summary
        )
        if name == chosen:
            module = importlib.import_module(f'{__name__}.{file}')
            module.configure(command)
            command.add_argument(
                '--debug',
                action='store_true',
                help='show where an error comes from',
            )
            command.set_defaults(call=module.run)
    return parser.parse_args(argv)


def _subparsers(
    parser: argparse.ArgumentParser, what: str
) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    return parser.add_subparsers(metavar=what, required=True)
