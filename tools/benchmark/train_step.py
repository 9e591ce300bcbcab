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
from _measure import Workload, make_optimizer
from _options import (
    add_model_options,
    check_numbers,
    make_parser,
    parse_size,
    run_and_report,
)
from _targets import draw_targets
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor

from convmae_mm.errors import ConfigError

DTYPES = {
    'fp32': torch.float32,
    'bf16': torch.bfloat16,
    'fp16': torch.float16,
}
# as mmengine's AmpOptimWrapper names them; without a name it is float16
AMP_DTYPES = {None: 'fp16', 'float16': 'fp16', 'bfloat16': 'bf16'}


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
    def labels(self) -> dict[str, str]:
        """The first cells of its row."""
        return {
            'config': Path(self.config).stem,
            'size, px': f'{self.size[0]} x {self.size[1]}',
            'batch': str(self.batch),
            'dtype': self.dtype,
        }

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
            images=self.batch,
            device=torch.device(self.device),
            dtype=DTYPES[self.dtype],
            optimizer=make_optimizer(model, self.accumulates),
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


def read_recipes(args: argparse.Namespace) -> list[TrainRecipe]:
    """What a command line asks for: every config at every size.

    Raises:
        ConfigError: For a config that does not train, or wrong numbers.
    """
    check_numbers(args)
    recipes = []
    for path in args.configs:
        if not Path(path).is_file():
            raise ConfigError(f'there is no file {path}')
        cfg = Config.fromfile(path)
        if not cfg.get('train_dataloader'):
            raise ConfigError(f'{path} trains nothing')
        wrapper = cfg.get('optim_wrapper', {})
        side = cfg.model.backbone.get('img_size', 224)
        recipes += [
            TrainRecipe(
                path,
                size,
                batch=args.batch or cfg.train_dataloader.batch_size,
                dtype=args.dtype or read_dtype(wrapper, args.device),
                device=args.device,
                accumulates=wrapper.get('accumulative_counts', 1) > 1,
            )
            for size in args.sizes or [parse_side(side)]
        ]
    return recipes


def parse_side(side: int | Sequence[int]) -> tuple[int, int]:
    """A config's ``img_size`` as (height, width)."""
    height, width = (side, side) if isinstance(side, int) else side
    return height, width


def read_dtype(wrapper: Mapping[str, Any], device: str) -> str:
    """The dtype in which a config's ``optim_wrapper`` trains.

    Raises:
        ConfigError: If that is none of ``DTYPES``.
    """
    if 'Amp' not in str(wrapper.get('type')):
        return 'fp32'
    if device == 'cpu':
        return 'bf16'  # as `convmae-mm train` does
    dtype = wrapper.get('dtype')
    if dtype not in AMP_DTYPES:
        raise ConfigError(
            f"optim_wrapper's dtype {dtype!r} must be one of "
            f'{list(AMP_DTYPES)}; give --dtype'
        )
    return AMP_DTYPES[dtype]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = make_parser(__doc__)
    add_model_options(parser)
    parser.add_argument('configs', nargs='+', metavar='CONFIG')
    parser.add_argument(
        '--sizes',
        type=lambda text: [parse_size(size) for size in text.split(',')],
        help='pixels, such as 512,768x1024 (height x width)',
    )
    parser.add_argument('--dtype', choices=DTYPES)
    args = parser.parse_args(argv)
    try:
        recipes = read_recipes(args)
    except ConfigError as error:
        parser.error(str(error))
    return run_and_report(recipes, args, 'Training steps')


if __name__ == '__main__':
    sys.exit(main())
