"""The command line that the model benchmarks share, and what follows it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from _measure import (
    TRAINING_FLOPS,
    Measurement,
    Recipe,
    Workload,
    make_optimizer,
    measure,
)
from _report import print_report
from _settings import MODIFIERS, Setting, SettingError, parse_setting
from torch import Tensor, nn

from convmae_mm.variants import Arch, arch_zoo, resolve_arch

MEMORY_NOTE = (
    'Peak: of the whole process on a CPU; in brackets without what Python and '
    'its libraries held before.'
)
NOTES = (
    f'GFLOP: counted on a forward pass; times {TRAINING_FLOPS} for a training '
    'step.',
    MEMORY_NOTE,
)
# Runs in a moment; for trying the scripts and for the tests.
TINY = Arch((8, 12, 16), (1, 1, 3), 2, (2, 2, 2))
ARCHS = ('tiny', *arch_zoo)


@dataclass(frozen=True)
class Options:
    """What all settings of one call have in common.

    Attributes:
        arch: One of ``ARCHS``.
        size: (height, width) of the images in pixels.
        batch: Images in a batch.
        device: Name of a torch device.
        trains: Whether a step trains, or only passes forward.
        optimizer: Whether a training step ends with AdamW's.
    """

    arch: str
    size: tuple[int, int]
    batch: int
    device: str
    trains: bool
    optimizer: bool

    def draw_images(self) -> Tensor:
        """Images of noise, (B, 3, height, width)."""
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(self.batch, 3, *self.size, generator=generator)
        return images.to(self.device)

    def describe(self) -> str:
        """For the title of a table."""
        what = 'training step' if self.trains else 'forward pass'
        if self.optimizer:
            what += ' with AdamW'
        height, width = self.size
        return (
            f'{self.arch}, {what}, batch {self.batch} of {height} x {width} px'
        )


def find_arch(name: str) -> Arch:
    """One of ``ARCHS``."""
    return TINY if name == 'tiny' else resolve_arch(name)


def parse_size(text: str) -> tuple[int, int]:
    """Read '224' or '800x1216', (height, width) in pixels.

    Raises:
        argparse.ArgumentTypeError: For anything else, and if the encoder,
            whose patches have 16 pixels, could not take it.
    """
    sides = text.split('x')
    if (
        len(sides) > 2
        or not all(side.isdecimal() for side in sides)
        or any(int(side) < 16 or int(side) % 16 for side in sides)
    ):
        raise argparse.ArgumentTypeError(
            f'{text!r} must be a multiple of 16 pixels, or two of them, such '
            'as 800x1216 (height x width)'
        )
    return int(sides[0]), int(sides[-1])


def make_parser(
    description: str, bases: dict[str, str], default: str
) -> argparse.ArgumentParser:
    """The options that the model benchmarks share.

    Args:
        description: First lines of --help.
        bases: The implementations, and what they are.
        default: Settings that are measured if none is named.
    """
    known = bases | {f'...+{mod}': what for mod, what in MODIFIERS.items()}
    width = max(map(len, known))
    parser = argparse.ArgumentParser(
        description=description,
        epilog='settings:\n'
        + '\n'.join(f'  {key:{width}}  {known[key]}' for key in known)
        + '\n\nHow to read the figures: docs/benchmarks.md',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'settings', nargs='*', help=f'what to measure (default: {default})'
    )
    parser.add_argument(
        '--compare',
        nargs=2,
        metavar=('A', 'B'),
        help='measure A and B alternately in one process; print the ratio',
    )
    parser.add_argument('--arch', choices=ARCHS, default='base')
    parser.add_argument(
        '--size',
        type=parse_size,
        help='pixels: 224, or 800x1216 (height x width)',
    )
    parser.add_argument('--batch', type=int, help='images in a batch')
    parser.add_argument(
        '--forward',
        action='store_true',
        help='a forward pass without gradients, instead of a training step',
    )
    parser.add_argument(
        '--optimizer',
        action='store_true',
        help='end a training step with that of AdamW',
    )
    parser.add_argument('--runs', type=int, default=5, help='of each setting')
    parser.add_argument(
        '--warmup', type=int, default=1, help='runs before those'
    )
    parser.add_argument('--device', default='cpu', help='cpu, cuda, cuda:1')
    parser.add_argument('--threads', type=int, help="default: torch's own")
    parser.add_argument(
        '--no-memory',
        action='store_true',
        help='leave out the process that measures the peak memory',
    )
    for flag, mod in (('--with-cp', 'cp'), ('--compile', 'compile')):
        parser.add_argument(
            flag, action='store_true', help=f'add +{mod} to every setting'
        )
    parser.add_argument(
        '--dtype',
        choices=('fp32', 'bf16'),
        default='fp32',
        help='bf16 adds +bf16 to every setting',
    )
    parser.add_argument(
        '--markdown', action='store_true', help='print rows for the docs'
    )
    return parser


def check_at_least(least: int, flag: str, number: int) -> None:
    """Refuse a number of the command line that is too small.

    Raises:
        SettingError: Naming it.
    """
    if number < least:
        raise SettingError(f'{flag} {number} must be at least {least}')


def check_device(device: str) -> None:
    """Refuse a GPU that is not there.

    Raises:
        SettingError: Naming it.
    """
    if device.startswith('cuda') and not torch.cuda.is_available():
        raise SettingError(
            f'--device {device}: this torch sees no GPU; use --device cpu'
        )


def read_options(args: argparse.Namespace, size: int, batch: int) -> Options:
    """Check the shared options.

    Args:
        args: Parsed.
        size: Pixels a side, unless --size is given.
        batch: Unless --batch is given.

    Raises:
        SettingError: For numbers that cannot be.
    """
    batch = batch if args.batch is None else args.batch
    counts = {'--batch': batch, '--runs': args.runs}
    if args.threads is not None:
        counts['--threads'] = args.threads
    for flag, count in counts.items():
        check_at_least(1, flag, count)
    check_at_least(0, '--warmup', args.warmup)
    check_device(args.device)
    if args.optimizer and args.forward:
        raise SettingError(
            '--optimizer has no place in a forward pass; leave it or '
            '--forward out'
        )
    return Options(
        arch=args.arch,
        size=args.size or (size, size),
        batch=batch,
        device=args.device,
        trains=not args.forward,
        optimizer=args.optimizer,
    )


def read_settings(
    args: argparse.Namespace, bases: dict[str, str], default: Sequence[str]
) -> list[Setting]:
    """The settings that a command line names.

    Raises:
        SettingError: For unknown ones, for one named twice, and if both
            settings and --compare are given.
    """
    if args.compare and args.settings:
        raise SettingError(
            f'give either settings {args.settings} or --compare, not both'
        )
    names = args.compare or args.settings or default
    settings = [
        replace(
            setting,
            cp=setting.cp or args.with_cp,
            bf16=setting.bf16 or args.dtype == 'bf16',
            compile=setting.compile or args.compile,
        )
        for setting in (parse_setting(name, bases) for name in names)
    ]
    if len(set(settings)) < len(settings):
        raise SettingError(
            f'{[setting.name for setting in settings]} repeat; name each '
            'setting once'
        )
    for setting in settings:
        parse_setting(setting.name, bases)  # what the flags have added
    return settings


def make_workload(
    model: nn.Module,
    forward: Callable[[], Tensor],
    setting: Setting,
    options: Options,
) -> Workload:
    """Complete what every recipe needs.

    Args:
        model: On its device.
        forward: The loss of one batch.
        setting: Whether and how to compile, and the dtype.
        options: The command line's.
    """
    optimizer = None
    if options.optimizer:
        optimizer = make_optimizer(model)
    return Workload(
        model=model.train(options.trains),
        forward=torch.compile(forward) if setting.compile else forward,
        flops_forward=forward,
        images=options.batch,
        device=torch.device(options.device),
        dtype=setting.dtype,
        optimizer=optimizer,
        trains=options.trains,
    )


def run_and_report(
    recipes: Sequence[Recipe],
    args: argparse.Namespace,
    title: str,
    notes: Sequence[str] = (),
) -> None:
    """Measure and print.

    With --compare alternately; else one setting after the other, so that
    only one model is in memory.

    Raises:
        MeasurementError: If the memory of a setting cannot be measured.
    """
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    groups = [recipes] if args.compare else [[recipe] for recipe in recipes]
    rows: list[Measurement] = []
    for group in groups:
        rows += measure(group, args.runs, args.warmup, not args.no_memory)
    print_report(
        title,
        rows,
        device=args.device,
        notes=(*NOTES, *notes),
        compares=bool(args.compare),
        markdown=args.markdown,
    )
