"""A database that is locked or damaged, and a server that goes away: waited for, or one line."""

import random
import shutil
import socket
import sqlite3
import threading
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from unittest.mock import Mock

import pytest
from lost_server import Server, train_while_it_goes

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


class Guarded(BaseHTTPRequestHandler):
    """Knows nobody."""

    def do_POST(self):
        self.send_error(401)

    log_message = Mock()


def test_a_server_that_does_not_know_who_asks_is_named_with_what_to_set(monkeypatch, capsys):
    with HTTPServer(("127.0.0.1", 0), Guarded) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
        assert main(["history"]) == TrackingError.exit_code
        server.shutdown()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.")


@pytest.fixture
def server(migrated, tmp_path):
    shutil.copy(migrated, tmp_path / "mlflow.db")
    server = Server(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "artifacts", tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.mark.soak
def test_a_training_fails_in_one_line_when_its_server_goes_and_works_when_it_is_back(
    server, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    train_while_it_goes(server, (0.25, 0.5, 1))
