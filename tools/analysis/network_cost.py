"""Parameters and multiply-adds of a config's network, part by part.

Counted on PyTorch's 'meta' device, which knows shapes and no values, so that
the largest network at the largest size takes seconds and no memory; a network
whose steps depend on values is run.

A multiply-add counts as one operation, as in the papers (fvcore, mmengine);
``torch.utils.flop_counter`` counts two. Element-wise operations, norms,
RoIAlign and NMS count nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, DefaultScope
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

PROPOSALS = 1000  # boxes that reach the box head: `max_per_img` of the RPN
DETECTIONS = 100  # boxes that reach the mask head
# Products of two activations. Everything else has a weight on one side.
ATTENTION_OPS = ('bmm', 'baddbmm', 'scaled_dot_product')


@dataclass(frozen=True)
class PartStatistics:
    """What one part of a network costs.

    Attributes:
        name: Dotted name of the module, ``'total'`` for all together,
            ``'elsewhere'`` for what is computed with a module's weights but
            outside its forward pass.
        params: Number of parameters, the frozen ones too.
        macs: Multiply-adds of one forward pass of one picture.
        attention_macs: Those of them in products of two activations: queries
            with keys, weights with values, queries with relative positions.
    """

    name: str
    params: int
    macs: int
    attention_macs: int

    @property
    def macs_without_attention(self) -> int:
        return self.macs - self.attention_macs


def measure(
    cfg: Config, size: tuple[int, int] | None = None, depth: int = 2
) -> list[PartStatistics]:
    """Count a config's network.

    A detector is counted with 1000 proposals and 100 detections, a segmentor
    for one crop and without its auxiliary head, which only training runs
    (its parameters count), a pretraining with all its masks.

    Args:
        cfg: A config with a ConvMAE as ``model.backbone``.
        size: (height, width) in pixels; by default ``img_size`` of the
            backbone.
        depth: How far parts are told apart: 1 for ``backbone``, 2 for
            ``backbone.blocks1``.

    Returns:
        The total first, then the parts in the order of the network.

    Raises:
        ValueError: For a depth below 1, and a size that is not positive.
    """
    if depth < 1:
        raise ValueError(f'{depth=} must be at least 1')
    height, width = size or default_size(cfg)
    if height < 1 or width < 1:
        raise ValueError(f'{size=} must be two positive numbers of pixels')
    try:
        model, counts = _count(cfg, (height, width), 'meta')
    except RuntimeError as error:
        if 'meta tensors' not in str(error):
            raise
        # The network looks at values, so that they have to be computed.
        model, counts = _count(cfg, (height, width), 'cpu')
    total = PartStatistics(
        'total',
        sum(param.numel() for param in model.parameters()),
        *_macs(counts.get('Global', {})),
    )
    parts = [
        PartStatistics(name, params, *_macs_of_part(name, counts))
        for name, params in _count_params(model, depth).items()
    ]
    rest = total.macs - sum(part.macs for part in parts)
    if rest:
        attention = total.attention_macs
        attention -= sum(part.attention_macs for part in parts)
        parts.append(PartStatistics('elsewhere', 0, rest, attention))
    return [total, *parts]


def build_on(cfg: Config, device: str = 'meta') -> Any:
    """A config's network, at random, in evaluation mode."""
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        with torch.device(device):
            model = MODELS.build(
                ConfigDict(cfg.model, _scope_=cfg.default_scope)
            )
    return model.eval()


def _count(
    cfg: Config, size: tuple[int, int], device: str
) -> tuple[nn.Module, Mapping[str, Mapping[Any, int]]]:
    """The network, and the operations of a test by module."""
    model = build_on(cfg, device)
    channels = cfg.model.backbone.get('in_channels', 3)
    images = torch.zeros(1, channels, *size, device=device)
    counter = FlopCounterMode(display=False)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        with torch.no_grad(), counter:
            _Run(model, cfg.default_scope)(images)
    return model, counter.get_flop_counts()


