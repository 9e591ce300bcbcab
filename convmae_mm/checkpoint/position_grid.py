"""The grid that a position embedding is stored for, as its training says it.

The length of the table does not tell 4 x 16 patches from 8 x 8.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from convmae_mm.errors import ConfigError
from convmae_mm.ops.patches import resolve_grid
from convmae_mm.ops.positions import resize_positions

from .opening.files import LoadedFile

Grid = tuple[int, int]


def fit_position_grid(loaded: LoadedFile, target: Grid) -> dict[str, Tensor]:
    """Resize the position embedding from the grid that it is stored for.

    Args:
        loaded: Of a training of ours, or of ``convmae-mm convert``; its
            tensors stay as they are if it does not tell the grid.
        target: (H, W) that the embedding is wanted for.
    """
    source = _stored_grid(loaded)
    for name in ('pos_embed', 'backbone.pos_embed'):
        table = loaded.weights.get(name)
        if table is None or source is None or table.ndim != 3:
            continue
        if table.shape[1] == source[0] * source[1]:
            fitted = resize_positions(table, source, target)
            return {**loaded.weights, name: fitted}
    return loaded.weights


def _stored_grid(loaded: LoadedFile) -> Grid | None:
    """(H, W) in patches, by the settings or the config inside a file.

    Returns:
        None where the file does not say it, or is read no further: released
        files, and configs that are more than plain values.
    """
    backbone = loaded.settings.get('backbone')
    if backbone is None:
        backbone = (loaded.read_config().get('model') or {}).get('backbone')
    if not isinstance(backbone, Mapping):
        return None
    size = backbone.get('pretrain_img_size') or backbone.get('img_size')
    try:
        return None if size is None else resolve_grid(size)
    except ConfigError:
        return None
