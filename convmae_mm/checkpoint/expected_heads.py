"""The names and shapes of the heads of released detectors and segmentors.

Pure functions like those of :mod:`.expected`; names are whole.
"""

from __future__ import annotations

from collections.abc import Callable

from .expected import Expected, Size, affine, batch_norm
from .facts import BackboneFacts, Shapes, vote

ANCHORS = 3  # aspect ratios at each position
ROI_CELLS = 7 * 7  # of the box head
PYRAMID_LEVELS = (2, 3, 4, 5)
POOL_SCALES = (1, 2, 3, 6)  # of the pyramid pooling in UPerHead


def expected_detector(
    shapes: Shapes, backbone: BackboneFacts, variant: str
) -> Expected:
    """What detector 1 or 2 has beside the encoder.

    Args:
        shapes: All shapes, by released name.
        backbone: Its encoder.
        variant: 'detector1' or 'detector2'.
    """
    width = read_fpn_channels(shapes)
    if variant == 'detector1':
        return _fpn(width, backbone) | _roi_heads(shapes, width, batch_norm)
    pyramid = _simple_pyramid(width, backbone.embed_dims[2])
    return pyramid | _roi_heads(shapes, width, _layer_norm)


def expected_segmentor(shapes: Shapes, backbone: BackboneFacts) -> Expected:
    """What a segmentor has beside the encoder: UPerHead, auxiliary head."""
    c3 = backbone.embed_dims[2]
    width, num_classes = read_uper_channels(shapes), read_labels(shapes)
    pooled = times(width, len(POOL_SCALES))
    expected = affine('decode_head.conv_seg', (num_classes, width, 1, 1))
    for index in range(len(POOL_SCALES)):
        stem = f'decode_head.psp_modules.{index}.1'
        expected |= _conv_bn(stem, (width, c3, 1, 1))
    joined = None if pooled is None or c3 is None else pooled + c3
    expected |= _conv_bn('decode_head.bottleneck', (width, joined, 3, 3))
    for index, channels in enumerate(backbone.embed_dims):
        lateral = f'decode_head.lateral_convs.{index}'
        expected |= _conv_bn(lateral, (width, channels, 1, 1))
        output = f'decode_head.fpn_convs.{index}'
        expected |= _conv_bn(output, (width, width, 3, 3))
    # four levels again, as many as pooling scales
    expected |= _conv_bn('decode_head.fpn_bottleneck', (width, pooled, 3, 3))
    if any(name.startswith('auxiliary_head.') for name in shapes):
        auxiliary = read_auxiliary_channels(shapes)
        expected |= affine(
            'auxiliary_head.conv_seg', (num_classes, auxiliary, 1, 1)
        )
        expected |= _conv_bn('auxiliary_head.convs.0', (auxiliary, c3, 3, 3))
    return expected


def read_fpn_channels(shapes: Shapes) -> Size:
    """Channels of the feature pyramid of a detector."""
    return vote(
        shapes,
        (r'backbone\.fpn_(lateral|output)\d\.weight', 0),
        (r'backbone\.simfp_\d\.\d\.norm\.weight', 0),
        (r'proposal_generator\.rpn_head\.conv\.conv\d\.(weight|bias)', 0),
    )


def read_fc_channels(shapes: Shapes) -> Size:
    """Width of the fully connected layer of the box head."""
    box = r'roi_heads\.box_'
    return vote(
        shapes,
        (rf'{box}head\.fc1\.(weight|bias)', 0),
        (rf'{box}predictor\.\w+\.weight', 1),
    )


def read_num_things(shapes: Shapes) -> Size:
    """Number of classes of a detector, without background."""
    return vote(shapes, (r'roi_heads\.mask_head\.predictor\.\w+', 0))


def read_uper_channels(shapes: Shapes) -> Size:
    """Channels inside UPerHead."""
    convs = r'decode_head\.(bottleneck|fpn_bottleneck|\w+_convs\.\d)'
    return vote(shapes, (rf'{convs}\.(conv|bn)\.weight', 0))


def read_labels(shapes: Shapes) -> Size:
    """Number of classes of a segmentor."""
    return vote(shapes, (r'\w+_head\.conv_seg\.(weight|bias)', 0))


