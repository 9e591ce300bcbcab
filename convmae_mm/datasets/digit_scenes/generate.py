"""Generate the data set: in shards, in parallel, resumable."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from convmae_mm.engine.atomic_files import remove_leftovers
from convmae_mm.errors import ConfigError
from convmae_mm.processes import die_with_parent, own_folder

from .composition import compose_scene
from .settings import DigitScenesSettings
from .sources import CLASSES, PHOTOS, SPLITS, load_sources
from .writers import write_coco, write_crop, write_json, write_scene

MANIFEST = 'digit_scenes.json'
_FOLDERS = ('images', 'annotations', 'label_maps', 'classification')
# Present while the data set is being made; holds the settings and what is
# finished, so that an interrupted run continues.
_INCOMPLETE = '.incomplete'
_SHARD_SCENES = 50


@dataclass(frozen=True)
class _Shard:
    """A run of consecutive scenes and their crops, made by one worker."""

    root: Path
    settings: DigitScenesSettings
    split: str
    first: int
    count: int

    @property
    def record_file(self) -> Path:
        name = f'{self.split}_{self.first:06d}.json'
        return self.root / _INCOMPLETE / name


def _rng(seed: int, split: str, kind: str, index: int) -> np.random.Generator:
    """A generator of its own for every picture, whoever makes it."""
    key = (SPLITS.index(split), ('scene', 'crop').index(kind), index)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _make_shard(shard: _Shard) -> int:
    """Write a shard's files, then its record; return the scene count."""
    settings, split = shard.settings, shard.split
    sources = load_sources(split)
    records = []
    for index in range(shard.first, shard.first + shard.count):
        rng = _rng(settings.seed, split, 'scene', index)
        scene = compose_scene(rng, sources, settings.scene_style)
        records.append(write_scene(shard.root, split, index + 1, scene))
        for crop in range(settings.crops_per_scene):
            crop_index = index * settings.crops_per_scene + crop
            rng = _rng(settings.seed, split, 'crop', crop_index)
            digit = crop_index % len(CLASSES)
            picture = compose_scene(
                rng, sources, settings.crop_style, (digit,)
            )
            write_crop(shard.root, split, crop_index + 1, picture)
    write_json(shard.record_file, records)
    return shard.count


def _shards(root: Path, settings: DigitScenesSettings) -> list[_Shard]:
    shards = []
    for split in SPLITS:
        total = settings.num_scenes(split)
        for first in range(0, total, _SHARD_SCENES):
            count = min(_SHARD_SCENES, total - first)
            shards.append(_Shard(root, settings, split, first, count))
    return shards


def _start_worker() -> None:
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run(shards: list[_Shard], workers: int) -> Iterator[int]:
    """Make the shards; yield how many scenes each finished one held."""
    if workers == 1:
        yield from map(_make_shard, shards)
        return
    # spawn: forking a process in which torch runs threads may deadlock.
    context = multiprocessing.get_context('spawn')
    # Ctrl-C is for this process, which lets the workers end their shards.
    with ProcessPoolExecutor(
        workers,
        mp_context=context,
        initializer=_start_worker,
    ) as pool:
        futures = [pool.submit(_make_shard, shard) for shard in shards]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            # Ctrl-C or a failed worker: finish what runs, start no more.
            pool.shutdown(cancel_futures=True)
            raise


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding='utf-8'))


