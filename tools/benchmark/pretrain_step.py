"""Measure a step of masked pretraining.

    python tools/benchmark/pretrain_step.py
    python tools/benchmark/pretrain_step.py --compare dense ours --batch 8
    python tools/benchmark/pretrain_step.py --compare dense ours \
        --num-masks 4 --batch 4
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
from mmpretrain.models import (
    MAE,
    MAEPretrainDecoder,
    MAEPretrainHead,
    MAEViT,
)
from reference import DecoderSize, DensePretrain
from torch import Tensor, nn

from convmae_mm.models.selfsup import ConvMAEPretrain
from convmae_mm.variants import resolve_mode

BASES = {
    'ours': 'convmae_mm: visible patches only',
    'dense': 'the algorithm as the paper states it: all positions computed',
    'mae': "mmpretrain's MAE, a ViT of the arch's stage-3 width, 12 blocks",
}

# mmpretrain's name of the ViT that is as large as each arch.
VIT_ARCHS = {'base': 'b', 'large': 'l', 'huge': 'h', 'small': 's'}
TINY_DECODER = DecoderSize(channels=16, depth=1, heads=2)
L2_ON_PIXELS = dict(
    type='PixelReconstructionLoss', criterion='L2', _scope_='mmpretrain'
)


@dataclass(frozen=True)
class PretrainRecipe:
    """One setting of this benchmark.

    Attributes:
        setting: What and how.
        options: Size, batch, device.
        num_masks: Complementary masks of each image.
        mask_ratio: Share of masked patches.
    """

    setting: Setting
    options: Options
    num_masks: int
    mask_ratio: float

    @property
    def name(self) -> str:
        """The setting's."""
        return self.setting.name

    @property
    def decoder(self) -> DecoderSize:
        """The paper's, or a tiny one."""
        return TINY_DECODER if self.options.arch == 'tiny' else DecoderSize()

    def build(self) -> Workload:
        """Make the model and one batch."""
        torch.manual_seed(0)
        images = self.options.draw_images()
        builders = {
            'ours': self._build_ours,
            'dense': self._build_dense,
            'mae': self._build_mae,
        }
        model = builders[self.setting.base]().to(self.options.device)
        length = self.options.size[0] * self.options.size[1] // 256
        noise = torch.rand(len(images), length, device=images.device)

        def forward() -> Tensor:
            if self.setting.base == 'ours':
                return model.run_masked(images, noise).loss
            if self.setting.base == 'dense':
                return model(images, noise)[1]
            return model.loss(images, [])['loss']

        return make_workload(model, forward, self.setting, self.options)

    def _build_ours(self) -> nn.Module:
        arch, decoder = find_arch(self.options.arch), self.decoder
        return ConvMAEPretrain(
            backbone=dict(
                type='convmae_mm.ConvMAE',
                arch=arch,
                img_size=self.options.size,
                with_cp=self.setting.cp,
            ),
            neck=dict(
                type='convmae_mm.ConvMAEPretrainDecoder',
                in_channels=arch.embed_dims,
                img_size=self.options.size,
                embed_dims=decoder.channels,
                depth=decoder.depth,
                num_heads=decoder.heads,
            ),
            head=dict(
                type='convmae_mm.ConvMAEPretrainHead', loss=L2_ON_PIXELS
            ),
            mask_ratio=self.mask_ratio,
            num_masks=self.num_masks,
        )

    def _build_dense(self) -> nn.Module:
        arch = find_arch(self.options.arch)
        return DensePretrain(
            arch,
            resolve_mode('plain', arch.depths[2]),
            self.options.size,
            self.decoder,
            self.mask_ratio,
            self.num_masks,
        )

    def _build_mae(self) -> nn.Module:
        """MAE from mmpretrain's classes; nothing is downloaded."""
        decoder = self.decoder
        vit: str | dict = VIT_ARCHS.get(self.options.arch, '')
        if self.options.arch == 'tiny':
            width, heads = find_arch('tiny').embed_dims[2], 2
            vit = dict(
                embed_dims=width,
                num_layers=3,
                num_heads=heads,
                feedforward_channels=2 * width,
            )
        backbone = MAEViT(
            arch=vit,
            img_size=self.options.size,
            patch_size=16,
            mask_ratio=self.mask_ratio,
        )
        return MAE(
            backbone=backbone,
            neck=MAEPretrainDecoder(
                num_patches=backbone.num_patches,
                patch_size=16,
                in_chans=3,
                embed_dim=backbone.embed_dims,
                decoder_embed_dim=decoder.channels,
                decoder_depth=decoder.depth,
                decoder_num_heads=decoder.heads,
            ),
            head=MAEPretrainHead(
                norm_pix=True, patch_size=16, loss=L2_ON_PIXELS
            ),
            data_preprocessor=dict(
                type='SelfSupDataPreprocessor', _scope_='mmpretrain'
            ),
        )


def check(recipe: PretrainRecipe) -> None:
    """Refuse what a setting cannot do.

    Raises:
        SettingError: Naming the options in the way.
    """
    setting, size = recipe.setting, recipe.options.size
    if setting.base != 'mae':
        return
    if recipe.num_masks != 1:
        raise SettingError(
            f'mae has one mask; leave --num-masks {recipe.num_masks} out'
        )
    if size[0] != size[1]:
        raise SettingError(
            f"mmpretrain's MAE takes square images, not {size[0]} x "
            f'{size[1]}; give --size one number'
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = make_parser(__doc__ or '', BASES, 'ours')
    parser.add_argument(
        '--num-masks', type=int, default=1, help='4 is FastConvMAE'
    )
    parser.add_argument('--mask-ratio', type=float, default=0.75)
    args = parser.parse_args(argv)
    try:
        recipes = _recipes(args)
        title = f'Pretraining, {recipes[0].options.describe()}'
        if args.num_masks > 1:
            title += f', {args.num_masks} masks'
        run_and_report(recipes, args, title)
    except (SettingError, MeasurementError) as error:
        parser.error(str(error))
    return 0


def _recipes(args: argparse.Namespace) -> list[PretrainRecipe]:
    options = read_options(args, size=224, batch=8)
    if not 0 < args.mask_ratio < 1:
        raise SettingError(
            f'--mask-ratio {args.mask_ratio} must lie between 0 and 1'
        )
    most = int(1 / (1 - args.mask_ratio) + 1e-9)
    if not 1 <= args.num_masks <= most:
        raise SettingError(
            f'--num-masks {args.num_masks} must lie in 1..{most} at '
            f'--mask-ratio {args.mask_ratio}'
        )
    recipes = [
        PretrainRecipe(setting, options, args.num_masks, args.mask_ratio)
        for setting in read_settings(args, BASES, ['ours'])
    ]
    for recipe in recipes:
        check(recipe)
    return recipes


if __name__ == '__main__':
    sys.exit(main())
