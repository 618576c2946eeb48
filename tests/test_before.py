"""00_before has the figures of the library, and docs/from-notebook.md is about all of it."""

import re
from importlib import import_module
from pathlib import Path

import nbformat
import papermill
import pytest
from mlflow import MlflowClient

from taxi_duration.data.trips import load_split
from taxi_duration.evaluation.metrics import score_parts
from taxi_duration.models.catalog import COURSE_NOTES
from taxi_duration.models.training import fit
from taxi_duration.notebooks.discovery import inspect
from taxi_duration.registry.loading import load_run
from taxi_duration.tracking.training import record

ROOT = Path(__file__).parents[1]
BEFORE = ROOT / "notebooks" / "00_before.ipynb"
PAGE = (ROOT / "docs" / "from-notebook.md").read_text(encoding="utf-8")
ROUNDS = next(each.default for each in inspect(BEFORE) if each.name == "rounds")
MONTHS = ("2021-01", "2021-02", "2021-03")
DIGITS = {"linear": 5e-7, "ridge": 5e-7, "lasso": 1e-3, "reference": 1e-3}
NOTES = {"linear": 7.758715, "ridge": 7.703735, "lasso": 7.616618}


def cells(notebook):
    """The sources of its code cells."""
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def errors(notebook):
    """The rmse of each model, as the last cell shows it; "xgboost" there is our "reference"."""
    shown = notebook.cells[-1].outputs[0].data["text/plain"]
    found = dict(re.findall(r"^(\w+) +([\d.]+)$", shown, re.MULTILINE))
    return {name.replace("xgboost", "reference"): float(text) for name, text in found.items()}


def rmse(fitted, months):
    return score_parts(fitted, months).set_index("part")["rmse"]["valid"]


@pytest.fixture(scope="module")
def before():
    return nbformat.read(BEFORE, as_version=4)


@pytest.fixture(scope="module")
def run(new_store, months, tmp_path_factory):
    """A run of the notes' boosted trees with as many rounds as in the notebook, and its store."""
    with new_store(tmp_path_factory.mktemp("before")) as uri:
        yield record("reference", months, n_estimators=ROUNDS, threads=1), MlflowClient(uri)


@pytest.mark.parametrize("name", ["linear", "ridge", "lasso"])
def test_a_linear_model_has_the_same_error_in_the_library(before, months, name):
    fitted = fit(name, months.train, months.valid)
    assert rmse(fitted, months) == pytest.approx(errors(before)[name], abs=DIGITS[name])


def test_the_boosted_trees_have_the_same_error_in_the_library(before, run):
    found = run[0].scores.set_index("part")["rmse"]["valid"]
    assert found == pytest.approx(errors(before)["reference"], abs=DIGITS["reference"])


def test_the_parameters_copied_by_hand_are_those_of_the_library(before):
    (copied,) = [source for source in cells(before) if source.startswith("best_params = {")]
    for name in ("learning_rate", "max_depth", "min_child_weight", "reg_alpha", "reg_lambda"):
        assert f'"{name}": {COURSE_NOTES[name]},' in copied


# on real months, which have the notes' own figures; see the fixture `real`


def execute(real, into, *, until=None, **parameters):
    """Execute the notebook on real months by papermill; with `until`, leave out what follows it."""
    notebook = nbformat.read(BEFORE, as_version=4)
    if until:
        at = next(at for at, cell in enumerate(notebook.cells) if until in cell.source)
        notebook.cells[at:-1] = []
        nbformat.write(notebook, into / BEFORE.name)
    files = [str(real / f"green_tripdata_{month}.parquet") for month in MONTHS[:2]]
    parameters |= dict(zip(("train_file", "valid_file"), files, strict=True))
    path = into / BEFORE.name if until else BEFORE
    return papermill.execute_notebook(path, None, parameters, progress_bar=False)


@pytest.fixture(scope="module")
def real_months(real):
    return load_split(*MONTHS, source=real)


@pytest.fixture(scope="module")
def linear_on_real(real, tmp_path_factory):
    return errors(execute(real, tmp_path_factory.mktemp("real"), until="## A search"))


@pytest.mark.parametrize("name", NOTES)
def test_on_real_months_it_has_the_figures_of_the_course_notes(linear_on_real, name):
    assert linear_on_real[name] == NOTES[name]


@pytest.mark.parametrize("name", ["linear", "ridge"])  # test_real_months.py fits lasso
def test_on_real_months_the_library_has_the_same_error(linear_on_real, real_months, name):
    fitted = fit(name, real_months.train, real_months.valid)
    assert rmse(fitted, real_months) == pytest.approx(linear_on_real[name], abs=DIGITS[name])


@pytest.mark.soak
def test_on_real_months_the_boosted_trees_come_to_6_317_and_so_do_the_library_s(
    real, real_months, tmp_path
):
    found = errors(execute(real, tmp_path, rounds=1000, trials=1))["reference"]
    assert found == pytest.approx(6.317, abs=0.002)
    fitted = fit("reference", real_months.train, real_months.valid)
    assert rmse(fitted, real_months) == pytest.approx(found, abs=DIGITS["reference"])


# docs/from-notebook.md


def rows(heading):
    """The rows of the table below a heading, each as its columns."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    return lines[2:]


def names(column):
    return re.findall(r"`([^`]+)`", column)


def autolog_table():
    """Kind, names that autolog has, and names that a run here has for the same."""
    found = rows("What autolog records, and where a run has it")
    return [(kind, names(theirs), names(ours)) for kind, theirs, ours in found]


def test_the_page_has_a_row_for_each_cell_of_the_notebook(before):
    found = rows("Cell by cell")
    assert len(found) == len(cells(before))
    for row, source in zip(found, cells(before), strict=True):
        assert all(fragment in source for fragment in names(row[0]))


def test_what_a_cell_became_is_there():
    functions = [each for row in rows("Cell by cell") for each in names(row[1]) if " " not in each]
    assert functions
    for name in functions:
        room, *inside = name.split(".")
        found = import_module(f"taxi_duration.{room}")
        for each in inside:
            found = getattr(found, each)


def test_each_name_that_autolog_has_recorded_is_in_the_page(before):
    (cell,) = [cell for cell in before.cells if "client.list_artifacts(" in cell.source]
    shown = "".join(output.text for output in cell.outputs)
    recorded = [line.partition(": ") for line in shown.splitlines()]
    expected = {(kind, name) for kind, _, names in recorded for name in names.split(", ")}
    assert {(kind, name) for kind, theirs, _ in autolog_table() for name in theirs} == expected


def test_what_autolog_records_is_a_subset_of_what_a_run_here_records(run):
    made, store = run
    data = store.get_run(made.run_id).data
    recorded = data.params.keys() | data.metrics.keys() | data.tags.keys()
    for _kind, theirs, ours in autolog_table():
        assert ours, theirs
        assert set(ours) <= recorded


def test_the_recorded_model_counts_how_often_a_feature_splits(run):
    regressor = load_run(run[0].run_id).pipeline["regressor"]
    assert regressor.get_booster().get_score(importance_type="weight")
