"""The tests that the table of promises names exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'docs' / 'reliability.md').read_text('utf-8')
ROWS = [x for x in PAGE.splitlines() if x.startswith('| ')][1:]


@pytest.mark.parametrize('row', ROWS)
def test_each_promise_has_its_test(row: str) -> None:
    file, name = row.rpartition('| `')[2].removesuffix('` |').split('::')
    text = (ROOT / file).read_text('utf-8')
    assert re.search(rf'^def {name}\(', text, re.MULTILINE), name


def test_it_can_be_found() -> None:
    assert 'docs/reliability.md' in (ROOT / 'README.md').read_text('utf-8')
