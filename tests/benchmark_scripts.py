"""Run the scripts of tools/benchmark and read what they print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).resolve().parents[1] / 'tools' / 'benchmark'


def run(script: str, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, BENCHMARK / f'{script}.py', *arguments]
    return subprocess.run(
        [str(x) for x in command], text=True, capture_output=True
    )


def succeed(script: str, *arguments: object) -> str:
    result = run(script, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def read_table(output: str) -> list[dict[str, str]]:
    """The rows of a Markdown table, by the first word of each heading."""
    lines = [x for x in output.splitlines() if x.startswith('|')]
    head, _, *rows = (
        [cell.strip() for cell in line.strip('|').split('|')] for line in lines
    )
    names = [name.partition(' ')[0].rstrip(':') for name in head]
    return [dict(zip(names, row, strict=True)) for row in rows]


def first_number(text: str) -> float:
    match = re.match(r'[\d.]+(e[-+]\d+)?', text)
    assert match, text
    return float(match[0])
