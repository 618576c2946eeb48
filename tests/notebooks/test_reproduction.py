"""A recorded model is made again, and whatever differs is said, exactly that."""

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from taxi_duration.cli.main import main
from taxi_duration.data.sample import make_month
from taxi_duration.data.trips import load_split
from taxi_duration.errors import ModelError, SourceError, TrackingError
from taxi_duration.months import GREEN, Month
from taxi_duration.notebooks.originals import find_original
from taxi_duration.notebooks.rebuild import rebuild
from taxi_duration.notebooks.reproduction import compare, reproduce
from taxi_duration.notebooks.runner import run
from taxi_duration.tracking.training import list_runs, record

TRAINS = Path(__file__).parents[1] / "broken_notebooks" / "trains.ipynb"
MONTHS = ("2021-01", "2021-02", "2021-03")
PACKAGE = Path(__file__).parents[2] / "taxi_duration"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("lineage")


@pytest.fixture(scope="module")
def uri(new_store, place):
    with new_store(place) as uri:
        yield uri


@pytest.fixture(scope="module")
def trained(uri, place):
    """Run ids of models that a notebook trained: the parent's and the models'."""
    mark = str(place / "mark")
    given = {"models": "median,ridge", "mark": mark}
    parent = run(TRAINS, parameters=given, into=place / "runs").result["run_id"]
    runs = list_runs(parent=parent)
    return {"parent": parent, "mark": mark} | dict(zip(runs["model"], runs["run_id"], strict=True))


@pytest.fixture(scope="module")
def states(uri, place, trained):
    """What lies in the user's store and in a temporary folder of our own; None is a folder."""
    folder = place / "temporary"
    folder.mkdir()

    def look():
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
            for path in place.rglob("*")
        }

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        patch.setattr(tempfile, "tempdir", None)
        yield look


