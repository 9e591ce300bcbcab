"""The released detectors: Mask R-CNN as detectron2 and mmdet call it."""

from __future__ import annotations

from collections.abc import Callable

from mmengine.config import ConfigDict

from .encoder import Encoder
from .layers import ShapeOf, affine, expect_by, norm
from .network import Network, Part, ReleasedNetwork, load_model, with_encoder
from .reader import Reader
from .rules import Rule, Rules, Sizes

# The pyramid: p2 to p5 there, level 0 to 3 here.
LEVELS = tuple(enumerate(range(2, 6)))
# Convolutions of the box head and of the mask head: 1 to 4 there, 0 to 3 here.
HEAD_CONVS = tuple(enumerate(range(1, 5)))
ANCHORS = 3  # aspect ratios at each position
ROI_CELLS = 7 * 7  # of the box head


def _kernel(inputs: Callable[[Sizes], int], side: int) -> ShapeOf:
    """A convolution to as many channels as the pyramid has."""
    return lambda s: (s['fpn_channels'], inputs(s), side, side)


def _width(sizes: Sizes) -> int:
    return sizes['fpn_channels']


def _conv_norm(released: str, ours: str, kind: str, weight: ShapeOf) -> Rules:
    """A convolution without bias and its norm: one module there, two here."""
    return (
        Rule(f'{released}.weight', f'{ours}.conv.weight', shape=weight),
        *norm(f'{released}.norm', f'{ours}.{kind}', kind, weight),
    )


def _heads(kind: str) -> Rules:
    """RPN, box head and mask head; the norms as mmcv calls them."""
    rpn, box, mask = (
        'proposal_generator.rpn_head',
        'roi_heads.box_head',
        'roi_heads.mask_head',
    )
    ours_box, ours_mask = 'roi_head.bbox_head', 'roi_head.mask_head'
    predictor, square = 'roi_heads.box_predictor', _kernel(_width, 3)
    return (
        *affine(f'{rpn}.conv.conv0', 'rpn_head.rpn_conv.0.conv', square),
        *affine(f'{rpn}.conv.conv1', 'rpn_head.rpn_conv.1.conv', square),
        *affine(
            f'{rpn}.objectness_logits',
            'rpn_head.rpn_cls',
            lambda s: (ANCHORS, _width(s), 1, 1),
        ),
        *affine(
            f'{rpn}.anchor_deltas',
            'rpn_head.rpn_reg',
            lambda s: (4 * ANCHORS, _width(s), 1, 1),
        ),
        *affine(
            f'{box}.fc1',
            f'{ours_box}.shared_fcs.0',
            lambda s: (s['fc_channels'], ROI_CELLS * _width(s)),
        ),
        *affine(
            f'{predictor}.cls_score',
            f'{ours_box}.fc_cls',
            lambda s: (s['num_classes'] + 1, s['fc_channels']),
        ),
        *affine(
            f'{predictor}.bbox_pred',
            f'{ours_box}.fc_reg',
            lambda s: (4 * s['num_classes'], s['fc_channels']),
        ),
        *affine(
            f'{mask}.deconv',
            f'{ours_mask}.upsample',
            _kernel(_width, 2),
            bias=1,
        ),
        *affine(
            f'{mask}.predictor',
            f'{ours_mask}.conv_logits',
            lambda s: (s['num_classes'], _width(s), 1, 1),
        ),
        *(
            rule
            for index, number in HEAD_CONVS
            for released, ours in (
                (f'{box}.conv{number}', f'{ours_box}.shared_convs.{index}'),
                (f'{mask}.mask_fcn{number}', f'{ours_mask}.convs.{index}'),
            )
            for rule in _conv_norm(released, ours, kind, square)
        ),
    )


def _fpn() -> Rules:
    """Detector 1: the FPN on E1 to E4."""
    inputs = ('c1', 'c2', 'c3', 'c3')
    return tuple(
        rule
        for index, level in LEVELS
        for released, ours, weight in (
            ('lateral', 'lateral', _kernel(_get(inputs[index]), 1)),
            ('output', 'fpn', _kernel(_width, 3)),
        )
        for rule in _conv_norm(
            f'backbone.fpn_{released}{level}',
            f'neck.{ours}_convs.{index}',
            'bn',
            weight,
        )
    )


