"""Which runs are rejected before their model is registered, and why."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from taxi_duration.data.files import tree_digest
from taxi_duration.errors import ModelError
from taxi_duration.registry.admission import check_run
from taxi_duration.registry.promotion import register
from taxi_duration.tracking.runs import read_record
from taxi_duration.tracking.training import record_all


@pytest.fixture(scope="module")
def training(new_store, split, tmp_path_factory):
    """A good model and the naive one, under one parent; its store is in use."""
    with new_store(tmp_path_factory.mktemp("admission")):
        yield record_all(["ridge", "median"], split, notebook="02_train")


@pytest.fixture
def good(training):
    """What the good one's run recorded."""
    return read_record(training["ridge"].run_id)


@pytest.fixture
def patch(good):
    """Where the patch of changed code is kept, if it is."""
    from mlflow import MlflowClient

    place = MlflowClient().get_run(good.run_id).info.artifact_uri
    path = Path(place.removeprefix("file://")) / "code.patch"
    path.unlink(missing_ok=True)
    return path


def test_a_good_run_is_let_in(good, patch):
    check_run(replace(good, tags=good.tags | {"tree": "clean"}))


def test_a_run_from_changed_code_is_let_in_with_its_patch_only(good, patch):
    changed = replace(good, tags=good.tags | {"tree": "changed"})
    with pytest.raises(ModelError, match="comes from changed code, and its patch was not kept"):
        check_run(changed)
    patch.write_text("+# an idea\n")
    check_run(changed)


@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "KILLED"])
def test_a_run_that_has_not_finished_is_refused(good, status):
    with pytest.raises(ModelError, match=f"is {status}. Register a finished run"):
        check_run(replace(good, status=status))


def test_a_run_that_is_no_better_than_median_is_refused(training):
    with pytest.raises(ModelError, match=r"no better than the .* of 'median'"):
        register(training["median"].run_id)


def test_a_run_that_does_not_know_median_is_refused(good):
    metrics = {name: each for name, each in good.metrics.items() if name != "naive_valid_rmse"}
    with pytest.raises(ModelError, match=r"no better than the None of 'median'"):
        check_run(replace(good, metrics=metrics))


def test_the_parent_of_a_training_is_refused(training):
    with pytest.raises(ModelError, match=r"has no model\. Register a finished run of a model"):
        register(training.run_id)


@pytest.fixture
def files(good):
    """Where the good one's model lies; afterwards its MLmodel is as it was."""
    from mlflow import MlflowClient

    place = MlflowClient().get_logged_model(good.model_id).artifact_location
    folder = Path(place.removeprefix("file://"))
    before = (folder / "MLmodel").read_bytes()
    yield folder
    (folder / "MLmodel").write_bytes(before)


def test_a_model_without_signature_is_refused(good, files, patch):
    read = yaml.safe_load((files / "MLmodel").read_text())
    del read["signature"]
    (files / "MLmodel").write_text(yaml.safe_dump(read))
    parameters = good.parameters | {"model_sha256": tree_digest(files)}
    with pytest.raises(ModelError, match="does not say what it takes and gives"):
        check_run(replace(good, parameters=parameters, tags=good.tags | {"tree": "clean"}))


def test_a_model_that_changed_since_its_run_is_refused(good, files, patch):
    with (files / "MLmodel").open("a") as file:
        file.write("\n")
    patch.write_text("+# an idea\n")
    with pytest.raises(ModelError, match="are not those that were recorded"):
        register(good.run_id)
