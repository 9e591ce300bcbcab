"""Ways to load and augment pretraining pictures, by name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from _settings import SettingError
from mmcv.transforms import Compose, LoadImageFromFile
from mmengine.config import Config
from mmpretrain.registry import TRANSFORMS
from PIL import Image

from convmae_mm.datasets import LoadRGBImage

SETTINGS = {
    'ours': "convmae_mm's LoadRGBImage (decodes with Pillow) and "
    'RandomResizedCrop',
    'ours+reduced': 'the same with min_side: large JPEGs at 1/2, 1/4, 1/8',
    'cv2': "mmcv's LoadImageFromFile, which decodes with OpenCV; here and "
    "below with mmpretrain's RandomResizedCrop",
    'cv2+reduced': 'cv2.imread with IMREAD_REDUCED_COLOR_2, _4 or _8',
    'pillow': "mmcv's LoadImageFromFile(imdecode_backend='pillow')",
    'torchvision': 'torchvision.io.decode_jpeg, turned to BGR',
}
REDUCED = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    1: cv2.IMREAD_COLOR,
}
PILLOW_BICUBIC = dict(backend='pillow', interpolation='bicubic')
Results = dict[str, Any]
Load = Callable[[Results], Results]


@dataclass(frozen=True)
class Work:
    """What every setting of one call does.

    Attributes:
        groups: Paths of JPEG files by a label, such as their size.
        config: File with the ``train_pipeline`` whose first transform is
            replaced by the setting's.
        min_side: What '+reduced' must leave of each side, in pixels.
    """

    groups: dict[str, list[str]]
    config: str
    min_side: int

    def augment(self, setting: str) -> Compose:
        """The pipeline behind the loading."""
        ours = setting.startswith('ours')
        transforms = read_pipeline(self.config)[1:]
        return Compose(
            [TRANSFORMS.build(choose_crop(cfg, ours)) for cfg in transforms]
        )

    def loader(self, setting: str) -> Load:
        """The loading of a setting, which needs ``img_path``."""
        if setting == 'torchvision':
            return load_with_torchvision
        if setting == 'cv2+reduced':
            return self._load_reduced_with_cv2
        loaders = {
            'ours': lambda: LoadRGBImage(),
            'ours+reduced': lambda: LoadRGBImage(min_side=self.min_side),
            'cv2': lambda: LoadImageFromFile(),
            'pillow': lambda: LoadImageFromFile(imdecode_backend='pillow'),
        }
        return loaders[setting]()

    def _load_reduced_with_cv2(self, results: Results) -> Results:
        path = results['img_path']
        with Image.open(path) as image:  # reads the header only
            shorter = min(image.size)
        factor = next(
            k for k in REDUCED if k == 1 or shorter // k >= self.min_side
        )
        return with_image(results, cv2.imread(path, REDUCED[factor]))


def choose_crop(cfg: dict, ours: bool) -> dict:
    """Whatever crop a config has: ours or mmpretrain's, which are equal."""
    if not cfg['type'].endswith('RandomResizedCrop'):
        return cfg
    cfg = {k: v for k, v in cfg.items() if k not in PILLOW_BICUBIC}
    if ours:
        return cfg | dict(type='convmae_mm.RandomResizedCrop')
    return cfg | dict(type='RandomResizedCrop', **PILLOW_BICUBIC)


def load_with_torchvision(results: Results) -> Results:
    """Decode to RGB (3, H, W) and bring it to what mmcv expects."""
    from torchvision.io import ImageReadMode, decode_jpeg, read_file

    content = read_file(results['img_path'])
    image = decode_jpeg(content, mode=ImageReadMode.RGB)
    rgb = image.permute(1, 2, 0).numpy()
    return with_image(results, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


def with_image(results: Results, image: np.ndarray) -> Results:
    """Add an image (H, W, 3) as mmcv's loading transform does."""
    shape = image.shape[:2]
    return {**results, 'img': image, 'img_shape': shape, 'ori_shape': shape}


def read_pipeline(config: str) -> list[dict]:
    """The ``train_pipeline`` of a config.

    Raises:
        SettingError: If there is none that begins with a loading transform.
    """
    loader = Config.fromfile(config).get('train_dataloader') or {}
    pipeline = loader.get('dataset', {}).get('pipeline')
    if not pipeline or 'Load' not in pipeline[0]['type']:
        raise SettingError(
            f'--config {config} has no train_pipeline that begins with a '
            "loading transform, such as type='convmae_mm.LoadRGBImage'"
        )
    return pipeline


def find_min_side(config: str) -> int:
    """The shortest side from which no random crop has to be enlarged.

    Raises:
        SettingError: If the pipeline has no RandomResizedCrop.
    """
    for cfg in read_pipeline(config):
        if cfg['type'].endswith('RandomResizedCrop'):
            crop = TRANSFORMS.build(cfg)
            aspect = max(crop.aspect_ratio_range)
            share = min(crop.crop_ratio_range) / aspect
            return math.ceil(max(crop.scale) / math.sqrt(share))
    raise SettingError(
        f'--config {config} has no RandomResizedCrop to derive the smallest '
        'useful side from; leave +reduced out, or give --min-side'
    )
