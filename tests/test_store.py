"""The one place where runs are kept: found, made once, and missed with a word."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from taxi_duration.errors import SourceError, TrackingError
from taxi_duration.provenance import CHECKOUT
from taxi_duration.registry import load, register
from taxi_duration.store import (
    EXPERIMENT,
    beside_store,
    open_store,
    store_uri,
    told,
    uninterrupted,
)
from taxi_duration.tracking import record


def test_the_place_is_the_same_wherever_python_was_started(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    here = store_uri()
    monkeypatch.chdir(tmp_path)
    assert store_uri() == here == f"sqlite:///{CHECKOUT / 'store' / 'mlflow.db'}"


def test_a_place_named_by_the_environment_is_taken(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert store_uri() == "http://127.0.0.1:5000"


def test_an_opened_store_has_the_experiment_and_keeps_files_beside_its_database(store):
    import mlflow

    assert open_store() == store == mlflow.get_tracking_uri()
    artifacts = mlflow.get_experiment_by_name(EXPERIMENT).artifact_location
    folder = Path(store.removeprefix("sqlite:///")).parent
    assert artifacts == (folder / "artifacts").as_uri()


@pytest.mark.parametrize("name", ["a%20b", "job%2Fx", "ü ß", "a#b", "a?b", "50%"])
def test_a_store_lies_in_the_folder_as_it_is_named(name, new_store, split, tmp_path):
    (tmp_path / name).mkdir()
    with new_store(tmp_path / name):
        version = register(record("ridge", split).run_id)
        assert len(load(version.address).predict(split.test.frame.head(2))) == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {path.name for path in (tmp_path / name).iterdir()} >= {"artifacts", "mlflow.db"}


def test_an_address_stays_the_same_once_mlflow_has_it(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////a%20b/c?d/mlflow.db?timeout=3")
    uri = store_uri()
    assert uri == "sqlite+pysqlite:////a%2520b/c%3Fd/mlflow.db?timeout=3"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert store_uri() == uri
    assert beside_store("x") == Path("/a%20b/c?d/x")


def test_to_open_a_store_again_changes_nothing(store):
    import mlflow

    names = []
    for _ in range(2):
        open_store()
        names.append(sorted(found.name for found in mlflow.search_experiments()))
    assert names == [["Default", EXPERIMENT]] * 2


OPEN_FOUR_TIMES_AT_ONCE = """
import os
import mlflow
from taxi_duration.store import open_store
for _ in range(4):
    if os.fork() == 0:
        open_store()
        os._exit(0)
print([os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(4)])
"""


def test_four_processes_may_make_a_store_at_once(tmp_path):
    database = tmp_path / "new" / "mlflow.db"
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{database}"}
    script = [sys.executable, "-c", OPEN_FOUR_TIMES_AT_ONCE]
    done = subprocess.run(script, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[0, 0, 0, 0]\n", done.stderr
    with closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT count(*) FROM experiments WHERE name = ?", [EXPERIMENT])
        assert found.fetchone() == (1,)


def test_a_locked_database_is_told(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{store}?timeout=0.1")
    other = sqlite3.connect(store.removeprefix("sqlite:///"))
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(TrackingError, match=r"The store cannot be opened: .*'database is locked'"):
        open_store()
    other.close()


def test_a_server_that_is_not_there_is_told(store, monkeypatch):
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


def test_a_place_where_no_database_can_be_made_is_told(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////proc/nowhere/mlflow.db")
    with pytest.raises(TrackingError, match=r"The store cannot be opened: sqlite:////proc/nowhere"):
        open_store()


def test_a_file_that_is_no_database_is_told(store):
    Path(store.removeprefix("sqlite:///")).write_text("something else, " * 1000)
    with pytest.raises(TrackingError, match="'file is not a database'"):
        open_store()


def test_our_own_errors_are_told_as_they_are():
    with pytest.raises(SourceError, match=r"^There is no folder$"), told("The run is lost"):
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


def test_afterwards_ctrl_c_is_heard_as_before():
    before = signal.getsignal(signal.SIGINT)
    with uninterrupted():
        pass
    assert signal.getsignal(signal.SIGINT) is before
