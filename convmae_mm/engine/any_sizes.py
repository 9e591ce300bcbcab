"""Batches that the libraries cannot compute, made into ones that they can.

mmseg stacks the pictures of a batch and refuses other than equal sizes, in
tests too; BatchNorm over one position, as in pyramid pooling, cannot train
on a last batch of one picture; mmcv resizes what is long and thin to nothing.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from mmcv.image import geometric
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmengine.registry import DATASETS
from mmengine.runner import Runner
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from convmae_mm.registry import type_name


def accept_any_sizes() -> None:
    """Let mmseg's segmentors test batches of pictures of any sizes.

    Pictures of one size go through the network together; the order of the
    results is that of the batch. A second call does nothing, nor does a
    process without mmseg. And let mmcv resize a line of pixels.
    """
    _keep_a_pixel()
    module = sys.modules.get('mmseg.models.segmentors.base')
    if module is None:
        return
    segmentor: Any = module.BaseSegmentor
    if hasattr(segmentor, 'tests_any_sizes'):
        return
    segmentor.tests_any_sizes = True
    for name in ('val_step', 'test_step'):
        setattr(segmentor, name, _by_size(getattr(segmentor, name)))


def _keep_a_pixel() -> None:
    """A picture that keeps its proportions is never less than a pixel."""
    library: Any = geometric
    scaled = library._scale_size

    def scale_size(size: Any, scale: Any) -> tuple[int, int]:
        width, height = scaled(size, scale)
        return max(width, 1), max(height, 1)

    if scaled.__module__ != __name__:
        library._scale_size = scale_size


def _by_size(step: Callable[..., Any]) -> Callable[..., Any]:
    def by_size(self: Any, data: Any) -> Any:
        groups = _equal_sizes(data)
        if len(groups) < 2:
            return step(self, data)
        results: dict[int, Any] = {}
        for group in groups:
            part = {
                key: [values[index] for index in group]
                for key, values in data.items()
            }
            results |= zip(group, step(self, part), strict=True)
        return [results[index] for index in sorted(results)]

    return by_size


def _equal_sizes(data: Any) -> Sequence[list[int]]:
    """The indexes of a batch by the sizes of the pictures."""
    groups: dict[tuple[int, ...], list[int]] = {}
    inputs = data.get('inputs', ()) if isinstance(data, dict) else ()
    for index, picture in enumerate(inputs):
        groups.setdefault(tuple(picture.shape[-2:]), []).append(index)
    return list(groups.values())


def drop_single_pictures(runner: Runner) -> None:
    """Leave a last batch of one picture out where BatchNorm would meet it.

    Where a config says ``drop_last`` itself, that stands. To be called before
    the runner builds its loader of training pictures.
    """
    loader: Any = runner._train_dataloader
    if not isinstance(loader, dict) or loader.get('drop_last') is not None:
        return  # as the config says
    endless = type_name(loader.get('sampler'))
    batch = loader.get('batch_size')
    if 'Infinite' in endless or not isinstance(batch, int) or batch < 2:
        return
    model = runner.model
    # FSDP's runner builds it when the training starts.
    if not isinstance(model, nn.Module) or not any(
        isinstance(x, _BatchNorm) for x in model.modules()
    ):
        return
    if isinstance(loader['dataset'], dict):
        # Built once: the runner takes it as it is.
        dataset = DATASETS.build(loader['dataset'])
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
        loader['dataset'] = dataset
    pictures = -(-len(loader['dataset']) // get_world_size())
    if pictures > batch and pictures % batch == 1:
        loader['drop_last'] = True
        print_log(
            f'The last batch of {pictures} pictures in batches of {batch} '
            'would be of one, which BatchNorm cannot train on: each epoch '
            'leaves one picture out, another each time',
            logger='current',
            level=logging.WARNING,
        )
