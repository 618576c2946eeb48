"""What a run remembers, what its model can do without us, and what a failure leaves."""

import json
import os
import re
import shutil
import site
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

import taxi_duration
from taxi_duration.data.files import tree_digest
from taxi_duration.errors import ModelError, SourceError, TrackingError
from taxi_duration.evaluation.metrics import coverage, predict, score_parts
from taxi_duration.models.catalog import MODELS
from taxi_duration.models.intervals import Intervals, calibrate
from taxi_duration.tracking.model import example_rides, log_model
from taxi_duration.tracking.provenance import LIBRARIES, package_digest
from taxi_duration.tracking.runs import attach, list_runs
from taxi_duration.tracking.store import EXPERIMENT, open_store
from taxi_duration.tracking.training import record, record_all

QUICK = {"n_estimators": 8, "max_depth": 4, "threads": 1, "refit": True}


class Dots:
    """A picture."""

    def save(self, path):
        path.write_bytes(b"dots")


def dots(predictions):
    return Dots()


def client(uri):
    from mlflow import MlflowClient

    return MlflowClient(uri)


@pytest.fixture(scope="module")
def recorded(new_store, split, tmp_path_factory):
    """Two models under one parent, and a client of the store that holds them."""
    with new_store(tmp_path_factory.mktemp("recorded")) as uri:
        names = ["xgboost", "quote"]
        training = record_all(names, split, notebook="02_train", pictures=[dots], **QUICK)
        return training, client(uri)


@pytest.fixture(scope="module")
def run(recorded):
    """The training of "xgboost", as we know it."""
    return recorded[0]["xgboost"]


@pytest.fixture(scope="module")
def stored(recorded, run):
    """The same, as MLflow knows it."""
    return recorded[1].get_run(run.run_id)


@pytest.fixture(scope="module")
def files(recorded, run, tmp_path_factory):
    """The files of the run."""
    return Path(recorded[1].download_artifacts(run.run_id, "", tmp_path_factory.mktemp("files")))


@pytest.fixture(scope="module")
def model_folder(recorded, stored):
    """Where the logged model lies."""
    (output,) = stored.outputs.model_outputs
    uri = recorded[1].get_logged_model(output.model_id).artifact_location
    return Path(uri.removeprefix("file://"))


def test_the_models_of_a_training_are_children_of_one_parent(recorded):
    training, store = recorded
    parents = [store.get_run(run.run_id).data.tags["mlflow.parentRunId"] for run in training.runs]
    assert parents == [training.run_id] * 2


def test_all_runs_of_a_training_have_finished(recorded):
    training, store = recorded
    ids = [training.run_id, *(run.run_id for run in training.runs)]
    assert {store.get_run(run_id).info.status for run_id in ids} == {"FINISHED"}


def test_the_parent_knows_months_models_notebook_and_the_best_by_the_valid_month(recorded):
    training, store = recorded
    parent = store.get_run(training.run_id)
    months = {"train": "2021-01", "valid": "2021-02", "test": "2021-03"}
    assert parent.data.params == {**months, "models": "xgboost, quote"}
    assert parent.info.run_name == "02_train"
    best = min(training.runs, key=lambda run: run.scores.set_index("part")["rmse"]["valid"])
    assert parent.data.tags["best"] == training.best.fitted.name == best.fitted.name


def test_a_notebook_shows_a_training_in_one_line_and_a_batch_job_reads_its_id(recorded):
    training, _ = recorded
    shown = training._repr_mimebundle_()
    assert shown["application/json"] == {"run_id": training.run_id}
    assert shown["text/plain"].startswith("2 models recorded")


def test_the_tags_say_who_what_and_from_where(stored):
    tags = stored.data.tags
    assert tags["developer"]
    assert (tags["service"], tags["source"], tags["model"]) == ("green", "sample", "xgboost")
    assert (tags["mlflow.source.name"], tags["mlflow.source.type"]) == ("02_train", "NOTEBOOK")
    assert tags["tree"] in {"clean", "changed"}


def test_the_parameters_say_months_and_digest_of_each_input(stored, split):
    params = stored.data.params
    assert [params[part] for part in split._fields] == ["2021-01", "2021-02", "2021-03"]
    for trips in split:
        ((name, digest),) = trips.sha256.items()
        assert params[f"sha256/{name}"] == digest


def test_the_parameters_say_how_it_was_fitted(stored, run):
    expected = run.fitted.parameters | {"threads": 1, "refit": True}
    assert {name: stored.data.params[name] for name in expected} == {
        name: str(value) for name, value in expected.items()
    }


def test_the_metrics_are_the_scores_of_all_three_months(stored, run):
    for row in run.scores.itertuples():
        for measure in ("rmse", "mae", "bias", "within_5", "rows"):
            assert stored.data.metrics[f"{row.part}_{measure}"] == getattr(row, measure)


def test_the_metrics_say_what_it_cost(stored, run):
    metrics, fitted = stored.data.metrics, run.fitted
    assert metrics["fit_seconds"] == fitted.seconds > 0
    assert metrics["refit_seconds"] == fitted.refit_seconds > 0
    assert metrics["rounds"] == fitted.rounds == 8
    assert metrics["model_bytes"] == run.size > 0


