"""Read a JSON file, or say where it breaks off or is damaged."""

from __future__ import annotations

import contextlib
import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .report import Notes

CONTEXT = 30


def read_json(path: Path, notes: Notes) -> Any:
    """The content of a file, or None after noting what is wrong with it.

    Faults: 'json-truncated' with the place where it breaks off, and
    'json-invalid' with the place and what stands there.
    """
    content = path.read_bytes()
    remedy = 'get or write the file again'
    try:
        with uncollected():
            data = json.loads(content.decode('utf-8'))
        if data is not None:
            return data
        reason = 'no JSON that can be used: it holds null, which is nothing'
    except UnicodeDecodeError as error:
        reason = (
            f'no UTF-8 text: byte {error.start:,} of {len(content):,} is '
            f'{content[error.start]:#04x}'
        )
    except json.JSONDecodeError as error:
        text = error.doc
        place = f'line {error.lineno:,}, column {error.colno:,}'
        if _breaks_off(error):
            notes.error(
                'json-truncated',
                f'{path} breaks off after {len(text):,} characters, at '
                f'{place}; it ends with {text.rstrip()[-CONTEXT:]!r}',
                'the download or the copy was cut off: get it again and '
                'compare its size with the source',
            )
            return None
        reason = (
            f'no valid JSON at {place} (character {error.pos:,} of '
            f'{len(text):,}): {error.msg}, found '
            f'{text[error.pos : error.pos + CONTEXT]!r}'
        )
        remedy = 'mend it there, or write the file again'
    except (ValueError, RecursionError) as error:
        # an endless number; lists in lists in lists
        reason = f'no JSON that can be used: {error}'
    notes.error('json-invalid', f'{path} is {reason}', remedy)
    return None


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector, which looks at millions of objects in vain."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _breaks_off(error: json.JSONDecodeError) -> bool:
    """Whether the text ends too early, rather than being wrong somewhere."""
    whole = error.doc.rstrip()
    # An unterminated string is reported where it begins.
    unterminated = error.msg.startswith('Unterminated string')
    # A number or a literal that is cut short still stands at the very end.
    literal = whole[error.pos :].isalpha()
    return error.pos >= len(whole) - 1 or unterminated or literal
