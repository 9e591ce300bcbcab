from __future__ import annotations

from pathlib import Path

import pytest
import torch
from released_networks import OVERRIDES, VARIANTS, released_state

from convmae_mm import ConvMAE
from convmae_mm.apis import build_from_official, official
from convmae_mm.checkpoint import (
    CheckpointError,
    ForeignNetworkError,
    UnmatchedTensorsError,
    convert_released_state_dict,
    initialise_backbone,
)

KINDS = {
    'pretrain': 'ConvMAEPretrain',
    'classifier': 'ImageClassifier',
    'backbone': 'ConvMAE',
    'detector1': 'MaskRCNN',
    'detector2': 'MaskRCNN',
    'segmentor': 'EncoderDecoder',
}


@pytest.mark.parametrize('name', VARIANTS)
def test_every_released_network_is_built_with_its_weights(name: str) -> None:
    weights = released_state(name)
    model = build_from_official(weights, **OVERRIDES.get(name, {}))
    assert type(model).__name__ == KINDS[VARIANTS[name]]
    assert not model.training
    state = model.state_dict()
    prefix = not isinstance(model, ConvMAE)
    ours = convert_released_state_dict(weights)
    assert len(ours) == len(state)
    for key, tensor in ours.items():
        name = key if prefix else key.removeprefix('backbone.')
        assert torch.equal(state[name], tensor), key


def test_a_file_an_entry_and_bare_tensors_are_the_same(
    tmp_path: Path,
) -> None:
    weights = released_state('det_vitdet')
    path = tmp_path / 'released.pth'
    torch.save({'model': weights}, path)
    image = torch.randn(1, 3, 64, 64)
    outputs = [
        build_from_official(source)(image)[0]
        for source in (path, str(path), weights, {'model': weights})
    ]
    for output in outputs[1:]:
        assert torch.equal(output, outputs[0])


def test_a_pretraining_file_in_another_mode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(
        official, 'print_log', lambda text, logger: said.append(text)
    )
    backbone = build_from_official(
        released_state('pretrain'), mode='mimdet', num_heads=3, img_size=256
    )
    assert isinstance(backbone, ConvMAE)
    assert backbone.mode == 'mimdet'
    assert backbone.global_rel_pos.grid == (16, 16)
    assert 'window_rel_pos.table' in said[0]


def test_the_files_own_mode_gives_the_whole_network() -> None:
    model = build_from_official(
        released_state('pretrain'),
        mode='plain',
        **OVERRIDES['pretrain'],
    )
    assert type(model).__name__ == 'ConvMAEPretrain'


def test_pretraining_options_act() -> None:
    model = build_from_official(
        released_state('pretrain'),
        num_heads=3,
        decoder_num_heads=2,
        num_masks=2,
        mask_ratio=0.5,
        norm_pix=False,
    )
    assert model.num_masks == 2
    assert model.mask_ratio == 0.5
    assert not model.head.norm_pix
    assert model.neck.blocks[0].attn.num_heads == 2


def test_another_size_resizes_the_tables() -> None:
    model = build_from_official(released_state('detector1'), img_size=256)
    assert model.backbone.grid == (16, 16)
    assert model.data_preprocessor.pad_size_divisor == 256
    model = build_from_official(
        released_state('pretrain'), img_size=160, **OVERRIDES['pretrain']
    )
    assert model.backbone.pos_embed.shape == (1, 100, 48)
    images = torch.randn(1, 3, 160, 160)
    assert model.run_masked(images).loss.isfinite()


@pytest.mark.parametrize(
    ('name', 'options'),
    [
        ('det_mimdet', dict(num_masks=4)),
        ('cls_global_pool', dict(num_heads=3, mask_ratio=0.5)),
        ('pretrain', dict(num_heads=3, mode='seg', norm_pix=True)),
    ],
)
def test_options_that_cannot_act_are_refused(name: str, options: dict) -> None:
    with pytest.raises(ValueError, match='cannot act'):
        build_from_official(released_state(name), **options)


