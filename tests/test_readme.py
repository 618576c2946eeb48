"""The commands of README and documents work; their code is run too (conftest.py).

Among them are runs of every notebook on other rides than those it was written on.
"""

import json
import re
import runpy
from pathlib import Path

import pytest
from readme import COMMANDS, NOT_RUN, READ, RUN

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted(ROOT.glob("notebooks/0[1-9]_*.ipynb"))  # those that `run` runs

SCREENSHOTS = {f"{name}.png" for name in ("service_page", "mlflow_runs", "explorer", "model_card")}


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def executed(request, reader):
    """A notebook, and the same as the reader ran it."""
    return request.param, reader.folder / "runs" / "latest" / request.param.name


def shown(path):
    """What a notebook's cells show, by kind."""
    cells = json.loads(path.read_text())["cells"]
    data = [output.get("data", {}) for cell in cells for output in cell.get("outputs", ())]
    return [(kind, str(value)) for each in data for kind, value in each.items()]


@pytest.mark.parametrize("command", RUN)
def test_a_command_that_a_reader_is_told_works(reader, command):
    done = reader.ended[command]
    assert done.code == 0, done.err


def test_the_pictures_are_those_of_the_notebooks():
    docs = runpy.run_path(str(ROOT / "docs" / "pictures.py"))
    shown = re.findall(r"\]\((?:docs/)?(\w+\.png)\)", READ)
    assert {*shown} == {*docs["PICTURES"], *SCREENSHOTS}
    for name, where in docs["PICTURES"].items():
        assert (ROOT / "docs" / name).read_bytes() == docs["picture"](*where)


def test_the_picture_of_the_road_has_the_questions_of_the_notebooks():
    docs = runpy.run_path(str(ROOT / "docs" / "pictures.py"))
    assert (ROOT / "docs" / "road.svg").read_text() == docs["road"]()


@pytest.mark.parametrize("start", NOT_RUN)
def test_an_exception_is_for_a_command_that_a_reader_is_told(start):
    assert any(command.startswith(start) for command in COMMANDS)


def test_a_notebook_shows_the_rides_that_it_is_given(executed):
    pictures = [{value for kind, value in shown(path) if kind == "image/png"} for path in executed]
    assert pictures[1]
    assert pictures[0].isdisjoint(pictures[1])


def test_no_cell_warns_of_other_rides(executed):
    assert '"name": "stderr"' not in executed[1].read_text()


def test_a_notebook_has_a_result_for_programs(executed):
    assert "application/vnd.taxi+json" in dict(shown(executed[1]))


def test_a_run_of_all_notebooks_ends_with_a_champion_and_a_predicted_ride(reader):
    (run,) = [done for command, done in reader.ended.items() if "-p models=" in command]
    assert re.search(r"^Best on the valid month: xgboost, by 03_tune$", run.out, re.MULTILINE)
    assert re.search(r"^Champion: version 1 of taxi-duration, xgboost\. ", run.out, re.MULTILINE)
    ride = r"^[\d.]+ minutes, 80 % prediction interval [\d.]+ to [\d.]+$"
    assert re.search(ride, run.out, re.MULTILINE)
