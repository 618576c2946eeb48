"""What a recorded training holds, and what a failure leaves."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from mlflow import MlflowClient

import taxi_duration
from taxi_duration.errors import ModelError, SourceError, TrackingError
from taxi_duration.evaluation.metrics import coverage, predict, score_parts
from taxi_duration.models.intervals import calibrate
from taxi_duration.tracking.provenance import LIBRARIES, package_digest
from taxi_duration.tracking.training import record, record_all


@pytest.fixture(scope="module")
def files(recorded, run, tmp_path_factory):
    """The files of the run."""
    return Path(
        recorded.client.download_artifacts(run.run_id, "", tmp_path_factory.mktemp("files"))
    )


def test_the_models_of_a_training_are_children_of_one_parent(recorded):
    training, store = recorded.training, recorded.client
    parents = [store.get_run(run.run_id).data.tags["mlflow.parentRunId"] for run in training.runs]
    assert parents == [training.run_id] * 2


def test_all_runs_of_a_training_have_finished(recorded):
    training, store = recorded.training, recorded.client
    ids = [training.run_id, *(run.run_id for run in training.runs)]
    assert {store.get_run(run_id).info.status for run_id in ids} == {"FINISHED"}


def test_the_parent_knows_months_models_notebook_and_the_best_by_the_valid_month(recorded):
    training, store = recorded.training, recorded.client
    parent = store.get_run(training.run_id)
    months = {"train": "2021-01", "valid": "2021-02", "test": "2021-03"}
    assert parent.data.params == {**months, "models": "xgboost, quote"}
    assert parent.info.run_name == "02_train"
    best = min(training.runs, key=lambda run: run.scores.set_index("part")["rmse"]["valid"])
    assert parent.data.tags["best"] == training.best.fitted.name == best.fitted.name


def test_a_notebook_shows_a_training_in_one_line_and_a_batch_job_reads_its_id(recorded):
    shown = recorded.training._repr_mimebundle_()
    assert shown["application/vnd.taxi+json"] == {"run_id": recorded.training.run_id}
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
    expected = run.fitted.parameters | {"threads": 1, "refit": True, "level": True}
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


def test_the_metrics_say_the_level_of_a_model_that_has_one(stored, recorded, run):
    without = recorded.client.get_run(recorded.alone.run_id).data
    assert stored.data.metrics["level"] == run.fitted.level != 1
    assert "level" not in without.metrics
    assert without.params["level"] == "False"


@pytest.mark.parametrize("part", ["train", "valid"])
def test_the_error_of_each_round_is_there(recorded, run, part):
    history = recorded.client.get_metric_history(run.run_id, f"{part}_rmse_by_round")
    found = {point.step: point.value for point in history}
    assert found == dict(enumerate(run.fitted.curve[part], start=1))


def test_the_error_of_each_round_has_the_time_of_its_run(recorded, run, stored):
    (first, *_) = recorded.client.get_metric_history(run.run_id, "valid_rmse_by_round")
    assert stored.info.start_time <= first.timestamp <= stored.info.end_time


def test_a_model_without_rounds_has_no_error_of_each_round(recorded):
    metrics = recorded.client.get_run(recorded.alone.run_id).data.metrics
    assert "valid_rmse_by_round" not in metrics


def test_the_curve_of_a_model_without_rounds_is_its_error_on_either_month(recorded):
    errors = recorded.alone.scores.set_index("part")["rmse"]
    (row,) = recorded.alone.curve.to_dict("records")
    assert row == {part: errors[part] for part in ("train", "valid")}


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


def test_the_errors_of_the_naive_model_are_there(stored, fit_quickly, split):
    naive = score_parts(fit_quickly("median"), split).set_index("part")["rmse"]
    for part in split._fields:
        assert stored.data.metrics[f"naive_{part}_rmse"] == naive[part]


def test_the_intervals_are_calibrated_on_the_valid_month_at_its_level(run, split):
    minutes = run.fitted.first_level * run.fitted.first.predict(split.valid.frame).astype(float)
    assert run.intervals == calibrate(split.valid.frame.assign(predicted=minutes))


def test_the_metrics_say_how_many_test_rides_ended_within_their_interval(stored, run, split):
    judged = predict(run.fitted, split.test)
    for row in coverage(judged.assign(**run.intervals.around(judged["predicted"]))).itertuples():
        name = f"test_coverage_{row.predicted.replace(' ', '_')}"
        assert stored.data.metrics[name] == row.coverage


def test_a_parameter_holds_the_digest_of_the_code(stored):
    assert stored.data.params["code_sha256"] == package_digest()


def test_to_train_again_gives_the_same_digest_of_predictions(store, stored, run, split):
    again = record("xgboost", split, refit=True, threads=1, **run.fitted.parameters)
    found = MlflowClient(store).get_run(again.run_id).data.params["test_predictions_sha256"]
    assert found == stored.data.params["test_predictions_sha256"]


def all_runs(uri):
    ids = [found.experiment_id for found in MlflowClient(uri).search_experiments()]
    return MlflowClient(uri).search_runs(ids)


def raising(problem):
    def picture(predictions):
        raise problem

    return picture


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (ValueError("no colours"), "FAILED"),
        (SourceError("no file"), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
    ],
)
def test_a_failure_half_way_is_raised_as_it_is_and_leaves_no_run_running(
    store, split, problem, status
):
    with pytest.raises(type(problem), match=f"^{problem}$"):
        record_all(["median"], split, pictures=[raising(problem)])
    assert [found.info.status for found in all_runs(store)] == [status, status]


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
def test_models_that_cannot_be_trained_are_rejected_and_nothing_is_recorded(store, split, ask):
    rejections = ["is unknown", "has no parameter", "No model is named", "named more than once"]
    with pytest.raises(ModelError, match="|".join(rejections)):
        ask(split)
    assert all_runs(store) == []


def test_a_store_that_is_lost_half_way_is_reported(store, split):
    def lose(predictions):
        Path(store.removeprefix("sqlite:///")).unlink()
        return SimpleNamespace(save=Path.touch)

    with pytest.raises(TrackingError) as error:
        record("median", split, pictures=[lose])
    said = str(error.value)
    assert said.startswith(f"The run of model 'median' cannot be recorded: {store} says '")


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
    patch = Path(MlflowClient(store).download_artifacts(found.info.run_id, "code.patch", tmp_path))
    assert "+# an idea" in patch.read_text()


def test_a_run_takes_tags_that_cannot_replace_ours(recorded):
    tags = recorded.client.get_run(recorded.alone.run_id).data.tags
    assert (tags["search"], tags["model"]) == ("3f1c", "ridge")
