"""The commands that README tells a reader to type do work; its code is run, too (conftest.py).

Among them are runs of every notebook on other rides than those it was written on.
"""

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tlc import Answer, Tlc

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
LINES = [line.removeprefix("$ ") for block in BLOCKS for line in block.splitlines()]
IN_PROSE = re.findall(r"`((?:make|taxi-duration|python) [^`\n]+)`", README)
TYPED = [shlex.join(shlex.split(line, comments=True)) for line in LINES + IN_PROSE]
COMMANDS = [command for command in dict.fromkeys(TYPED) if command]

NOT_RUN = {
    "make run": "set-up, then `taxi-duration run`",
    "make test": "set-up, then these tests",
    "make notebooks": "overwrites the notebooks",
    "make bench": "takes minutes",
    "make clean": "removes the environment that runs this",
    "make lab": "a server",
    "make ui": "a server",
    "python benchmarks/": "takes minutes; tested in test_benchmarks.py",
    "taxi-duration register RUN": "a run's id; tested in test_model_commands.py",
    "taxi-duration reproduce champion": "trains again; tested in test_record_commands.py",
    "taxi-duration score": "tested in test_work_commands.py",
    "taxi-duration monitor": "tested in test_work_commands.py",
    "taxi-duration backtest": "tested in test_work_commands.py",
    "taxi-duration rollback": "needs two champions; tested in test_model_commands.py",
    "taxi-duration serve": "a server; tested in test_serving.py",
    "curl": "asks that server; test_serving.py asks the same",
    "taxi-duration run --source FOLDER": "real months, which have tests of their own",
}
RUN = [command for command in COMMANDS if not command.startswith(tuple(NOT_RUN))]


@pytest.fixture(scope="module")
def reader(new_store, month_bytes, tmp_path_factory):
    """The folder of a reader who typed one command after the other, and how each ended."""
    folder = tmp_path_factory.mktemp("reader")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with new_store(folder), Tlc() as server:
        server.gives("green_tripdata_2024-01.parquet", Answer(month_bytes))
        places = {"PATH": path, "TAXI_DURATION_TLC_URL": server.url, "TAXI_DURATION_CACHE": "cache"}
        ended = {
            command: subprocess.run(
                shlex.split(command), cwd=folder, env=os.environ | places,
                capture_output=True, text=True,
            )
            for command in RUN
        }  # fmt: skip
    return folder, ended


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def executed(request, reader):
    """A notebook, and the same as the reader ran it."""
    return request.param, reader[0] / "runs" / "latest" / request.param.name


def shown(path):
    """What a notebook's cells show, by kind."""
    cells = json.loads(path.read_text())["cells"]
    data = [output.get("data", {}) for cell in cells for output in cell.get("outputs", ())]
    return [(kind, str(value)) for each in data for kind, value in each.items()]


@pytest.mark.parametrize("command", RUN)
def test_a_command_of_the_readme_works(reader, command):
    done = reader[1][command]
    assert done.returncode == 0, done.stderr


def test_the_pictures_are_those_of_the_notebooks():
    docs = runpy.run_path(str(ROOT / "docs" / "pictures.py"))
    shown = re.findall(r"\]\(docs/(\w+\.png)\)", README)
    assert sorted(shown) == sorted(docs["PICTURES"])
    for name, where in docs["PICTURES"].items():
        assert (ROOT / "docs" / name).read_bytes() == docs["picture"](*where)


@pytest.mark.parametrize("start", NOT_RUN)
def test_an_exception_is_for_a_command_that_the_readme_has(start):
    assert any(command.startswith(start) for command in COMMANDS)


def test_a_notebook_tells_of_the_rides_that_it_is_given(executed):
    pictures = [{value for kind, value in shown(path) if kind == "image/png"} for path in executed]
    assert pictures[1]
    assert pictures[0].isdisjoint(pictures[1])


def test_no_cell_warns_of_other_rides(executed):
    assert '"name": "stderr"' not in executed[1].read_text()


def test_a_notebook_has_a_result_for_programs(executed):
    assert "application/json" in dict(shown(executed[1]))


def test_a_run_of_all_notebooks_ends_with_a_champion_and_a_ride_that_it_answers(reader):
    (run,) = [done for command, done in reader[1].items() if "-p models=" in command]
    assert re.search(r"^Best on the valid month: xgboost, by 03_tune$", run.stdout, re.MULTILINE)
    assert re.search(r"^Champion: version 1 of taxi-duration, xgboost\. ", run.stdout, re.MULTILINE)
    assert re.search(r"^[\d.]+ minutes, 80% sure of [\d.]+ to [\d.]+$", run.stdout, re.MULTILINE)