@pytest.mark.parametrize("part", ["train", "valid"])
def test_the_error_of_each_round_is_there(recorded, run, part):
    history = recorded[1].get_metric_history(run.run_id, f"{part}_rmse_by_round")
    found = {point.step: point.value for point in history}
    assert found == dict(enumerate(run.fitted.curve[part], start=1))


def test_the_error_of_each_round_has_the_time_of_its_run(recorded, run, stored):
    (first, *_) = recorded[1].get_metric_history(run.run_id, "valid_rmse_by_round")
    assert stored.info.start_time <= first.timestamp <= stored.info.end_time


def test_a_model_without_rounds_has_no_error_of_each_round(two_runs, store):
    assert "valid_rmse_by_round" not in client(store).get_run(two_runs[1]).data.metrics


def test_the_inputs_are_the_three_months_by_digest(stored, split):
    found = {
        entry.tags[0].value: (entry.dataset.name, entry.dataset.digest)
        for entry in stored.inputs.dataset_inputs
    }
    expected = {part: next(iter(trips.sha256.items())) for part, trips in split._asdict().items()}
    assert found == {part: (name, digest[:36]) for part, (name, digest) in expected.items()}


def test_the_versions_of_the_libraries_are_there(files):
    versions = json.loads((files / "environment.json").read_text())
    assert list(versions) == ["computer", "machine", "python", *LIBRARIES]


def test_the_rows_kept_and_left_out_are_there(files, split):
    found = pd.read_csv(files / "rows.csv", index_col=0)
    pd.testing.assert_frame_equal(found, split.rows())


def test_the_error_by_slice_is_there(files):
    found = pd.read_csv(files / "slices.csv")
    assert set(found["month"]) == {"valid", "test"}
    assert set(found["by"]) == {"distance", "hour", "weekday"}
    assert found["rmse"].gt(0).all()


def test_the_pictures_are_there(files):
    assert (files / "pictures" / "dots.png").read_bytes() == b"dots"


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


def test_the_naive_answer_stands_beside_it(stored, fit_quickly, split):
    naive = score_parts(fit_quickly("median"), split).set_index("part")["rmse"]
    for part in split._fields:
        assert stored.data.metrics[f"naive_{part}_rmse"] == naive[part]


def test_the_intervals_are_calibrated_on_the_valid_month_as_its_first_fit_saw_it(run, split):
    minutes = run.fitted.first.predict(split.valid.frame).astype(float)
    assert run.intervals == calibrate(split.valid.frame.assign(predicted=minutes))


def test_the_metrics_say_how_many_test_rides_ended_within_their_interval(stored, run, split):
    judged = predict(run.fitted, split.test)
    for row in coverage(judged.join(run.intervals.around(judged["predicted"]))).itertuples():
        name = f"test_coverage_{row.predicted.replace(' ', '_')}"
        assert stored.data.metrics[name] == row.coverage


def test_a_parameter_holds_the_digest_of_the_models_files(stored, model_folder):
    assert stored.data.params["model_sha256"] == tree_digest(model_folder)


def test_a_parameter_holds_the_digest_of_the_code(stored):
    assert stored.data.params["code_sha256"] == package_digest()


def test_to_train_again_gives_the_same_digest_of_predictions(store, stored, split):
    again = record("xgboost", split, **QUICK)
    found = client(store).get_run(again.run_id).data.params["test_predictions_sha256"]
    assert found == stored.data.params["test_predictions_sha256"]


PREDICT_WITHOUT_US = """
import json, sys
sys.path.append(sys.argv[1])
try:
    import taxi_duration
except ImportError:
    import mlflow
    model = mlflow.pyfunc.load_model(sys.argv[2])
    print(model.predict(model.input_example).to_json(orient="split", double_precision=15))
"""


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


@pytest.fixture
def others_only(tmp_path):
    """A folder of all that is installed, this package excepted."""
    (tmp_path / "others").mkdir()
    for found in Path(site.getsitepackages()[0]).iterdir():
        if not re.match(r"_*(editable.*)?taxi[_-]duration", found.name):
            (tmp_path / "others" / found.name).symlink_to(found)
    return tmp_path / "others"


@pytest.mark.parametrize("name", ["xgboost", "quote"])
def test_the_model_refuses_a_ride_that_is_not_valid(recorded, split, name):
    import mlflow

    (output,) = recorded[1].get_run(recorded[0][name].run_id).outputs.model_outputs
    model = mlflow.pyfunc.load_model(
        recorded[1].get_logged_model(output.model_id).artifact_location
    )
    nowhere = example_rides(split.valid.frame, name).head(1).assign(DOLocationID=9999.0)
    with pytest.raises(MlflowException, match=r"row 0: DOLocationID .* 1 to 265, got 9999") as no:
        model.predict(nowhere)
    assert no.value.get_http_status_code() == 400


