"""What is read back of a run."""

import pytest

from taxi_duration.errors import TrackingError
from taxi_duration.tracking.provenance import environment
from taxi_duration.tracking.runs import download, files_of, read_record
from taxi_duration.tracking.training import record_all


@pytest.fixture(scope="module")
def training(new_store, split, tmp_path_factory):
    """A model, recorded as the child of a parent run."""
    with new_store(tmp_path_factory.mktemp("records")):
        yield record_all(["median"], split, notebook="02_train")


@pytest.fixture(scope="module")
def record(training):
    return read_record(training.runs[0].run_id)


def test_a_run_is_read_as_it_was_written(record, training):
    assert (record.run_id, record.status) == (training.runs[0].run_id, "FINISHED")
    assert (record.model, record.tags["mlflow.parentRunId"]) == ("median", training.run_id)
    assert record.environment == environment()
    assert record.metrics["valid_rows"] > 0


def test_the_inputs_of_a_run_are_its_files_by_digest(record, split):
    assert record.inputs == split.train.sha256 | split.valid.sha256 | split.test.sha256


def test_the_parent_of_a_training_is_no_model(training):
    parent = read_record(training.run_id)
    assert (parent.model, parent.model_id, parent.inputs) == (None, None, {})


def test_the_files_of_a_run_are_named(record):
    assert {"environment.json", "rows.csv"} <= set(files_of(record.run_id))
    assert files_of(record.run_id, "notebook") == []


def test_a_file_of_a_run_is_copied(record, tmp_path):
    assert download(record.run_id, "rows.csv", tmp_path).read_text().startswith(",kept")


@pytest.mark.parametrize(
    "ask",
    [
        lambda record, folder: read_record("0" * 32),
        lambda record, folder: download(record.run_id, "rows.txt", folder),
        lambda record, folder: files_of("0" * 32),
    ],
    ids=["run", "file", "files"],
)
def test_what_is_not_there_is_said(record, tmp_path, ask):
    with pytest.raises(TrackingError, match=r"cannot be read|has no"):
        ask(record, tmp_path)
