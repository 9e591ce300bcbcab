"""Measure a training step of configs: the whole network, its losses, AdamW.

    python tools/benchmark/train_step.py CONFIG CONFIG --sizes 768,1024
    python tools/benchmark/train_step.py CONFIG --device cuda --runs 10
    python tools/benchmark/train_step.py CONFIG --dtype fp32 --runs 0

Pictures are noise, targets are drawn at random, and detectors get as many
objects as the mask head ever sees: the loss means nothing. Left out are data
loading, gradient clipping, loss scaling and what distribution adds. AdamW
stands for the optimizer. Size, batch and dtype are the config's unless they
are given. --runs 0 measures the memory alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from _measure import (
    MeasurementError,
    Seconds,
    Workload,
    make_optimizer,
    measure_memory,
    time_step,
)
from _options import (
    MEMORY_NOTE,
    check_at_least,
    check_device,
    parse_size,
)
from _report import describe_machine, memory_cell, print_table, time_cell
from _settings import SettingError
from _targets import draw_targets
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor

COLUMNS = (
    'config',
    'size, px',
    'batch',
    'dtype',
    'peak GiB (net)',
    'seconds: median (min to max)',
)
DTYPES = {
    'fp32': torch.float32,
    'bf16': torch.bfloat16,
    'fp16': torch.float16,
}
# as mmengine's AmpOptimWrapper names them; without a name it is float16
AMP_DTYPES = {None: 'fp16', 'float16': 'fp16', 'bfloat16': 'bf16'}
NO_MEMORY = 'not enough memory'


@dataclass(frozen=True)
class TrainRecipe:
    """A training step of one config.

    Attributes:
        config: Path of the config.
        size: (height, width) of the pictures in pixels.
        batch: Pictures in a batch.
        dtype: A key of ``DTYPES``; autocast unless it is 'fp32'.
        device: Name of a torch device.
        accumulates: Whether the gradients of several steps are summed.
    """

    config: str
    size: tuple[int, int]
    batch: int
    dtype: str
    device: str
    accumulates: bool

    @property
    def name(self) -> str:
        """The file, for errors."""
        return Path(self.config).stem

    def build(self) -> Workload:
        """Make the model, one batch and the optimizer."""
        torch.manual_seed(0)
        model = build_model(Config.fromfile(self.config), self.size)
        model = revert_sync_batchnorm(model)  # there is one process
        model = model.to(self.device).train()
        channels = model.backbone.in_channels
        images = torch.randn(self.batch, channels, *self.size)
        images = images.to(self.device)
        samples = draw_targets(model, images)

        def forward() -> Tensor:
            losses = model.loss(images, samples)
            total: Tensor = model.parse_losses(losses)[0]
            return total

        return Workload(
            model=model,
            forward=forward,
            flops_forward=forward,
            images=self.batch,
            device=torch.device(self.device),
            dtype=DTYPES[self.dtype],
            optimizer=make_optimizer(model, self.accumulates),
            trains=True,
            keeps_gradients=self.accumulates,
        )


def build_model(cfg: Config, size: tuple[int, int]) -> Any:
    """A config's network with tables of positions for ``size``, at random."""
    model = ConfigDict(cfg.model, _scope_=cfg.default_scope)
    model.backbone.img_size = size
    if isinstance(model.get('neck'), dict) and 'img_size' in model.neck:
        model.neck.img_size = size
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        return MODELS.build(model)


def default_size(cfg: Config) -> tuple[int, int]:
    """(height, width) that the backbone's tables are stored for."""
    size = cfg.model.backbone.get('img_size', 224)
    return (size, size) if isinstance(size, int) else tuple(size)


