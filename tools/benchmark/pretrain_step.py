"""Measure a step of masked pretraining.

    python tools/benchmark/pretrain_step.py
    python tools/benchmark/pretrain_step.py --compare dense ours --batch 8
    python tools/benchmark/pretrain_step.py --compare dense ours \
        --num-masks 4 --batch 4
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

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
from dense_reference import DecoderSize, DensePretrain
from mmpretrain.models import (
    MAE,
    MAEPretrainDecoder,
    MAEPretrainHead,
    MAEViT,
)
from torch import Tensor

from convmae_mm.errors import ConfigError
from convmae_mm.models.selfsup import ConvMAEPretrain
from convmae_mm.variants import PATCH_SIZE, resolve_arch, resolve_mode

BASES = {
    'ours': 'convmae_mm: visible patches only',
    'dense': 'the algorithm as the paper states it: all positions computed',
    'mae': "mmpretrain's MAE, a ViT of the arch's stage-3 width, 12 blocks",
}
# mmpretrain's name of the ViT that is as large as each arch.
VIT_ARCHS = {
    'tiny': 'deit-tiny',
    'small': 'small',
    'base': 'base',
    'large': 'large',
    'huge': 'huge',
}
L2_ON_PIXELS = dict(
    type='PixelReconstructionLoss', criterion='L2', _scope_='mmpretrain'
)


class PretrainRecipe(Setting):
    """One setting of this benchmark."""

    @property
    def decoder(self) -> DecoderSize:
        """The paper's, or that of the quick start."""
        if self.args.arch == 'tiny':
            return DecoderSize(channels=128, depth=2, heads=4)
        return DecoderSize()

    def build(self) -> Workload:
        """Make the model and one batch."""
        torch.manual_seed(0)
        images = self.draw_images()
        builders = {
            'ours': self._build_ours,
            'dense': self._build_dense,
            'mae': self._build_mae,
        }
        model = builders[self.base]().to(self.args.device)
        length = images[0, 0].numel() // PATCH_SIZE**2
        noise = torch.rand(len(images), length, device=images.device)

        def forward() -> Tensor:
            if self.base == 'ours':
                return model.run_masked(images, noise).loss
            if self.base == 'dense':
                return model(images, noise)[1]
            return model.loss(images, [])['loss']

        return self.make_workload(model, forward)

    def _build_ours(self) -> Any:
        args, decoder = self.args, self.decoder
        return ConvMAEPretrain(
            backbone=dict(
                type='convmae_mm.ConvMAE',
                arch=args.arch,
                img_size=args.size,
                with_cp='cp' in self.mods,
            ),
            neck=dict(
                type='convmae_mm.ConvMAEPretrainDecoder',
                embed_dims=decoder.channels,
                depth=decoder.depth,
                num_heads=decoder.heads,
            ),
            head=dict(
                type='convmae_mm.ConvMAEPretrainHead', loss=L2_ON_PIXELS
            ),
            mask_ratio=args.mask_ratio,
            num_masks=args.num_masks,
        )

    def _build_dense(self) -> Any:
        arch, args = resolve_arch(self.args.arch), self.args
        return DensePretrain(
            arch,
            resolve_mode('plain', arch.depths[2]),
            args.size,
            self.decoder,
            mask_ratio=args.mask_ratio,
            num_masks=args.num_masks,
        )

    def _build_mae(self) -> Any:
        """MAE from mmpretrain's classes; nothing is downloaded."""
        backbone = MAEViT(
            arch=VIT_ARCHS[self.args.arch],
            img_size=self.args.size,
            patch_size=PATCH_SIZE,
            mask_ratio=self.args.mask_ratio,
        )
        return MAE(
            backbone=backbone,
            neck=MAEPretrainDecoder(
                num_patches=backbone.num_patches,
                patch_size=PATCH_SIZE,
                in_chans=3,
                embed_dim=backbone.embed_dims,
                decoder_embed_dim=self.decoder.channels,
                decoder_depth=self.decoder.depth,
                decoder_num_heads=self.decoder.heads,
            ),
            head=MAEPretrainHead(
                norm_pix=True, patch_size=PATCH_SIZE, loss=L2_ON_PIXELS
            ),
            data_preprocessor=dict(
                type='SelfSupDataPreprocessor', _scope_='mmpretrain'
            ),
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = make_parser(__doc__, BASES)
    add_setting_options(parser)
    parser.add_argument(
        '--num-masks', type=int, default=1, help='4 is FastConvMAE'
    )
    parser.add_argument('--mask-ratio', type=float, default=0.75)
    args = parser.parse_args(argv)
    try:
        settings = read_settings(args, list(BASES), (224, 224), 8)
        check_masks(settings)
    except ConfigError as error:
        parser.error(str(error))
    recipes = [PretrainRecipe(**vars(setting)) for setting in settings]
    title = f'Pretraining, {describe(args)}'
    if args.num_masks > 1:
        title += f', {args.num_masks} masks'
    return run_and_report(recipes, args, title)


def check_masks(settings: Sequence[Setting]) -> None:
    """Refuse masks that cannot be, and what mmpretrain's MAE cannot do.

    Raises:
        ConfigError: Naming the options in the way.
    """
    args = settings[0].args
    if not 0 < args.mask_ratio < 1:
        raise ConfigError(
            f'--mask-ratio {args.mask_ratio} must lie between 0 and 1'
        )
    most = int(1 / (1 - args.mask_ratio) + 1e-9)
    if not 1 <= args.num_masks <= most:
        raise ConfigError(
            f'--num-masks {args.num_masks} must lie in 1..{most} at '
            f'--mask-ratio {args.mask_ratio}'
        )
    if all(setting.base != 'mae' for setting in settings):
        return
    if args.num_masks != 1:
        raise ConfigError(
            f'mae has one mask; leave --num-masks {args.num_masks} out'
        )
    height, width = args.size
    if height != width:
        raise ConfigError(
            f"mmpretrain's MAE takes square images, not {height} x {width}; "
            'give --size one number'
        )


if __name__ == '__main__':
    sys.exit(main())