def test_what_is_not_told_must_be_given() -> None:
    with pytest.raises(CheckpointError, match='give num_heads'):
        build_from_official(released_state('pretrain'))
    with pytest.raises(CheckpointError, match='decoder_num_heads'):
        build_from_official(released_state('pretrain'), num_heads=3)
    with pytest.raises(CheckpointError, match='img_size='):
        build_from_official(released_state('det_paper'))


def test_damaged_and_foreign_networks_are_refused() -> None:
    weights = released_state('seg')
    weights['blocks3.2.norm_1.bias'] = weights.pop('blocks3.2.norm1.bias')
    with pytest.raises(
        UnmatchedTensorsError,
        match=r'missing.*blocks3\.2\.norm1\.bias.*norm_1',
    ):
        build_from_official(weights)
    with pytest.raises(ForeignNetworkError, match='ResNet'):
        build_from_official({'layer1.0.conv1.weight': torch.ones(1)})
    ours = ConvMAE(
        dict(embed_dims=(8, 8, 8), depths=(1, 1, 1), num_heads=1)
    ).state_dict()
    with pytest.raises(CheckpointError, match='names of convmae_mm already'):
        build_from_official(ours)


def test_windows_of_other_depths_can_be_given() -> None:
    backbone = build_from_official(
        released_state('det_mimdet'), window_block_indexes=(0, 1)
    )
    assert backbone.window_block_indexes == (0, 1)


def test_windows_of_other_depths_must_be_given() -> None:
    weights = {
        name: tensor
        for name, tensor in released_state('det_mimdet').items()
        if not name.startswith(('blocks3.9.', 'blocks3.10.'))
    }
    with pytest.raises(CheckpointError, match='give window_block_indexes'):
        build_from_official(weights)
    with pytest.raises(CheckpointError, match=r'\[9\] are out of range'):
        build_from_official(weights, window_block_indexes=(1, 9))
    backbone = build_from_official(weights, window_block_indexes=(1, 2))
    assert backbone.window_block_indexes == (1, 2)


def test_a_size_with_as_many_patches_is_another_grid() -> None:
    """14 x 14 positions are interpolated to 7 x 28, not taken as they are."""
    weights = released_state('pretrain')
    oblong = build_from_official(
        weights, mode='seg', num_heads=3, img_size=(112, 448)
    )
    square = build_from_official(weights, mode='seg', num_heads=3)
    assert oblong.grid == (7, 28)
    assert oblong.pos_embed_grid == (14, 14)
    image = torch.randn(1, 3, 112, 448)
    # all but E4, which is drawn at random
    for ours, theirs in zip(oblong(image)[:3], square(image)[:3], strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)
    backbone = ConvMAE(
        dict(embed_dims=(16, 24, 48), depths=(2, 2, 11), num_heads=3),
        img_size=(112, 448),
    )
    with pytest.raises(CheckpointError, match='pretrain_img_size=224'):
        initialise_backbone(backbone, weights)


@pytest.mark.parametrize('heads', [0, -1])
def test_numbers_of_heads_are_positive(heads: int) -> None:
    weights = released_state('pretrain')
    with pytest.raises(CheckpointError, match=f'num_heads={heads}'):
        build_from_official(weights, num_heads=heads)
    with pytest.raises(CheckpointError, match=f'num_heads={heads}'):
        build_from_official(weights, num_heads=3, decoder_num_heads=heads)


def test_entries_are_unpacked_as_in_files() -> None:
    weights = released_state('det_vitdet')
    wrapped = {f'module.{name}': x for name, x in weights.items()}
    image = torch.randn(1, 3, 64, 64)
    expected = build_from_official(weights)(image)[0]
    for content in ({'meta': {}, 'state_dict': weights}, {'model': wrapped}):
        assert torch.equal(build_from_official(content)(image)[0], expected)
