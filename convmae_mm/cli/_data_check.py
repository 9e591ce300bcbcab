"""Say what is missing, miscounted or misplaced, and how to mend it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from convmae_mm.apis.config import load_config
from convmae_mm.apis.options import Overrides, RunOptions
from convmae_mm.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console

    from convmae_mm.data_check import Report
    from convmae_mm.data_check.report import Part

LAYOUT_NAMES = (
    *('auto', 'coco', 'ade20k', 'imagenet', 'digit-scenes'),
    *('class-folders', 'pictures'),
)
EPILOG = """\
Exit code 1 if something is wrong. A config says where its data is and what
they must be; model, evaluators and schedule are compared with them:

  data check my_detector.py

Data without a config, everything relative to PATH; public sets are recognised
by their folders:

  data check PATH
  data check PATH --ann-file train.json --images train --classes cat dog
  data check PATH --images img --label-maps labels --num-classes 7
  data check PATH --images pictures
  data check PATH --layout class-folders
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        'path', type=Path, help='a config, or the folder of a data set'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Overrides,
        metavar='KEY=VALUE',
        help='settings that replace those of the config',
    )
    parser.add_argument(
        '--layout',
        choices=LAYOUT_NAMES,
        default='auto',
        help='how it lies on disk (default: as its folders look)',
    )
    own = parser.add_argument_group('a data set of your own, no config')
    own.add_argument('--images', metavar='DIR', help='folder of the pictures')
    own.add_argument(
        '--ann-file', metavar='FILE', help='annotations in COCO format'
    )
    own.add_argument(
        '--label-maps', metavar='DIR', help='label maps, PNG, named alike'
    )
    own.add_argument(
        '--classes',
        nargs='+',
        metavar='NAME',
        help="the classes of your config, with --ann-file; quote 'two words'",
    )
    own.add_argument(
        '--boxes-only',
        action='store_true',
        help='the annotations need no masks',
    )
    own.add_argument(
        '--num-classes', type=int, metavar='N', help='with --label-maps'
    )
    own.add_argument(
        '--zero-is-unlabelled',
        action='store_true',
        help='labels are 1 to N and 0 is none, as in ADE20K '
        '(reduce_zero_label=True)',
    )
    depth = parser.add_argument_group('how closely to look')
    depth.add_argument(
        '--sample',
        type=int,
        default=500,
        metavar='N',
        help='open at most N files of each part (default: %(default)s)',
    )
    depth.add_argument(
        '--full', action='store_true', help='open every file instead'
    )
    depth.add_argument(
        '--seed', type=int, default=0, help='decides which are opened'
    )
    depth.add_argument(
        '--workers',
        type=int,
        default=4,
        metavar='N',
        help='threads that open files (default: %(default)s)',
    )
    parser.add_argument(
        '--json', action='store_true', help='print the result as JSON'
    )


def run(args: argparse.Namespace) -> int:
    """Check and report; 1 if there is an error."""
    from convmae_mm.data_check import Examiner, check_config, check_data

    examiner = Examiner(
        sample=None if args.full else args.sample,
        seed=args.seed,
        workers=args.workers,
    )
    parts = own_parts(args)
    if args.path.is_file():
        cfg = load_config(args.path, RunOptions(cfg_options=args.cfg_options))
        report = check_config(cfg, examiner=examiner)
    else:
        layout = None if args.layout == 'auto' else args.layout
        report = check_data(args.path, layout, parts, examiner)
    if args.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        from rich.console import Console

        print_report(Console(highlight=False), report)
    return int(report.num_errors > 0)


def own_parts(args: argparse.Namespace) -> Sequence[Part]:
    """The part that the options describe; none if they describe none.

    Raises:
        UserError: If the options do not fit together.
    """
    from convmae_mm.data_check import (
        DetectionSet,
        PictureFolder,
        SegmentationSet,
    )
    from convmae_mm.data_check.coco_classes import ExpectedClasses

    _reject_idle_options(args)
    if args.images is None:
        return ()
    root = args.path
    images = root / args.images
    if args.ann_file is not None:
        return [
            DetectionSet(
                part=args.ann_file,
                ann_file=root / args.ann_file,
                images=images,
                root=root,
                classes=ExpectedClasses(args.classes)
                if args.classes
                else None,
                with_masks=not args.boxes_only,
            )
        ]
    if args.label_maps is not None:
        return [
            SegmentationSet(
                part=args.images,
                images=images,
                label_maps=root / args.label_maps,
                root=root,
                num_classes=args.num_classes,
                zero_is_unlabelled=args.zero_is_unlabelled,
            )
        ]
    return [PictureFolder(args.images, images, root)]


def _reject_idle_options(args: argparse.Namespace) -> None:
    """Every option acts or is refused."""
    needs = {
        '--ann-file': (args.ann_file, '--images', args.images),
        '--label-maps': (args.label_maps, '--images', args.images),
        '--classes': (args.classes, '--ann-file', args.ann_file),
        '--boxes-only': (args.boxes_only, '--ann-file', args.ann_file),
        '--num-classes': (args.num_classes, '--label-maps', args.label_maps),
        '--zero-is-unlabelled': (
            args.zero_is_unlabelled,
            '--label-maps',
            args.label_maps,
        ),
    }
    if args.path.is_file():
        others = [name for name, (value, *_) in needs.items() if value]
        if others or args.images or args.layout != 'auto':
            raise UserError(
                f'{args.path} is a config, which says all that '
                f'{", ".join(others) or "--images and --layout"} would: '
                'override its settings with --cfg-options'
            )
    elif args.cfg_options:
        raise UserError(
            f'--cfg-options are for a config, and {args.path} is none'
        )
    for name, (value, needed, other) in needs.items():
        if value and not other:
            raise UserError(f'{name} needs {needed}')
    if args.ann_file and args.label_maps:
        raise UserError(
            '--ann-file and --label-maps exclude each other: check one after '
            'the other'
        )
    if args.num_classes is not None and args.num_classes < 1:
        raise UserError(f'--num-classes {args.num_classes} must be positive')


def print_report(console: Console, report: Report) -> None:
    """Counts, what was looked at, and each fault with its remedy."""
    from rich.table import Table
    from rich.text import Text

    table = Table('part', 'holds', title=f'{report.root} ({report.layout})')
    for part, counts in report.facts.items():
        holds = (f'{v:,} {k.replace("_", " ")}' for k, v in counts.items())
        table.add_row(Text(part), Text('\n'.join(holds)))
    if report.facts:
        console.print(table)
    for seen in report.examined:
        part = '' if seen.done == seen.total else ' (--full: all)'
        console.print(
            Text(
                f'{seen.part}: {seen.done:,} of {seen.total:,} {seen.what}'
                f'{part}'
            )
        )
    colours = {'error': 'bold red', 'warning': 'yellow'}
    for fault in report.faults:
        # soft_wrap: paths and commands stay on one line, to be copied.
        text = Text(
            f'{fault.severity} {fault.code}', style=colours[fault.severity]
        )
        text.append(f' [{fault.part}] {fault.problem}', style='default')
        console.print(text, soft_wrap=True)
        for example in fault.examples:
            console.print(Text(f'    {example}'), soft_wrap=True)
        if fault.count > len(fault.examples) > 0:
            more = fault.count - len(fault.examples)
            console.print(Text(f'    and {more:,} more'))
        console.print(Text(f'  mend: {fault.remedy}'), soft_wrap=True)
    errors = report.num_errors
    warnings = len(report.faults) - errors
    if not errors and not warnings:
        console.print('[green]Nothing is wrong.[/green]')
    else:
        console.print(f'{errors} errors, {warnings} warnings')
