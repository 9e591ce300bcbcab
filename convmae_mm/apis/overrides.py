"""Overrides of a config that act, or are refused with what would."""

from __future__ import annotations

import difflib
import inspect
import logging
import re
from collections.abc import Mapping
from typing import Any

import mmengine.registry
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import Registry
from mmengine.runner import Runner

from convmae_mm.errors import ConfigError
from convmae_mm.registry import walk

# Keys that mmengine's runner reads from the config although they are none of
# its arguments.
RUNNER_CONFIG_KEYS = frozenset(
    {
        'activation_checkpointing',
        'compile',
        'efficient_conv_bn_eval',
        'find_unused_parameters',
        'model_wrapper_cfg',
        'runner_type',
        'strategy',
        'sync_bn',
    }
)
READ_KEYS = RUNNER_CONFIG_KEYS | set(
    inspect.signature(Runner.__init__).parameters
)
INITIALISER = 'convmae_mm.PretrainedConvMAE'
MOST_PLACES = 4  # to name in a message
# What mmengine reads from env_cfg.
ENV_KEYS = {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'}
# Settings that a loader has and what is in it may have too.
OF_EITHER = {'type', 'drop_last', 'batch_size', 'worker_init_fn'}
# Names of fewer letters are too easily alike; words differ by a slip above.
MIN_SLIP, MIN_RATIO = 5, 0.7
MIN_LIKE = 0.75
# A training counts one or the other.
THE_OTHER = {'max_epochs': 'max_iters', 'max_iters': 'max_epochs'}
# What puts another loop in the place of the config's.
LOOP_KEYS = {'train_cfg', 'train_cfg._delete_'}


def apply_overrides(cfg: Config, overrides: Mapping[str, Any]) -> None:
    """Change a config in place.

    ``...init_cfg.checkpoint`` of a part that has no ``init_cfg`` loads the
    file as an encoder, by :class:`convmae_mm.engine.PretrainedConvMAE`.

    Args:
        cfg: The config.
        overrides: From dotted keys to values.

    Raises:
        ConfigError: If nothing reads a key, or the config file alone did, to
            compute settings that keep their values.
    """
    for key in overrides:
        first = key.split('.')[0]
        if first not in READ_KEYS:
            _refuse(cfg, key)
        _refuse_misspelt(cfg, key, not LOOP_KEYS.isdisjoint(overrides))
    cfg.merge_from_dict(
        {
            name: value
            for key, item in overrides.items()
            for name, value in _with_initialiser(cfg, key, item).items()
        }
    )


def _refuse(cfg: Config, key: str) -> None:
    """Raise unless somebody's own code may read the key; then warn."""
    first = key.partition('.')[0]
    settings = dict(walk(cfg._cfg_dict))
    if first not in cfg:
        read = [x for x in settings if x.split('.')[0] in READ_KEYS]
        names = {x.split('.')[-1] for x in read} | READ_KEYS
        like = [x for x in (key, THE_OTHER.get(key)) if x in names][:1]
        like = like or difflib.get_close_matches(key, names, 1, MIN_LIKE)
        places = [x for name in like for x in (*read, *READ_KEYS - set(read))
                  if x.split('.')[-1] == name]  # fmt: skip
        hint = f'is {_list(places)} meant? ' if places else ''
        raise ConfigError(
            f'--cfg-options {key}: nothing reads this key; {hint}The config '
            f'has {sorted(READ_KEYS & set(cfg))}'
        )
    values = [settings[x] for x in {first, key} if x in settings]
    places = [
        place
        for place, leaf in settings.items()
        if place.split('.')[0] in READ_KEYS
        and any(_comes_from(leaf, value) for value in values)
    ]
    if places:
        raise ConfigError(
            f'--cfg-options {key}: the config file alone reads {first}, which '
            'is over before an override acts. Override what it was used for, '
            f'{_list(places)}, or change {first} in the file'
        )
    warn_unread(key, first)


def warn_unread(key: str, variable: str) -> None:
    """Say that an override of a variable may do nothing."""
    print_log(
        f'--cfg-options {key}: no setting has the value of {variable}, and '
        'neither the training nor the test reads it; only code of yours may',
        logger='current',
        level=logging.WARNING,
    )


def _refuse_misspelt(cfg: Config, key: str, new_loop: bool) -> None:
    """Refuse a new setting that is nearly called like one beside it.

    Much is read by ``dict.get``, where a slip would say nothing. A loop that
    is not replaced counts as it did.
    """
    stem, _, leaf = key.rpartition('.')
    beside = _part(cfg, stem) if stem else cfg
    if not isinstance(beside, Mapping) or leaf in beside:
        return
    other = THE_OTHER.get(leaf) if stem == 'train_cfg' else None
    if other in beside and not new_loop:
        raise ConfigError(
            f'--cfg-options {key}: this training counts by {other}; '
            f'is {stem}.{other}, now {beside[other]}, meant?'
        )
    known = {*beside, *READ_KEYS} if not stem else set(beside)
    known |= ENV_KEYS if stem == 'env_cfg' else set()
    meant = sorted(x for x in known if _nearly_same(leaf, str(x)))
    if stem == 'optim_wrapper' or stem.endswith('_dataloader'):
        # of the optimizer, the sampler or the data set, not of what has it
        inner = {x: y for x, y in beside.items() if isinstance(y, Mapping)}
        meant += [
            f'{name}.{leaf}'
            for name, part in inner.items()
            if leaf in part and leaf not in OF_EITHER
        ]
    if leaf not in known and meant and not _takes(cfg, beside, leaf):
        raise ConfigError(
            f'--cfg-options {key}: there is no such setting; is '
            f'{f"{stem}.{meant[0]}".lstrip(".")} meant?'
        )


def _takes(cfg: Config, part: Mapping[str, Any], name: str) -> bool:
    """Whether what a part builds has an argument of this name."""
    kind = part.get('type')
    if isinstance(kind, str):
        kind = _find(kind, cfg.get('default_scope'))
    return any(
        name in inspect.signature(base.__init__).parameters
        for base in getattr(kind, '__mro__', ())
        if '__init__' in vars(base) and base is not object
    )


def _find(kind: str, scope: str | None) -> Any:
    """The class of a name, in whichever registry it is."""
    for root in vars(mmengine.registry).values():
        if isinstance(root, Registry):
            with root.switch_scope_and_registry(scope) as registry:
                try:
                    found = registry.get(kind)
                except Exception:  # told when it is built
                    continue
            if found is not None:
                return found
    return None


def _nearly_same(one: str, other: str) -> bool:
    """Whether two names differ by a slip, in no word as a whole."""
    words = [one.split('_'), other.split('_')]
    if len(one) < MIN_SLIP or len(words[0]) != len(words[1]):
        return False
    if re.sub(r'\d', '', one) == re.sub(r'\d', '', other):
        return False  # the same, or numbered
    return all(
        sorted(a) == sorted(b)
        or difflib.SequenceMatcher(None, a, b).ratio() > MIN_RATIO
        for a, b in zip(*words, strict=True)
    )


def _comes_from(leaf: Any, value: Any) -> bool:
    """Whether a setting has the value of a variable, or begins with it."""
    if isinstance(value, str) and isinstance(leaf, str):
        return len(value) > 1 and leaf.startswith(value)
    if isinstance(value, (list, tuple)) and isinstance(leaf, (list, tuple)):
        return len(value) > 0 and list(leaf) == list(value)
    return type(leaf) is type(value) and leaf == value


def _list(places: list[str]) -> str:
    more = len(places) - MOST_PLACES
    told = ', '.join(places[:MOST_PLACES])
    return f'{told} and {more} more' if more > 0 else told


def _with_initialiser(cfg: Config, key: str, value: Any) -> dict[str, Any]:
    """The override, with a type where it names a file and there is none."""
    stem, _, leaf = key.rpartition('.')
    if leaf != 'checkpoint' or not stem.endswith('init_cfg'):
        return {key: value}
    if _part(cfg, stem) is not None:
        return {key: value}
    # in place of None, which mmengine merges nothing into
    new = dict(_delete_=True, type=INITIALISER, checkpoint=value)
    return {stem: new}


def _part(cfg: Config, stem: str) -> Any:
    """What is at a dotted key; None if nothing is."""
    part: Any = cfg
    for name in stem.split('.'):
        try:
            part = part[int(name) if isinstance(part, list) else name]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return part
