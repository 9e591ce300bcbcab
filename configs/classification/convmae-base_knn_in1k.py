# How well the neighbours of a picture tell its class: 20 nearest neighbours
# among the training pictures by the mean of E3. Nothing is trained:
#   convmae-mm test CONFIG CHECKPOINT_OF_A_PRETRAINING
# Published for ConvMAE: nothing.
_base_ = [
    '../_base_/models/convmae-base_pretrain.py',
    '../_base_/datasets/imagenet_224.py',
    '../_base_/default_runtime.py',
]
default_scope = 'mmpretrain'

model = dict(
    type='convmae_mm.models.selfsup.knn_classifier.KNNClassifier',
    num_classes=1000,
    num_neighbours=20,
    temperature=0.07,
    # The training pictures, as they are tested.
    gallery=dict(
        batch_size=128,
        num_workers=8,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='default_collate'),
        dataset=dict(
            type='ImageNet',
            data_root=_base_.val_dataloader.dataset.data_root,
            split='train',
            pipeline=_base_.val_dataloader.dataset.pipeline,
        ),
    ),
)
train_dataloader = None
val_dataloader = None
val_evaluator = None
test_cfg = dict(type='TestLoop')
