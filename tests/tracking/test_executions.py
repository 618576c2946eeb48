"""A notebook that breaks off leaves no run that counts as running."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from taxi_duration.errors import NotebookError
from taxi_duration.notebooks.runner import run
from taxi_duration.tracking.executions import close_runs, tagging
from taxi_duration.tracking.store import open_store

HERE = Path(__file__).parents[1] / "broken_notebooks"
TRAIN = Path(__file__).parents[2] / "notebooks" / "02_train.ipynb"


def statuses(store):
    """Return the status of each run by its name."""
    client = MlflowClient(store)
    found = client.search_runs([each.experiment_id for each in client.search_experiments()])
    return {each.info.run_name: each.info.status for each in found}


def wait_for(said, seconds=60):
    end = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_kernel_that_dies_in_a_training_leaves_failed_runs(store, tmp_path):
    with pytest.raises(NotebookError, match="DeadKernelError"):
        run(HERE / "kills_its_training.ipynb", into=tmp_path / "runs")
    assert sorted(statuses(store).values()) == ["FAILED", "FAILED"]


def test_a_run_that_is_stopped_in_a_fit_leaves_no_run_running(store, tmp_path):
    words = ["run", TRAIN, "-p", "models=reference", "--into", tmp_path]
    command = subprocess.Popen([sys.executable, "-m", "taxi_duration.cli.main", *words])
    wait_for(lambda: statuses(store).get("reference") == "RUNNING")
    command.send_signal(signal.SIGTERM)
    assert command.wait(timeout=60) == 128 + signal.SIGTERM
    assert set(statuses(store).values()) <= {"KILLED", "FAILED"}


@pytest.fixture
def started(store, monkeypatch):
    """Two runs that seem to run, of different executions; and a client of their store."""
    import mlflow

    open_store()
    runs = []
    for execution in ("one", "other"):
        monkeypatch.setenv(*next(iter(tagging(execution).items())))
        with mlflow.start_run() as active:
            runs.append(active.info.run_id)
        MlflowClient(store).update_run(active.info.run_id, status="RUNNING")
    return runs, MlflowClient(store)


def test_only_the_runs_of_that_execution_are_closed(started):
    (one, other), client = started
    assert close_runs("one", status="KILLED") == [one]
    assert [client.get_run(each).info.status for each in (one, other)] == ["KILLED", "RUNNING"]


def test_a_run_that_has_finished_stays_as_it_is(started):
    (one, _), client = started
    client.set_terminated(one, "FINISHED")
    assert close_runs("one") == []


def test_the_users_own_context_stays(monkeypatch):
    monkeypatch.setenv("MLFLOW_RUN_CONTEXT", '{"team": "night"}')
    assert tagging("one") == {"MLFLOW_RUN_CONTEXT": '{"team": "night", "execution": "one"}'}


def test_without_a_store_there_is_nothing_to_close_and_none_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert close_runs("one") == []
    assert list(tmp_path.iterdir()) == []
