"""Released names to ours and back, for every variant."""

from __future__ import annotations

import pytest
import torch
from released_networks import (
    OVERRIDES,
    VARIANTS,
    full_size_state,
    position_index,
    released_state,
)
from torch import Tensor

from convmae_mm.apis import build_from_official
from convmae_mm.checkpoint import (
    CheckpointError,
    UnmatchedTensorsError,
    convert_released_state_dict,
    export_released_state_dict,
)
from convmae_mm.checkpoint.networks.grids import build_position_index
from convmae_mm.checkpoint.whole import closest_network

MAY_BE_MISSING = ('relative_position_index', 'num_batches_tracked')


def export_options(name: str) -> dict:
    """What has to be told to export a network."""
    return dict(
        pooling='first_token' if name == 'cls_first_token' else 'mean',
        img_size=OVERRIDES.get(name, {}).get('img_size'),
    )


def assert_same(
    actual: dict[str, Tensor], expected: dict[str, Tensor]
) -> None:
    assert list(actual) == list(expected)
    for key, tensor in expected.items():
        assert actual[key].dtype == tensor.dtype, key
        assert torch.equal(actual[key], tensor), key


@pytest.mark.parametrize('name', VARIANTS)
def test_round_trips_are_the_identity(name: str) -> None:
    released = released_state(name)
    ours = convert_released_state_dict(released)
    assert closest_network(ours).name == VARIANTS[name]
    back = export_released_state_dict(ours, **export_options(name))
    assert {k: v.shape for k, v in back.items()} == {
        k: v.shape for k, v in released.items()
    }
    assert_same({k: back[k] for k in released}, released)
    assert_same(convert_released_state_dict(back), ours)


@pytest.mark.parametrize('name', VARIANTS)
def test_index_buffers_may_be_missing(name: str) -> None:
    released = released_state(name)
    bare = {k: v for k, v in released.items() if not k.endswith('_index')}
    assert_same(
        convert_released_state_dict(bare),
        convert_released_state_dict(released),
    )


@pytest.mark.parametrize('name', ['seg', 'detector1', 'segmentor'])
def test_counters_may_be_missing(name: str) -> None:
    """No computation reads them; a model counts from 0 then."""
    released = released_state(name)
    bare = {
        k: v for k, v in released.items() if 'num_batches_tracked' not in k
    }
    assert len(bare) < len(released)
    ours = convert_released_state_dict(bare)
    assert not any('num_batches_tracked' in key for key in ours)
    model = build_from_official(bare, **OVERRIDES.get(name, {}))
    counters = [x for k, x in model.state_dict().items() if 'num_batches' in k]
    assert counters and not any(counters)


@pytest.mark.parametrize('detector', [1, 2])
def test_full_size_detectors(detector: int) -> None:
    released = full_size_state(detector)
    ours = convert_released_state_dict(released)
    dropped = [k for k in released if k.endswith('relative_position_index')]
    assert len(ours) == len(released) - len(dropped)
    assert len(dropped) == {1: 2, 2: 0}[detector]
    back = {k for k in export_released_state_dict(ours)}
    assert back == set(released)


@pytest.mark.parametrize('name', VARIANTS)
def test_a_renamed_tensor_is_named(name: str) -> None:
    released = released_state(name)
    for key in list(released)[::17]:
        if key.endswith(MAY_BE_MISSING):
            continue
        renamed = {f'{k}_x' if k == key else k: v for k, v in released.items()}
        with pytest.raises(KeyError) as caught:
            convert_released_state_dict(renamed)
        told = str(caught.value)
        assert f"missing: ['{key}']; unexpected: ['{key}_x']" in told


@pytest.mark.parametrize('name', VARIANTS)
def test_missing_tensors_are_named(name: str) -> None:
    released = released_state(name)
    keys = [k for k in released if not k.endswith(MAY_BE_MISSING)]
    for key in keys[3::19]:
        state = {k: v for k, v in released.items() if k != key}
        with pytest.raises(UnmatchedTensorsError) as caught:
            convert_released_state_dict(state)
        assert str(caught.value).endswith(f"missing: ['{key}']")


@pytest.mark.parametrize('name', VARIANTS)
def test_a_missing_block_is_named_whole(name: str) -> None:
    released = released_state(name)
    gone = [k for k in released if 'blocks3.4.' in k and '_index' not in k]
    state = {k: v for k, v in released.items() if 'blocks3.4.' not in k}
    with pytest.raises(UnmatchedTensorsError) as caught:
        convert_released_state_dict(state)
    assert len(gone) >= 12
    assert all(repr(key) in str(caught.value) for key in gone)
    assert 'unexpected' not in str(caught.value)


@pytest.mark.parametrize('name', VARIANTS)
@pytest.mark.parametrize(
    'extra', ['extra.weight', 'blocks3.0.attn.extra', 'blocks3.11.norm1.bias']
)
def test_extra_tensors_are_named(name: str, extra: str) -> None:
    released = released_state(name)
    stem = next(k for k in released if k.endswith('blocks3.0.norm1.bias'))
    extra = stem.removesuffix('blocks3.0.norm1.bias') + extra
    released[extra] = torch.zeros(48)
    with pytest.raises(UnmatchedTensorsError) as caught:
        convert_released_state_dict(released)
    assert str(caught.value).endswith(f"but unexpected: ['{extra}']")


