"""The grid that a position embedding is stored for, as its training says it.

The length of the table does not tell 4 x 16 patches from 8 x 8.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from convmae_mm.errors import CheckpointError, ConfigError
from convmae_mm.ops.patches import resolve_grid
from convmae_mm.ops.positions import resize_positions

from .opening.config_text import read_config_text
from .opening.files import LoadedFile

NAMES = ('pos_embed', 'backbone.pos_embed')
Grid = tuple[int, int]


def stored_grid(loaded: LoadedFile) -> Grid | None:
    """(H, W) in patches, by the settings or the config inside a file.

    Args:
        loaded: Of a training of ours, or of ``convmae-mm convert``.

    Returns:
        None where the file does not say it, or is read no further: released
        files, and configs that are more than plain values.
    """
    backbone = loaded.settings.get('backbone')
    text = loaded.settings.get('cfg')
    if backbone is None and isinstance(text, str):
        try:
            model = read_config_text(text).get('model') or {}
        except CheckpointError:
            return None
        backbone = model.get('backbone')
    if not isinstance(backbone, Mapping):
        return None
    size = backbone.get('pretrain_img_size') or backbone.get('img_size')
    try:
        return None if size is None else resolve_grid(size)
    except ConfigError:
        return None


def fit_position_grid(
    weights: Mapping[str, Tensor], source: Grid | None, target: Grid
) -> dict[str, Tensor]:
    """Resize the position embedding from the grid that it is stored for.

    Args:
        weights: Tensors by our names; others are left as they are.
        source: (H, W) of the embedding, or None to leave it as it is.
        target: (H, W) that it is wanted for.
    """
    fitted = dict(weights)
    name: Any = next((x for x in NAMES if x in weights), None)
    if name is None or source is None or source == target:
        return fitted
    table = weights[name]
    if table.ndim == 3 and table.shape[1] == source[0] * source[1]:
        fitted[name] = resize_positions(table, source, target)
    return fitted
