"""What a pretrained network makes of the patches that it sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from convmae_mm.apis.loaded_model import LoadedModel
from convmae_mm.errors import ConfigError
from convmae_mm.predict.drawing import enlarge
from convmae_mm.variants import PATCH_SIZE

COLUMNS = ['Original', 'Masked', 'Reconstructed', 'Visible patches pasted in']
_PANELS = ('original', 'masked', 'reconstructed', 'pasted')


def reconstruct(
    model: LoadedModel, pictures: Sequence[Mapping[str, Any]], seed: int = 0
) -> list[list[np.ndarray]]:
    """Rows of four pictures, see ``COLUMNS``, RGB uint8 (H, W, 3).

    Args:
        model: Of a pretraining.
        pictures: From :meth:`LoadedModel.read`.
        seed: Decides which patches are hidden.

    Raises:
        ConfigError: If the network does not reconstruct.
    """
    if model.task != 'pretraining':
        raise ConfigError(
            f'{model.path} is a {model.task} network: only a pretraining '
            'reconstructs pictures'
        )
    images = model.inputs(pictures)
    patches = images.shape[-2] // PATCH_SIZE * (images.shape[-1] // PATCH_SIZE)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(len(images), patches, generator=generator)
    panels = model.model.reconstruct_panels(images, noise.to(images.device))
    columns = [model.unnormalise(getattr(panels, name)) for name in _PANELS]
    # what is hidden is zero in the network's space: grey to the eye
    return [
        [enlarge(picture) for picture in row]
        for row in zip(*columns, strict=True)
    ]
