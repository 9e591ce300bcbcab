import io

from rich.console import Console

from convmae_mm.demo.board import BarBoard, PlainBoard
from convmae_mm.engine.hooks.progress_line import ProgressLine


def test_plain_lines_are_sparse(capsys):
    board = PlainBoard(interval=3600)
    board.start('[1/2] Train')
    board.progress(ProgressLine('train', 1, 10, 0.5, 2.0))
    board.stop()
    assert capsys.readouterr().out == '[1/2] Train\n'

    board = PlainBoard(interval=0)
    board.progress(ProgressLine('train', 4, 10, 0.5, 2.0))
    assert capsys.readouterr().out == (
        '  train 4/10, 0.50 s/it, 0:03 to go, loss 2.000\n'
    )


def test_bar_shows_the_open_step_and_leaves_notes(monkeypatch):
    screen = io.StringIO()
    board = BarBoard()
    board._console = Console(file=screen, force_terminal=True, width=120)
    board.start('[1/2] Train')
    board.progress(ProgressLine('train', 4, 10, 0.5, 2.0))
    board.progress(ProgressLine('val', 1, 2, 0.5))
    board.stop()
    board.note('[1/2] Train: 0:05')
    text = screen.getvalue()
    assert '4/10' in text or '(val)' in text
    assert '[1/2] Train: 0:05' in text
    assert '\x1b[?25h' in text  # the cursor is back


def test_a_board_can_be_stopped_twice():
    board = BarBoard()
    board._console = Console(file=io.StringIO())
    board.start('[1/2] Train')
    board.stop()
    board.stop()
