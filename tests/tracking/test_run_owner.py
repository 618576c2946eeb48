"""Runs whose process is gone are closed as KILLED; all others stay as they are."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import forks
import pytest
from mlflow import MlflowClient

from taxi_duration.tracking.run_owner import Owner, close_abandoned_runs, owned_run
from taxi_duration.tracking.store import client, open_store

RECORDING = """
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit
import mlflow
from taxi_duration.tracking.run_owner import owned_run
from taxi_duration.tracking.store import open_store

open_store()
with owned_run(run_name="parent"):
    Path("recording").touch()
    if "rests" in sys.argv:
        time.sleep(600)
    while True:
        with owned_run(run_name="child", nested=True):
            mlflow.log_metric("rmse", 1)
"""


def statuses(store, name=""):
    client = MlflowClient(store)
    found = client.search_runs([each.experiment_id for each in client.search_experiments()])
    return {run.info.status for run in found if run.info.run_name.startswith(name)}


@pytest.fixture
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@contextmanager
def recording(*words):
    """A process that records runs until it is killed at the end of the block."""
    process = forks.start(RECORDING, *words)
    try:
        while not Path("recording").exists():
            assert process.exitcode is None
            time.sleep(0.02)
        yield process
    finally:
        process.kill()
        process.join()


@pytest.mark.usefixtures("_elsewhere")
def test_runs_of_a_killed_process_are_closed_when_the_store_is_next_used(store):
    with recording():
        time.sleep(random.uniform(0, 0.5))
    assert statuses(store, "parent") == {"RUNNING"}
    client()
    assert statuses(store, "parent") == {"KILLED"}
    assert statuses(store) <= {"KILLED", "FINISHED"}


@pytest.mark.usefixtures("_elsewhere")
def test_runs_of_a_living_process_stay_even_if_it_is_halted(store):
    with recording("rests") as process:
        os.kill(process.pid, signal.SIGSTOP)
        open_store()
        assert statuses(store, "parent") == {"RUNNING"}


@pytest.fixture
def ended():
    """A process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return replace(Owner.this(), pid=process.pid)


def test_a_process_that_has_ended_is_gone(ended):
    assert ended.is_gone()


def test_this_process_is_not_gone():
    assert not Owner.this().is_gone()


def test_a_process_of_another_computer_is_never_gone(ended):
    assert not replace(ended, host="another", boot="another").is_gone()


def test_a_process_in_another_container_cannot_be_seen_so_it_is_not_gone(ended):
    assert not replace(ended, namespace="pid:[1]").is_gone()


def test_a_process_from_before_the_boot_is_gone():
    assert replace(Owner.this(), boot="the one before", namespace="pid:[1]").is_gone()


def test_a_process_whose_id_another_one_has_now_is_gone():
    assert replace(Owner.this(), started=Owner.this().started - 60).is_gone()


def test_a_process_that_has_ended_unnoticed_by_its_parent_is_gone():
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        process.stdout.read()
        time.sleep(0.2)
        assert replace(Owner.this(), pid=process.pid).is_gone()


def test_the_tags_of_a_run_describe_its_owner():
    assert Owner.of(Owner.this().tags) == Owner.this()


def test_a_run_without_an_owner_stays(store):
    open_store()
    client = MlflowClient(store)
    run = client.create_run(client.get_experiment_by_name("taxi-duration").experiment_id)
    assert close_abandoned_runs(client, ours=True) == []
    assert client.get_run(run.info.run_id).info.status == "RUNNING"


@pytest.fixture
def half_copied(store):
    """Begin a run and a model of an owner, and return a file of each that is half copied."""
    open_store()
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("taxi-duration").experiment_id

    def half_copied(owner):
        run = client.create_run(experiment, tags=owner.tags).info
        model = client.create_logged_model(experiment, source_run_id=run.run_id)
        places = [Path(urlsplit(uri).path) for uri in (run.artifact_uri, model.artifact_location)]
        files = [place / "folder" / ".artifact.uploading.abcdefgh" for place in places]
        for file in files:
            file.parent.mkdir(parents=True)
            file.write_text("half")
        return files

    return half_copied


def test_what_an_abandoned_run_has_copied_by_half_is_removed(store, half_copied, ended):
    files, others = half_copied(ended), half_copied(Owner.this())
    whole = [file.with_name("whole") for file in files]
    for file in whole:
        file.touch()
    close_abandoned_runs(MlflowClient(store))
    assert [file.exists() for file in files] == [False, False]
    assert [file.exists() for file in (*whole, *others)] == [True, True, True, True]


def test_a_run_that_goes_on_belongs_to_the_process_that_goes_on_with_it(store, ended):
    open_store()
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("taxi-duration").experiment_id
    run = client.create_run(experiment, tags=ended.tags)
    with owned_run(run.info.run_id):
        assert close_abandoned_runs(client) == []
        assert client.get_run(run.info.run_id).data.tags["owner_pid"] == str(os.getpid())


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED"), (ValueError, "FAILED")],
)
def test_an_interrupted_run_is_killed_and_one_with_an_error_has_failed(store, error, status):
    open_store()
    with pytest.raises(error), owned_run(run_name="run"):
        raise error
    assert statuses(store) == {status}
