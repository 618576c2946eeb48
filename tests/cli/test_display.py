"""What a user sees while notebooks run: a bar on a terminal, a line now and then elsewhere."""

import io
import os
import pty
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest

from taxi_duration.cli.display import model_table, next_commands, show_progress, warn_of_access


class Log(io.StringIO):
    """A stream that knows when something was written to it."""

    def __init__(self):
        super().__init__()
        self.written = threading.Event()

    def write(self, text):
        self.written.set()
        return super().write(text)


def read_to_end(terminal):
    chunks = []
    with suppress(OSError):  # how a terminal that was closed ends
        while chunk := os.read(terminal, 10_000):
            chunks.append(chunk)
    return b"".join(chunks).decode()


def test_elsewhere_a_line_says_now_and_then_how_many_cells_are_done():
    stream = Log()
    with show_progress(stream, every=0.01) as progress:
        for cell in range(4):
            progress.start("02_train", cell, 40)
        stream.written.clear()
        assert stream.written.wait(60)
    assert "\n02_train: 3 of 40 cells, 00:00\n" in f"\n{stream.getvalue()}"


def test_elsewhere_a_short_run_writes_nothing():
    stream = Log()
    with show_progress(stream, every=3600) as progress:
        progress.start("02_train", 0, 40)
    assert stream.getvalue() == ""


def test_elsewhere_nothing_is_written_between_notebooks():
    stream = Log()
    with show_progress(stream, every=0.01) as progress:
        progress.start("02_train", 0, 40)
        progress.close()
        stream.written.clear()
        assert not stream.written.wait(0.1)


def test_on_a_terminal_a_bar_shows_the_cells():
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, show_progress(terminal) as progress:
        for cell in range(3):
            progress.start("02_train", cell, 3)
        progress.refresh()
    shown = read_to_end(ours)
    assert "02_train" in shown
    assert "2 of 3 cells" in shown


def test_only_a_server_that_others_can_reach_comes_with_advice(capsys):
    warn_of_access("127.0.0.1")
    warn_of_access("0.0.0.0")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("taxi-duration: Anyone who reaches 0.0.0.0 can use this server: put a ")


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """The commands that are offered in an empty folder, outside of the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "an env" / "python"))
    return lambda: [line.split("  ")[1] for line in next_commands().splitlines()[1:]]


def test_outside_of_the_environment_the_commands_are_named_with_their_place(typed):
    ours = "'an env/taxi-duration'"
    assert typed() == [f"{ours} ui", f"{ours} new --project taxis", f"{ours} --help"]


def test_where_there_is_a_makefile_and_the_environment_is_active_they_are_short(typed):
    Path("Makefile").touch()
    Path("taxi-duration").touch(mode=0o755)
    assert typed() == ["make ui", "make lab", "taxi-duration --help"]


def test_the_best_model_is_named_by_the_valid_month():
    runs = pd.DataFrame(
        {
            "model": ["lucky", "best, by 03_tune"],
            "valid_rmse": [7.0, 5.0],
            "test_rmse": [4.0, 5.5],
            "fit_seconds": [1.0, 120.0],
            "size_mb": [0.5, 12.0],
        }
    )
    assert model_table(runs).splitlines() == [
        "Model              valid RMSE  test RMSE      fit     size",
        "lucky                7.00 min   4.00 min    1.0 s   0.5 MB",
        "best, by 03_tune     5.00 min   5.50 min  120.0 s  12.0 MB",
        "",
        "Best on the valid month: best, by 03_tune",
    ]
