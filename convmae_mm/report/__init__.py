"""What came of a training, as a page: curves, scores, the best and worst.

``page.write_report`` writes the whole; ``training.report_on`` collects what
is told of one training, and ``page.render_page`` tells several in one page.
"""
