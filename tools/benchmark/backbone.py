"""Measure the backbone as a detector, segmentor or classifier runs it.

python tools/benchmark/backbone.py --mode mimdet --size 1024 --batch 1
python tools/benchmark/backbone.py --mode vitdet --compare dense ours
python tools/benchmark/backbone.py --mode seg --size 512 --batch 2 --forward
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from _measure import MeasurementError, Workload
from _options import (
    Options,
    find_arch,
    make_parser,
    make_workload,
    read_options,
    read_settings,
    run_and_report,
)
from _settings import Setting, SettingError
from reference import DenseConvMAE
from torch import Tensor

from convmae_mm.models.backbones.convmae import ConvMAE
from convmae_mm.variants import Mode, mode_zoo, resolve_mode

BASES = {
    'ours': 'convmae_mm',
    'dense': 'the same network with its attention logits and biases written '
    'out, in (B, C, h, w)',
}
NOTES = ('Loss: the sum of the mean squares of the outputs.',)
# What each mode was made for: pixels a side, images in a batch.
USUAL = {
    'plain': (224, 8),
    'detection': (1024, 1),
    'mimdet': (1024, 1),
    'vitdet': (1024, 1),
    'seg': (512, 2),
}


@dataclass(frozen=True)
class BackboneRecipe:
    """One setting of this benchmark.

    Attributes:
        setting: What and how.
        options: Size, batch, device.
        mode: Name in ``mode_zoo``.
    """

    setting: Setting
    options: Options
    mode: str

    @property
    def name(self) -> str:
        """The setting's."""
        return self.setting.name

    @property
    def windows(self) -> tuple[int, ...] | None:
        """Window blocks, if the arch has no room for the mode's own."""
        depth = find_arch(self.options.arch).depths[2]
        usual = mode_zoo[self.mode].window_block_indexes
        if not usual or max(usual) < depth:
            return None
        return tuple(index for index in usual if index < depth)

    def build(self) -> Workload:
        """Make the backbone and one batch."""
        torch.manual_seed(0)
        images = self.options.draw_images()
        arch = find_arch(self.options.arch)
        if self.setting.base == 'ours':
            model: torch.nn.Module = ConvMAE(
                arch=arch,
                mode=self.mode,
                img_size=self.options.size,
                window_block_indexes=self.windows,
                with_cp=self.setting.cp,
            )
        else:
            row: Mode = resolve_mode(
                self.mode, arch.depths[2], window_block_indexes=self.windows
            )
            model = DenseConvMAE(arch, row, self.options.size)
        model = model.to(self.options.device)

        def forward() -> Tensor:
            means = [output.square().mean() for output in model(images)]
            return torch.stack(means).sum()

        return make_workload(model, forward, self.setting, self.options)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = make_parser(__doc__ or '', BASES, 'ours')
    parser.add_argument('--mode', choices=USUAL, default='plain')
    args = parser.parse_args(argv)
    try:
        recipes = _recipes(args)
        title = f'Backbone, mode {args.mode}, {recipes[0].options.describe()}'
        run_and_report(recipes, args, title, NOTES)
    except (SettingError, MeasurementError) as error:
        parser.error(str(error))
    return 0


def _recipes(args: argparse.Namespace) -> list[BackboneRecipe]:
    size, batch = USUAL[args.mode]
    options = read_options(args, size, batch)
    return [
        BackboneRecipe(setting, options, args.mode)
        for setting in read_settings(args, BASES, ['ours'])
    ]


if __name__ == '__main__':
    sys.exit(main())
