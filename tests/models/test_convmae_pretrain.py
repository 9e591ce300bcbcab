from __future__ import annotations

import math

import pytest
import torch
from mmengine.registry import DefaultScope
from torch import Tensor

from convmae_mm.models.backbones.convmae import VisibleFeatures
from convmae_mm.models.selfsup import ConvMAEPretrain
from convmae_mm.ops.patches import gather_patches

DIMS = (8, 12, 16)
SIZES = [(224, 224), (160, 288)]
RATIOS = [0.5, 0.9]


def build(
    mask_ratio: float = 0.75,
    norm_pix: bool = True,
    out_channels: int = 3,
    **backbone,
) -> ConvMAEPretrain:
    torch.manual_seed(0)
    return ConvMAEPretrain(
        backbone=dict(
            type='convmae_mm.ConvMAE',
            arch=dict(
                embed_dims=DIMS,
                depths=(1, 1, 2),
                num_heads=2,
                mlp_ratios=(2, 2, 2),
            ),
            **backbone,
        ),
        neck=dict(
            type='convmae_mm.ConvMAEPretrainDecoder',
            in_channels=DIMS,
            embed_dims=16,
            depth=1,
            num_heads=2,
            out_channels=out_channels,
        ),
        head=dict(
            type='convmae_mm.ConvMAEPretrainHead',
            norm_pix=norm_pix,
            in_channels=out_channels,
            loss=dict(type='PixelReconstructionLoss', criterion='L2'),
        ),
        mask_ratio=mask_ratio,
    ).eval()


