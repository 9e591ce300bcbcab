"""What a file of encoder weights says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from convmae_mm.checkpoint import load_weights_file
from convmae_mm.variants import arch_zoo

# What the released encoders were trained with, on ImageNet.
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Encoder:
    """Weights to start from.

    Attributes:
        checkpoint: The file.
        arch: Its name in ``arch_zoo``, None for another network.
        mean: Of the pixels that it was trained with.
        std: Their deviation.
    """

    checkpoint: str
    arch: str | None
    mean: tuple[float, ...]
    std: tuple[float, ...]


def look_at_encoder(file: str | Path) -> Encoder:
    """Read what a config for it has to know.

    Raises:
        FileNotFoundError: If there is no such file.
        CheckpointError: If it holds no weights of ours or the authors'.
    """
    loaded = load_weights_file(file)
    dims = {
        tensor.shape[0]
        for name, tensor in loaded.weights.items()
        if name.endswith('patch_embed3.proj.weight')
    }
    arch = next(
        (x for x, row in arch_zoo.items() if row.embed_dims[2] in dims), None
    )
    cfg = loaded.read_config()
    model = cfg.get('model') or {}
    processor = (
        model.get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    )
    mean = tuple(processor.get('mean') or IMAGENET_MEAN)
    std = tuple(processor.get('std') or IMAGENET_STD)
    return Encoder(str(file), arch, mean, std)
