"""Start from released weights, or from our own, inside a config."""

from __future__ import annotations

import io
from collections.abc import Callable
from os import PathLike
from typing import Any

from mmengine.logging import print_log
from mmengine.model import BaseModule, update_init_info
from rich.console import Console
from rich.table import Table
from torch import nn

from convmae_mm.checkpoint import (
    CheckpointError,
    InitialisationReport,
    initialise_backbone,
    initialise_model,
    load_weights_file,
)
from convmae_mm.checkpoint.position_grid import fit_position_grid
from convmae_mm.models.backbones import ConvMAE
from convmae_mm.registry import WEIGHT_INITIALIZERS


@WEIGHT_INITIALIZERS.register_module()
class PretrainedConvMAE:
    """Initialise a backbone, or a model, from any file of a ConvMAE network.

    ``init_cfg=dict(type='convmae_mm.PretrainedConvMAE', checkpoint=FILE)`` of
    a :class:`ConvMAE`, or of a model whose backbone is one and whose other
    parts are in the file too, such as a pretraining that goes on. Pretraining
    files start every mode; position tables are resized, and the first
    convolution is inflated for other channels. What became of each tensor is
    logged in one table.

    Args:
        checkpoint: Path or URL of a released file or of ours.
        allow_other_mode: Take an encoder that was trained in another mode
            than 'plain' and the backbone's, without what that mode adds.
    """

    def __init__(
        self, checkpoint: str | PathLike, allow_other_mode: bool = False
    ) -> None:
        self.checkpoint = checkpoint
        self.allow_other_mode = allow_other_mode

    def __call__(self, module: nn.Module) -> None:
        """Load the weights.

        Raises:
            TypeError: If the module neither is nor has a :class:`ConvMAE`.
            FileNotFoundError: If there is no such file.
            CheckpointError: If the file does not fit; says what it saw.
        """
        initialise: Callable[..., InitialisationReport]
        if isinstance(module, ConvMAE):
            initialise = initialise_backbone
        elif isinstance(getattr(module, 'backbone', None), ConvMAE):
            initialise = initialise_model
            _initialise_children(module)
        else:
            raise TypeError(
                'PretrainedConvMAE initialises a ConvMAE backbone, or a model '
                f'that has one, not {type(module).__name__}: put it into the '
                'init_cfg of the backbone'
            )
        loaded = load_weights_file(self.checkpoint)
        backbone: Any = getattr(module, 'backbone', module)
        weights = fit_position_grid(loaded, backbone.pos_embed_grid)
        try:
            report = initialise(module, weights, self.allow_other_mode)
        except CheckpointError as error:
            raise type(error)(f'{self.checkpoint}: {error}') from error
        print_log(
            f'Weights of {self.checkpoint}\n{show_report(report)}',
            logger='current',
        )
        if hasattr(module, '_params_init_info'):
            update_init_info(
                module, init_info=f'PretrainedConvMAE: {self.checkpoint}'
            )


def _initialise_children(module: nn.Module) -> None:
    """Let the parts draw their weights now, not after they are loaded.

    mmengine does so afterwards for every initialiser but its own
    ``Pretrained``; parts that were initialised are left alone.
    """
    for child in module.children():
        if isinstance(child, BaseModule) and not child.is_init:
            child.init_weights()


def show_report(report: InitialisationReport) -> str:
    """A table of what became of each tensor, as text."""
    table = Table()
    table.add_column('tensors')
    table.add_column('number', justify='right')
    table.add_column('which')
    table.add_row('loaded', str(len(report.loaded)), '')
    for kind in ('resized', 'inflated'):
        changes = getattr(report, kind)
        which = (f'{x.name} {x.source} -> {x.target}' for x in changes)
        table.add_row(kind, str(len(changes)), '\n'.join(which))
    for kind in ('new', 'missing', 'unexpected'):
        names = getattr(report, kind)
        table.add_row(kind, str(len(names)), '\n'.join(names))
    for part, count in report.unused.items():
        table.add_row('not needed', str(count), f'{part}.*')
    text = io.StringIO()
    # As wide as needed: a log file has no width, and no name may be cut.
    Console(file=text, width=120).print(table)
    return text.getvalue()
