"""Strange words, files and stores: each command ends with a documented code and one line."""

import json
from pathlib import Path

import pytest

from taxi_duration.cli.main import main
from taxi_duration.errors import ExitCode

STORY = str(Path(__file__).parents[1] / "broken_notebooks" / "story.ipynb")
WORDS = [
    "", " ", "x" * 300, "x" * 5000, "two\nlines", "nul\0", "\udcff", "\u202eabc", "ü ß", "%s",
    "{x}", "../../x", "/", "..", "/dev/null", "/dev/full", "/proc/self/mem", "broken-link", "text",
    "folder", "-1", "1e999", "nan", "9" * 50, "9" * 5000, "٣", "--", "'", "' OR 1=1 --",
    "x' AND name = 'y", "models:/../1", "models:/taxi-duration/99999999999999999999", "@champion",
    "[1", "a=b", "0" * 32, "9999-12", "2009-01..9999-12", "2021-03..2021-01", "2021-03..",
]  # fmt: skip
COMMANDS = [
    ["W"],
    ["run", "W", "STORY"],
    ["run", "STORY", "-p", "W"],
    ["run", "STORY", "-p", "rows=x", "-p", "W=1"],
    ["run", "STORY", "--name", "W", "-p", "rows=x"],
    ["run", "STORY", "--timeout", "W", "-p", "rows=x"],
    ["run", "gone", "--notebooks", "W"],
    ["inspect", "W"],
    ["check", "W"],
    ["compare", "STORY", "W"],
    ["new", "W", "--into", "text"],
    ["new", "--project", "W"],
    ["check", "STORY", "--no-run", "--timeout", "W"],
    ["fetch", "W", "--service", "boat"],
    ["fetch", "2021-01", "--again", "--cache", "text/W"],
    ["sample", "W", "--rows", "0"],
    ["sample", "2021-01", "--rows", "1", "--seed", "W", "--into", "text"],
    ["sample", "2021-01", "--rows", "1", "--into", "W"],
    ["store", "W"],
    ["register", "W"],
    ["register", "RUN", "--name", "W/x"],
    ["promote", "W", "--gate", "2021-04", "--why", "x", "--dry-run"],
    ["promote", "1", "--gate", "W", "--why", "x", "--dry-run"],
    ["promote", "1", "--gate", "2021-04", "--why", "x", "--dry-run", "--source", "W"],
    ["rollback", "--why", "x", "--name", "W"],
    ["reproduce", "W"],
    ["history", "W"],
    ["card", "W"],
    ["score", "W"],
    ["score", "2021-02", "--model", "W"],
    ["serve", "--model", "W"],
    ["serve", "--port", "W00000"],
    ["monitor", "W"],
    ["backtest", "W", "--model", "median", "--into", "folder"],
    ["backtest", "2021-01", "--model", "median", "--windows", "W"],
    ["backtest", "2021-01", "--model", "W", "--ahead", "W"],
    ["backtest", "2021-01", "--model", "median", "--into", "W"],
    ["backtest", "2021-01", "--model", "median", "--into", "folder", "--source", "W"],
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a file, a folder and a link to nowhere."""
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("text")
    Path("folder").mkdir()
    Path("broken-link").symlink_to("nowhere")
    return tmp_path


@pytest.fixture
def call(capsys):
    """Run a command; call what is wrong with how it ended."""

    def call(words):
        code = main(words)
        lines = capsys.readouterr().err.splitlines()
        documented = code in set(ExitCode) - {ExitCode.UNEXPECTED}
        usage = code == ExitCode.WRONG_USE and lines and lines[-1].startswith("Error: ")
        is_well = documented and (usage or len(lines) == int(code != 0))
        return "" if is_well else f"{[word[:40] for word in words]}: {code}, {lines}"

    return call


@pytest.mark.parametrize("word", WORDS, ids=lambda word: ascii(word[:20]))
def test_every_command_takes_a_strange_word_or_rejects_it_in_one_line(
    word, here, call, employed, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", employed[0])
    known = {"STORY": STORY, "RUN": employed[1]}
    commands = [[known.get(each, each).replace("W", word) for each in words] for words in COMMANDS]
    assert [wrong for words in commands if (wrong := call(words))] == []


CELL = {"cell_type": "code", "id": "a", "metadata": {"tags": ["parameters"]}, "outputs": [],
        "execution_count": None, "source": "x: int = 1"}  # fmt: skip


FORM = {"metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def notebook(**cell):
    return json.dumps(FORM | {"cells": [CELL | cell]}).encode()


NOTEBOOKS = {
    "empty": b"",
    "text": b"text",
    "not in UTF-8": b'{"cells": ["\xff"]}',
    "another JSON": b"[1]",
    "cells that are a number": b'{"cells": 3}',
    "a cell that is a number": json.dumps(FORM | {"cells": [3]}).encode(),
    "of a format to come": json.dumps(FORM | {"cells": [], "nbformat": 9}).encode(),
    "of no format": b'{"cells": [], "metadata": {}}',
    "nested": b"[" * 100_000,
    "a source that is missing": notebook().replace(b"source", b"sauce"),
    "a source that is a number": notebook(source=3),
    "metadata that are a number": notebook(metadata=3),
    "tags that are a text": notebook(metadata={"tags": "parameters"}),
    "code that is half a letter": notebook(source="x: str = '\ud800'"),
    "code that is nested": notebook(source="x: int = " + "-" * 100_000 + "1"),
    "a type that is no type": notebook(source="x: Literal[y] = 1"),
    "a type of nothing": notebook(source="x: list[()] = []"),
}


@pytest.mark.parametrize("content", NOTEBOOKS.values(), ids=NOTEBOOKS)
def test_a_broken_notebook_is_rejected_in_one_line(content, here, capsys):
    Path("broken.ipynb").write_bytes(content)
    for command in (["inspect"], ["run"], ["check", "--no-run"]):
        assert main([*command, "broken.ipynb"]) == 5
        (line,) = capsys.readouterr().err.splitlines()
        assert "broken" in line
    assert not Path("runs").exists()


def test_a_folder_that_is_named_like_a_notebook_is_none(here, capsys):
    Path("folder", "trips.ipynb").mkdir()
    assert main(["run", "--notebooks", "folder"]) == 2
    assert "There are no notebooks in 'folder'" in capsys.readouterr().err


def test_a_notebook_in_a_folder_in_braces_runs(here, capsys):
    Path("{y}").mkdir()
    Path("{y}", "story.ipynb").write_bytes(Path(STORY).read_bytes())
    assert main(["run", "{y}/story.ipynb"]) == 0
    assert Path("runs/latest/story.html").exists()


@pytest.mark.parametrize("command", ["card", "backtest"])
def test_a_place_that_cannot_be_written_is_named(command, read_only, employed, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", employed[0])
    words = {"card": ["card"], "backtest": ["backtest", "2021-01..2021-03"]}[command]
    assert main([*words, "--into", str(read_only)]) == 4
    (line,) = capsys.readouterr().err.splitlines()
    assert f"'{read_only}" in line


def test_an_empty_month_is_no_month(here, capsys):
    notebooks = str(Path(__file__).parents[2] / "notebooks")
    assert main(["run", "01_explore", "--notebooks", notebooks, "--train", ""]) == 4
    assert "01_explore: Month '' does not exist" in capsys.readouterr().err
    assert not Path("runs").exists()
