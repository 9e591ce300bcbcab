"""The command lines of the benchmarks, and what follows them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from _measure import Recipe, Workload, make_optimizer, measure
from _report import NOTES, cells, describe_machine, print_table, ratio_line
from torch import Tensor, nn

from convmae_mm.errors import ConfigError
from convmae_mm.variants import PATCH_SIZE, arch_zoo

# The dense reference is a test's.
sys.path.append(str(Path(__file__).resolve().parents[2] / 'tests'))

MODIFIERS = {
    'cp': 'recompute each block in the backward pass (with_cp=True)',
    'bf16': 'autocast to bfloat16',
    'compile': 'torch.compile',
}


def parse_size(text: str) -> tuple[int, int]:
    """Read '224' or '800x1216', (height, width) in pixels.

    Raises:
        argparse.ArgumentTypeError: For anything else, and if the encoder
            could not take it without padding.
    """
    sides = text.split('x')
    if (
        len(sides) > 2
        or not all(side.isdecimal() for side in sides)
        or any(int(side) < 1 or int(side) % PATCH_SIZE for side in sides)
    ):
        raise argparse.ArgumentTypeError(
            f'{text!r} must be a multiple of {PATCH_SIZE} pixels, or two of '
            'them, such as 800x1216 (height x width)'
        )
    return int(sides[0]), int(sides[-1])


def make_parser(
    description: str | None, settings: Mapping[str, str] | None = None
) -> argparse.ArgumentParser:
    """The options that all benchmarks share.

    Args:
        description: First lines of --help.
        settings: What can be measured, and what it is, for --help.
    """
    settings = settings or {}
    width = max(map(len, settings), default=0)
    told = [f'  {key:{width}}  {settings[key]}' for key in settings]
    parser = argparse.ArgumentParser(
        description=description,
        epilog='\n'.join(
            [
                *(['settings:', *told, ''] if told else []),
                'How to read the figures: docs/benchmarks.md',
            ]
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('--runs', type=int, default=5, help='of each; 0: memory alone')
    add('--threads', type=int, help="default: torch's own")
    add('--no-memory', action='store_true', help='leave the memory out')
    add('--markdown', action='store_true', help='print rows for the docs')
    return parser


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """What the benchmarks of networks share beyond that."""
    add = parser.add_argument
    add('--batch', type=int, help='images in a batch')
    add('--warmup', type=int, default=1, help='runs before the measured ones')
    add('--device', default='cpu', help='cpu, cuda, cuda:1')


def add_setting_options(parser: argparse.ArgumentParser) -> None:
    """What the benchmarks that compare implementations share."""
    add_model_options(parser)
    add = parser.add_argument
    add('settings', nargs='*', help='what to measure (default: ours)')
    add(
        '--compare',
        nargs=2,
        metavar=('A', 'B'),
        help='measure A and B alternately in one process; print the ratio',
    )
    add('--arch', choices=arch_zoo, default='base')
    add('--size', type=parse_size, help='pixels: 224, or 800x1216 (h x w)')
    add(
        '--forward',
        action='store_true',
        help='a forward pass without gradients, instead of a training step',
    )
    add('--optimizer', action='store_true', help="end a step with AdamW's")
    for flag, mod in (('--with-cp', 'cp'), ('--compile', 'compile')):
        add(flag, action='store_true', help=f'add +{mod} to every setting')
    add(
        '--dtype',
        choices=('fp32', 'bf16'),
        default='fp32',
        help='bf16 adds +bf16 to every setting',
    )


def check_numbers(args: argparse.Namespace, **least: int) -> None:
    """Refuse numbers that are too small, and a GPU that is not there.

    Raises:
        ConfigError: Naming the option.
    """
    least = {'runs': 0, 'threads': 1, 'warmup': 0, 'batch': 1} | least
    for name, smallest in least.items():
        number = getattr(args, name, None)
        if number is not None and number < smallest:
            flag = name.replace('_', '-')
            raise ConfigError(f'--{flag} {number} must be at least {smallest}')
    device = getattr(args, 'device', 'cpu')
    if device.startswith('cuda') and not torch.cuda.is_available():
        raise ConfigError(
            f'--device {device}: this torch sees no GPU; use --device cpu'
        )


@dataclass(frozen=True)
class Setting:
    """What is measured: an implementation, how and on what it is run.

    Attributes:
        base: The implementation, such as 'ours'.
        mods: Some of ``MODIFIERS``.
        args: The command line, with ``size`` and ``batch`` settled.
    """

    base: str
    mods: frozenset[str]
    args: argparse.Namespace

    @property
    def labels(self) -> dict[str, str]:
        """As it is written on the command line."""
        mods = [mod for mod in MODIFIERS if mod in self.mods]
        return {'setting': '+'.join([self.base, *mods])}

    def draw_images(self) -> Tensor:
        """Images of noise, (B, 3, height, width)."""
        generator = torch.Generator().manual_seed(0)
        shape = (self.args.batch, 3, *self.args.size)
        return torch.randn(shape, generator=generator).to(self.args.device)

    def make_workload(
        self, model: nn.Module, forward: Callable[[], Tensor]
    ) -> Workload:
        """Complete a model and the loss of one batch."""
        args = self.args
        compiled = 'compile' in self.mods
        return Workload(
            model=model.train(not args.forward),
            forward=torch.compile(forward) if compiled else forward,
            images=args.batch,
            device=torch.device(args.device),
            dtype=torch.bfloat16 if 'bf16' in self.mods else torch.float32,
            optimizer=make_optimizer(model) if args.optimizer else None,
            trains=not args.forward,
            flops_forward=forward,
        )


def read_settings(
    args: argparse.Namespace,
    bases: Sequence[str],
    size: tuple[int, int],
    batch: int,
) -> list[Setting]:
    """The settings that a command line names; settles size and batch in it.

    Raises:
        ConfigError: For unknown ones, for one named twice, and for options
            that contradict each other.
    """
    check_numbers(args)
    args.size = args.size or size
    args.batch = batch if args.batch is None else args.batch
    if args.optimizer and args.forward:
        raise ConfigError(
            '--optimizer has no place in a forward pass; leave it or '
            '--forward out'
        )
    if args.compare and args.settings:
        raise ConfigError(
            f'give either settings {args.settings} or --compare, not both'
        )
    given = {'cp': args.with_cp, 'compile': args.compile}
    given['bf16'] = args.dtype == 'bf16'
    settings = []
    for text in args.compare or args.settings or ['ours']:
        base, *mods = text.split('+')
        mods += [mod for mod, acts in given.items() if acts]
        if base not in bases:
            raise ConfigError(
                f'unknown setting {text!r}: it must begin with one of '
                f'{list(bases)}'
            )
        unknown = sorted(set(mods) - set(MODIFIERS))
        if unknown:
            raise ConfigError(
                f'unknown {unknown} in setting {text!r}; choose from '
                f'{[f"+{mod}" for mod in MODIFIERS]}'
            )
        if 'cp' in mods and base != 'ours':
            raise ConfigError(
                f'{text!r}: only ours has checkpointing; leave cp out'
            )
        settings.append(Setting(base, frozenset(mods), args))
    names = [setting.labels['setting'] for setting in settings]
    if len(set(names)) < len(names):
        raise ConfigError(f'{names} repeat; name each setting once')
    return settings


def describe(args: argparse.Namespace) -> str:
    """The settled command line, for the title of a table."""
    what = 'forward pass' if args.forward else 'training step'
    if args.optimizer:
        what += ' with AdamW'
    height, width = args.size
    return f'{args.arch}, {what}, batch {args.batch} of {height} x {width} px'


def run_and_report(
    recipes: Sequence[Recipe],
    args: argparse.Namespace,
    title: str,
    notes: Sequence[str] = (),
) -> int:
    """Measure and print; returns the exit code, 1 if something did not fit.

    With --compare alternately; else one recipe after the other, so that only
    one model is in memory.
    """
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    compares = bool(getattr(args, 'compare', None))
    groups = [recipes] if compares else [[recipe] for recipe in recipes]
    rows = [
        row
        for group in groups
        for row in measure(group, args.runs, args.warmup, not args.no_memory)
    ]
    fits = all(row.fits for row in rows)
    print_table(
        f'{title}\n{describe_machine(args.device)}',
        [cells(row) for row in rows],
        [*([ratio_line(*rows)] if compares and fits else []), *NOTES, *notes],
        markdown=args.markdown,
    )
    return 0 if fits else 1
