"""The border for errors: one line for the user, the traceback on request.

What the user can mend is told in the words of the error, also where it comes
from a library; anything else is a fault of the program, and says where its
traceback was written. Imports nothing that may be missing: the doctor runs
inside of it.
"""

from __future__ import annotations

import errno
import os
import pickle
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from convmae_mm.errors import UserError

# What a user's input is doing when one of these modules is at work: what is
# raised below them is about the input.
DOORS = {
    'json.decoder': 'not the JSON that was expected',
    'mmengine.config.config': 'the config or an override cannot be read',
    'mmengine.dataset.base_dataset': 'the data cannot be read',
    'mmengine.registry.build_functions': 'the config cannot be built',
    'mmengine.runner.checkpoint': 'the checkpoint cannot be used',
    'PIL.Image': 'the picture cannot be read',
    'pycocotools.coco': 'the annotations cannot be read',
    'safetensors.torch': 'the checkpoint cannot be read or written',
    'torch.serialization': 'the checkpoint cannot be read or written',
}
# Packages that not everybody needs -> the extra that installs them.
EXTRAS = {'skimage': 'demo', 'sklearn': 'demo'}
# Its functions build_model, build_optim_wrapper, ...; it trains, too.
RUNNER = 'mmengine.runner.runner'
WORKER = 'in DataLoader worker process'
OUT_OF_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
# Letters of a library's own words that are shown.
LONGEST = 600


def exit_code(run: Callable[[], int], name: str, *, debug: bool) -> int:
    """Run a command and tell what goes wrong.

    Args:
        run: Does it; returns the exit code.
        name: The command, as the user typed it.
        debug: Show the traceback too.

    Returns:
        What ``run`` returns; 1 after an error, 130 after an interruption.
    """
    who = f'convmae-mm {name}'.strip()
    try:
        code = run()
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print(f'\n{who}: interrupted', file=sys.stderr)
        return 130
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return 1
        if _speaks():
            if debug:
                traceback.print_exc()
            print(f'{who}: {_told(error)}', file=sys.stderr)
        return 1


def explain(error: Exception) -> str | None:
    """What is wrong, in words for the user; None for a program's fault."""
    if isinstance(error, UserError):
        return _own_words(error)
    if isinstance(error, OSError):
        return _system_words(error)
    if isinstance(error, ModuleNotFoundError):
        return _missing_module(error)
    words = f'{type(error).__name__}: {_one_line(_own_words(error))}'
    if isinstance(error, MemoryError) or words.startswith('OutOfMemoryError'):
        return f'{words} (a smaller batch_size needs less)'
    if WORKER in str(error):
        return f'the data cannot be read: {words}'
    door = next(filter(None, map(_door, _frames(error))), None)
    if door is not None:
        return f'{door}: {words}'
    if isinstance(error, pickle.UnpicklingError):
        return f'the file cannot be read: {words}'
    return None


def _told(error: Exception) -> str:
    trace = ''.join(traceback.format_exception(error))
    log = _write_into_log(trace)
    words = explain(error)
    if words is not None:
        return words
    if log is None:
        log = _write_into_new_file(trace)
    where = f'its traceback is in {log}' if log else 'it could not be written'
    return (
        f'{type(error).__name__}: {_one_line(_own_words(error))} (unexpected; '
        f'{where}, and --debug shows it)'
    )


def _door(frame: FrameType) -> str | None:
    module = frame.f_globals.get('__name__')
    name = frame.f_code.co_name
    if module == RUNNER and name.startswith(('build_', 'from_cfg')):
        return f'the config cannot be built ({name})'
    return DOORS.get(str(module))


def _own_words(error: Exception) -> str:
    """The message; of an error in another process, without its traceback."""
    text = str(error)
    if isinstance(error, KeyError) and len(error.args) == 1:
        text = str(error.args[0])  # KeyError shows the repr
    if 'Traceback (most recent call last)' in text:
        text = text.strip().splitlines()[-1].partition(': ')[2] or text
    return text


def _one_line(text: str) -> str:
    text = ' '.join(text.split())
    return text if len(text) <= LONGEST else f'{text[:LONGEST]} ...'


def _missing_module(error: ModuleNotFoundError) -> str | None:
    package = str(error.name).partition('.')[0]
    if package == 'convmae_mm':
        return None
    if package in EXTRAS:
        remedy = f"pip install 'convmae_mm[{EXTRAS[package]}]'"
    else:
        remedy = '`convmae-mm doctor` says what is missing'
    return f'{package} is not installed; {remedy}'


def _system_words(error: OSError) -> str:
    place = error.filename
    if error.errno is None or not error.strerror:
        return _one_line(_own_words(error))
    if place is None and error.errno in OUT_OF_SPACE:
        place = _open_file(error)
    if place is None:
        return _one_line(str(error))
    free = _free(place) if error.errno in OUT_OF_SPACE else ''
    return f'{place}: {error.strerror}{free}'


def _free(place: str) -> str:
    """How much the disk of a file has left."""
    folder = Path(os.path.abspath(place))
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return f' ({free / 2**20:,.1f} MiB free)'


def _frames(error: Exception) -> Iterator[FrameType]:
    """Where it was raised, and who called that, outwards."""
    walk = list(traceback.walk_tb(error.__traceback__))
    return (frame for frame, _ in reversed(walk))


def _open_file(error: Exception) -> str | None:
    """The file that was at work: the system does not always name it."""
    for frame in _frames(error):
        for value in frame.f_locals.values():
            if hasattr(value, 'write'):
                value = getattr(value, 'name', None)
                if isinstance(value, str) and not value.startswith('<'):
                    return value
            if isinstance(value, Path):
                return str(value)
    return None


def _write_into_log(trace: str) -> Path | None:
    """Append to the log of a run that has one."""
    logging = sys.modules.get('mmengine.logging')
    if logging is None:
        return None
    for handler in logging.MMLogger.get_current_instance().handlers:
        if hasattr(handler, 'baseFilename'):
            try:
                with open(handler.baseFilename, 'a') as file:
                    file.write(trace)
                return Path(handler.baseFilename)
            except OSError:
                return None
    return None


def _write_into_new_file(trace: str) -> Path | None:
    try:
        handle, name = tempfile.mkstemp('.log', 'convmae-mm-', text=True)
        with os.fdopen(handle, 'w') as file:
            file.write(trace)
        return Path(name)
    except OSError:
        return None


def _speaks() -> bool:
    """Whether this process tells an error that others may have too.

    The first to fail does, once the processes know each other; before that,
    the first of each machine.
    """
    dist = sys.modules.get('torch.distributed')
    if dist is not None and dist.is_available() and dist.is_initialized():
        try:
            store = dist.distributed_c10d._get_default_store()
            return int(store.add('convmae_mm/told', 1)) == 1
        except RuntimeError:  # the store ended with the process that held it
            return True
    rank = os.environ.get('LOCAL_RANK', os.environ.get('SLURM_LOCALID', '0'))
    return rank == '0'


def _nobody_reads() -> bool:
    """Whether the output was closed, as ``| head`` does."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False