def default_size(cfg: Config) -> tuple[int, int]:
    """(height, width) that the backbone's tables are stored for."""
    size = cfg.model.backbone.get('img_size', 224)
    return (size, size) if isinstance(size, int) else tuple(size)


class _Run(nn.Module):
    """Runs what a test runs, but for steps that depend on values.

    A module, so that the counter names all others by their place in it.
    """

    def __init__(self, model: nn.Module, scope: str) -> None:
        super().__init__()
        self.model = model
        self.scope = scope

    def forward(self, images: Tensor) -> None:
        model: Any = self.model
        if hasattr(model, 'run_masked'):
            model.run_masked(images)
        elif hasattr(model, 'roi_head'):
            _run_two_stages(model, model.extract_feat(images))
        else:
            model(images, _samples(images, self.scope), mode='tensor')


def _samples(images: Tensor, scope: str) -> list[Any] | None:
    """What the heads of mmdet ask of a picture: its size."""
    if scope != 'mmdet':
        return None
    from mmdet.structures import DetDataSample

    shape = tuple(images.shape[2:])
    sizes = dict(img_shape=shape, batch_input_shape=shape, ori_shape=shape)
    return [DetDataSample(metainfo=sizes)]


def _run_two_stages(model: Any, maps: tuple[Tensor, ...]) -> None:
    model.rpn_head(maps)
    roi_head = model.roi_head
    boxes = roi_head.bbox_head
    extractor = roi_head.bbox_roi_extractor
    for head, rois in zip(_as_list(boxes), _as_list(extractor), strict=True):
        head(_rois(rois, PROPOSALS, maps[0]))
    if not roi_head.with_mask:
        return
    # A cascade has a mask head for each stage and averages them.
    masks, extractor = roi_head.mask_head, roi_head.mask_roi_extractor
    for head, rois in zip(_as_list(masks), _as_list(extractor), strict=True):
        head(_rois(rois, DETECTIONS, maps[0]))


def _rois(extractor: Any, count: int, like: Tensor) -> Tensor:
    side = extractor.roi_layers[0].output_size
    return like.new_empty(count, extractor.out_channels, *side)


def _as_list(module: nn.Module) -> list[Any]:
    return list(module) if isinstance(module, nn.ModuleList) else [module]


def _count_params(model: nn.Module, depth: int) -> dict[str, int]:
    """Parameters of each part, in the order of the network."""
    counts: dict[str, int] = {}
    for name, param in model.named_parameters():
        part = _part_of(name, model, depth)
        counts[part] = counts.get(part, 0) + param.numel()
    return counts


def _part_of(name: str, model: nn.Module, depth: int) -> str:
    """The module of a parameter; itself where that has modules inside."""
    path = name.split('.')[:-1]
    if len(path) >= depth:
        return '.'.join(path[:depth])
    owner = '.'.join(path)
    has_parts = any(True for _ in model.get_submodule(owner).children())
    return name if has_parts else owner


def _macs_of_part(
    part: str, counts: Mapping[str, Mapping[Any, int]]
) -> tuple[int, int]:
    """The sum over the outermost modules of a part that were called."""
    root = f'{_Run.__name__}.model.{part}'
    called = [x for x in counts if x == root or x.startswith(f'{root}.')]
    outermost = [
        name
        for name in called
        if not any(name.startswith(f'{other}.') for other in called)
    ]
    sums = [_macs(counts[name]) for name in outermost]
    return sum(x for x, _ in sums), sum(x for _, x in sums)


def _macs(ops: Mapping[Any, int]) -> tuple[int, int]:
    """Multiply-adds in all, and in products of two activations."""
    attention = sum(
        flops for op, flops in ops.items() if _is_attention(str(op))
    )
    return sum(ops.values()) // 2, attention // 2


def _is_attention(op: str) -> bool:
    return any(re.search(rf'\b_?{name}', op) for name in ATTENTION_OPS)
