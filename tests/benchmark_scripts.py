"""Run the scripts of tools/benchmark and read what they print."""

from __future__ import annotations

import contextlib
import importlib
import io
import re


def succeed(script: str, *arguments: object) -> str:
    """What a script prints, in this process: importing takes longest."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        main = importlib.import_module(script).main
        assert main([str(argument) for argument in arguments]) == 0
    return printed.getvalue()


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
