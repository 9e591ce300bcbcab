"""A test of the wrong weights must not look like a bad score."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from convmae_mm.registry import HOOKS


@HOOKS.register_module()
class CheckpointMatchHook(Hook):
    """Stop unless a loaded checkpoint fits the model exactly.

    mmengine logs what does not fit and carries on with random weights in its
    place. Register it with priority 'LOWEST', after hooks that exchange
    weights in the checkpoint, such as the one for exponential averages.
    """

    def after_load_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Compare names and shapes.

        Raises:
            ValueError: If a tensor is missing, left over or of another shape.
        """
        model = runner.model
        model = model.module if is_model_wrapper(model) else model
        expected = {k: tuple(v.shape) for k, v in model.state_dict().items()}
        weights = checkpoint.get('state_dict', checkpoint)
        given = {
            name.removeprefix('module.'): tuple(tensor.shape)
            for name, tensor in weights.items()
        }
        common = expected.keys() & given.keys()
        complaints = {
            'missing': expected.keys() - given.keys(),
            'unknown': given.keys() - expected.keys(),
            'of another shape': {
                name for name in common if expected[name] != given[name]
            },
        }
        if any(complaints.values()):
            details = '; '.join(
                f'{len(names)} {kind}, such as {min(names)}'
                for kind, names in complaints.items()
                if names
            )
            raise ValueError(
                f'the checkpoint does not fit {type(model).__name__}: '
                f'{details}. Is it from another config?'
            )
