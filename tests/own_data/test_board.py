"""A bar for each command on a terminal, lines elsewhere."""

from __future__ import annotations

import io

from rich.console import Console

from convmae_mm.engine.hooks.progress_line import ProgressLine
from convmae_mm.own_data.board import Board

TRAIN = ProgressLine('train', 4, 10, 0.5, 2.0)


def test_lines_name_the_command() -> None:
    screen = io.StringIO()
    board = Board(Console(file=screen, width=140))
    with board.follow('detector') as tell:
        tell(TRAIN)
    assert screen.getvalue() == (
        '  detector: train 4/10, 0:03 to go, loss 2.000\n'
    )


def test_each_command_has_a_bar_and_what_is_said_stays() -> None:
    screen = io.StringIO()
    board = Board(Console(file=screen, force_terminal=True, width=140))
    with board.follow('encoder') as one:
        one(TRAIN)
        with board.follow('detector [x]') as two:
            two(ProgressLine('val', 1, 2, 0.5))
            board._bars.refresh()
        board.say('$ next [x]')
        assert '\x1b[?25h' not in screen.getvalue()
    drawn = screen.getvalue()
    for part in ('encoder: train', '4/10', '0:03 to go, loss 2.000'):
        assert part in drawn
    for part in ('detector [x]: val', '1/2', '$ next [x]'):
        assert part in drawn
    assert '\x1b[?25h' in drawn, 'the cursor is hidden'


def test_bars_come_back_for_a_later_command() -> None:
    screen = io.StringIO()
    board = Board(Console(file=screen, force_terminal=True, width=140))
    with board.follow('first'):
        pass
    with board.follow('second') as tell:
        tell(ProgressLine('train', 3, 7, 0.5))
        board._bars.refresh()
    assert '3/7' in screen.getvalue()
