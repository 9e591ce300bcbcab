from __future__ import annotations

import math

import pytest
import torch

from convmae_mm import ConvMAE
from convmae_mm.errors import ConfigError, DataError
from convmae_mm.ops.positions import build_sincos_positions
from convmae_mm.variants import arch_zoo, mode_zoo

TINY = dict(
    embed_dims=(8, 12, 16), depths=(1, 1, 11), num_heads=2, mlp_ratios=(2,) * 3
)
SIZES = [(333, 500), (64, 64), (17, 200), (1, 1)]


def build(**settings) -> ConvMAE:
    """A tiny network whose relative positions and scales matter."""
    torch.manual_seed(0)
    backbone = ConvMAE(**{'arch': TINY, 'img_size': 64, **settings})
    for name, parameter in backbone.named_parameters():
        if 'rel_pos.' in name:
            torch.nn.init.normal_(parameter)
        if '.scale' in name:
            torch.nn.init.uniform_(parameter)
    return backbone.eval()


def all_maps(mode: str) -> dict:
    """Settings that return every map of a mode."""
    return dict(mode=mode, out_indices=range(mode_zoo[mode].num_maps))


@pytest.mark.parametrize('mode', mode_zoo)
@pytest.mark.parametrize('size', SIZES)
def test_four_strides_at_any_size(mode: str, size: tuple[int, int]) -> None:
    backbone = build(**all_maps(mode))
    maps = backbone(torch.randn(2, 3, *size))
    assert len(maps) == (3 if mode == 'vitdet' else 4)
    info = backbone.feature_info
    for features, channels, stride in zip(
        maps, info.channels(), info.reduction(), strict=True
    ):
        expected = [math.ceil(side / stride) for side in size]
        if mode == 'seg' and stride == 32:
            # a 3 x 3 convolution of stride 2 that does not pad
            expected = [max(1, (math.ceil(x / 16) - 1) // 2) for x in size]
        assert features.shape == (2, channels, *expected)
        assert features.isfinite().all()


@pytest.mark.slow
@pytest.mark.parametrize('size', [(333, 500), (608, 800), (1024, 1024)])
def test_detection_mode_trains_at_detection_sizes(
    size: tuple[int, int],
) -> None:
    backbone = build(mode='detection').train()
    maps = backbone(torch.randn(1, 3, *size))
    sum(features.square().mean() for features in maps).backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize('mode', mode_zoo)
def test_every_parameter_gets_a_gradient(mode: str) -> None:
    backbone = build(**all_maps(mode)).train()
    maps = backbone(torch.randn(2, 3, 64, 96))
    sum(features.square().mean() for features in maps).backward()
    for name, parameter in backbone.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize('mode', mode_zoo)
def test_images_of_a_batch_do_not_mix(mode: str) -> None:
    backbone = build(**all_maps(mode)).double()
    images = torch.randn(3, 3, 80, 176, dtype=torch.float64)
    together = backbone(images)
    for index in range(3):
        alone = backbone(images[index : index + 1])
        for of_all, of_one in zip(together, alone, strict=True):
            assert torch.allclose(of_all[index : index + 1], of_one)


def test_padding_changes_nothing_but_the_border() -> None:
    """An image padded by hand gives what padding inside gives."""
    backbone = build(mode='detection')
    images = torch.randn(1, 3, 50, 70)
    by_hand = torch.nn.functional.pad(images, (0, 10, 0, 14))
    for inside, outside in zip(
        backbone(images), backbone(by_hand), strict=True
    ):
        height, width = inside.shape[2:]
        assert torch.equal(inside, outside[:, :, :height, :width])


def test_plain_and_detection_agree_on_one_window() -> None:
    """With fresh tables and a grid inside one window, modes agree."""
    torch.manual_seed(0)
    plain = ConvMAE(TINY, img_size=112).eval()
    detection = ConvMAE(TINY, mode='detection', img_size=112).eval()
    missing = detection.load_state_dict(plain.state_dict(), strict=False)
    assert missing.missing_keys == [
        'window_rel_pos.table',
        'global_rel_pos.table',
    ]
    images = torch.randn(1, 3, 112, 112)
    # blocks with shift 3 would cut the 7 x 7 grid: no windows, and one
    for indexes in ((), (0,)):
        detection = ConvMAE(
            TINY,
            mode='detection',
            img_size=112,
            window_block_indexes=indexes,
        ).eval()
        detection.load_state_dict(plain.state_dict(), strict=False)
        for ours, theirs in zip(plain(images), detection(images), strict=True):
            assert torch.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize('mode', mode_zoo)
def test_plain_weights_begin_every_mode(mode: str) -> None:
    """What a mode adds changes no feature until it is trained.

    But for the eps of its norms, and for attending in windows.
    """
    torch.manual_seed(0)
    plain = ConvMAE(TINY, img_size=64).eval()
    windows = mode_zoo[mode].window_block_indexes
    other = ConvMAE(
        TINY,
        mode=mode,
        img_size=64,
        out_indices=(0, 1, 2),
        window_block_indexes=() if windows else None,
    ).eval()
    result = other.load_state_dict(plain.state_dict(), strict=False)
    assert not result.unexpected_keys
    assert all(
        'rel_pos' in name or '.scale' in name for name in result.missing_keys
    )
    images = torch.randn(1, 3, 64, 64)
    for ours, theirs in zip(plain(images)[:3], other(images), strict=True):
        assert torch.allclose(ours, theirs, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize('mode', ['mimdet', 'vitdet'])
def test_window_size_replaces_the_modes_own(mode: str) -> None:
    images = torch.randn(1, 3, 96, 96)
    narrow = build(mode=mode, window_size=3, out_indices=(2,))
    assert narrow(images)[0].shape == (1, 16, 6, 6)
    tables = [narrow.window_rel_pos, narrow.blocks3[2].attn.rel_pos]
    assert {getattr(table, 'grid', None) for table in tables} == {None, (3, 3)}


def test_padding_of_windows_is_a_key_in_vitdet_alone() -> None:
    """A window of padding dilutes attention where padding is a key."""
    for mode, differs in (('vitdet', True), ('mimdet', False)):
        outputs = []
        for side in (4, 5):  # one window of 4 x 4 tokens, or padded to 5 x 5
            torch.manual_seed(0)
            backbone = ConvMAE(
                {**TINY, 'depths': (1, 1, 1)},
                mode=mode,
                img_size=64,
                window_size=side,
                window_block_indexes=(0,),
                out_indices=(2,),
            ).eval()
            outputs.append(backbone(torch.ones(1, 3, 64, 64))[0])
        assert torch.allclose(*outputs, atol=1e-6) != differs


def test_windows_bound_the_attention() -> None:
    """With windows everywhere, a far change does not reach a token."""
    backbone = build(
        arch={**TINY, 'depths': (1, 1, 2)},
        mode='detection',
        window_block_indexes=(0, 1),
        out_indices=(2,),
    )
    assert backbone.global_rel_pos is None
    images = torch.randn(1, 3, 64, 16 * 28)
    changed = images.clone()
    changed[..., -16:] += 1
    (before,), (after,) = backbone(images), backbone(changed)
    moved = (before != after).any(1).any(1)[0].nonzero().flatten()
    # columns 24..27 by window and shift, one more by the convolutions
    assert moved.min() >= 16
    assert 27 in moved


@pytest.mark.parametrize('with_cp', [True, (1, 2), (3,)])
@pytest.mark.parametrize('mode', mode_zoo)
def test_checkpointing_changes_no_gradient(
    mode: str, with_cp: bool | tuple[int, ...]
) -> None:
    # two images: BatchNorm of one value has no gradient
    images = torch.randn(2, 3, 64, 80)
    gradients = []
    for recompute in (False, with_cp):
        backbone = build(**all_maps(mode), with_cp=recompute).double().train()
        maps = backbone(images.double())
        sum(features.square().mean() for features in maps).backward()
        gradients.append([p.grad for p in backbone.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        assert torch.allclose(plain, recomputed)


def test_out_indices_choose() -> None:
    images = torch.randn(1, 3, 64, 64)
    every = build()(images)
    chosen = build(out_indices=(2, 0))(images)
    assert torch.equal(chosen[0], every[2])
    assert torch.equal(chosen[1], every[0])
    assert len(chosen) == 2
    for last in (3, -1, (-1,), [3]):
        (only,) = build(out_indices=last)(images)
        assert torch.equal(only, every[3])
    assert build(mode='vitdet', out_indices=-1).out_indices == (2,)


def test_feature_info_speaks_of_what_is_returned() -> None:
    info = build(out_indices=(3, 0)).feature_info
    assert info.channels() == [16, 8]
    assert info.reduction() == [32, 4]
    assert info.channels([1, 2]) == [12, 16]
    assert info.reduction(1) == [8]


def test_a_pyramid_of_torchvision_takes_its_channels() -> None:
    from torchvision.ops import FeaturePyramidNetwork

    backbone = build()
    pyramid = FeaturePyramidNetwork(backbone.feature_info.channels(), 6)
    maps = backbone(torch.randn(1, 3, 64, 96))
    levels = pyramid(dict(zip('0123', maps, strict=True)))
    assert [x.shape[1:] for x in levels.values()] == [
        (6, 16, 24),
        (6, 8, 12),
        (6, 4, 6),
        (6, 2, 3),
    ]


def test_features_are_extracted_by_torchvision() -> None:
    from torchvision.models.feature_extraction import (
        create_feature_extractor,
    )

    backbone = build()
    nodes = {'blocks1.0': 'inner', 'crop_to_picture_3': 'e4'}
    extractor = create_feature_extractor(backbone, nodes)
    for size in ((1, 3, 64, 64), (2, 3, 70, 96)):
        images = torch.randn(size)
        features = extractor(images)
        assert torch.equal(features['e4'], backbone(images)[3])
        e1 = features['inner'].permute(0, 3, 1, 2)
        height, width = backbone(images)[0].shape[2:]
        assert torch.equal(e1[:, :, :height, :width], backbone(images)[0])


@pytest.mark.parametrize('mode', mode_zoo)
def test_an_empty_batch_has_empty_maps(mode: str) -> None:
    backbone = build(**all_maps(mode))
    maps = backbone(torch.zeros(0, 3, 70, 96))
    full = backbone(torch.zeros(1, 3, 70, 96))
    for empty, one in zip(maps, full, strict=True):
        assert empty.shape == (0, *one.shape[1:])


@pytest.mark.parametrize('mode', mode_zoo)
def test_exports_with_a_free_batch(mode: str) -> None:
    backbone = build(**all_maps(mode))
    batch = torch.export.Dim('batch', min=2, max=64)
    program = torch.export.export(
        backbone,
        (torch.randn(2, 3, 70, 96),),
        dynamic_shapes=({0: batch},),
    )
    images = torch.randn(3, 3, 70, 96)
    exported = program.module()(images)
    for ours, theirs in zip(exported, backbone(images), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(
    ('stages', 'trained'),
    [
        (0, ('blocks1', 'patch_embed2', 'blocks3', 'pos_embed')),
        (1, ('patch_embed2', 'blocks2', 'blocks3', 'pos_embed')),
        (2, ('patch_embed3', 'blocks3', 'pos_embed', 'global_rel_pos')),
        (3, ()),
    ],
)
def test_frozen_stages(stages: int, trained: tuple[str, ...]) -> None:
    backbone = build(
        mode='detection', frozen_stages=stages, drop_path_rate=0.5
    ).train()
    learning = {
        name.split('.')[0]
        for name, parameter in backbone.named_parameters()
        if parameter.requires_grad
    }
    assert set(trained) <= learning
    assert 'patch_embed1' not in learning
    assert bool(learning) == bool(trained)
    assert not backbone.patch_embed1.training
    assert backbone.blocks3.training == (stages < 3)
    if stages == 3:
        images = torch.randn(1, 3, 64, 64)
        assert torch.equal(backbone(images)[2], backbone(images)[2])


def test_drop_path_grows_with_depth() -> None:
    backbone = build(drop_path_rate=0.3)
    blocks = [*backbone.blocks1, *backbone.blocks2, *backbone.blocks3]
    rates = [block.drop_path.drop_prob for block in blocks]
    assert rates == pytest.approx(torch.linspace(0, 0.3, 13).tolist())


def test_other_channel_counts() -> None:
    maps = build(in_channels=5)(torch.randn(1, 5, 32, 32))
    assert maps[0].shape == (1, 8, 8, 8)


@pytest.mark.parametrize(
    ('arch', 'millions'),
    [('small', 22.33), ('base', 85.37), ('large', 322.98), ('huge', 680.74)],
)
def test_parameters_of_the_published_classifiers(
    arch: str, millions: float
) -> None:
    with torch.device('meta'):
        backbone = ConvMAE(arch)
    channels = arch_zoo[arch].embed_dims[2]
    count = sum(p.numel() for p in backbone.parameters())
    count += 2 * channels + 1000 * (channels + 1)  # fc_norm and classifier
    assert count / 1e6 == pytest.approx(millions, abs=0.005)


@pytest.mark.parametrize('mode', mode_zoo)
def test_position_tables_of_another_size_are_resized_on_load(
    mode: str,
) -> None:
    small = build(mode=mode, img_size=64)
    large = build(mode=mode, img_size=128)
    large.load_state_dict(small.state_dict(), strict=True)
    images = torch.randn(1, 3, 128, 128)
    for ours, theirs in zip(large(images), small(images), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_position_embedding_keeps_the_size_of_pretraining() -> None:
    backbone = build(mode='vitdet', img_size=128, pretrain_img_size=64)
    assert backbone.pos_embed.shape == (1, 16, 16)
    assert backbone.blocks3[1].attn.rel_pos.height.shape == (15, 8)


def test_tables_of_an_unknown_grid_are_refused() -> None:
    small = build(mode='detection', img_size=64)
    large = build(mode='detection', img_size=128)
    oblong = build(img_size=(32, 96))
    with pytest.raises(ValueError, match='12 patches is not square'):
        build(img_size=64).load_state_dict(oblong.state_dict())
    state = small.state_dict()
    state['global_rel_pos.table'] = state['global_rel_pos.table'][:-1]
    with pytest.raises(ValueError, match='table of 48 rows is not square'):
        large.load_state_dict(state)


def test_initialisation_as_released() -> None:
    backbone = ConvMAE('small')
    for parameter in (backbone.blocks3[0].mlp.fc1.weight, backbone.pos_embed):
        assert parameter.std().item() == pytest.approx(0.02, rel=0.05)
    assert backbone.pos_embed.requires_grad
    backbone.init_for_pretraining()
    bound = math.sqrt(6 / (384 + 1536))
    weight = backbone.blocks3[0].mlp.fc1.weight
    assert 0.98 * bound < weight.abs().max() <= bound
    bound = math.sqrt(6 / (384 + 4 * 256))
    weight = backbone.patch_embed3.proj.weight
    assert 0.98 * bound < weight.abs().max() <= bound
    # 1x1 convolutions in the released code: PyTorch's default, not Xavier
    bound = 1 / math.sqrt(128)
    weight = backbone.blocks1[0].conv1.weight
    assert 0.98 * bound < weight.abs().max() <= bound
    assert torch.equal(
        backbone.pos_embed, build_sincos_positions((14, 14), 384)
    )
    assert not backbone.pos_embed.requires_grad


def test_layer_depth_over_real_names() -> None:
    backbone = build(mode='detection')
    layers = {
        name: backbone.get_layer_depth(f'backbone.{name}', 'backbone.')
        for name, _ in backbone.named_parameters()
    }
    assert {count for _, count in layers.values()} == {13}
    for name, (layer, _) in layers.items():
        if name.startswith('blocks3.'):
            assert layer == int(name.split('.')[1]) + 1
        elif name.endswith('rel_pos.table'):
            assert layer == 12
        else:
            assert layer == 0, name
    assert backbone.get_layer_depth('neck.conv', 'backbone.') == (12, 13)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(arch='giant'), r"unknown arch='giant'.*'base'"),
        (dict(arch=dict(embed_dims=(8, 8, 8))), r"'depths'.*'num_heads'"),
        (dict(arch={**TINY, 'width': 3}), r"'width': 3"),
        (dict(arch={**TINY, 'depths': (1, 2)}), r'depths=\(1, 2\)'),
        (dict(arch={**TINY, 'num_heads': 3}), r'num_heads=3.*16'),
        (dict(arch={**TINY, 'embed_dims': 'abc'}), r"embed_dims='abc'"),
        (dict(out_indices=[0, 0]), r'out_indices=\[0, 0\].*each once'),
        (dict(mode='vitdet', out_indices=-4), r'out_indices=-4.*E1\.\.E3'),
        (dict(depth=3), r'ConvMAE takes arch, mode.*depth'),
        (dict(drop_path_rate='0.1'), r"drop_path_rate='0.1'.*\[0, 1\)"),
        (dict(drop_path_rate=1), r'drop_path_rate=1'),
        (dict(in_channels=True), 'in_channels=True'),
        (dict(mode='swin'), r"unknown mode='swin'.*'detection'"),
        (
            dict(mode='detection', window_block_indexes=(0, 11)),
            r'\[11\] are out of range.*11 blocks, 0\.\.10',
        ),
        (dict(window_block_indexes=(0,)), r"mode='plain' has no window"),
        (
            dict(mode='detection', window_block_indexes=(1, 1)),
            r'\(1, 1\) repeat',
        ),
        (
            dict(mode='detection', arch={**TINY, 'depths': (1, 1, 4)}),
            r'\[6, 10\] are out of range',
        ),
        (dict(img_size=100), r'img_size=100.*divisible by 16'),
        (dict(out_indices=(4,)), r'out_indices=\(4,\)'),
        (
            dict(mode='vitdet', out_indices=(3,)),
            r'out_indices=\(3,\).*E1\.\.E3',
        ),
        (dict(mode='seg', window_size=7), "mode='seg' has no window"),
        (dict(mode='mimdet', window_size=0), 'window_size=0'),
        (dict(out_indices=()), r'out_indices=\(\)'),
        (dict(frozen_stages=4), r'frozen_stages=4'),
        (
            dict(with_cp=(0, 1)),
            r'with_cp=\(0, 1\).*True or False.*from 1 to 3',
        ),
    ],
)
def test_wrong_settings(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ConvMAE(**{'arch': TINY, **settings})


def test_wrong_inputs() -> None:
    backbone = build()
    with pytest.raises(ValueError, match=r'\(1, 4, 64, 64\).*\(B, 3,'):
        backbone(torch.randn(1, 4, 64, 64))
    with pytest.raises(ValueError, match=r'\(3, 64, 64\)'):
        backbone(torch.randn(3, 64, 64))
    with pytest.raises(DataError, match=r'torch.uint8 must be normalised'):
        backbone(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    images = torch.randn(2, 3, 64, 64)
    with pytest.raises(ValueError, match=r'ids_keep of shape \(1, 4\)'):
        backbone.forward_visible(images, torch.arange(4)[None])
    with pytest.raises(ValueError, match='17 visible patches'):
        backbone.forward_visible(images, torch.arange(17).repeat(2, 1))
    with pytest.raises(ValueError, match="mode='detection' cannot encode"):
        build(mode='detection').forward_visible(
            images, torch.arange(4).repeat(2, 1)
        )


def test_checkpointing_recomputes_the_named_stages_only() -> None:
    backbone = build(with_cp=(2,)).train()
    calls = {'blocks1': 0, 'blocks2': 0, 'blocks3': 0}
    for stage in calls:

        def count(*_: object, stage: str = stage) -> None:
            calls[stage] += 1

        getattr(backbone, stage)[0].register_forward_pre_hook(count)
    maps = backbone(torch.randn(1, 3, 64, 64))
    sum(features.square().mean() for features in maps).backward()
    assert calls == {'blocks1': 1, 'blocks2': 2, 'blocks3': 1}


@pytest.mark.slow
@pytest.mark.parametrize('mode', mode_zoo)
def test_blocks_compile_without_a_break(mode: str) -> None:
    """Every block is one graph, with equal results and gradients."""
    # other tests' graphs of the same code count towards torch's limit
    torch._dynamo.reset()
    images = torch.randn(1, 3, 64, 96)
    results = []
    for compiled in (False, True):
        backbone = build(**all_maps(mode)).double().eval()
        if compiled:
            for stage in ('blocks1', 'blocks2', 'blocks3'):
                for block in getattr(backbone, stage):
                    block.compile(fullgraph=True, backend='aot_eager')
        maps = backbone(images.double())
        sum(features.square().mean() for features in maps).backward()
        results.append([*maps, *(p.grad for p in backbone.parameters())])
    for eager, fast in zip(*results, strict=True):
        assert torch.allclose(eager, fast, atol=1e-9)


@pytest.mark.parametrize('mode', mode_zoo)
def test_bfloat16_within_its_precision(mode: str) -> None:
    backbone = build(**all_maps(mode))
    images = torch.randn(1, 3, 64, 96)
    exact = backbone(images)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        half = backbone(images)
    for ours, theirs in zip(half, exact, strict=True):
        error = (ours.float() - theirs).norm() / theirs.norm()
        assert error < 0.05
