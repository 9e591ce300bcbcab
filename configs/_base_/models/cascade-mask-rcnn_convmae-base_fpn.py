# Cascade Mask R-CNN with FPN on ConvMAE-B: the heads of the Mask R-CNN three
# times, each for boxes that fit better, with one box for all classes.
_base_ = ['./mask-rcnn_convmae-base_fpn.py']

box_stds = [
    [0.1, 0.1, 0.2, 0.2],
    [0.05, 0.05, 0.1, 0.1],
    [0.033, 0.033, 0.067, 0.067],
]
box_ious = [0.5, 0.6, 0.7]
model = dict(
    type='CascadeRCNN',
    roi_head=dict(
        type='CascadeRoIHead',
        num_stages=3,
        stage_loss_weights=[1, 0.5, 0.25],
        bbox_head=[
            dict(
                _base_.model.roi_head.bbox_head,
                reg_class_agnostic=True,
                bbox_coder=dict(type='DeltaXYWHBBoxCoder', target_stds=stds),
            )
            for stds in box_stds
        ],
    ),
    train_cfg=dict(
        rcnn=[
            dict(
                _base_.model.train_cfg.rcnn,
                assigner=dict(
                    _base_.model.train_cfg.rcnn.assigner,
                    pos_iou_thr=iou,
                    neg_iou_thr=iou,
                    min_pos_iou=iou,
                ),
            )
            for iou in box_ious
        ],
    ),
)
