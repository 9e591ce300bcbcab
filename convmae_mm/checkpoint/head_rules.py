"""Names of the pyramids and heads of the released detectors and segmentor.

Detectron2's names on the one side, those of mmdet's MaskRCNN on the other;
mmseg's names are the same today as when the segmentor was released.
"""

from __future__ import annotations

from .rules import Rule, Rules

# The pyramid: p2 to p5 there, level 0 to 3 here.
_LEVELS = tuple(enumerate(range(2, 6)))

# Convolutions of the box head and of the mask head: 1 to 4 there, 0 to 3 here.
_HEAD_CONVS = tuple(enumerate(range(1, 5)))


def _conv_norm(released: str, ours: str, norm: str) -> Rules:
    """A convolution without bias and its norm: one module there, two here."""
    return (
        Rule(f'{released}.weight', f'{ours}.conv.weight'),
        Rule(f'{released}.norm.{{leaf}}', f'{ours}.{norm}.{{leaf}}'),
    )


def _heads(norm: str) -> Rules:
    """RPN, box head and mask head; ``norm`` as mmcv calls it, bn or ln."""
    rpn, roi = 'proposal_generator.rpn_head', 'roi_heads'
    box_convs = (
        rule
        for index, number in _HEAD_CONVS
        for rule in _conv_norm(
            f'{roi}.box_head.conv{number}',
            f'roi_head.bbox_head.shared_convs.{index}',
            norm,
        )
    )
    mask_convs = (
        rule
        for index, number in _HEAD_CONVS
        for rule in _conv_norm(
            f'{roi}.mask_head.mask_fcn{number}',
            f'roi_head.mask_head.convs.{index}',
            norm,
        )
    )
    renamed = {
        f'{rpn}.conv.conv{{index}}': 'rpn_head.rpn_conv.{index}.conv',
        f'{rpn}.objectness_logits': 'rpn_head.rpn_cls',
        f'{rpn}.anchor_deltas': 'rpn_head.rpn_reg',
        f'{roi}.box_head.fc1': 'roi_head.bbox_head.shared_fcs.0',
        f'{roi}.box_predictor.cls_score': 'roi_head.bbox_head.fc_cls',
        f'{roi}.box_predictor.bbox_pred': 'roi_head.bbox_head.fc_reg',
        f'{roi}.mask_head.deconv': 'roi_head.mask_head.upsample',
        f'{roi}.mask_head.predictor': 'roi_head.mask_head.conv_logits',
    }
    linear = (
        Rule(f'{released}.{{leaf}}', f'{ours}.{{leaf}}')
        for released, ours in renamed.items()
    )
    return (*linear, *box_convs, *mask_convs)


def _fpn() -> Rules:
    return tuple(
        rule
        for index, level in _LEVELS
        for released, ours in (
            ('fpn_lateral', 'lateral_convs'),
            ('fpn_output', 'fpn_convs'),
        )
        for rule in _conv_norm(
            f'backbone.{released}{level}', f'neck.{ours}.{index}', 'bn'
        )
    )


def _simple_fpn() -> Rules:
    """Detector 2: each level a sequence there, three parts here."""
    # level -> place of the 1x1 convolution in the sequence
    laterals = {2: 4, 3: 1, 4: 0, 5: 1}
    convs = (
        rule
        for index, level in _LEVELS
        for step, ours in enumerate(('lateral_convs', 'fpn_convs'))
        for rule in _conv_norm(
            f'backbone.simfp_{level}.{laterals[level] + step}',
            f'neck.{ours}.{index}',
            'ln',
        )
    )
    resize = {
        'backbone.simfp_2.0': 'neck.resize.0.0',
        'backbone.simfp_2.1': 'neck.resize.0.1',
        'backbone.simfp_2.3': 'neck.resize.0.3',
        'backbone.simfp_3.0': 'neck.resize.1',
    }
    resized = (
        Rule(f'{released}.{{leaf}}', f'{ours}.{{leaf}}')
        for released, ours in resize.items()
    )
    return (*resized, *convs)


DETECTOR1_RULES: Rules = (*_fpn(), *_heads('bn'))
DETECTOR2_RULES: Rules = (*_simple_fpn(), *_heads('ln'))

_SEGMENTOR_CONVS = (
    'decode_head.psp_modules.{index}.1',
    'decode_head.lateral_convs.{index}',
    'decode_head.fpn_convs.{index}',
    'decode_head.bottleneck',
    'decode_head.fpn_bottleneck',
    'auxiliary_head.convs.{index}',
)
SEGMENTOR_RULES: Rules = tuple(
    Rule(name, name)
    for name in (
        'decode_head.conv_seg.{leaf}',
        'auxiliary_head.conv_seg.{leaf}',
        *(f'{conv}.conv.weight' for conv in _SEGMENTOR_CONVS),
        *(f'{conv}.bn.{{leaf}}' for conv in _SEGMENTOR_CONVS),
    )
)