def _differences(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    return ', '.join(
        f'{key} {found.get(key)!r} (wanted: {wanted.get(key)!r})'
        for key in sorted(found.keys() | wanted.keys())
        if found.get(key) != wanted.get(key)
    )


def _prepare(
    root: Path, settings: DigitScenesSettings, overwrite: bool
) -> bool:
    """Make ``root`` ready to be filled; return False if it is complete."""
    marker = root / _INCOMPLETE
    marker_file = marker / 'settings.json'
    manifest = root / MANIFEST
    wanted = settings.as_json()
    if manifest.is_file() and not marker.exists():
        state, found = 'a complete', _read_json(manifest)['settings']
    elif marker_file.is_file():
        state, found = 'an unfinished', _read_json(marker_file)
    else:
        state, found = 'a half-cleared', None
    if found == wanted:
        return state != 'a complete'
    ours = manifest.is_file() or marker.exists()
    if ours and found is not None and not overwrite:
        raise FileExistsError(
            f'{root} holds {state} DigitScenes data set with other settings: '
            f'{_differences(found, wanted)}. Choose another folder, or '
            'replace it with --overwrite (overwrite=True)'
        )
    foreign = [name for name in _FOLDERS if (root / name).exists()]
    if foreign and not ours:
        raise FileExistsError(
            f'{root} already holds {", ".join(foreign)}, which DigitScenes '
            'did not write and will not replace; choose another folder'
        )
    # An empty marker means: clearing, nothing here is to be relied on.
    marker.mkdir(parents=True, exist_ok=True)
    marker_file.unlink(missing_ok=True)
    manifest.unlink(missing_ok=True)
    for old in (*marker.iterdir(), *(root / name for name in _FOLDERS)):
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink(missing_ok=True)
    write_json(marker_file, wanted)
    return True


def _finish(root: Path, settings: DigitScenesSettings) -> None:
    """Join the shards' records and declare the data set complete."""
    counts = {}
    shards = _shards(root, settings)
    for split in SPLITS:
        records = [
            record
            for shard in shards
            if shard.split == split
            for record in _read_json(shard.record_file)
        ]
        path = root / 'annotations' / f'instances_{split}.json'
        counts[split] = {
            'scenes': len(records),
            'instances': write_coco(path, records),
            'crops': settings.num_crops(split),
        }
    manifest = {
        'settings': settings.as_json(),
        'counts': counts,
        'classes': list(CLASSES),
        'photos': {split: list(names) for split, names in PHOTOS.items()},
    }
    write_json(root / MANIFEST, manifest)
    shutil.rmtree(root / _INCOMPLETE)


def _progress_bar(enabled: bool) -> Progress:
    return Progress(
        TextColumn('{task.description}'),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn('scenes'),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        disable=not enabled,
    )


def generate_digit_scenes(
    root: str | Path,
    train: int = 400,
    val: int = 100,
    size: tuple[int, int] = (128, 128),
    seed: int = 0,
    crop_size: int = 64,
    crops_per_scene: int = 4,
    workers: int = 1,
    overwrite: bool = False,
    progress: bool = True,
) -> bool:
    """Write DigitScenes: COCO instances, label maps and an image folder.

    The files depend on the settings alone, not on ``workers``, and not on
    whether the run was interrupted: an interrupted one continues. The
    manifest ``digit_scenes.json`` is written last.

    Args:
        root: folder to fill; created if missing.
        train: number of training scenes.
        val: number of held-out scenes; they share neither digits nor photos
            with the training scenes.
        size: (height, width) of the scenes in pixels.
        seed: decides every picture.
        crop_size: side of the classification pictures in pixels.
        crops_per_scene: classification pictures per scene.
        workers: processes; more than 1 pays from about a thousand scenes on
            (each takes seconds to start). As always with processes, a script
            that asks for them needs ``if __name__ == '__main__':``.
        overwrite: replace a DigitScenes data set with other settings.
        progress: show a progress bar.

    Returns:
        True if files were written, False if the same data set was there.

    Raises:
        FileExistsError: ``root`` holds something else.
        FolderInUseError: another process writes into it.
        ConfigError: a setting is out of range.
    """
    if workers < 1:
        raise ConfigError(f'{workers=} must be >= 1')
    settings = DigitScenesSettings(
        train, val, (size[0], size[1]), seed, crop_size, crops_per_scene
    )
    with own_folder(root):
        remove_leftovers(Path(root))
        return _generate(Path(root), settings, workers, overwrite, progress)


def _generate(
    root: Path,
    settings: DigitScenesSettings,
    workers: int,
    overwrite: bool,
    progress: bool,
) -> bool:
    if not _prepare(root, settings, overwrite):
        return False
    shards = _shards(root, settings)
    open_shards = [
        shard for shard in shards if not shard.record_file.is_file()
    ]
    todo = sum(shard.count for shard in open_shards)
    with _progress_bar(progress) as bar:
        task = bar.add_task(
            'DigitScenes',
            total=settings.train + settings.val,
            completed=settings.train + settings.val - todo,
        )
        for count in _run(open_shards, min(workers, len(open_shards) or 1)):
            bar.advance(task, count)
    _finish(root, settings)
    return True