def draw(size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Two images and the noise that masks them."""
    generator = torch.Generator().manual_seed(1)
    length = size[0] * size[1] // 256
    return (
        torch.randn(2, 3, *size, generator=generator),
        torch.rand(2, length, generator=generator),
    )


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('ratio', RATIOS)
def test_masked_pixels_do_not_leak(
    size: tuple[int, int], ratio: float
) -> None:
    model = build(ratio)
    images, noise = draw(size)
    before = model.run_masked(images, noise)
    masked = model._enlarge_mask(before.mask, (size[0] // 16, size[1] // 16))
    changed = torch.where(masked, torch.full_like(images, 1e4), images)
    after = model.run_masked(changed, noise)
    assert torch.equal(before.latent, after.latent)
    assert torch.equal(before.pred, after.pred)
    assert before.loss != after.loss


@pytest.mark.parametrize('size', SIZES)
def test_all_visible_gives_what_forward_gives(size: tuple[int, int]) -> None:
    model = build(0.0).double()
    images, noise = (tensor.double() for tensor in draw(size))
    output = model.run_masked(images, noise)
    assert not output.mask.any()
    assert output.loss.isnan()
    e1, e2, e3, _ = model.backbone(images)
    ids = noise.argsort(dim=1)

    def cut(features: Tensor, cells: int) -> Tensor:
        return gather_patches(features.permute(0, 2, 3, 1), ids, cells)

    whole = VisibleFeatures(cut(e1, 4), cut(e2, 2), cut(e3, 1).flatten(2))
    assert torch.allclose(output.latent, model.neck.fuse(whole), atol=1e-10)


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('ratio', RATIOS)
@pytest.mark.parametrize('norm_pix', [False, True])
def test_loss_is_the_error_on_masked_patches(
    size: tuple[int, int], ratio: float, norm_pix: bool
) -> None:
    model = build(ratio, norm_pix)
    images, noise = draw(size)
    output = model.run_masked(images, noise)
    length = noise.shape[1]
    assert output.latent.shape == (2, int(length * (1 - ratio)), 16)
    assert output.pred.shape == (2, length, 768)
    total, width = 0.0, size[1] // 16
    for image, patch in output.mask.nonzero().tolist():
        top, left = patch // width * 16, patch % width * 16
        target = images[image, :, top : top + 16, left : left + 16]
        target = target.permute(1, 2, 0).flatten()
        if norm_pix:
            target = (target - target.mean()) / (target.var() + 1e-6).sqrt()
        total += (output.pred[image, patch] - target).square().mean().item()
    expected = total / output.mask.sum().item()
    assert output.loss.item() == pytest.approx(expected, rel=1e-5)


def test_noise_fixes_the_mask_and_its_absence_draws_one() -> None:
    model = build()
    images, noise = draw((224, 224))
    first, second = (model.run_masked(images, noise) for _ in range(2))
    assert torch.equal(first.mask, second.mask)
    drawn = [model.run_masked(images).mask for _ in range(2)]
    assert not torch.equal(*drawn)
    assert (drawn[0].sum(1) == 196 - 49).all()


def test_every_trained_parameter_gets_a_gradient() -> None:
    model = build().train()
    images, _ = draw((160, 288))
    model.loss(images)['loss'].backward()
    frozen = set()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad.abs().sum() > 0, name
        else:
            frozen.add(name)
    assert frozen == {'backbone.pos_embed', 'neck.pos_embed'}


@pytest.mark.parametrize('norm_pix', [False, True])
def test_a_perfect_prediction_gives_the_picture_back(norm_pix: bool) -> None:
    model = build(norm_pix=norm_pix)
    images, _ = draw((160, 288))
    target = model.head.construct_target(images)
    restored = model.head.restore_pixels(target, images)
    assert torch.allclose(restored, images, atol=1e-4)


def test_reconstruction_panels() -> None:
    model = build()
    images, noise = draw((160, 288))
    panels = model.reconstruct_panels(images, noise)
    assert torch.equal(panels.reconstructed, model.reconstruct(images, noise))
    assert panels.reconstructed.shape == images.shape
    masked = model._enlarge_mask(panels.mask, (10, 18)).expand_as(images)
    assert (panels.masked[masked] == 0).all()
    assert torch.equal(panels.masked[~masked], images[~masked])
    assert torch.equal(panels.pasted[~masked], images[~masked])
    assert torch.equal(panels.pasted[masked], panels.reconstructed[masked])


def test_other_channel_counts() -> None:
    model = build(in_channels=5, out_channels=5)
    images = torch.randn(1, 5, 64, 64)
    assert model.run_masked(images).pred.shape == (1, 16, 1280)
    assert model.reconstruct(images).shape == images.shape


def test_published_size() -> None:
    with torch.device('meta'):
        model = ConvMAEPretrain(
            backbone=dict(type='convmae_mm.ConvMAE'),
            neck=dict(type='convmae_mm.ConvMAEPretrainDecoder'),
            head=dict(
                type='convmae_mm.ConvMAEPretrainHead',
                loss=dict(type='PixelReconstructionLoss', criterion='L2'),
            ),
        )
    count = sum(p.numel() for p in model.parameters())
    assert math.isclose(count / 1e6, 115.04, abs_tol=0.005)


def test_builds_in_another_default_scope() -> None:
    """As after mmdet or mmseg has built something in the same process."""
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = build()
    assert type(model.data_preprocessor).__name__ == 'SelfSupDataPreprocessor'


def test_the_config_is_left_alone() -> None:
    preprocessor = dict(mean=[0.0], std=[1.0])
    ConvMAEPretrain(
        backbone=dict(type='convmae_mm.ConvMAE', arch='small'),
        neck=dict(
            type='convmae_mm.ConvMAEPretrainDecoder',
            in_channels=(128, 256, 384),
            depth=1,
        ),
        head=dict(
            type='convmae_mm.ConvMAEPretrainHead',
            loss=dict(type='PixelReconstructionLoss', criterion='L2'),
        ),
        data_preprocessor=preprocessor,
    )
    assert preprocessor == dict(mean=[0.0], std=[1.0])


def test_wrong_inputs() -> None:
    model = build()
    images, noise = draw((224, 224))
    with pytest.raises(ValueError, match=r'noise of shape \(2, 195\)'):
        model.run_masked(images, noise[:, 1:])
    with pytest.raises(ValueError, match='220 x 224 pixels'):
        model.run_masked(images[:, :, 4:], noise)
    with pytest.raises(ValueError, match=r'\(2, 1, 224, 224\).*\(B, 3,'):
        model.run_masked(images[:, :1], noise)
    with pytest.raises(ValueError, match=r'mask_ratio=1\.0'):
        build(1.0)
    with pytest.raises(ValueError, match='masks none of 196 patches'):
        build(0.0).loss(images)
    with pytest.raises(ValueError, match="mode='detection'"):
        build(mode='detection', window_block_indexes=(0,)).run_masked(images)


def test_complementary_masks_are_runs_of_their_own() -> None:
    """Four masks in one step give what four steps give."""
    images, noise = draw((160, 288))
    model = build(mask_ratio=0.75).double()
    model.num_masks = 4
    together = model.run_masked(images.double(), noise.double())
    assert (~together.mask).reshape(4, 2, -1).sum(0).eq(1).all()
    model.num_masks = 1
    visible = together.latent.shape[1]
    ranks = noise.argsort(1).argsort(1).double()
    losses = []
    for index in range(4):
        rotated = (ranks - index * visible) % ranks.shape[1]
        alone = model.run_masked(images.double(), rotated)
        rows = slice(2 * index, 2 * index + 2)
        assert torch.allclose(together.latent[rows], alone.latent)
        assert torch.allclose(together.pred[rows], alone.pred)
        assert torch.equal(together.mask[rows], alone.mask)
        losses.append(alone.loss)
    assert torch.allclose(together.loss, torch.stack(losses).mean())


def test_reconstruction_shows_one_mask() -> None:
    model = build()
    model.num_masks = 4
    images, noise = draw((64, 64))
    panels = model.reconstruct_panels(images, noise)
    assert panels.pasted.shape == images.shape
    assert panels.mask.sum(1).tolist() == [12, 12]


@pytest.mark.parametrize(('ratio', 'masks'), [(0.75, 5), (0.5, 3), (0.75, 0)])
def test_masks_that_would_overlap_are_refused(
    ratio: float, masks: int
) -> None:
    base = build()
    with pytest.raises(ValueError, match=f'num_masks={masks}'):
        ConvMAEPretrain(
            backbone=base.backbone,
            neck=base.neck,
            head=base.head,
            mask_ratio=ratio,
            num_masks=masks,
        )


def test_decoder_checkpointing_changes_no_gradient() -> None:
    images, noise = draw((64, 64))
    gradients = []
    for with_cp in (False, True):
        model = build().double()
        model.neck.with_cp = with_cp
        model.run_masked(images.double(), noise.double()).loss.backward()
        gradients.append([p.grad for p in model.neck.parameters()])
    for ours, theirs in zip(*gradients, strict=True):
        assert ours is theirs is None or torch.allclose(ours, theirs)


@pytest.mark.slow
def test_the_step_compiles_without_a_break_in_the_blocks() -> None:
    # other tests' graphs of the same code count towards torch's limit
    torch._dynamo.reset()
    images, noise = draw((64, 64))
    results = []
    for compiled in (False, True):
        model = build().double()
        if compiled:
            for block in (
                *model.backbone.blocks1,
                *model.backbone.blocks2,
                *model.backbone.blocks3,
                *model.neck.blocks,
            ):
                block.compile(fullgraph=True, backend='aot_eager')
        output = model.run_masked(images.double(), noise.double())
        output.loss.backward()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        results.append([output.pred, output.loss, *grads])
    for eager, fast in zip(*results, strict=True):
        assert torch.allclose(eager, fast, atol=1e-9)