@pytest.fixture(scope="module")
def made_again(uri, trained, states):
    """An original and its rebuild, with what there was before and after it."""
    before = states(), {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI",)}
    original = find_original(trained["ridge"])
    rebuilt = rebuild(original)
    after = states(), {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI",)}
    return original, rebuilt, before, after


@pytest.fixture(scope="module")
def again(made_again):
    """Compare the original with the rebuild, after one of them was changed."""
    original, rebuilt, *_ = made_again

    def again(*, then=None, now=None):
        return compare(
            replace(original, record=replace(original.record, **(then or {}))),
            replace(rebuilt, record=replace(rebuilt.record, **(now or {}))),
        )

    return again


@pytest.fixture(scope="module")
def folder(place):
    """A folder of small months in TLC's form."""
    folder = place / "months"
    folder.mkdir()
    for month in map(Month.parse, MONTHS):
        make_month(month, rows=900).to_parquet(folder / GREEN.file(month), engine="pyarrow")
    return folder


@pytest.fixture(scope="module")
def by_library(uri, folder):
    """The run of a model that was trained without a notebook."""
    split = load_split(*MONTHS, source=folder)
    return record("xgboost", split, n_estimators=12, max_depth=3, threads=1).run_id


def test_a_model_of_a_notebook_is_reproduced_to_the_last_bit(again):
    found = again()
    assert (found.differences, found.reproduced) == ((), True)
    assert found.asked.startswith("the same to the last bit")
    assert found.how.startswith("notebook trains ran again")


def test_the_verdict_shows_recorded_and_rebuilt_figures(again):
    said = str(again())
    assert said.splitlines()[0].endswith(": reproduced.")
    assert "test_rmse" in said


def test_only_the_model_in_question_is_trained(made_again):
    assert made_again[1].record.model == "ridge"


def test_the_users_store_is_only_read_and_nothing_is_left(made_again):
    _, _, before, after = made_again
    assert after == before


def test_it_really_trains(made_again):
    original, rebuilt, *_ = made_again
    assert rebuilt.record.run_id != original.record.run_id
    assert rebuilt.record.parameters["model_sha256"] != original.record.parameters["model_sha256"]


def test_a_changed_fit_is_found(uri, trained, tmp_path, monkeypatch):
    shutil.copytree(PACKAGE, tmp_path / "taxi_duration")
    baseline = tmp_path / "taxi_duration" / "models" / "baseline.py"
    baseline.write_text(baseline.read_text().replace("np.asarray(y)", "np.asarray(y) + 1"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    found = reproduce(trained["median"])
    kinds = [each.partition(":")[0] for each in found.differences]
    assert kinds[0] == "Code"
    assert {"Figures", "Predictions"} <= set(kinds)


def test_another_library_version_is_said_exactly(again, made_again):
    environment = made_again[0].record.environment | {"xgboost": "3.1.0"}
    here = made_again[1].record.environment["xgboost"]
    found = again(then={"environment": environment})
    assert found.differences == (f"Environment: xgboost 3.1.0 recorded, {here} here.",)


def test_another_computer_is_no_difference_and_asks_for_less(again, made_again):
    found = again(then={"environment": made_again[0].record.environment | {"computer": "hal"}})
    assert found.reproduced
    assert found.asked.startswith("the same to within 0.0001 minutes")


def test_elsewhere_a_difference_of_the_arithmetic_is_none(again, made_again):
    record = made_again[0].record
    other = {
        "environment": record.environment | {"computer": "hal"},
        "metrics": {name: value + 1e-6 for name, value in record.metrics.items()},
        "parameters": record.parameters | {"test_predictions_sha256": "0" * 64},
    }
    assert again(then=other).reproduced


def test_other_code_is_said_exactly_with_the_way_back(again, made_again):
    record = made_again[0].record
    found = again(
        then={
            "parameters": record.parameters | {"code_sha256": "abc" * 20},
            "tags": record.tags | {"mlflow.source.git.commit": "cafe", "tree": "changed"},
        }
    )
    here = made_again[1].record.parameters["code_sha256"][:12]
    (difference,) = found.differences
    assert difference == (
        f"Code: taxi_duration abcabcabcabc recorded, {here} here. Go back to it: git checkout "
        "cafe, then git apply code.patch, which is kept with the run."
    )


def test_a_tampered_metric_is_found(again, made_again):
    metrics = made_again[0].record.metrics
    found = again(then={"metrics": metrics | {"test_rmse": 1.0}})
    assert found.differences == (
        f"Figures: test_rmse 1 recorded, {metrics['test_rmse']:.10g} rebuilt.",
    )


def test_a_metric_that_is_not_there_is_found(again, made_again):
    metrics = {**made_again[0].record.metrics}
    del metrics["valid_mae"]
    (found,) = again(then={"metrics": metrics}).differences
    assert "valid_mae nan recorded" in found


def test_what_a_search_found_is_trained_without_the_search(made_again):
    original, rebuilt, *_ = made_again
    found = compare(replace(original, notebook={"cells": []}, name="03_tune"), rebuilt)
    assert found.how.endswith("since 03_tune searched for them, and the search was not repeated")


def test_whatever_was_changed_in_the_store_is_said_and_the_rest_agrees(by_library, folder, place):
    database = place / "mlflow.db"
    kept = shutil.copy(database, place / "kept.db")
    environment = place / "artifacts" / by_library / "artifacts" / "environment.json"
    written = environment.read_text()
    with closing(sqlite3.connect(database)) as store, store:
        change = "UPDATE params SET value = ? WHERE key = ? AND run_uuid = ?"
        store.execute(change, ("1" * 64, "code_sha256", by_library))
        change = "UPDATE latest_metrics SET value = ? WHERE key = ? AND run_uuid = ?"
        store.execute(change, (1.5, "valid_mae", by_library))
    environment.write_text(json.dumps(json.loads(written) | {"numpy": "1.0"}))
    try:
        found = reproduce(by_library, source=folder)
    finally:
        shutil.copy(kept, database)
        environment.write_text(written)
    code, library, figure = found.differences
    assert code.startswith("Code: taxi_duration 111111111111 recorded, ")
    assert library.startswith("Environment: numpy 1.0 recorded, ")
    assert figure.startswith("Figures: valid_mae 1.5 recorded, ")
    assert found.how.endswith("since no notebook is kept with the run")


def test_one_changed_byte_of_the_data_is_said_and_nothing_is_trained(by_library, folder):
    path = folder / GREEN.file(Month(2021, 2))
    content = path.read_bytes()
    path.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
    try:
        found = reproduce(by_library, source=folder)
        here = hashlib.sha256(path.read_bytes()).hexdigest()
    finally:
        path.write_bytes(content)
    (difference,) = found.differences
    assert difference == (
        f"Data: {path.name} is not the file that was recorded: sha256 "
        f"{hashlib.sha256(content).hexdigest()[:12]} recorded, {here[:12]} here."
    )
    assert found.metrics.empty


def test_months_that_are_not_there_are_an_error(by_library, tmp_path):
    with pytest.raises(SourceError, match=r"has no green_tripdata_2021-01\.parquet"):
        reproduce(by_library, source=tmp_path)


def test_a_run_that_does_not_say_where_its_months_are_asks_for_it(by_library):
    with pytest.raises(ModelError, match=r"does not say where green_.* came from\. .*--source"):
        reproduce(by_library)


def test_a_parent_run_is_refused_and_its_models_named(trained):
    with pytest.raises(ModelError, match=f"Name one that has: .*ridge {trained['ridge']}"):
        reproduce(trained["parent"])


def test_a_run_that_has_failed_is_refused(uri, split):
    with pytest.raises(ModelError):
        record("lasso", split, alpha=-1.0)
    failed = list_runs().iloc[0]
    with pytest.raises(TrackingError, match="is FAILED: what it recorded is not whole"):
        reproduce(failed["run_id"])


def test_stopped_by_the_user_it_leaves_no_kernel_and_no_file(trained, states):
    mark = Path(trained["mark"])
    mark.touch()
    before = states()
    thread = threading.Thread(target=_interrupt, args=(mark,), daemon=True)
    thread.start()
    code = main(["reproduce", trained["ridge"]])
    thread.join()
    kernel = int(mark.read_text())
    mark.write_text("")
    assert (code, states()) == (130, before)
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)
    mark.unlink()


def _interrupt(mark):
    while not mark.read_text():
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)
