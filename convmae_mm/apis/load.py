"""From a checkpoint, a run or a released file to a model that predicts."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.device import get_device
from mmengine.registry import DATASETS, MODELS, DefaultScope
from torch import nn

from convmae_mm.checkpoint import (
    CheckpointError,
    LoadedFile,
    load_weights_file,
    uses_our_names,
)
from convmae_mm.checkpoint.opening.config_text import (
    check_parts,
    read_config_text,
)
from convmae_mm.checkpoint.opening.downloads import resolve
from convmae_mm.engine.quiet_terminal import hush_imports
from convmae_mm.errors import ConfigError
from convmae_mm.registry import find_class
from convmae_mm.shipped import find_config

from .config import load_config, mend_libraries
from .loaded_model import LoadedModel, task_of
from .options import RunOptions

RUN_FILE = 'run.json'
CONFIG_KEY = 'cfg'  # of the config's text, among a checkpoint's settings

# What released networks are tested on: the shipped config with their pipeline
# and the library's data set with their classes.
RELEASED_DATA = {
    'detector': '_base_/datasets/coco-instance_lsj-1024.py',
    'segmentor': '_base_/datasets/ade20k_512x512.py',
    'classifier': '_base_/datasets/imagenet_224.py',
    'pretraining': '_base_/datasets/imagenet_pretrain_224.py',
    'encoder': '_base_/datasets/imagenet_pretrain_224.py',
}
SPLITS = ('test', 'val', 'train')  # where a config names its classes
SCOPES = {'detector': 'mmdet', 'segmentor': 'mmseg'}


def load(
    source: str | PathLike,
    *,
    config: str | PathLike | None = None,
    device: str | None = None,
) -> LoadedModel:
    """A trained model that is ready to predict.

    Args:
        source: A checkpoint of a training, the folder of one, a run of
            ``convmae-mm run``, or a file that the ConvMAE authors released.
        config: The config, where it is not in the checkpoint.
        device: Such as 'cpu' or 'cuda:1'; by default a GPU if there is one.

    Raises:
        FileNotFoundError: If something is not there.
        CheckpointError: If the file is no whole checkpoint, does not fit its
            config, or could run code when it is read.
        ConfigError: If there is no such device here.
    """
    hush_imports()
    target = _usable(device or get_device())
    path = find_checkpoint(source)
    file = load_weights_file(path)
    cfg = _find_config(file, config)
    if cfg is None:
        return _load_released(file, target)
    if cfg.get('data_preprocessor'):
        # as the runner does, whose config keeps the two apart
        cfg.model.setdefault('data_preprocessor', cfg.data_preprocessor)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        model = MODELS.build(cfg.model)
    mend_libraries(cfg)
    _fill(model, file)
    return LoadedModel(
        model.to(target).eval(),
        cfg,
        dict(file.settings.get('dataset_meta') or _stated_meta(cfg)),
        path,
    )


def find_checkpoint(source: str | PathLike) -> Path:
    """The checkpoint that stands for a file, a training or a run.

    Of a run the one that its record names; of a training the best one, else
    the one that was written last.

    Raises:
        FileNotFoundError: If there is none.
    """
    path = Path(source).expanduser()
    if not path.is_dir():
        if '://' in str(source):
            return resolve(str(source))
        if not path.exists():
            raise FileNotFoundError(f'{source} does not exist')
        return path
    record = path / RUN_FILE
    if record.is_file():
        named = json.loads(record.read_text('utf-8')).get('checkpoint')
        for place in (path / str(named), Path(str(named))):
            if named and place.is_file():
                return place
        raise FileNotFoundError(
            f'{record} names the checkpoint {named!r}, which does not exist: '
            'has the run come to its end?'
        )
    for pattern in ('best_*.pth', '*.pth'):
        found = sorted(path.glob(pattern), key=lambda x: x.stat().st_mtime)
        if found:
            return found[-1]
    raise FileNotFoundError(
        f'{path} is no run and no training: it has neither {RUN_FILE} nor a '
        'checkpoint (*.pth)'
    )


def _find_config(
    file: LoadedFile, config: str | PathLike | None
) -> Config | None:
    """The config of the training; None for what the authors released."""
    if config is not None:
        return load_config(Path(config), RunOptions())
    text = file.settings.get(CONFIG_KEY)
    if isinstance(text, str):
        try:
            cfg = read_config_text(text)
            check_parts(cfg)
            return cfg
        except CheckpointError as error:
            raise CheckpointError(f'{file.path}: {error}') from error
    if not uses_our_names(file.weights):
        return None
    beside = sorted(file.path.parent.glob('*.py'))
    if len(beside) == 1:
        return load_config(beside[0], RunOptions())
    raise CheckpointError(
        f'{file.path} holds no config and {len(beside)} lie beside it; name '
        'the config of its training: load(FILE, config=CONFIG) or --config '
        'CONFIG'
    )


def _stated_meta(cfg: Config) -> dict[str, Any]:
    """Classes as a config names them, for a checkpoint that does not."""
    loaders = (cfg.get(f'{x}_dataloader') or {} for x in SPLITS)
    dataset: Any = next((x['dataset'] for x in loaders if 'dataset' in x), {})
    while 'dataset' in dataset:
        dataset = dataset['dataset']
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        kind = find_class(DATASETS, dataset.get('type'))
    own = getattr(kind, 'METAINFO', {})
    return {**own, **(dataset.get('metainfo') or {})}


def _fill(model: nn.Module, file: LoadedFile) -> None:
    try:
        model.load_state_dict(file.weights, strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]]
        text = '; '.join(lines)
        raise CheckpointError(
            f'{file.path} does not fit its config: {text[:400]}'
        ) from error


def _usable(device: str) -> str:
    """The name of a device, once something could be put there."""
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        words = str(error).partition('\n')[0]
        raise ConfigError(
            f'the device {device!r} cannot be used here: {words}'
        ) from error
    return device


def _load_released(file: LoadedFile, target: str) -> LoadedModel:
    from convmae_mm.checkpoint.networks.network import fit_preprocessor
    from convmae_mm.checkpoint.networks.pretrain import MODEL_CONFIG

    from .official import build_from_official

    model: Any = build_from_official(file.path)
    task = task_of(model)
    cfg = Config.fromfile(find_config(RELEASED_DATA[task]))
    cfg.default_scope = SCOPES.get(task, 'mmpretrain')
    mend_libraries(cfg)
    preprocessor = None
    if task == 'encoder':
        base = Config.fromfile(find_config(MODEL_CONFIG)).model
        fit_preprocessor(base.data_preprocessor, model.in_channels)
        preprocessor = MODELS.build(
            ConfigDict(base.data_preprocessor, _scope_='mmpretrain')
        ).to(target)
    return LoadedModel(
        model.to(target).eval(),
        cfg,
        _released_classes(model, task),
        file.path,
        preprocessor,
    )


def _released_classes(model: Any, task: str) -> dict[str, Any]:
    """The classes of COCO, ADE20K or ImageNet, if there are as many."""
    if task == 'detector':
        from mmdet.datasets import CocoDataset

        return dict(CocoDataset.METAINFO)
    if task == 'segmentor':
        from mmseg.datasets import ADE20KDataset

        return dict(ADE20KDataset.METAINFO)
    if task == 'classifier':
        from mmpretrain.datasets import ImageNet

        meta = dict(ImageNet.METAINFO)
        return meta if model.head.num_classes == len(meta['classes']) else {}
    return {}