def test_the_model_predicts_where_pickles_are_forbidden_and_we_are_not_installed(
    others_only, model_folder, run, split
):
    script = [sys.executable, "-I", "-S", "-c", PREDICT_WITHOUT_US, others_only, model_folder]
    environment = os.environ | {"MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    done = subprocess.run(script, capture_output=True, env=environment, text=True, check=True)
    valid = example_rides(split.valid.frame, "xgboost").head(3)
    minutes = run.fitted.pipeline.predict(valid).astype(float)
    expected = np.column_stack([minutes, run.intervals.around(minutes)])
    found = json.loads(done.stdout)
    assert found["columns"] == ["duration", "low", "high"]
    np.testing.assert_allclose(found["data"], expected, rtol=1e-12)


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


def all_runs(uri):
    ids = [found.experiment_id for found in client(uri).search_experiments()]
    return client(uri).search_runs(ids)


def raising(problem):
    def picture(predictions):
        raise problem

    return picture


@pytest.mark.parametrize(
    "problem", [ValueError("no colours"), SourceError("no file"), KeyboardInterrupt()]
)
def test_a_failure_half_way_is_told_as_it_is_and_leaves_no_run_running(store, split, problem):
    with pytest.raises(type(problem), match=f"^{problem}$"):
        record_all(["median"], split, pictures=[raising(problem)])
    assert [found.info.status for found in all_runs(store)] == ["FAILED", "FAILED"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda split: record("medium", split),
        lambda split: record("ridge", split, depth=3),
        lambda split: record_all(["median", "medium"], split),
        lambda split: record_all([], split),
        lambda split: record_all(["ridge", "median", "ridge"], split),
    ],
    ids=["model", "parameter", "one of several", "none", "one twice"],
)
def test_models_that_cannot_be_meant_are_refused_and_nothing_recorded(store, split, ask):
    rejections = ["is unknown", "has no parameter", "No model is named", "named more than once"]
    with pytest.raises(ModelError, match="|".join(rejections)):
        ask(split)
    assert all_runs(store) == []


def test_a_store_that_is_lost_half_way_is_told(store, split):
    def lose(predictions):
        Path(store.removeprefix("sqlite:///")).unlink()
        return Dots()

    with pytest.raises(TrackingError) as refusal:
        record("median", split, pictures=[lose])
    said = str(refusal.value)
    assert said.startswith(f"The run of model 'median' cannot be recorded: {store} says '")


@pytest.fixture
def two_runs(store, split):
    """A run of a parent, and one without."""
    parent = record_all(["median"], split, notebook="story").run_id
    return parent, record("ridge", split).run_id


def test_runs_are_listed_latest_first_or_those_of_one_parent_only(two_runs):
    parent, latest = two_runs
    found = list_runs()
    assert found["model"].tolist() == ["ridge", "median"]
    assert found["run_id"][0] == latest
    assert found["status"].tolist() == ["FINISHED", "FINISHED"]
    assert list_runs(parent=parent)["model"].tolist() == ["median"]


def test_files_can_be_attached_to_a_run_later(two_runs, store, tmp_path):
    (tmp_path / "page.html").write_text("<p>story</p>")
    attach(two_runs[0], [tmp_path / "page.html"])
    found = client(store).download_artifacts(two_runs[0], "notebook/page.html", tmp_path)
    assert Path(found).read_text() == "<p>story</p>"


def test_an_empty_store_lists_no_runs(store):
    assert list_runs().empty
    assert client(store).get_experiment_by_name(EXPERIMENT)


RECORD = """
from taxi_duration.tracking.training import record
from taxi_duration.data.trips import load_split
record("median", load_split("2021-01", "2021-02", "2021-03"))
"""


@pytest.fixture
def changed_checkout(tmp_path):
    """A repository of this package, with a change that is not committed; and its commit."""
    folder = tmp_path / "checkout"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(taxi_duration.__file__).parent, folder / "taxi_duration", ignore=ignore)
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Begin"], ["rev-parse", "HEAD"]):
        done = subprocess.run(
            ["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True
        )
    with (folder / "taxi_duration" / "errors.py").open("a") as file:
        file.write("# an idea\n")
    (folder / ".git" / "info" / "exclude").write_text("__pycache__\n")
    return folder, done.stdout.strip()


def test_a_run_from_a_changed_checkout_has_its_commit_and_its_patch(
    changed_checkout, store, tmp_path
):
    folder, commit = changed_checkout
    environment = os.environ | {"PYTHONPATH": str(folder)}
    script = [sys.executable, "-c", RECORD]
    subprocess.run(script, env=environment, cwd=tmp_path, capture_output=True, check=True)
    (found,) = all_runs(store)
    assert found.data.tags["mlflow.source.git.commit"] == commit
    assert found.data.tags["tree"] == "changed"
    patch = Path(client(store).download_artifacts(found.info.run_id, "code.patch", tmp_path))
    assert "+# an idea" in patch.read_text()


def test_a_run_takes_tags_that_cannot_replace_ours(store, split):
    run = record("median", split, tags={"search": "3f1c", "model": "another"})
    tags = client(store).get_run(run.run_id).data.tags
    assert (tags["search"], tags["model"]) == ("3f1c", "median")