def _simple_fpn() -> Rules:
    """Detector 2, on E3: each level a sequence there, three parts here."""
    # level -> place of the 1x1 convolution in the sequence, and how much
    # narrower than E3 its input is
    laterals = {2: (4, 4), 3: (1, 2), 4: (0, 1), 5: (1, 1)}
    convs = (
        rule
        for index, level in LEVELS
        for step, ours, weight in (
            (0, 'lateral', _kernel(_get('c3', laterals[level][1]), 1)),
            (1, 'fpn', _kernel(_width, 3)),
        )
        for rule in _conv_norm(
            f'backbone.simfp_{level}.{laterals[level][0] + step}',
            f'neck.{ours}_convs.{index}',
            'ln',
            weight,
        )
    )
    double: ShapeOf = lambda s: (s['c3'], s['c3'] // 2, 2, 2)  # noqa: E731
    stem, resize = 'backbone.simfp', 'neck.resize'
    return (
        *affine(f'{stem}_2.0', f'{resize}.0.0', double, bias=1),
        *affine(f'{stem}_2.1', f'{resize}.0.1', lambda s: (s['c3'] // 2,)),
        *affine(
            f'{stem}_2.3',
            f'{resize}.0.3',
            lambda s: (s['c3'] // 2, s['c3'] // 4, 2, 2),
            bias=1,
        ),
        *affine(f'{stem}_3.0', f'{resize}.1', double, bias=1),
        *convs,
    )


def _get(name: str, divisor: int = 1) -> Callable[[Sizes], int]:
    return lambda sizes: sizes[name] // divisor


def _read(reader: Reader, encoder: Encoder) -> Part:
    heads = r'roi_head\.'
    return {
        'fpn_channels': reader.known(
            (r'neck\.(lateral|fpn)_convs\.\d\.conv\.weight', 0),
            (r'rpn_head\.rpn_conv\.\d\.conv\.(weight|bias)', 0),
        ),
        'fc_channels': reader.known(
            (rf'{heads}bbox_head\.shared_fcs\.0\.(weight|bias)', 0),
            (rf'{heads}bbox_head\.fc_(cls|reg)\.weight', 1),
        ),
        'num_classes': reader.known(
            (rf'{heads}mask_head\.conv_logits\.(weight|bias)', 0)
        ),
    }


def detector_config(network: ReleasedNetwork) -> ConfigDict:
    """The model config of a released detector, for ``MODELS.build``.

    That of the shipped config, with the sizes of the network. It brings its
    own scope, mmdet's, and loads no weights. The SyncBN of detector 1 is
    ordinary BatchNorm in a single process, on a CPU too, and has the same
    tensors; so it stays SyncBN.
    """
    sizes = network.parts['detector']
    model = load_model(SHIPPED[network.variant], network)
    width, num_classes = sizes['fpn_channels'], sizes['num_classes']
    c1, c2, c3 = network.backbone['arch']['embed_dims']
    model.neck.out_channels = width
    levels = model.neck.get('in_channels')
    model.neck.in_channels = (
        c3 if isinstance(levels, int) else [c1, c2, c3, c3]
    )
    model.rpn_head.update(in_channels=width, feat_channels=width)
    roi_head = model.roi_head
    roi_head.bbox_roi_extractor.out_channels = width
    roi_head.mask_roi_extractor.out_channels = width
    roi_head.bbox_head.update(
        in_channels=width,
        conv_out_channels=width,
        fc_out_channels=sizes['fc_channels'],
        num_classes=num_classes,
    )
    roi_head.mask_head.update(
        in_channels=width, conv_out_channels=width, num_classes=num_classes
    )
    # Both were trained and tested on squares of the size of their tables.
    img_size = network.backbone['img_size']
    size = img_size if isinstance(img_size, int) else max(img_size)
    model.data_preprocessor.pad_size_divisor = size
    return ConfigDict(model, _scope_='mmdet')


DETECTOR1_RULES: Rules = (*_fpn(), *_heads('bn'))
DETECTOR2_RULES: Rules = (*_simple_fpn(), *_heads('ln'))
SHIPPED = {
    'detector1': 'detection/mask-rcnn_convmae-base-mimdet_fpn_lsj-25e_coco.py',
    'detector2': 'detection/'
    'mask-rcnn_convmae-base-vitdet_simple-fpn_lsj-25e_coco.py',
}


def _detector(name: str, title: str, prefix: str, rules: Rules) -> Network:
    return Network(
        name=name,
        title=title,
        sign=prefix.replace('.', r'\.'),
        prefix=prefix,
        rules={'': with_encoder(rules, prefix)},
        part='detector',
        read=_read,
        expect=expect_by(rules),
        config=detector_config,
        shipped=SHIPPED[name],
    )


DETECTOR1 = _detector(
    'detector1',
    'detector 1 (mode mimdet): Mask R-CNN, FPN',
    'backbone.bottom_up.',
    DETECTOR1_RULES,
)
DETECTOR2 = _detector(
    'detector2',
    'detector 2 (mode vitdet): Mask R-CNN, simple pyramid',
    'backbone.net.',
    DETECTOR2_RULES,
)
