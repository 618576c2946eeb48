"""A recorded model is trained again, and each difference is named."""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from taxi_duration.data.sample import make_month
from taxi_duration.data.trips import Split, load_split
from taxi_duration.errors import ModelError, SourceError
from taxi_duration.months import GREEN, Month
from taxi_duration.notebooks.reproduction import compare, reproduce, retrain
from taxi_duration.tracking.provenance import environment
from taxi_duration.tracking.runs import list_runs, read_environment, read_record
from taxi_duration.tracking.training import record, record_all

MONTHS = ("2021-01", "2021-02", "2021-03")
PACKAGE = Path(__file__).parents[2] / "taxi_duration"
QUICK = {"n_estimators": 12, "max_depth": 3, "threads": 1}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("reproduction")


@pytest.fixture(scope="module")
def uri(new_store, place):
    with new_store(place) as uri:
        yield uri


@pytest.fixture(scope="module")
def training(uri, months):
    """Two recorded models of the sample months, under one parent run."""
    return record_all(["median", "ridge"], months)


@pytest.fixture(scope="module")
def recorded(training):
    """The record of a model."""
    return read_record(training["ridge"].run_id)


@pytest.fixture(scope="module")
def again(recorded):
    """Compare a record, in which something was changed, with a second training."""
    second, kept = retrain(recorded, "sample"), read_environment(recorded.run_id)
    return lambda environment=kept, **changed: compare(
        replace(recorded, **changed), environment, *second
    )


@pytest.fixture(scope="module")
def folder(place):
    """A folder of small months in TLC's form."""
    folder = place / "months"
    folder.mkdir()
    for month in map(Month.parse, MONTHS):
        make_month(month, rows=900).to_parquet(folder / GREEN.file(month), engine="pyarrow")
    return folder


@pytest.fixture(scope="module")
def from_folder(uri, folder):
    """The run of a model that learned from that folder."""
    return record("xgboost", load_split(*MONTHS, source=folder), **QUICK).run_id


def test_a_model_is_reproduced_to_the_last_bit_without_asking_where_its_months_are(from_folder):
    found = reproduce(from_folder)
    assert (found.differences, found.reproduced) == ((), True)
    assert found.required.startswith("the same to the last bit")


def test_a_refitted_model_of_joined_months_is_reproduced(uri, folder):
    first, second, third = load_split(*MONTHS, source=folder)
    fourth = make_month(Month(2021, 4), rows=900)
    fourth.to_parquet(folder / GREEN.file(Month(2021, 4)), engine="pyarrow")
    last = load_split("2021-01", "2021-02", "2021-04", source=folder).test
    run = record("xgboost", Split(first + second, third, last), refit=True, **QUICK)
    assert reproduce(run.run_id).differences == ()


def test_the_verdict_shows_recorded_and_rebuilt_figures(again):
    text = str(again())
    assert text.splitlines()[0].endswith(": reproduced.")
    assert "test_rmse" in text


