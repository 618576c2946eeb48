"""The store of runs: created once, locked, its failures in one line, no run left running."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import forks
import pytest
from mlflow import MlflowClient

from taxi_duration.cli.main import main
from taxi_duration.errors import NotebookError, SourceError, TrackingError
from taxi_duration.notebooks.runner import run
from taxi_duration.registry.loading import load
from taxi_duration.registry.promotion import register
from taxi_duration.tracking.store import (
    EXPERIMENT,
    lock,
    open_store,
    store_errors,
    uninterrupted,
)
from taxi_duration.tracking.store_address import store_uri
from taxi_duration.tracking.training import record

BROKEN = Path(__file__).parents[1] / "broken_notebooks"
TRAIN = Path(__file__).parents[2] / "notebooks" / "02_train.ipynb"


def test_an_opened_store_has_the_experiment_and_keeps_files_beside_its_database(store):
    import mlflow

    open_store()
    assert mlflow.get_tracking_uri() == store == store_uri()
    artifacts = mlflow.get_experiment_by_name(EXPERIMENT).artifact_location
    folder = Path(store.removeprefix("sqlite:///")).parent
    assert artifacts == (folder / "artifacts").as_uri()


def test_models_in_s3_without_its_driver_are_an_error_of_one_line(store, split, monkeypatch):
    MlflowClient(store).create_experiment(EXPERIMENT, artifact_location="s3://models/team")
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(TrackingError, match=r"the store needs 'boto3'\. Install it: pip i"):
        record("ridge", split)


def test_another_missing_module_is_no_fault_of_the_store():
    with pytest.raises(ModuleNotFoundError), store_errors("The runs cannot be read"):
        __import__("a_module_that_is_missing")


def test_a_store_lies_in_the_folder_as_it_is_named(new_store, split, tmp_path):
    name = "a%20b job%2Fx ü ß a#b a?b 50%"
    (tmp_path / name).mkdir()
    with new_store(tmp_path / name):
        version = register(record("ridge", split).run_id)
        assert len(load(version.address).predict(split.test.frame.head(2))) == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {path.name for path in (tmp_path / name).iterdir()} >= {"artifacts", "mlflow.db"}


def test_opening_a_store_again_changes_nothing(store):
    import mlflow

    names = []
    for _ in range(2):
        open_store()
        names.append(sorted(found.name for found in mlflow.search_experiments()))
    assert names == [["Default", EXPERIMENT]] * 2


def test_a_store_that_another_computer_opens_at_the_same_moment_is_opened(store, monkeypatch):
    import mlflow

    open_store()
    monkeypatch.setattr(mlflow, "get_experiment_by_name", lambda _name: None)
    open_store()


def test_four_processes_can_create_a_store_at_once(tmp_path, monkeypatch):
    database = tmp_path / "new" / "mlflow.db"
    link = tmp_path / "link.db"
    link.symlink_to(database)
    database.parent.mkdir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{link}")
    code = "from taxi_duration.tracking.store import open_store; open_store()"
    four = [forks.start(code) for _ in range(4)]
    assert [forks.end(process) for process in four] == [0] * 4
    assert link.is_symlink()
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT count(*) FROM experiments WHERE name = ?", [EXPERIMENT])
        assert found.fetchone() == (1,)


def test_a_locked_database_is_waited_for_as_long_in_each_connection(store):
    from sqlalchemy import create_engine

    open_store()
    with create_engine(store).connect() as connection:
        waits = connection.exec_driver_sql("PRAGMA busy_timeout").scalar()
    assert waits == 20_000  # ms


def test_a_locked_database_is_reported(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{store}?timeout=0.1")
    other = sqlite3.connect(store.removeprefix("sqlite:///"))
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(TrackingError, match=r"The store cannot be opened: .*'database is locked'"):
        open_store()
    other.close()


def test_a_server_that_is_not_there_is_reported(store, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(
            TrackingError, match=r"The store cannot be opened: http.* refused"
        ) as no:
            open_store()
    assert str(no.value).endswith("or name another with MLFLOW_TRACKING_URI.")


def test_a_server_that_is_not_there_is_not_waited_for_minutes(store):
    open_store()
    assert int(os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]) <= 2


def test_a_place_where_no_database_can_be_created_is_reported(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/nowhere/mlflow.db")
    with pytest.raises(TrackingError, match=r"The store cannot be opened: sqlite:////proc/nowhere"):
        open_store()


def test_a_file_that_is_no_database_is_reported(store):
    Path(store.removeprefix("sqlite:///")).write_text("something else, " * 1000)
    with pytest.raises(TrackingError, match="'file is not a database'"):
        open_store()


def test_a_database_that_was_cut_off_ends_in_one_line(store, capsys):
    os.truncate(store.removeprefix("sqlite:///"), 3000)
    assert main(["history"]) == 6
    (line,) = capsys.readouterr().err.splitlines()
    assert "says 'database disk image is malformed'" in line


def mount(*words):
    done = subprocess.run(["mount", *map(str, words)], capture_output=True)
    if done.returncode:
        pytest.skip("only root may mount, and not everywhere")


@pytest.fixture
def read_only_store(employed, monkeypatch):
    """A store with a champion, in a folder where not even root may write."""
    folder = Path(employed[0].removeprefix("sqlite:///")).parent
    mount("--bind", folder, folder)
    try:
        mount("-o", "remount,ro,bind", folder)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{employed[0]}?timeout=9")  # not opened before
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_read_only_store_is_read(read_only_store, tmp_path, capsys):
    assert main(["history"]) == 0
    assert main(["score", "2021-02", "--into", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["rollback", "--why", "x"]) == 6
    (line,) = capsys.readouterr().err.splitlines()
    assert "Model 'taxi-duration' cannot be changed" in line
    assert "Read-only file system" in line


def test_the_card_of_a_read_only_store_is_written_but_not_attached(
    read_only_store, tmp_path, capsys
):
    assert main(["card", "--into", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert [Path(line).exists() for line in said.out.splitlines()] == [True, True]
    (line,) = said.err.splitlines()
    assert line.startswith("taxi-duration: The card is not attached")


def test_a_full_temporary_folder_is_named_and_not_the_store(tmp_path, monkeypatch):
    mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path)
    try:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        said = f"^The run is lost: the temporary folder '{tmp_path}' is full"
        with pytest.raises(TrackingError, match=said), store_errors("The run is lost"):
            (tmp_path / "large").write_bytes(bytes(100_000))
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


def test_a_lock_lies_beside_its_store_and_any_user_may_take_it(store):
    folder, before = Path(store.removeprefix("sqlite:///")).parent, os.umask(0o077)
    try:
        with lock("one thing"), lock("another", timeout=0):
            modes = [path.stat().st_mode & 0o777 for path in folder.glob("mlflow.db.*.lock")]
    finally:
        os.umask(before)
    assert modes == [0o666, 0o666]


def test_a_lock_that_is_held_too_long_is_reported(store):
    with (
        lock("one thing"),
        pytest.raises(TrackingError, match=r"Another process has held .* for 0 s"),
        lock("one thing", timeout=0),
    ):
        pass


def test_the_locks_of_a_server_lie_in_the_users_own_folder(monkeypatch, tmp_path):
    monkeypatch.setattr("taxi_duration.tracking.store_address.CHECKOUT", tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    with lock("one thing"):
        (path,) = (tmp_path / ".taxi_duration").iterdir()
    assert path.name.startswith("server.")


def test_our_own_errors_are_raised_as_they_are():
    with pytest.raises(SourceError, match=r"^There is no folder$"), store_errors("The run is lost"):
        raise SourceError("There is no folder")


def test_ctrl_c_waits_until_what_is_being_written_is_whole():
    written = []

    def write():
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
            written.append("all of it")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert written == ["all of it"]


def test_afterwards_ctrl_c_works_as_before():
    before = signal.getsignal(signal.SIGINT)
    with uninterrupted():
        pass
    assert signal.getsignal(signal.SIGINT) is before


def statuses(store):
    """Return the status of each run by its name."""
    client = MlflowClient(store)
    found = client.search_runs([each.experiment_id for each in client.search_experiments()])
    return {each.info.run_name: each.info.status for each in found}


def wait_for(said, seconds=300):
    end = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_runs_of_a_kernel_that_dies_in_a_training_are_closed_as_killed(store, tmp_path):
    with pytest.raises(NotebookError, match="DeadKernelError"):
        run(BROKEN / "kills_its_training.ipynb", into=tmp_path / "runs")
    assert sorted(statuses(store).values()) == ["KILLED", "KILLED"]


def test_a_notebook_that_is_stopped_in_a_fit_leaves_no_run_running(store, tmp_path):
    words = ["run", TRAIN, "-p", "models=reference", "--into", tmp_path]
    command = forks.start(forks.COMMAND, *words)
    wait_for(lambda: statuses(store).get("reference") == "RUNNING")
    command.terminate()
    assert forks.end(command) == 128 + signal.SIGTERM
    assert set(statuses(store).values()) <= {"KILLED", "FAILED"}
