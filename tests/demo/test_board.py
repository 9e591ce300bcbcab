import io

from rich.console import Console

from convmae_mm.demo.board import BarBoard, PlainBoard
from convmae_mm.engine.hooks.progress_line import ProgressLine


def test_plain_lines_are_sparse(capsys):
    board = PlainBoard(interval=3600)
    board.start('[1/2] Train')
    board.progress('[1/2] Train', ProgressLine('train', 1, 10, 0.5, 2.0))
    board.stop('[1/2] Train')
    assert capsys.readouterr().out == '[1/2] Train\n'

    board = PlainBoard(interval=0)
    board.start('Train')
    board.progress('Train', ProgressLine('train', 4, 10, 0.5, 2.0))
    assert capsys.readouterr().out == (
        'Train\nTrain: train 4/10, 0.50 s/it, 0:03 to go, loss 2.000\n'
    )


def test_each_open_step_has_a_bar_and_notes_stay():
    screen = io.StringIO()
    board = BarBoard(Console(file=screen, force_terminal=True, width=140))
    board.start('[1/3] Encoder')
    board.start('[2/3] Detector')
    board.progress('[1/3] Encoder', ProgressLine('train', 4, 10, 0.5, 2.0))
    board.progress('[2/3] Detector', ProgressLine('val', 1, 2, 0.5))
    board._bars.refresh()
    drawn = screen.getvalue()
    for part in ('[1/3] Encoder', '4/10', '0:03 to go, loss 2.000'):
        assert part in drawn
    for part in ('[2/3] Detector (val)', '1/2'):
        assert part in drawn
    board.stop('[2/3] Detector')
    board.note('[2/3] Detector: 0:05')
    assert '\x1b[?25h' not in screen.getvalue()
    board.stop('[1/3] Encoder')
    assert '[2/3] Detector: 0:05' in screen.getvalue()
    assert '\x1b[?25h' in screen.getvalue()  # the cursor is back


def test_bars_come_back_for_a_later_step():
    screen = io.StringIO()
    board = BarBoard(Console(file=screen, force_terminal=True, width=140))
    board.start('first')
    board.stop('first')
    board.start('second')
    board.progress('second', ProgressLine('train', 3, 7, 0.5))
    board._bars.refresh()
    assert '3/7' in screen.getvalue()
    board.stop('second')