def read_recipes(args: argparse.Namespace) -> list[TrainRecipe]:
    """What a command line asks for: every config at every size.

    Raises:
        SettingError: For a config that does not train, or wrong numbers.
    """
    check_device(args.device)
    for flag, number, least in (
        ('--batch', args.batch, 1),
        ('--threads', args.threads, 1),
        ('--runs', args.runs, 0),
        ('--warmup', args.warmup, 0),
    ):
        if number is not None:
            check_at_least(least, flag, number)
    recipes = []
    for path in args.configs:
        if not Path(path).is_file():
            raise SettingError(f'there is no file {path}')
        cfg = Config.fromfile(path)
        if not cfg.get('train_dataloader'):
            raise SettingError(f'{path} trains nothing')
        wrapper = cfg.get('optim_wrapper', {})
        recipes += [
            TrainRecipe(
                path,
                size,
                batch=args.batch or cfg.train_dataloader.batch_size,
                dtype=args.dtype or read_dtype(wrapper, args.device),
                device=args.device,
                accumulates=wrapper.get('accumulative_counts', 1) > 1,
            )
            for size in args.sizes or [default_size(cfg)]
        ]
    return recipes


def read_dtype(wrapper: Mapping[str, Any], device: str) -> str:
    """The dtype in which a config's ``optim_wrapper`` trains.

    Raises:
        SettingError: If that is none of ``DTYPES``.
    """
    if 'Amp' not in str(wrapper.get('type')):
        return 'fp32'
    if device == 'cpu':
        return 'bf16'  # as `convmae-mm train` does
    dtype = wrapper.get('dtype')
    if dtype not in AMP_DTYPES:
        raise SettingError(
            f"optim_wrapper's dtype {dtype!r} must be one of "
            f'{list(AMP_DTYPES)}; give --dtype'
        )
    return AMP_DTYPES[dtype]


def measure_row(recipe: TrainRecipe, args: argparse.Namespace) -> list[str]:
    """The row of one recipe, as text, in the order of ``COLUMNS``.

    A step that does not fit says so in its row.
    """
    peak, seconds = NO_MEMORY, '-'
    try:
        peak = memory_cell(measure_memory(recipe))
        if args.runs:
            seconds = time_cell(measure_time(recipe, args))
    except (MeasurementError, torch.cuda.OutOfMemoryError) as error:
        print(f'{recipe.name}: {error}', file=sys.stderr)
    height, width = recipe.size
    return [
        recipe.name,
        f'{height} x {width}',
        str(recipe.batch),
        recipe.dtype,
        peak,
        seconds,
    ]


def measure_time(recipe: TrainRecipe, args: argparse.Namespace) -> Seconds:
    workload = recipe.build()
    for _ in range(args.warmup):
        workload.step()
    return Seconds(tuple(time_step(workload) for _ in range(args.runs)))


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('configs', nargs='+', metavar='CONFIG')
    parser.add_argument(
        '--sizes',
        type=lambda text: [parse_size(size) for size in text.split(',')],
        help='pixels, such as 512,768x1024 (height x width)',
    )
    parser.add_argument('--batch', type=int, help='pictures in a batch')
    parser.add_argument('--dtype', choices=DTYPES)
    parser.add_argument(
        '--runs', type=int, default=3, help='measured steps; 0: memory alone'
    )
    parser.add_argument(
        '--warmup', type=int, default=1, help='steps before those'
    )
    parser.add_argument('--device', default='cpu', help='cpu, cuda, cuda:1')
    parser.add_argument('--threads', type=int, help="default: torch's own")
    parser.add_argument(
        '--markdown', action='store_true', help='print rows for the docs'
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = make_parser()
    args = parser.parse_args(argv)
    try:
        recipes = read_recipes(args)
    except SettingError as error:
        parser.error(str(error))
    if args.threads:
        torch.set_num_threads(args.threads)
    rows = [measure_row(recipe, args) for recipe in recipes]
    title = f'Training steps\n{describe_machine(args.device)}'
    print_table(title, COLUMNS, rows, [MEMORY_NOTE], markdown=args.markdown)
    return 1 if any(NO_MEMORY in row for row in rows) else 0


if __name__ == '__main__':
    sys.exit(main())
