"""The released detectors: Mask R-CNN as detectron2 and mmdet call it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mmengine.config import ConfigDict

from .layers import affine, conv_norm
from .network import Network, ReleasedNetwork, load_model, with_encoder
from .rules import Rules

# A layer: released name, ours, and the shape of its weight.
Layer = tuple[str, str, str]

SQUARE = 'fpn_channels fpn_channels 3 3'
ROI_CELLS = 7 * 7  # of the box head
RPN, ROI = 'proposal_generator.rpn_head', 'roi_heads'
BOX, MASK = 'roi_head.bbox_head', 'roi_head.mask_head'
# RPN, box head and mask head; there are 3 aspect ratios at each position.
HEADS: tuple[Layer, ...] = (
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
# Their convolutions with a norm: 1 to 4 there, 0 to 3 here.
HEAD_CONVS: tuple[Layer, ...] = tuple(
    (f'{ROI}.{released}{index + 1}', f'{ours}.{index}', SQUARE)
    for index in range(4)
    for released, ours in (
        ('box_head.conv', f'{BOX}.shared_convs'),
        ('mask_head.mask_fcn', f'{MASK}.convs'),
    )
)
# Detector 1, the FPN on E1 to E4: p2 to p5 there, level 0 to 3 here.
FPN: tuple[Layer, ...] = tuple(
    (f'backbone.fpn_{released}{index + 2}', f'neck.{ours}.{index}', weight)
    for index, channels in enumerate(('c1', 'c2', 'c3', 'c3'))
    for released, ours, weight in (
        ('lateral', 'lateral_convs', f'fpn_channels {channels} 1 1'),
        ('output', 'fpn_convs', SQUARE),
    )
)
# Detector 2, on E3: each level a sequence there, three parts here. The input
# of each level's 1x1 convolution, and its place in the sequence:
SIMPLE_FPN: tuple[Layer, ...] = tuple(
    (f'backbone.simfp_{index + 2}.{place}', f'neck.{ours}.{index}', weight)
    for index, (channels, first) in enumerate(
        (('quarter', 4), ('half', 1), ('c3', 0), ('c3', 1))
    )
    for place, ours, weight in (
        (first, 'lateral_convs', f'fpn_channels {channels} 1 1'),
        (first + 1, 'fpn_convs', SQUARE),
    )
)
RESIZE: Rules = (
    *affine('backbone.simfp_2.0', 'neck.resize.0.0', 'c3 half 2 2', bias=1),
    *affine('backbone.simfp_2.1', 'neck.resize.0.1', 'half'),
    *affine(
        'backbone.simfp_2.3', 'neck.resize.0.3', 'half quarter 2 2', bias=1
    ),
    *affine('backbone.simfp_3.0', 'neck.resize.1', 'c3 half 2 2', bias=1),
)


def _rules(pyramid: Iterable[Layer], kind: str) -> Rules:
    """Pyramid, RPN, box head and mask head; the norms as mmcv calls them."""
    return (
        *(
            rule
            for released, ours, weight in (*pyramid, *HEAD_CONVS)
            # one module there, two here
            for rule in conv_norm(
                (released, f'{released}.norm'), ours, kind, weight
            )
        ),
        *(rule for layer in HEADS for rule in affine(*layer)),
    )


@dataclass(frozen=True)
class Detector(Network):
    """A detector, in mmdet's scope.

    The SyncBN of detector 1 is ordinary BatchNorm in a single process, on a
    CPU too, and has the same tensors; so it stays SyncBN.
    """

    part: str = 'detector'
    sizes: tuple[str, ...] = ('fpn_channels', 'fc_channels', 'num_classes')

    def derive(self, sizes: dict[str, int]) -> dict[str, int]:
        return {
            'scores': sizes['num_classes'] + 1,
            'boxes': 4 * sizes['num_classes'],
            'cells': ROI_CELLS * sizes['fpn_channels'],
            'half': sizes['c3'] // 2,
            'quarter': sizes['c3'] // 4,
        }

    def config(self, network: ReleasedNetwork) -> ConfigDict:
        sizes = network.parts['detector']
        model = load_model(self.shipped, network)
        width, num_classes = sizes['fpn_channels'], sizes['num_classes']
        c1, c2, c3 = network.backbone['arch']['embed_dims']
        on_e3 = isinstance(model.neck.get('in_channels'), int)
        model.neck.update(
            in_channels=c3 if on_e3 else [c1, c2, c3, c3], out_channels=width
        )
        model.rpn_head.update(in_channels=width, feat_channels=width)
        roi_head = model.roi_head
        roi_head.bbox_roi_extractor.out_channels = width
        roi_head.mask_roi_extractor.out_channels = width
        for head in (roi_head.bbox_head, roi_head.mask_head):
            head.update(
                in_channels=width,
                conv_out_channels=width,
                num_classes=num_classes,
            )
        roi_head.bbox_head.fc_out_channels = sizes['fc_channels']
        # Both were trained and tested on squares of the size of their tables.
        img_size = network.backbone['img_size']
        size = img_size if isinstance(img_size, int) else max(img_size)
        model.data_preprocessor.pad_size_divisor = size
        return ConfigDict(model, _scope_='mmdet')


DETECTOR1_RULES = _rules(FPN, 'bn')
DETECTOR1 = Detector(
    name='detector1',
    title='detector 1 (mode mimdet): Mask R-CNN, FPN',
    sign=r'backbone\.bottom_up\.',
    prefix='backbone.bottom_up.',
    rules={'': with_encoder(DETECTOR1_RULES, 'backbone.bottom_up.')},
    shipped='detection/mask-rcnn_convmae-base-mimdet_fpn_lsj-25e_coco.py',
)
DETECTOR2_RULES = _rules(SIMPLE_FPN, 'ln') + RESIZE
DETECTOR2 = Detector(
    name='detector2',
    title='detector 2 (mode vitdet): Mask R-CNN, simple pyramid',
    sign=r'backbone\.net\.',
    prefix='backbone.net.',
    rules={'': with_encoder(DETECTOR2_RULES, 'backbone.net.')},
    shipped='detection/'
    'mask-rcnn_convmae-base-vitdet_simple-fpn_lsj-25e_coco.py',
)
