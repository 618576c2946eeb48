"""A database that is locked or damaged, and a server that goes away: waited for, or one line."""

import os
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient

from taxi_duration.cli.main import main
from taxi_duration.errors import TrackingError
from taxi_duration.tracking.store import open_store

LONGER = 6  # seconds; SQLite itself waits for 5
DAMAGED = 50  # databases


@contextmanager
def held(database, seconds):
    """Hold the lock of a database, as a process on a slow disk does."""
    with closing(sqlite3.connect(database, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        release = threading.Timer(seconds, other.execute, ["ROLLBACK"])
        release.start()
        yield
        release.join()


@pytest.mark.soak
def test_a_database_that_is_held_for_longer_than_sqlite_waits_is_opened(store):
    with held(store.removeprefix("sqlite:///"), LONGER):
        open_store()


@pytest.mark.soak
def test_a_damaged_database_ends_in_one_line_or_is_read(employed, tmp_path, monkeypatch, capsys):
    whole = Path(employed[0].removeprefix("sqlite:///")).read_bytes()
    codes = set()
    for number in range(DAMAGED):
        draw, database = random.Random(number), tmp_path / f"{number}.db"
        start = draw.randrange(0, len(whole) - 4096)
        zeros = whole[:start] + bytes(4096) + whole[start + 4096 :]
        database.write_bytes(draw.choice([zeros, whole[:start]]))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}?timeout=1")
        codes.add(main(["history"]))
        assert len(capsys.readouterr().err.splitlines()) <= 1
    assert TrackingError.exit_code in codes
    assert codes <= {0, TrackingError.exit_code}


@pytest.fixture
def broken_server():
    """A server that answers each request with 500, or closes the connection."""
    answers = [b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", b""]
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            with suppress(OSError):  # the test has ended
                while True:
                    with closing(listening.accept()[0]) as connection:
                        connection.recv(65536)
                        connection.sendall(answers[0])
                        answers.reverse()

        threading.Thread(target=answer, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def test_a_server_that_fails_is_named_in_one_line(broken_server, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", broken_server)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    assert main(["history"]) == TrackingError.exit_code
    (line,) = capsys.readouterr().err.splitlines()
    assert broken_server in line


class Server:
    """`mlflow server` on a port of its own, which can be killed and started again."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        words = [sys.executable, "-m", "mlflow", "server", "-w", "1", "--port", str(self.port)]
        words += ["--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}"]
        words += ["--artifacts-destination", str(self.folder / "artifacts")]
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                words, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        for _ in range(600):
            with suppress(requests.RequestException):
                if requests.get(f"{self.address}/health", timeout=5).ok:
                    return
            time.sleep(0.2)
        raise TimeoutError(self.address)

    def kill(self):
        os.killpg(self.process.pid, 9)
        self.process.wait()


@pytest.fixture
def server(migrated, tmp_path):
    shutil.copy(migrated, tmp_path / "mlflow.db")
    server = Server(tmp_path)
    server.start()
    yield server
    server.kill()


RECORD = """
from taxi_duration.cli.main import cli, main
from taxi_duration.data.trips import load_split
from taxi_duration.tracking.training import record_all

@cli.command("record")
def command():
    record_all(["linear", "ridge"], load_split("2021-01", "2021-02", "2021-03"))

raise SystemExit(main(["record"]))
"""


def figures(address):
    """The error of each finished training, and the states of all runs."""
    client = MlflowClient(address)
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    finished = [run for run in runs if run.info.status == "FINISHED" and "model" in run.data.tags]
    errors = {run.data.tags["model"]: run.data.metrics["valid_rmse"] for run in finished}
    return errors, {run.info.status for run in runs}


@pytest.mark.soak
def test_a_training_fails_in_one_line_when_its_server_goes_and_works_when_it_is_back(
    server, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    words = {"args": [sys.executable, "-c", RECORD], "stderr": subprocess.PIPE, "text": True}
    for wait in (1, 2, 4):
        with subprocess.Popen(**words) as training:
            while "RUNNING" not in figures(server.address)[1]:
                time.sleep(0.1)
            time.sleep(wait / 4)
            server.kill()
            said = training.communicate()[1]
        assert training.returncode == TrackingError.exit_code
        assert len(said.splitlines()) == 1
        server.start()
    assert subprocess.run(**words).returncode == 0
    errors, states = figures(server.address)
    assert set(errors) == {"linear", "ridge"}
    assert "RUNNING" not in states
