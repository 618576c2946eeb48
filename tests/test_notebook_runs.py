"""Each notebook runs as a batch job on other months than those it was written on."""

import json
from pathlib import Path

import pytest

from taxi_duration.notebooks import inspect, run

NOTEBOOKS = sorted(Path(__file__).parents[1].glob("notebooks/*.ipynb"))
GIVEN = {
    "train": "2021-05",
    "valid": "2021-06",
    "test": "2021-07",
    "models": ["median", "ridge", "xgboost"],  # the quick ones
    "refit": True,
    "threads": 1,
}


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def executed(request, new_store, tmp_path_factory):
    """A notebook, and the same executed on other months."""
    folder = tmp_path_factory.mktemp(request.param.stem)
    declared = {each.name for each in inspect(request.param)}
    parameters = {name: value for name, value in GIVEN.items() if name in declared}
    with new_store(folder):
        yield request.param, run(request.param, parameters=parameters, into=folder / "runs")


def shown(path):
    """What the cells of a notebook show, as text."""
    cells = json.loads(path.read_text())["cells"]
    return [
        "".join(output["data"]["text/plain"])
        for cell in cells
        for output in cell.get("outputs", ())
        if "text/plain" in output.get("data", {})
    ]


def test_a_notebook_runs_on_other_months(executed):
    notebook, done = executed
    assert set(shown(done.path)) - set(shown(notebook))


def test_no_cell_warns_on_other_months(executed):
    _, done = executed
    assert '"name": "stderr"' not in done.path.read_text()


def test_a_notebook_ends_with_a_result_for_programs(executed):
    _, done = executed
    assert done.result
