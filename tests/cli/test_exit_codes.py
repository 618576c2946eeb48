"""Each kind of failure ends the command with a code of its own, which docs/command.md explains."""

import re
import signal
import socket
from contextlib import redirect_stdout
from pathlib import Path

import click
import pytest
from nbformat import write
from nbformat.v4 import new_code_cell, new_notebook

from taxi_duration import errors
from taxi_duration.cli.main import cli, main
from taxi_duration.errors import ExitCode, TaxiDurationError
from taxi_duration.models.catalog import check_device

ROOT = Path(__file__).parents[2]
BROKEN = ROOT / "tests" / "broken_notebooks"
ALARM = """result = {"verdict": "Slow. Retrain.", "alarm": [months, service, source, model] != []}
display({"application/vnd.taxi+json": result}, raw=True)"""
NAMES = ("months", "service", "source", "model")


def unexpected():
    return {}["key"]


def elsewhere():
    check_device("cuda:99")


def interrupted():
    signal.raise_signal(signal.SIGINT)


def terminated():
    signal.raise_signal(signal.SIGTERM)


FAILURES = [
    (0, "store"),
    (2, "no-such-command"),
    (2, "run STORY -p rowz=1"),
    (2, "run STORY -p rows=many"),
    (2, "run gone"),
    (2, "register RUN --name ../x"),
    (3, "monitor 2021-02"),
    (4, "fetch 2021-13"),
    (4, "run STORY --into text/folder"),
    (4, "backtest 2021-01..2021-03 --source nowhere"),
    (5, "run FAILS"),
    (5, "inspect UNTYPED"),
    (7, "register RUN"),
    (7, "card 99"),
    (8, "elsewhere"),
    (70, "unexpected"),
    (130, "interrupted"),
    (143, "terminated"),
]
KNOWN = {
    "STORY": str(BROKEN / "story.ipynb"),
    "FAILS": str(BROKEN / "fails_in_cell_3.ipynb"),
    "UNTYPED": str(BROKEN / "has_an_untyped_parameter.ipynb"),
    "RUN": "0" * 32,
}


@pytest.fixture
def here(tmp_path, store, monkeypatch):
    """A folder with a file, a notebook that gives alarm, and commands that end in other ways."""
    monkeypatch.chdir(tmp_path)
    Path("text").touch()
    Path("notebooks").mkdir()
    lines = "\n".join(f'{name}: str = ""  # of the months' for name in NAMES)
    cells = [new_code_cell(lines, metadata={"tags": ["parameters"]}), new_code_cell(ALARM)]
    write(new_notebook(cells=cells), Path("notebooks", "06_monitor.ipynb"))
    for function in (unexpected, elsewhere, interrupted, terminated):
        command = click.Command(function.__name__, callback=function)
        monkeypatch.setitem(cli.commands, function.__name__, command)
    return tmp_path


def words(line):
    return [KNOWN.get(word, word) for word in line.split()]


@pytest.mark.parametrize(("code", "line"), FAILURES, ids=lambda value: str(value))
def test_a_failure_ends_with_the_code_of_its_kind(here, code, line, monkeypatch):
    if code == ExitCode.UNEXPECTED:
        monkeypatch.setattr("tempfile.tempdir", str(here))  # where it keeps the traceback
    assert main(words(line)) == code


def test_a_store_that_cannot_be_opened_ends_with_6(here, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/no.db")
    assert main(["history"]) == 6


def test_a_server_whose_port_is_taken_ends_with_6(employed, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", employed[0])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 6


def test_output_that_finds_no_room_ends_with_1(here):
    with Path("/dev/full").open("w") as full, redirect_stdout(full):
        assert main(["store"]) == 1


def test_each_code_is_that_of_some_failure_here():
    assert {code for code, _ in FAILURES} | {1, 6} == set(ExitCode)


def test_the_table_in_the_documents_has_each_code_and_its_meaning():
    text = (ROOT / "docs" / "command.md").read_text()
    _, _, table = text.partition("| exit code | meaning |\n|---|---|\n")
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", table.partition("\n\n")[0], re.MULTILINE)
    assert [(int(code), text) for code, text in rows] == [(each, each.meaning) for each in ExitCode]


def test_the_family_is_drawn_as_it_is():
    drawn = re.findall(r"── (\w+) +\((\w+)\) +(\d+) ", errors.__doc__)
    family = [
        (each.__name__, each.__mro__[2].__name__, str(each.exit_code.value))
        for each in TaxiDurationError.__subclasses__()
    ]
    assert drawn == family
