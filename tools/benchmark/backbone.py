"""Measure the backbone as a detector, segmentor or classifier runs it.

python tools/benchmark/backbone.py --mode mimdet --size 1024 --batch 1
python tools/benchmark/backbone.py --mode vitdet --compare dense ours
python tools/benchmark/backbone.py --mode seg --size 512 --batch 2 --forward
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch
from _measure import Workload
from _options import (
    Setting,
    add_setting_options,
    describe,
    make_parser,
    read_settings,
    run_and_report,
)
from dense_reference import DenseConvMAE
from torch import Tensor

from convmae_mm.errors import ConfigError
from convmae_mm.models.backbones.convmae import ConvMAE
from convmae_mm.variants import mode_zoo, resolve_arch, resolve_mode

BASES = {
    'ours': 'convmae_mm',
    'dense': 'the same network with its attention logits and biases written '
    'out, in (B, C, h, w)',
}
NOTES = ('Loss: the sum of the mean squares of the outputs.',)
# What the modes were made for: pixels a side, images in a batch.
USUAL = {'plain': (224, 8), 'seg': (512, 2)}
DETECTION = (1024, 1)


class BackboneRecipe(Setting):
    """One setting of this benchmark."""

    @property
    def windows(self) -> tuple[int, ...] | None:
        """Window blocks, if the arch has no room for the mode's own."""
        depth = resolve_arch(self.args.arch).depths[2]
        usual = mode_zoo[self.args.mode].window_block_indexes
        if not usual or max(usual) < depth:
            return None
        return tuple(index for index in usual if index < depth)

    def build(self) -> Workload:
        """Make the backbone and one batch."""
        torch.manual_seed(0)
        args, images = self.args, self.draw_images()
        if self.base == 'ours':
            model: torch.nn.Module = ConvMAE(
                arch=args.arch,
                mode=args.mode,
                img_size=args.size,
                window_block_indexes=self.windows,
                with_cp='cp' in self.mods,
            )
        else:
            arch = resolve_arch(args.arch)
            mode = resolve_mode(
                args.mode, arch.depths[2], window_block_indexes=self.windows
            )
            model = DenseConvMAE(arch, mode, args.size)
        model = model.to(args.device)

        def forward() -> Tensor:
            means = [output.square().mean() for output in model(images)]
            return torch.stack(means).sum()

        return self.make_workload(model, forward)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = make_parser(__doc__, BASES)
    add_setting_options(parser)
    parser.add_argument('--mode', choices=mode_zoo, default='plain')
    args = parser.parse_args(argv)
    side, batch = USUAL.get(args.mode, DETECTION)
    try:
        settings = read_settings(args, list(BASES), (side, side), batch)
    except ConfigError as error:
        parser.error(str(error))
    recipes = [BackboneRecipe(**vars(setting)) for setting in settings]
    title = f'Backbone, mode {args.mode}, {describe(args)}'
    return run_and_report(recipes, args, title, NOTES)


if __name__ == '__main__':
    sys.exit(main())