def test_the_users_store_is_only_read_and_nothing_is_left(recorded, place, monkeypatch):
    def look():
        return {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
            for path in place.rglob("*")
        }

    (place / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(place / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    before = look()
    assert reproduce(recorded.run_id).reproduced
    assert look() == before


def test_a_changed_fit_is_found(uri, recorded, tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "taxi_duration")
    training = tmp_path / "taxi_duration" / "models" / "training.py"
    training.write_text(training.read_text() + CHANGE)
    done = subprocess.run(
        [sys.executable, "-m", "taxi_duration.cli.main", "reproduce", recorded.run_id],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 7
    kinds = [line.partition(":")[0] for line in done.stdout.splitlines()[1:]]
    assert kinds[0] == "Code"
    assert {"Figures", "Predictions"} <= set(kinds)


CHANGE = """
_fit = fit
def fit(name, train, valid, **how):
    return _fit(name, train, valid, **how | {"alpha": 100.0})
"""


def test_another_library_version_is_named(again):
    found = again(environment=environment() | {"xgboost": "3.1.0"})
    here = environment()["xgboost"]
    assert found.differences == (f"Environment: xgboost 3.1.0 recorded, {here} here.",)


def test_a_lost_environment_is_named(again):
    assert again(environment={}).differences == ("Environment: none is kept with the run.",)


def test_on_another_computer_figures_may_differ_by_a_little(again, recorded):
    found = again(
        environment=environment() | {"computer": "hal"},
        metrics={name: value + 9e-5 for name, value in recorded.metrics.items()},
        parameters=recorded.parameters | {"test_predictions_sha256": "0" * 64},
    )
    assert found.reproduced
    assert found.required.startswith("the same to within 0.0001 minutes")


def test_on_another_computer_figures_may_not_differ_by_more(again, recorded):
    found = again(
        environment=environment() | {"computer": "hal"},
        metrics=recorded.metrics | {"test_rmse": recorded.metrics["test_rmse"] + 1.1e-4},
    )
    assert len(found.differences) == 1


def test_with_other_threads_figures_may_differ_by_a_little(again, recorded):
    found = again(parameters=recorded.parameters | {"threads": "99"})
    assert found.required.startswith("the same to within 0.0001 minutes")


def test_other_code_is_named_with_the_way_back(again, recorded):
    (difference,) = again(
        parameters=recorded.parameters | {"code_sha256": "abc" * 20},
        tags=recorded.tags | {"mlflow.source.git.commit": "cafe", "tree": "changed"},
    ).differences
    here = recorded.parameters["code_sha256"][:12]
    assert difference == (
        f"Code: taxi_duration abcabcabcabc recorded, {here} here. Go back to it: git checkout "
        "cafe, then git apply code.patch, which is kept with the run."
    )


def test_a_changed_metric_is_found(again, recorded):
    found = again(metrics=recorded.metrics | {"test_rmse": 1.0})
    here = f"{recorded.metrics['test_rmse']:.10g}"
    assert found.differences == (f"Figures: test_rmse 1 recorded, {here} rebuilt.",)


def test_a_missing_metric_is_found(again, recorded):
    metrics = {name: value for name, value in recorded.metrics.items() if name != "valid_mae"}
    (found,) = again(metrics=metrics).differences
    assert "valid_mae nan recorded" in found


def test_changes_in_the_store_are_named_and_the_rest_agrees(from_folder, place):
    database = place / "mlflow.db"
    kept = shutil.copy(database, place / "kept.db")
    kept_environment = place / "artifacts" / from_folder / "artifacts" / "environment.json"
    written = kept_environment.read_text()
    with closing(sqlite3.connect(database)) as store, store:
        change = "UPDATE params SET value = ? WHERE key = ? AND run_uuid = ?"
        store.execute(change, ("1" * 64, "code_sha256", from_folder))
        change = "UPDATE latest_metrics SET value = ? WHERE key = ? AND run_uuid = ?"
        store.execute(change, (1.5, "valid_mae", from_folder))
    kept_environment.write_text(json.dumps(json.loads(written) | {"numpy": "1.0"}))
    try:
        code, library, figure = reproduce(from_folder).differences
    finally:
        shutil.copy(kept, database)
        kept_environment.write_text(written)
    assert code.startswith("Code: taxi_duration 111111111111 recorded, ")
    assert library.startswith("Environment: numpy 1.0 recorded, ")
    assert figure.startswith("Figures: valid_mae 1.5 recorded, ")


def test_one_changed_byte_of_the_data_is_named_and_nothing_is_trained(from_folder, folder):
    path = folder / GREEN.file(Month(2021, 2))
    content = path.read_bytes()
    path.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
    try:
        found = reproduce(from_folder)
        here = hashlib.sha256(path.read_bytes()).hexdigest()
    finally:
        path.write_bytes(content)
    (difference,) = found.differences
    assert difference == (
        f"Data: {path.name} is not the file that was recorded: sha256 "
        f"{hashlib.sha256(content).hexdigest()[:12]} recorded, {here[:12]} here."
    )
    assert found.metrics.empty


def test_missing_months_are_an_error(from_folder, tmp_path):
    with pytest.raises(SourceError, match=r"has no green_tripdata_2021-01\.parquet"):
        reproduce(from_folder, source=tmp_path)


def test_a_run_that_does_not_say_where_its_months_are_asks_for_it(uri, months):
    unknown = Split(*(replace(trips, source="") for trips in months))
    run = record("median", unknown)
    with pytest.raises(ModelError, match=r"does not say where sample/.* came from\. .*--source"):
        reproduce(run.run_id)


def test_a_parent_run_is_rejected_and_its_models_named(training):
    with pytest.raises(ModelError, match=f"has: .*ridge {training['ridge'].run_id}"):
        reproduce(training.run_id)


def test_a_run_that_has_failed_is_rejected(uri, split):
    with pytest.raises(ModelError):
        record("lasso", split, alpha=-1.0)
    failed = list_runs().iloc[0]
    with pytest.raises(ModelError, match="is FAILED: its record is not complete"):
        reproduce(failed["run_id"])