def read_auxiliary_channels(shapes: Shapes) -> Size:
    """Channels inside the auxiliary head of a segmentor; None without."""
    convs = r'auxiliary_head\.convs\.0\.(conv|bn)\.(weight|bias)'
    return vote(shapes, (convs, 0), (r'auxiliary_head\.conv_seg\.weight', 1))


def times(size: Size, factor: int) -> Size:
    """The product, unknown if the size is."""
    return None if size is None else size * factor


def _fpn(width: Size, backbone: BackboneFacts) -> Expected:
    """The FPN of detectron2 on E1 to E4, with BatchNorm."""
    c1, c2, c3 = backbone.embed_dims
    expected: Expected = {}
    for level, channels in zip(PYRAMID_LEVELS, (c1, c2, c3, c3), strict=True):
        for name, size, side in (
            ('lateral', channels, 1),
            ('output', width, 3),
        ):
            stem = f'backbone.fpn_{name}{level}'
            expected[f'{stem}.weight'] = (width, size, side, side)
            expected |= batch_norm(f'{stem}.norm', width)
    return expected


def _simple_pyramid(width: Size, channels: Size) -> Expected:
    """The simple pyramid of ViTDet on E3, with LayerNorm over channels."""
    half = None if channels is None else channels // 2
    quarter = None if channels is None else channels // 4
    expected: Expected = {
        **affine_transposed('backbone.simfp_2.0', (channels, half, 2, 2)),
        **affine('backbone.simfp_2.1', (half,)),
        **affine_transposed('backbone.simfp_2.3', (half, quarter, 2, 2)),
        **affine_transposed('backbone.simfp_3.0', (channels, half, 2, 2)),
    }
    # level -> index of its first plain convolution, and that one's input
    entries = {
        2: (4, quarter),
        3: (1, half),
        4: (0, channels),
        5: (1, channels),
    }
    for level, (index, size) in entries.items():
        for name, inputs, side in ((index, size, 1), (index + 1, width, 3)):
            stem = f'backbone.simfp_{level}.{name}'
            expected[f'{stem}.weight'] = (width, inputs, side, side)
            expected |= _layer_norm(f'{stem}.norm', width)
    return expected


def _roi_heads(
    shapes: Shapes, width: Size, norm: Callable[[str, Size], Expected]
) -> Expected:
    """RPN, box head and mask head; their convolutions as wide as the FPN."""
    fc, things = read_fc_channels(shapes), read_num_things(shapes)
    rpn = 'proposal_generator.rpn_head'
    expected: Expected = {
        **affine(f'{rpn}.conv.conv0', (width, width, 3, 3)),
        **affine(f'{rpn}.conv.conv1', (width, width, 3, 3)),
        **affine(f'{rpn}.objectness_logits', (ANCHORS, width, 1, 1)),
        **affine(f'{rpn}.anchor_deltas', (4 * ANCHORS, width, 1, 1)),
    }
    for index in (1, 2, 3, 4):
        for stem in (
            f'roi_heads.box_head.conv{index}',
            f'roi_heads.mask_head.mask_fcn{index}',
        ):
            expected[f'{stem}.weight'] = (width, width, 3, 3)
            expected |= norm(f'{stem}.norm', width)
    with_background = None if things is None else things + 1
    box, mask = 'roi_heads.box_predictor', 'roi_heads.mask_head'
    return {
        **expected,
        **affine('roi_heads.box_head.fc1', (fc, times(width, ROI_CELLS))),
        **affine(f'{box}.cls_score', (with_background, fc)),
        **affine(f'{box}.bbox_pred', (times(things, 4), fc)),
        **affine_transposed(f'{mask}.deconv', (width, width, 2, 2)),
        **affine(f'{mask}.predictor', (things, width, 1, 1)),
    }


def affine_transposed(stem: str, weight: tuple[Size, ...]) -> Expected:
    """A transposed convolution, whose second axis is its output."""
    return {f'{stem}.weight': weight, f'{stem}.bias': weight[1:2]}


def _layer_norm(stem: str, channels: Size) -> Expected:
    return affine(stem, (channels,))


def _conv_bn(stem: str, weight: tuple[Size, ...]) -> Expected:
    """A ConvModule of mmcv with BatchNorm and no bias."""
    norm = batch_norm(f'{stem}.bn', weight[0])
    return {f'{stem}.conv.weight': weight, **norm}
