"""Pictures of what a pretraining makes of hidden patches, while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from PIL import Image

from convmae_mm.registry import HOOKS


@HOOKS.register_module()
class ReconstructionHook(Hook):
    """Write reconstructions of the first pictures of the training.

    ``custom_hooks = [dict(type='convmae_mm.ReconstructionHook')]`` writes
    ``reconstructions/000500.png`` in the work directory and so on: a row for
    each picture, from left to right as it is, masked, reconstructed, and with
    the visible patches pasted in. The pictures and the hidden patches stay
    the same, so that the files can be compared; the training's random
    numbers are left alone.

    Args:
        interval: Iterations from one file to the next.
        number: Pictures, at most a batch.
        seed: Decides which patches are hidden.

    Raises:
        ValueError: For a number below 1.
    """

    def __init__(
        self, interval: int = 500, number: int = 4, seed: int = 0
    ) -> None:
        if interval < 1 or number < 1:
            raise ValueError(f'{interval=} and {number=} must be at least 1')
        self.interval = interval
        self.number = number
        self.seed = seed
        self._inputs: torch.Tensor | None = None

    @master_only
    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | tuple | list | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Keep the first pictures; write when it is time, and at the end."""
        if self._inputs is None:
            assert isinstance(data_batch, dict)
            self._inputs = data_batch['inputs'][: self.number].clone()
        done = runner.iter + 1
        if done % self.interval == 0 or done == runner.max_iters:
            folder = Path(runner.work_dir) / 'reconstructions'
            folder.mkdir(parents=True, exist_ok=True)
            self._draw(runner).save(folder / f'{done:06d}.png')

    @torch.no_grad()
    def _draw(self, runner: Runner) -> Image.Image:
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        training = model.training
        model.eval()
        processor = model.data_preprocessor
        data = {'inputs': self._inputs, 'data_samples': None}
        images = processor(data, False)['inputs']
        generator = torch.Generator().manual_seed(self.seed)
        patch = model.head.patch_size
        count = images.shape[2] // patch * (images.shape[3] // patch)
        noise = torch.rand(len(images), count, generator=generator)
        panels = model.reconstruct_panels(images, noise.to(images.device))
        model.train(training)
        columns = (
            panels.original,
            panels.masked,
            panels.reconstructed,
            panels.pasted,
        )
        return Image.fromarray(_grid(columns, processor))


def _grid(
    columns: Sequence[torch.Tensor], processor: torch.nn.Module
) -> np.ndarray:
    """Columns (N, C, H, W) of the network's space as one RGB picture."""
    wide = torch.cat([x.float() for x in columns], dim=3)
    mean = getattr(processor, 'mean', None)
    std = getattr(processor, 'std', None)
    if isinstance(mean, torch.Tensor) and isinstance(std, torch.Tensor):
        wide = wide * std + mean
    tall = torch.cat(list(wide), dim=1).clamp(0, 255).byte().cpu().numpy()
    pixels = tall.transpose(1, 2, 0)
    shown = pixels[..., :3] if pixels.shape[2] >= 3 else pixels[..., :1]
    return np.ascontiguousarray(
        np.repeat(shown, 3, axis=2) if shown.shape[2] == 1 else shown
    )
