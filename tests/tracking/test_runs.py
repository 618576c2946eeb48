"""Recorded runs: listed, read back, their files copied and added to."""

import mlflow
import pytest
from mlflow import MlflowClient

from taxi_duration.errors import ModelError, TrackingError
from taxi_duration.tracking.provenance import environment
from taxi_duration.tracking.runs import (
    attach,
    download,
    files_of,
    list_runs,
    read_environment,
    read_record,
)
from taxi_duration.tracking.store import EXPERIMENT, open_store


@pytest.fixture
def record(recorded_store, run):
    return read_record(run.run_id)


def test_runs_are_listed_latest_first(recorded_store, recorded):
    found = list_runs()
    assert found["model"].tolist() == ["ridge", "quote", "xgboost"]
    assert found["run_id"][0] == recorded.alone.run_id
    assert found["status"].tolist() == ["FINISHED"] * 3


def test_the_runs_of_one_parent_are_listed(recorded_store, recorded):
    found = list_runs(parent=recorded.training.run_id)
    assert found["model"].tolist() == ["quote", "xgboost"]


def test_a_child_without_a_model_is_not_listed(store):
    open_store()
    with mlflow.start_run() as parent, mlflow.start_run(nested=True):
        pass
    assert list_runs(parent=parent.info.run_id).empty


def test_an_empty_store_lists_no_runs(store):
    assert list_runs().empty
    assert MlflowClient(store).get_experiment_by_name(EXPERIMENT)


def test_a_run_is_read_as_it_was_written(record, run):
    assert (record.run_id, record.status, record.model) == (run.run_id, "FINISHED", "xgboost")
    assert read_environment(record.run_id) == environment()
    assert record.metrics["valid_rows"] > 0


def test_the_inputs_of_a_run_are_its_files_by_digest(record, split):
    assert record.inputs == split.train.sha256 | split.valid.sha256 | split.test.sha256


def test_the_parent_of_a_training_is_no_model(recorded_store, recorded):
    parent = read_record(recorded.training.run_id)
    assert (parent.model, parent.model_id, parent.inputs) == (None, None, {})


def test_the_files_of_a_run_are_named(record):
    assert {"environment.json", "rows.csv"} <= set(files_of(record.run_id))
    assert files_of(record.run_id, "notebook") == []


def test_a_file_of_a_run_is_copied(record, tmp_path):
    assert download(record.run_id, "rows.csv", tmp_path).read_text().startswith(",kept")


@pytest.mark.parametrize(
    "ask",
    [
        lambda record, folder: download(record.run_id, "rows.txt", folder),
        lambda record, folder: files_of("0" * 32),
    ],
    ids=["file", "files"],
)
def test_what_is_not_there_is_reported(record, tmp_path, ask):
    with pytest.raises(TrackingError, match=r"cannot be read|has no"):
        ask(record, tmp_path)


@pytest.mark.parametrize("run_id", ["0" * 32, "x' OR 'y'", "../x"])
def test_a_run_that_does_not_exist_is_an_error(record, run_id):
    with pytest.raises(ModelError, match="There is no run"):
        read_record(run_id)


def test_files_can_be_attached_to_a_run_later(recorded_store, recorded, tmp_path):
    (tmp_path / "page.html").write_text("<p>story</p>")
    parent = recorded.training.run_id
    attach(parent, [tmp_path / "page.html"])
    assert files_of(parent, "notebook") == ["notebook/page.html"]
    assert download(parent, "notebook/page.html", tmp_path).read_text() == "<p>story</p>"
