# Released segmentor (51.7 mIoU): UperNet on a stage 3 with a table of relative
# positions and LayerScale in each block, and a convolution for E4. 8 GPUs x 2
# pictures, 160,000 iterations.
# Another encoder: --cfg-options model.backbone.init_cfg.checkpoint=FILE
# From scratch:    --cfg-options model.backbone.init_cfg=None
_base_ = ['./upernet_convmae-base_160k_ade20k-512x512.py']

model = dict(backbone=dict(mode='seg'))
