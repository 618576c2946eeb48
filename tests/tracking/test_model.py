"""The logged model: its signature, its files, and that it predicts the same everywhere."""

import json
import platform
import tempfile
import threading
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from mlflow.exceptions import MlflowException

from taxi_duration.data.files import tree_digest
from taxi_duration.errors import TrackingError
from taxi_duration.models.catalog import MODELS
from taxi_duration.models.intervals import Intervals
from taxi_duration.tracking.model import NEEDS, _mlflow_files_in, example_rides, log_model
from taxi_duration.tracking.runs import copy_model
from taxi_duration.tracking.store import open_store
from taxi_duration.tracking.training import record


def test_the_model_takes_what_is_known_before_the_ride_and_gives_minutes(model_folder):
    from mlflow.models import Model

    signature = Model.load(model_folder).signature.to_dict()
    inputs = {column["name"]: column["type"] for column in json.loads(signature["inputs"])}
    fields = ["pickup_datetime", "PULocationID", "DOLocationID", "trip_distance"]
    assert inputs == dict.fromkeys(fields, "any")
    outputs = json.loads(signature["outputs"])
    given = {column["name"]: column["type"] for column in outputs}
    assert given == dict.fromkeys(["duration", "low", "high"], "double")


@pytest.mark.parametrize("name", MODELS)
def test_the_example_has_a_ride_without_zone_and_one_without_distance(rides, name):
    example = example_rides(rides, name)
    assert list(example.columns) == list(MODELS[name].inputs)
    gaps = {"PULocationID": 1, "trip_distance": 1}
    expected = {column: gaps.get(column, 0) for column in example}
    assert example.isna().sum().to_dict() == expected


def test_the_model_holds_no_pickle(model_folder):
    held = [path for path in model_folder.rglob("*") if path.is_file()]
    assert [path.name for path in held if path.suffix == ".skops"] == ["pipeline.skops"]
    assert not [path for path in held if path.suffix in {".pkl", ".pickle", ".joblib"}]
    assert not [path for path in held if path.read_bytes()[:1] == b"\x80"]


def test_the_models_needs_are_pinned_and_no_pip_is_looked_for(model_folder):
    import yaml

    python, pip, libraries = yaml.safe_load((model_folder / "conda.yaml").read_text())[
        "dependencies"
    ]
    assert (python, pip) == (f"python={platform.python_version()}", "pip")
    assert libraries["pip"] == [f"{name}=={version(name)}" for name in NEEDS]


def test_a_parameter_holds_the_digest_of_the_models_files(stored, model_folder):
    assert stored.data.params["model_sha256"] == tree_digest(model_folder)


def test_a_models_files_are_copied_as_mlflow_downloads_them(recorded_store, stored, tmp_path):
    import mlflow

    model_id = stored.outputs.model_outputs[-1].model_id
    copy_model(model_id, tmp_path / "ours")
    theirs = mlflow.artifacts.download_artifacts(
        f"models:/{model_id}", dst_path=str(tmp_path / "theirs")
    )
    assert tree_digest(tmp_path / "ours") == tree_digest(Path(theirs))


def test_mlflow_makes_its_files_in_a_folder_that_is_swept(store, split, tmp_path, monkeypatch):
    mkdtemp, made = tempfile.mkdtemp, []

    def noting(*words, **how):
        made.append(Path(mkdtemp(*words, **how)))
        return str(made[-1])

    monkeypatch.setattr(tempfile, "mkdtemp", noting)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    record("median", split)
    assert any(path.parent.name.startswith("taxi-files-") for path in made)
    assert tempfile.tempdir == str(tmp_path)
    assert not any(path.exists() for path in made)


def test_threads_that_log_models_at_once_find_the_temporary_folder_again(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    inside, ends = [threading.Event() for _ in range(2)], [threading.Event() for _ in range(2)]

    def log(number):
        with _mlflow_files_in(tmp_path / str(number)):
            inside[number].set()
            ends[number].wait(60)

    threads = [threading.Thread(target=log, args=[number]) for number in range(2)]
    for thread, entered, seconds in zip(threads, inside, (60, 0.2), strict=True):
        thread.start()
        entered.wait(seconds)
    for thread, end in zip(threads, ends, strict=True):
        end.set()
        thread.join()
    assert tempfile.tempdir == str(tmp_path)


GIVEN = {
    "a dict": lambda rides: {
        "pickup_datetime": str(rides["pickup_datetime"].iloc[0]),
        "PULocationID": int(rides["PULocationID"].iloc[0]),
        "DOLocationID": int(rides["DOLocationID"].iloc[0]),
        "trip_distance": rides["trip_distance"].iloc[0],
    },
    "a dict of lists": lambda rides: rides.to_dict("list"),
    "a list of dicts": lambda rides: rides.to_dict("records"),
    "whole numbers": lambda rides: rides.astype({"PULocationID": "int64", "DOLocationID": "int32"}),
    "text": lambda rides: rides.astype(str),
}


@pytest.mark.parametrize("form", GIVEN)
def test_the_model_predicts_the_same_in_whatever_form_rides_are_given(model_folder, split, form):
    import mlflow

    model = mlflow.pyfunc.load_model(model_folder)
    rides = example_rides(split.valid.frame, "xgboost").head(3)
    given = GIVEN[form](rides)
    expected = model.predict(rides if form != "a dict" else rides.head(1))
    assert np.array_equal(model.predict(given), expected)


@pytest.mark.parametrize("name", ["xgboost", "quote"])
def test_the_model_rejects_a_ride_that_is_not_valid(recorded, split, name):
    import mlflow

    (output,) = recorded.client.get_run(recorded.training[name].run_id).outputs.model_outputs
    model = mlflow.pyfunc.load_model(
        recorded.client.get_logged_model(output.model_id).artifact_location
    )
    nowhere = example_rides(split.valid.frame, name).head(1).assign(DOLocationID=9999.0)
    with pytest.raises(MlflowException, match=r"row 0: DOLocationID .* 1 to 265, got 9999") as no:
        model.predict(nowhere)
    assert no.value.get_http_status_code() == 400


def test_a_model_that_predicts_otherwise_after_loading_is_rejected(
    store, fit_quickly, rides, monkeypatch
):
    import mlflow

    intervals = Intervals(0.8, low=(-0.1,) * 3, high=(0.1,) * 3)
    other = replace(intervals, low=(-0.2,) * 3)
    monkeypatch.setattr("taxi_duration.models.estimator.Intervals", lambda *_: other)
    open_store()
    with (
        pytest.raises(TrackingError, match=r"Model 'ridge' predicts \{.*do not use its model"),
        mlflow.start_run() as active,
    ):
        log_model(fit_quickly("ridge"), intervals, rides)
    assert mlflow.get_run(active.info.run_id).info.status == "FAILED"
