"""What the tools of this folder share: markers in documents, a quiet log."""

from __future__ import annotations

import logging
import warnings

from mmengine.logging import MMLogger


def silence() -> None:
    """No warnings, and errors alone in mmengine's log."""
    # Every parameter that mmengine sorts into a group would be a line.
    MMLogger.get_current_instance().setLevel(logging.ERROR)
    warnings.simplefilter('ignore')


def renew(text: str, tool: str, content: str, name: str = '') -> str:
    """A document with fresh content between the markers of a tool.

    Raises:
        ValueError: If the markers are missing, or there more than once.
    """
    label = f' {name}: {tool}' if name else f': {tool}'
    begin, end = f'<!-- begin{label} -->', f'<!-- end{label} -->'
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f'there must be one {begin} and one {end}')
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return f'{before}{begin}\n{content}\n{end}{after}'
