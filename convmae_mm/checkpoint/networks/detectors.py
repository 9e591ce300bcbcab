"""The released detectors: Mask R-CNN as detectron2 and mmdet call it."""

from __future__ import annotations

from mmengine.config import ConfigDict

from .layers import affine, conv_norm, expect_by, read_by
from .network import Network, ReleasedNetwork, load_model, with_encoder
from .rules import Rules

# The pyramid: p2 to p5 there, level 0 to 3 here.
LEVELS = tuple(enumerate(range(2, 6)))
SQUARE = 'fpn_channels fpn_channels 3 3'
ROI_CELLS = 7 * 7  # of the box head
RPN, ROI = 'proposal_generator.rpn_head', 'roi_heads'
BOX, MASK = 'roi_head.bbox_head', 'roi_head.mask_head'
# RPN, box head and mask head: released, ours, and the shape of the weight;
# there are 3 aspect ratios at each position.
HEADS = (
    (f'{RPN}.conv.conv0', 'rpn_head.rpn_conv.0.conv', SQUARE),
    (f'{RPN}.conv.conv1', 'rpn_head.rpn_conv.1.conv', SQUARE),
    (f'{RPN}.objectness_logits', 'rpn_head.rpn_cls', '3 fpn_channels 1 1'),
    (f'{RPN}.anchor_deltas', 'rpn_head.rpn_reg', '12 fpn_channels 1 1'),
    (f'{ROI}.box_head.fc1', f'{BOX}.shared_fcs.0', 'fc_channels cells'),
    (f'{ROI}.box_predictor.cls_score', f'{BOX}.fc_cls', 'scores fc_channels'),
    (f'{ROI}.box_predictor.bbox_pred', f'{BOX}.fc_reg', 'boxes fc_channels'),
    (
        f'{ROI}.mask_head.deconv',
        f'{MASK}.upsample',
        'fpn_channels fpn_channels 2 2',
    ),
    (
        f'{ROI}.mask_head.predictor',
        f'{MASK}.conv_logits',
        'num_classes fpn_channels 1 1',
    ),
)


def _derive(sizes: dict[str, int]) -> dict[str, int]:
    return {
        'scores': sizes['num_classes'] + 1,
        'boxes': 4 * sizes['num_classes'],
        'cells': ROI_CELLS * sizes['fpn_channels'],
        'half': sizes['c3'] // 2,
        'quarter': sizes['c3'] // 4,
    }


def _conv_norm(released: str, ours: str, kind: str, weight: str) -> Rules:
    """A convolution and its norm: one module there, two here."""
    return conv_norm((released, f'{released}.norm'), ours, kind, weight)


def _heads(kind: str) -> Rules:
    """RPN, box head and mask head; the norms as mmcv calls them."""
    rules = [rule for row in HEADS for rule in affine(*row)]
    # 1 to 4 there, 0 to 3 here
    for index in range(4):
        for released, ours in (
            ('box_head.conv', f'{BOX}.shared_convs'),
            ('mask_head.mask_fcn', f'{MASK}.convs'),
        ):
            rules += _conv_norm(
                f'{ROI}.{released}{index + 1}',
                f'{ours}.{index}',
                kind,
                SQUARE,
            )
    return tuple(rules)


def _fpn() -> Rules:
    """Detector 1: the FPN on E1 to E4."""
    inputs = ('c1', 'c2', 'c3', 'c3')
    return tuple(
        rule
        for index, level in LEVELS
        for released, ours, weight in (
            ('lateral', 'lateral', f'fpn_channels {inputs[index]} 1 1'),
            ('output', 'fpn', SQUARE),
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
    # place of each level's 1x1 convolution in the sequence, and its input
    laterals = ((4, 'quarter'), (1, 'half'), (0, 'c3'), (1, 'c3'))
    convs = (
        rule
        for (index, level), (place, inputs) in zip(
            LEVELS, laterals, strict=True
        )
        for step, ours, weight in (
            (0, 'lateral', f'fpn_channels {inputs} 1 1'),
            (1, 'fpn', SQUARE),
        )
        for rule in _conv_norm(
            f'backbone.simfp_{level}.{place + step}',
            f'neck.{ours}_convs.{index}',
            'ln',
            weight,
        )
    )
    stem, resize = 'backbone.simfp', 'neck.resize'
    return (
        *affine(f'{stem}_2.0', f'{resize}.0.0', 'c3 half 2 2', bias=1),
        *affine(f'{stem}_2.1', f'{resize}.0.1', 'half'),
        *affine(f'{stem}_2.3', f'{resize}.0.3', 'half quarter 2 2', bias=1),
        *affine(f'{stem}_3.0', f'{resize}.1', 'c3 half 2 2', bias=1),
        *convs,
    )


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
        read=read_by(rules, 'fpn_channels', 'fc_channels', 'num_classes'),
        expect=expect_by(rules, _derive),
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
