"""A store with recorded trainings, which the tests of this room read."""

from pathlib import Path
from typing import NamedTuple

import pytest
from mlflow import MlflowClient

from taxi_duration.tracking.training import Run, Training, record, record_all

QUICK = {"n_estimators": 8, "max_depth": 4, "threads": 1, "refit": True}


class Dots:
    """A picture."""

    def save(self, path):
        path.write_bytes(b"dots")


def dots(predictions):
    return Dots()


class Recorded(NamedTuple):
    """Two models under one parent, a run of its own, and a client of their store."""

    uri: str
    client: MlflowClient
    training: Training
    alone: Run


@pytest.fixture(scope="session")
def recorded(new_store, split, tmp_path_factory):
    """A training of two models, and one model recorded alone afterwards."""
    with new_store(tmp_path_factory.mktemp("recorded")) as uri:
        names = ["xgboost", "quote"]
        training = record_all(names, split, notebook="02_train", pictures=[dots], **QUICK)
        alone = record("ridge", split, tags={"search": "3f1c", "model": "another"})
        return Recorded(uri, MlflowClient(uri), training, alone)


@pytest.fixture
def recorded_store(recorded, monkeypatch):
    """MLflow uses the store of the recorded trainings."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", recorded.uri)


@pytest.fixture(scope="session")
def run(recorded):
    """The recorded training of "xgboost"."""
    return recorded.training["xgboost"]


@pytest.fixture(scope="session")
def stored(recorded, run):
    """The same, as MLflow knows it."""
    return recorded.client.get_run(run.run_id)


@pytest.fixture(scope="session")
def model_folder(recorded, stored):
    """Where the logged model lies."""
    (output,) = stored.outputs.model_outputs
    uri = recorded.client.get_logged_model(output.model_id).artifact_location
    return Path(uri.removeprefix("file://"))
