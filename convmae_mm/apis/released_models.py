"""Released detectors and segmentors as models of mmdet and mmseg."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.config import Config, ConfigDict

from convmae_mm.checkpoint.description import ReleasedNetwork

from .config import find_config

DETECTOR_CONFIGS = {
    'detector1': 'mask-rcnn_convmae-base-mimdet_fpn_lsj-25e_coco.py',
    'detector2': 'mask-rcnn_convmae-base-vitdet_simple-fpn_lsj-25e_coco.py',
}
SEGMENTOR_CONFIG = 'upernet_convmae-base-seg_160k_ade20k-512x512.py'


def detector_config(network: ReleasedNetwork) -> ConfigDict:
    """The model config of a released detector, for ``MODELS.build``.

    That of the shipped config, with the sizes of the network. It brings its
    own scope, mmdet's, and loads no weights. The SyncBN of detector 1 is
    ordinary BatchNorm in a single process, on a CPU too, and has the same
    tensors; so it stays SyncBN.

    Args:
        network: Of variant 'detector1' or 'detector2'.

    Raises:
        ValueError: If the network is no detector.
    """
    if network.variant not in DETECTOR_CONFIGS or network.detector is None:
        raise ValueError(
            f'{network.variant=} is none of the detectors '
            f'{sorted(DETECTOR_CONFIGS)}'
        )
    file = f'detection/{DETECTOR_CONFIGS[network.variant]}'
    model = _load_model(file, network)
    width = network.detector['fpn_channels']
    num_classes = network.detector['num_classes']
    c1, c2, c3 = network.backbone['arch']['embed_dims']
    model.neck.out_channels = width
    if network.variant == 'detector1':
        model.neck.in_channels = [c1, c2, c3, c3]
    else:
        model.neck.in_channels = c3
    model.rpn_head.update(in_channels=width, feat_channels=width)
    roi_head = model.roi_head
    roi_head.bbox_roi_extractor.out_channels = width
    roi_head.mask_roi_extractor.out_channels = width
    roi_head.bbox_head.update(
        in_channels=width,
        conv_out_channels=width,
        fc_out_channels=network.detector['fc_channels'],
        num_classes=num_classes,
    )
    roi_head.mask_head.update(
        in_channels=width, conv_out_channels=width, num_classes=num_classes
    )
    # Both were trained and tested on squares of the size of their tables.
    size = max(_as_pair(network.backbone['img_size']))
    model.data_preprocessor.pad_size_divisor = size
    return ConfigDict(model, _scope_='mmdet')


def segmentor_config(network: ReleasedNetwork) -> ConfigDict:
    """The model config of a released segmentor, for ``MODELS.build``.

    As :func:`detector_config`, in mmseg's scope. Pictures are tested in crops
    of the size that the encoder's tables are for, with two thirds of it
    between one crop and the next.

    Args:
        network: Of variant 'segmentor'.

    Raises:
        ValueError: If the network is no segmentor.
    """
    if network.segmentor is None:
        raise ValueError(f'{network.variant=} is no segmentor')
    model = _load_model(f'segmentation/{SEGMENTOR_CONFIG}', network)
    num_classes = network.segmentor['num_classes']
    c1, c2, c3 = network.backbone['arch']['embed_dims']
    model.decode_head.update(
        in_channels=[c1, c2, c3, c3],
        channels=network.segmentor['channels'],
        num_classes=num_classes,
    )
    auxiliary_channels = network.segmentor['auxiliary_channels']
    if auxiliary_channels is None:
        model.auxiliary_head = None
    else:
        model.auxiliary_head.update(
            in_channels=c3,
            channels=auxiliary_channels,
            num_classes=num_classes,
        )
    height, width = _as_pair(network.backbone['img_size'])
    model.data_preprocessor.size = (height, width)
    model.test_cfg.update(
        crop_size=(height, width), stride=(height * 2 // 3, width * 2 // 3)
    )
    return ConfigDict(model, _scope_='mmseg')


def _load_model(file: str, network: ReleasedNetwork) -> ConfigDict:
    """The model of a shipped config with the network's encoder."""
    model = Config.fromfile(find_config(file)).model
    # Whatever else the config says about the encoder, its sizes and where it
    # was pretrained, the network knows better.
    kept = {key: model.backbone[key] for key in ('type', 'drop_path_rate')}
    model.backbone = ConfigDict(kept, **network.backbone)
    fit_preprocessor(model.data_preprocessor, network.backbone['in_channels'])
    return model


def fit_preprocessor(preprocessor: ConfigDict, channels: int) -> None:
    """Normalise RGB only; nothing is known of the mean of other channels."""
    if channels != 3:
        for key in ('mean', 'std', 'to_rgb', 'bgr_to_rgb'):
            preprocessor.pop(key, None)


def _as_pair(img_size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width)."""
    if isinstance(img_size, int):
        return img_size, img_size
    height, width = img_size
    return height, width
