"""Normalise any number of channels inside a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from convmae_mm.errors import ConfigError, DataError
from convmae_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class NormalizeChannels(BaseTransform):
    """Subtract a mean and divide by a deviation, channel by channel.

    The data preprocessors of mmpretrain, mmdet and mmseg do this on the GPU,
    but for one or three channels only. Put it last before the packing, and
    leave ``mean``, ``std`` and the change of colour order out of the
    preprocessor; its padding of 0 is then the mean.

    Required and changed key: ``img`` (H, W, C); becomes float32.

    Args:
        mean: One value a channel, in the units of the pixels.
        std: One positive value a channel.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        if len(mean) != len(std) or not mean:
            raise ConfigError(
                f'{mean=} and {std=} must have one value for each channel'
            )
        if min(std) <= 0:
            raise ConfigError(
                f'{std=} must be positive; leave out a channel that is '
                'constant'
            )
        self.mean = np.asarray(mean, np.float32)
        self.std = np.asarray(std, np.float32)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Normalise ``results['img']``.

        Raises:
            DataError: If it has another number of channels.
        """
        image = results['img']
        if image.shape[2:] != self.mean.shape:
            raise DataError(
                f'an image of shape {image.shape} needs one mean for each '
                f'channel, not {len(self.mean)}'
            )
        results['img'] = (image - self.mean) / self.std
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(mean={self.mean.tolist()}, '
            f'std={self.std.tolist()})'
        )
