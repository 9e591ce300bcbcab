"""A trained model with the test pipeline of its config.

Legend: H, W height and width of a picture, C channels, N pictures.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cached_property
from os import PathLike, fspath
from pathlib import Path
from typing import Any, overload

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import TRANSFORMS, DefaultScope
from PIL import Image
from torch import Tensor, nn

from convmae_mm.datasets.load_rgb_image import (
    UndecodableImageError,
    read_rgb,
)
from convmae_mm.errors import ConfigError
from convmae_mm.models.backbones import ConvMAE
from convmae_mm.registry import type_name

Picture = str | PathLike | np.ndarray | Image.Image

TASKS = {'mmdet': 'detector', 'mmseg': 'segmentor', 'mmpretrain': 'classifier'}
E3_STRIDE = 16
# The share of a test picture that is looked at, as on ImageNet.
_CENTRE = 224 / 256
# The sides of an ordinary photo, short by long.
_ASPECT = 3 / 4


def task_of(model: nn.Module) -> str:
    """'detector', 'segmentor', 'classifier', 'pretraining' or 'encoder'."""
    if isinstance(model, ConvMAE):
        return 'encoder'
    if hasattr(model, 'reconstruct_panels') and not hasattr(model, 'vote'):
        return 'pretraining'
    libraries = [x.__module__.partition('.')[0] for x in type(model).mro()]
    for library, task in TASKS.items():
        if library in libraries:
            return task
    raise ConfigError(
        f'{type(model).__name__} is no model of {", ".join(TASKS)}'
    )


class LoadedModel:
    """What :func:`convmae_mm.load` gives.

    Pictures are paths, PIL images, or arrays: RGB uint8 (H, W, 3), or for
    networks of other channels what their loader would read.

    Args:
        model: In evaluation mode, on its device.
        cfg: Its config, for the pipelines.
        dataset_meta: Its classes and their colours, if known.
        path: Where the weights came from.
        preprocessor: Of an encoder alone; others have theirs.

    Attributes:
        model: The network.
        task: See :func:`task_of`.
        classes: Names by label, empty if there are none.
        palette: An RGB colour by label, empty if nobody chose any.
    """

    def __init__(
        self,
        model: Any,
        cfg: Config,
        dataset_meta: Mapping[str, Any],
        path: Path,
        preprocessor: nn.Module | None = None,
    ) -> None:
        self.model = model
        self.cfg = cfg
        self.path = path
        self.task = task_of(model)
        self.classes = tuple(str(x) for x in dataset_meta.get('classes') or ())
        palette = dataset_meta.get('palette')
        self.palette = (
            [tuple(x) for x in palette]
            if isinstance(palette, Sequence) and not isinstance(palette, str)
            else []
        )
        self.dataset_meta = dict(dataset_meta)
        self._preprocessor = preprocessor or model.data_preprocessor
        self._scales: dict[float | None, Compose] = {}

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @overload
    def predict(self, pictures: Picture) -> Any: ...

    @overload
    def predict(
        self, pictures: Sequence[Picture], batch_size: int | None = ...
    ) -> list[Any]: ...

    def predict(
        self,
        pictures: Any,
        batch_size: int | None = None,
    ) -> Any:
        """What the network sees in a picture, or in each of a list.

        Args:
            pictures: One, or a list or tuple of them.
            batch_size: How many go through the network together; by default
                as many as in the test of the config.

        Returns:
            The library's own data sample (mmdet's ``DetDataSample``, mmseg's
            ``SegDataSample``, mmpretrain's ``DataSample``), on the CPU; a
            list of them for a list.

        Raises:
            ConfigError: If the network predicts nothing.
            UndecodableImageError: If a file is no picture.
        """
        if isinstance(pictures, (list, tuple)):
            size = batch_size or self.batch_size
            return [
                sample
                for batch in chunked(pictures, size)
                for sample in self.predict_read([self.read(x) for x in batch])
            ]
        return self.predict_read([self.read(pictures)])[0]

    def features(self, picture: Picture) -> tuple[Tensor, ...]:
        """The encoder's maps of a picture, each (C, height, width).

        Those of E1 to E4 that the config's ``out_indices`` names, of the
        picture as the test pipeline resizes it, without padding.
        """
        inputs, sizes = self._encode_inputs([self.read(picture)])
        with torch.no_grad():
            maps = self._encoder(inputs)
        height, width = sizes[0]
        return tuple(
            x[
                0,
                :,
                : math.ceil(height * x.shape[2] / inputs.shape[2]),
                : math.ceil(width * x.shape[3] / inputs.shape[3]),
            ].cpu()
            for x in maps
        )

    def embed(self, pictures: Sequence[Picture]) -> Tensor:
        """A unit vector for each picture, (N, C): the mean of E3.

        The pictures go through the network together where they have one size.

        Raises:
            ConfigError: For a picture that is in no list, or an empty one.
            UndecodableImageError: If a file is no picture.
        """
        if not isinstance(pictures, (list, tuple)) or not pictures:
            what = f'{pictures!r:.80}'
            raise ConfigError(f'a list of pictures is embedded, not {what}')
        return self.embed_read([self.read(x) for x in pictures])

    @property
    def batch_size(self) -> int:
        """Pictures in a batch of the config's test."""
        loader = self._test_loader or self.cfg.get('train_dataloader') or {}
        return int(loader.get('batch_size', 1))

    @cached_property
    def _test_loader(self) -> Any:
        return self.cfg.get('test_dataloader') or self.cfg.get(
            'val_dataloader'
        )

    # -- what the commands build on: reading apart from predicting

    def read(self, picture: Picture) -> dict[str, Any]:
        """A picture as the pipeline's loader gives it.

        Raises:
            UndecodableImageError: If a file is damaged or no picture.
        """
        if isinstance(picture, (str, PathLike)):
            path = fspath(picture)
            if self.reads_rgb:
                # OpenCV shows the half of a picture that is cut off
                read_rgb(path)
            try:
                return dict(self._loader(dict(img_path=path, img_id=path)))
            except (UndecodableImageError, MemoryError):
                raise
            except Exception as error:
                raise UndecodableImageError(
                    f'cannot decode {path}: {type(error).__name__}: {error}'
                ) from error
        pixels = np.asarray(
            picture.convert('RGB')
            if isinstance(picture, Image.Image)
            else picture
        )
        if self.reads_rgb:
            fits = pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.size
            if not fits or pixels.dtype != np.uint8:
                raise ConfigError(
                    f'an array of {pixels.dtype} and shape {pixels.shape} is '
                    'no RGB picture, which is uint8 and (height, width, 3)'
                )
            pixels = self.swap_rgb(pixels)
        return as_read(pixels)

    def crop(
        self, read: Mapping[str, Any], box: tuple[int, int, int, int]
    ) -> dict[str, Any]:
        """The part x1 y1 x2 y2 of a picture from :meth:`read`, as one."""
        x1, y1, x2, y2 = box
        return as_read(np.ascontiguousarray(read['img'][y1:y2, x1:x2]))

    def show(self, read: Mapping[str, Any]) -> np.ndarray:
        """A picture from :meth:`read` as RGB uint8 (H, W, 3), to look at.

        Of other channels than three, the first three or the only one, each
        stretched from its least to its greatest value.
        """
        pixels = read['img']
        if self.reads_rgb:
            return self.swap_rgb(pixels)
        shown = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1]
        low = shown.min(axis=(0, 1), keepdims=True)
        span = np.maximum(shown.max(axis=(0, 1), keepdims=True) - low, 1e-9)
        grey = ((shown - low) / span * 255).astype(np.uint8)
        return grey if grey.shape[2] == 3 else np.repeat(grey, 3, axis=2)

    def predict_read(
        self, pictures: Sequence[Mapping[str, Any]], scale: float | None = None
    ) -> list[Any]:
        """As :meth:`predict`, of pictures from :meth:`read`, in one batch.

        Args:
            pictures: They go through the network together.
            scale: Resize each by this factor, not as the config says.
        """
        if self.task in ('pretraining', 'encoder'):
            raise ConfigError(
                f'{self.path} is a {self.task} network, which predicts no '
                'labels; `convmae-mm reconstruct` and `convmae-mm embed` show '
                'what it has learned'
            )
        rest = self._rest(scale)
        batch = pseudo_collate([rest(dict(x)) for x in pictures])
        with torch.no_grad():
            samples = self.model.test_step(batch)
        return [sample.cpu() for sample in samples]

    def embed_read(self, pictures: Sequence[Mapping[str, Any]]) -> Tensor:
        """As :meth:`embed`, of pictures from :meth:`read`."""
        if len({x['img'].shape for x in pictures}) > 1:
            return torch.cat([self.embed_read([x]) for x in pictures])
        inputs, sizes = self._encode_inputs(pictures)
        with torch.no_grad():
            maps = self._encoder(inputs)
        indices = list(self._encoder.out_indices)
        e3 = maps[indices.index(2) if 2 in indices else -1]
        height, width = (math.ceil(x / E3_STRIDE) for x in sizes[0])
        e3 = e3[:, :, :height, :width]
        return F.normalize(e3.mean(dim=(2, 3)), dim=1).cpu()

    def inputs(self, pictures: Sequence[Mapping[str, Any]]) -> Tensor:
        """What the encoder gets of pictures from :meth:`read`."""
        return self._encode_inputs(pictures)[0]

    def unnormalise(self, images: Tensor) -> list[np.ndarray]:
        """From the network's input space to RGB uint8 (H, W, 3)."""
        processor: Any = self._preprocessor
        pixels = images
        if getattr(processor, 'mean', None) is not None:
            pixels = images * processor.std + processor.mean
        arrays = pixels.clamp(0, 255).byte().permute(0, 2, 3, 1).cpu().numpy()
        return [np.ascontiguousarray(x[..., :3]) for x in arrays]

    def tile_scale(self, tile: tuple[int, int]) -> float | None:
        """The factor that tiles are resized by, None as the config says.

        A tile is seen at the scale at which an ordinary photo would be whose
        longer side is the tile's; see ``keep_ratio`` of mmcv's ``Resize``.

        Args:
            tile: Height and width in pixels.
        """
        for step in self._test_pipeline:
            scale = step.get('scale')
            if type_name(step) == 'Resize' and step.get('keep_ratio'):
                if scale is None:
                    return None
                sides = (scale, scale) if isinstance(scale, int) else scale
                long = max(tile)
                return min(max(sides) / long, min(sides) / (_ASPECT * long))
        return None

    @property
    def _encoder(self) -> ConvMAE:
        if isinstance(self.model, ConvMAE):
            return self.model
        backbone = self.model.backbone
        assert isinstance(backbone, ConvMAE)
        return backbone

    def _encode_inputs(
        self, pictures: Sequence[Mapping[str, Any]]
    ) -> tuple[Tensor, list[tuple[int, int]]]:
        """Preprocessed pictures in one tensor, their sizes before padding."""
        rest = self._rest(None)
        items = [rest(dict(x)) for x in pictures]
        sizes = [tuple(x['inputs'].shape[-2:]) for x in items]
        batch = pseudo_collate(items)
        if self.task in ('pretraining', 'encoder'):
            batch['inputs'] = torch.stack(batch['inputs'])
        data = self._preprocessor(batch, False)
        return data['inputs'], sizes

    # -- the pipeline of the config, in two parts

    @cached_property
    def _test_pipeline(self) -> list[dict[str, Any]]:
        """Without what reads annotations."""
        loader = self._test_loader
        if loader is None:
            steps = self._pretraining_pipeline()
        else:
            steps = pipeline_of(loader['dataset'])
        kept = [dict(x) for x in steps if 'Annotations' not in type_name(x)]
        if not kept or not type_name(kept[0]).startswith('Load'):
            raise ConfigError(
                'the test pipeline of the config does not begin with a loader '
                f'but with {type_name(kept[0]) if kept else "nothing"}'
            )
        return deepcopy(kept)

    def _pretraining_pipeline(self) -> list[dict[str, Any]]:
        """A pretraining tests nothing: its loader, and one centred crop."""
        steps = pipeline_of(self.cfg.train_dataloader['dataset'])
        size = next(
            (x['scale'] for x in steps if 'RandomResizedCrop' in type_name(x)),
            None,
        ) or _pair(self._encoder.img_size)
        size = _pair(size)
        keep = ('Load', 'Pack', 'NormalizeChannels')
        kept = [x for x in steps if any(name in type_name(x) for name in keep)]
        edge = round(max(size) / _CENTRE)
        resize: list[dict[str, Any]] = [
            dict(
                type='mmpretrain.ResizeEdge',
                scale=edge,
                edge='short',
                interpolation='bicubic',
            ),
            dict(type='mmpretrain.CenterCrop', crop_size=size),
        ]
        return [kept[0], *resize, *kept[1:]]

    def _build(self, steps: Iterable[Mapping[str, Any]]) -> list[Any]:
        scope = self.cfg.get('default_scope')
        with DefaultScope.overwrite_default_scope(scope):
            return [TRANSFORMS.build(dict(step)) for step in steps]

    @cached_property
    def _loader(self) -> Any:
        return self._build(self._test_pipeline[:1])[0]

    def _rest(self, scale: float | None) -> Compose:
        if scale not in self._scales:
            steps = self._test_pipeline[1:]
            if scale is not None:
                steps = [_scaled(step, scale) for step in steps]
            self._scales[scale] = Compose(self._build(steps))
        return self._scales[scale]

    @property
    def reads_rgb(self) -> bool:
        """Whether the loader gives three colours, not channels of any kind."""
        return 'MultiChannel' not in type_name(self._test_pipeline[0])

    def swap_rgb(self, pixels: np.ndarray) -> np.ndarray:
        """From RGB to the loader's order of channels, or back."""
        if self._test_pipeline[0].get('channel_order') == 'rgb':
            return pixels
        return cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)


def as_read(pixels: np.ndarray) -> dict[str, Any]:
    """An array in the form that loaders give."""
    return dict(
        img=pixels,
        img_path='',
        img_id=0,
        img_shape=pixels.shape[:2],
        ori_shape=pixels.shape[:2],
    )


def chunked(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of so many items, the last one of what is left."""
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def pipeline_of(dataset: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The pipeline of a data set's config, below any wrappers."""
    while 'pipeline' not in dataset and 'dataset' in dataset:
        dataset = dataset['dataset']
    return [dict(step) for step in dataset.get('pipeline') or ()]


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _scaled(step: Mapping[str, Any], scale: float) -> dict[str, Any]:
    if type_name(step) != 'Resize':
        return dict(step)
    others = {k: v for k, v in step.items() if k != 'scale'}
    return dict(others, scale_factor=scale, keep_ratio=True)
