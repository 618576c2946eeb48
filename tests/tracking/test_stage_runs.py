"""Attempts at stages: what is recorded below them, and how they end."""

from contextlib import suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient

from taxi_duration.errors import TrackingError
from taxi_duration.tracking.mlflow_pages import FIGURES, NOTE
from taxi_duration.tracking.stage_runs import (
    Attempt,
    attempt,
    close_runs,
    finished_runs,
    log_best,
    pipeline_run,
)
from taxi_duration.tracking.store import open_store


@pytest.fixture
def started(store, monkeypatch):
    """Two runs that seem to run, of different executions; and a client of their store."""
    import mlflow

    open_store()
    runs = []
    for execution in ("one", "other"):
        monkeypatch.setenv(*next(iter(Attempt(execution).environment.items())))
        with mlflow.start_run() as active:
            runs.append(active.info.run_id)
        MlflowClient(store).update_run(active.info.run_id, status="RUNNING")
    return runs, MlflowClient(store)


def test_only_the_runs_of_that_execution_are_closed(started):
    (one, other), client = started
    assert close_runs("one", "KILLED") == [one]
    assert [client.get_run(each).info.status for each in (one, other)] == ["KILLED", "RUNNING"]


def test_a_run_that_has_finished_stays_as_it_is(started):
    (one, _), client = started
    client.set_terminated(one, "FINISHED")
    assert close_runs("one", "FAILED") == []


def test_the_users_own_context_stays(monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", '{"team": "night"}')
    assert Attempt("one").environment == {
        "MLFLOW_RUN_CONTEXT": '{"team": "night", "execution": "one"}'
    }


def test_without_a_store_there_is_nothing_to_close_and_none_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert close_runs("one", "FAILED") == []
    assert list(tmp_path.iterdir()) == []


def record_in(made, monkeypatch):
    """Record a run as a kernel of the attempt does."""
    import mlflow

    monkeypatch.setenv(*next(iter(made.environment.items())))
    with mlflow.start_run(run_name="model") as active:
        pass
    return active.info.run_id


def test_a_pipeline_its_attempts_and_their_runs_are_one_tree(store, monkeypatch):
    with pipeline_run("latest") as pipeline, attempt("02_train", parent=pipeline) as made:
        model = record_in(made, monkeypatch)
    client = MlflowClient(store)
    parents = {each: client.get_run(each).data.tags.get("mlflow.parentRunId") for each in
               (pipeline, made.id, model)}  # fmt: skip
    assert parents == {pipeline: None, made.id: pipeline, model: made.id}
    assert finished_runs(made.id) == [model]


def train(made, monkeypatch, name, valid_rmse, figures=FIGURES):
    """Record a training as a kernel of the attempt does."""
    import mlflow

    monkeypatch.setenv(*next(iter(made.environment.items())))
    with mlflow.start_run(tags={"model": name, NOTE: f"of {name}"}):
        mlflow.log_metrics(dict.fromkeys(figures, 7.0) | {"valid_rmse": valid_rmse, "rounds": 9})


def row(store, run_id):
    data = MlflowClient(store).get_run(run_id).data
    return data.metrics, data.tags.get("best"), data.tags.get(NOTE)


def test_an_attempt_shows_the_figures_of_the_model_that_is_best_on_the_valid_month(
    store, monkeypatch
):
    with pipeline_run("latest") as pipeline, attempt("02_train", parent=pipeline) as made:
        train(made, monkeypatch, "ridge", 6.0)
        train(made, monkeypatch, "xgboost", 5.0)
        train(made, monkeypatch, "of another kind", 4.0, figures=())
        train(made, monkeypatch, "median", 8.0)
    best = {"valid_rmse": 5.0, "test_rmse": 7.0, "test_coverage_all": 7.0}
    assert row(store, made.id) == (best, "xgboost", "of xgboost")


def test_a_pipeline_shows_the_best_of_all_its_attempts_and_nothing_if_none_trains(
    store, monkeypatch
):
    with pipeline_run("latest") as pipeline:
        ids = []
        for stage, valid_rmse in (("02_train", 6.0), ("03_tune", 5.0), ("04_select", None)):
            with attempt(stage, parent=pipeline) as made:
                ids.append(made.id)
                if valid_rmse:
                    train(made, monkeypatch, stage, valid_rmse)
        log_best(pipeline, ids)
    assert row(store, pipeline)[1:] == ("03_tune", "of 03_tune")
    assert row(store, made.id) == ({}, None, None)


def test_a_pipeline_goes_on_in_its_run_and_starts_a_new_one_only_if_that_is_gone(store):
    with pipeline_run("latest") as first:
        pass
    with pipeline_run("latest", first) as second:
        assert MlflowClient(store).get_run(second).info.status == "RUNNING"
    MlflowClient(store).delete_run(first)
    with pipeline_run("latest", first) as third:
        pass
    assert second == first != third


@pytest.mark.parametrize(
    ("problem", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_attempt_pipeline_and_open_runs_end_as_their_stage_did(store, monkeypatch, problem, status):
    client, ids = MlflowClient(store), []
    with suppress(problem), pipeline_run("a") as pipeline, attempt("b", parent=pipeline) as made:
        ids = [pipeline, made.id, record_in(made, monkeypatch)]
        client.update_run(ids[-1], status="RUNNING")
        raise problem
    assert [client.get_run(each).info.status for each in ids] == [status] * 3


def test_a_store_that_does_not_answer_is_an_error(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(TrackingError, match="cannot be opened"), pipeline_run("latest"):
        pass


def test_a_store_that_is_lost_when_a_pipeline_ends_is_an_error(store):
    database = Path(store.removeprefix("sqlite:///"))
    with pytest.raises(TrackingError, match="cannot be closed"), pipeline_run("month"):
        database.write_text("no longer a database")