@pytest.mark.parametrize('name', VARIANTS)
def test_wrongly_shaped_tensors_are_named(name: str) -> None:
    released = released_state(name)
    for key in list(released)[1::13]:
        # A size that several tensors share; what only one tensor tells, such
        # as the number of positions, is tested below.
        if released[key].dim() == 0 or key.endswith(('_table', 'pos_embed')):
            continue
        tensor = torch.cat([released[key], released[key]])
        with pytest.raises(UnmatchedTensorsError) as caught:
            convert_released_state_dict({**released, key: tensor})
        shape = tuple(tensor.shape)
        assert f"wrong shape: '{key}' has {shape}" in str(caught.value), key


@pytest.mark.parametrize('name', ['seg', 'det_vitdet'])
def test_one_table_unlike_those_of_the_other_blocks(name: str) -> None:
    released = released_state(name)
    suffix = {
        'seg': 'relative_position_bias_table',
        'det_vitdet': 'rel_pos_w',
    }[name]
    key = f'blocks3.3.attn.{suffix}'
    released[key] = released[key][:-2]
    with pytest.raises(UnmatchedTensorsError, match=f"shape: '{key}' has"):
        convert_released_state_dict(released)


@pytest.mark.parametrize(
    ('name', 'key', 'axis'),
    [
        ('cls_global_pool', 'head.weight', 0),
        ('cls_global_pool', 'head.bias', 0),
        ('pretrain', 'pos_embed', 1),
        ('pretrain', 'decoder_pos_embed', 1),
        ('seg', 'pos_embed', 1),
        *(
            (name, f'{kind}_rel_pos_bias.relative_position_bias_table', axis)
            for name in ('det_paper', 'det_mimdet')
            for kind in ('windowed', 'global')
            for axis in (0, 1)
        ),
    ],
)
def test_sizes_that_hardly_any_other_tensor_tells(
    name: str, key: str, axis: int
) -> None:
    released = released_state(name)
    released[key] = released[key].narrow(axis, 0, 2)
    with pytest.raises(UnmatchedTensorsError, match=f"'{key}' has"):
        convert_released_state_dict(released)


def test_all_troubles_are_told_at_once() -> None:
    released = released_state('pretrain')
    del released['decoder_norm.bias']
    released['mask'] = torch.zeros(1)
    released['norm.weight'] = torch.zeros(47)
    with pytest.raises(ValueError) as caught:
        convert_released_state_dict(released)
    assert str(caught.value) == (
        'these 241 tensors should be a released ConvMAE network (pretrain), '
        "but missing: ['decoder_norm.bias']; unexpected: ['mask']; wrong "
        "shape: 'norm.weight' has (47,) instead of (48,)"
    )


def test_what_followed_the_encoder_may_be_left_over() -> None:
    """Files with the encoder alone keep the norm and the fusion."""
    released = {
        key: x
        for key, x in released_state('pretrain').items()
        if not key.startswith(('decoder_', 'mask_token'))
    }
    assert 'norm.weight' in released
    ours = convert_released_state_dict(released)
    assert all(key.startswith('backbone.') for key in ours)


def test_our_names_are_not_converted_twice() -> None:
    ours = convert_released_state_dict(released_state('cls_global_pool'))
    with pytest.raises(CheckpointError, match='names of convmae_mm already'):
        convert_released_state_dict(ours)


def test_the_other_pooling_is_another_name() -> None:
    ours = convert_released_state_dict(released_state('cls_global_pool'))
    keys = export_released_state_dict(ours, pooling='first_token').keys()
    assert {'norm.weight', 'norm.bias'} <= keys
    assert not {'fc_norm.weight', 'fc_norm.bias'} & keys


def test_an_unknown_pooling_is_refused() -> None:
    ours = convert_released_state_dict(released_state('cls_global_pool'))
    with pytest.raises(CheckpointError, match="'first-token'.*'first_token'"):
        export_released_state_dict(ours, pooling='first-token')


def test_what_was_never_released_cannot_be_exported() -> None:
    ours = convert_released_state_dict(released_state('seg'))
    ours['decode_head.psp.weight'] = torch.zeros(1)
    with pytest.raises(UnmatchedTensorsError, match=r"\['decode_head\.psp"):
        export_released_state_dict(ours)
    with pytest.raises(UnmatchedTensorsError, match=r"\['decode_head\.psp"):
        export_released_state_dict(ours, 'backbone')


def test_an_export_is_checked_too() -> None:
    ours = convert_released_state_dict(released_state('seg'))
    del ours['backbone.blocks3.2.scale2.weight']
    with pytest.raises(UnmatchedTensorsError, match=r'blocks3\.2\.gamma_2'):
        export_released_state_dict(ours)


def test_tables_that_are_not_square_need_the_size() -> None:
    ours = convert_released_state_dict(released_state('det_paper'))
    with pytest.raises(CheckpointError, match=r'give img_size='):
        export_released_state_dict(ours)
    with pytest.raises(CheckpointError, match=r'img_size=256 does not fit'):
        export_released_state_dict(ours, img_size=256)


def test_a_size_that_the_tables_do_not_have_is_refused() -> None:
    ours = convert_released_state_dict(released_state('seg'))
    with pytest.raises(CheckpointError, match='are for img_size=256'):
        export_released_state_dict(ours, img_size=512)


def test_an_index_without_its_table_is_unexpected() -> None:
    released = released_state('cls_global_pool')
    key = 'blocks3.0.attn.relative_position_index'
    released[key] = position_index(14, 14)
    with pytest.raises(UnmatchedTensorsError, match=rf"unexpected: \['{key}"):
        convert_released_state_dict(released)


@pytest.mark.parametrize('grid', [(1, 1), (2, 3), (7, 4)])
def test_position_index(grid: tuple[int, int]) -> None:
    index = build_position_index(grid)
    assert index.dtype == torch.int64
    assert torch.equal(index, position_index(*grid))
