"""What a user sees while notebooks run: a bar on a terminal, a line now and then elsewhere."""

import io
import os
import pty
import threading

import pandas as pd

from taxi_duration.cli.display import model_table, watch


class Noted(io.StringIO):
    """A stream that tells when something was written to it."""

    def __init__(self):
        super().__init__()
        self.written = threading.Event()

    def write(self, text):
        self.written.set()
        return super().write(text)


def test_elsewhere_a_line_says_now_and_then_which_cell_runs():
    stream = Noted()
    with watch(stream, every=0.01) as display:
        display.enter("02_train", 3, 40)
        assert stream.written.wait(60)
    assert stream.getvalue().startswith("02_train: cell 4 of 40, after 0 s\n")


def test_elsewhere_a_short_run_says_nothing():
    stream = Noted()
    with watch(stream, every=3600) as display:
        display.enter("02_train", 3, 40)
    assert stream.getvalue() == ""


def test_on_a_terminal_a_bar_shows_the_cells():
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, watch(terminal) as display:
        for cell in range(3):
            display.enter("02_train", cell, 3)
        display.refresh()
    shown = os.read(ours, 10_000).decode()
    assert "02_train" in shown
    assert "2 of 3 cells" in shown


def test_the_best_model_is_named_by_the_valid_month():
    runs = pd.DataFrame(
        {
            "model": ["lucky", "best"],
            "valid_rmse": [7.0, 5.0],
            "test_rmse": [4.0, 5.5],
            "fit_seconds": [1.0, 120.0],
            "size_mb": [0.5, 12.0],
        }
    )
    assert model_table(runs).splitlines() == [
        "Model  valid RMSE  test RMSE      fit     size",
        "lucky    7.00 min   4.00 min    1.0 s   0.5 MB",
        "best     5.00 min   5.50 min  120.0 s  12.0 MB",
        "",
        "Best on the valid month: best",
    ]
