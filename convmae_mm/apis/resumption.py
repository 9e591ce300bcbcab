"""Which checkpoint a run continues from: the last one that is whole."""

from __future__ import annotations

import logging
import re
import zipfile
from pathlib import Path

from mmengine.logging import print_log

from convmae_mm.checkpoint import CheckpointError
from convmae_mm.checkpoint.opening.containers import read_container
from convmae_mm.engine.finite import not_finite

# As mmengine's CheckpointHook names them, by epoch or by iteration.
_NAME = re.compile(r'(?P<kind>epoch|iter)_(?P<step>\d+)\.pth$')
_POINTER = 'last_checkpoint'
# What a run needs to go on, beside the weights.
_NEEDED = ('state_dict', 'optimizer', 'message_hub', 'meta')


def last_good_checkpoint(work_dir: str | Path) -> Path | None:
    """The newest checkpoint in a work directory that is not damaged.

    A run that is killed while it saves leaves half a file, which
    ``last_checkpoint`` may or may not name already. So every candidate is
    read and its checksums are verified before it is chosen; a damaged one is
    named in a warning and the one before it is tried. Files of an older run
    that are further on than ``last_checkpoint`` are left alone.

    Args:
        work_dir: Where the run keeps its checkpoints.

    Returns:
        Its path, or None if there is none.
    """
    for path in _candidates(Path(work_dir)):
        reason = why_not_whole(path)
        if reason is None:
            return path
        print_log(
            f'{path} is passed over: {reason}',
            logger='current',
            level=logging.WARNING,
        )
    return None


def why_not_whole(path: Path) -> str | None:
    """What keeps a run from continuing from a file; None if nothing does.

    Reads all of it: a file may have its full length and yet hold blocks
    that never reached the disk.
    """
    try:
        kind, content = read_container(path, mapped=True)
    except CheckpointError as error:
        return str(error)
    if kind != 'pth' or not isinstance(content, dict):
        return 'it holds weights alone'
    missing = [name for name in _NEEDED if name not in content]
    if missing:
        return f'it lacks {", ".join(missing)}'
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            return f'the checksum of {damaged} in it is wrong'
    lost = not_finite(content['state_dict'])
    if lost:
        return f'{len(lost)} of its tensors are not finite, such as {lost[0]}'
    return None


def resumed_seed(path: Path) -> int | None:
    """The seed of the run that wrote a checkpoint, if that says it.

    Raises:
        CheckpointError: If the file cannot be read.
    """
    content = read_container(path, mapped=True)[1]
    meta = content.get('meta') if isinstance(content, dict) else None
    return meta.get('seed') if isinstance(meta, dict) else None


def _candidates(work_dir: Path) -> list[Path]:
    """Files to try, the most wanted first."""
    named = _named(work_dir)
    files = list(work_dir.glob('*.pth'))
    if named is not None and named.parent != work_dir:
        files += named.parent.glob('*.pth')
    files = [file for file in files if _NAME.match(file.name)]
    if named is None or named not in files:
        return sorted(files, key=_order, reverse=True)
    # Written after last_checkpoint was: the run died between the two.
    written = named.stat().st_mtime
    files = [
        file
        for file in files
        if _order(file) <= _order(named) or file.stat().st_mtime >= written
    ]
    return sorted(files, key=_order, reverse=True)


def _named(work_dir: Path) -> Path | None:
    """What ``last_checkpoint`` names, here even if the folder was moved."""
    pointer = work_dir / _POINTER
    if not pointer.is_file():
        return None
    text = pointer.read_text().strip()
    if not text:
        return None  # the run died while it wrote this one
    path = Path(text)
    here = work_dir / path.name
    return here if here.is_file() or not path.is_file() else path


def _order(path: Path) -> tuple[str, int]:
    match = _NAME.match(path.name)
    return ('', 0) if match is None else (match['kind'], int(match['step']))
