"""The address of the store: where it comes from, and what a message says of it."""

import os
from pathlib import Path

import pytest

from taxi_duration.cli.main import main
from taxi_duration.tracking.provenance import CHECKOUT
from taxi_duration.tracking.store_address import beside_store, store_uri


def test_the_address_is_the_same_wherever_python_was_started(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    here = store_uri()
    monkeypatch.chdir(tmp_path)
    assert store_uri() == here == f"sqlite:///{CHECKOUT / 'store' / 'mlflow.db'}"


def test_an_address_named_by_the_environment_is_taken(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert store_uri() == "http://127.0.0.1:5000"


def test_an_address_stays_the_same_once_mlflow_has_it(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////a%20b/c?d/mlflow.db?timeout=3")
    uri = store_uri()
    assert uri == "sqlite+pysqlite:////a%2520b/c%3Fd/mlflow.db?timeout=3"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert store_uri() == uri
    assert beside_store("x") == Path("/a%20b/c?d/x")


ADDRESSES = {
    "postgresql://ada@127.0.0.1/runs": "'postgresql' needs 'psycopg'. Install it: pip install",
    "mysql://ada@127.0.0.1/runs": "'mysql' needs 'MySQLdb'. Install it: pip install mysqlclient.",
    "mssql://ada@127.0.0.1/runs": "'mssql' needs 'pyodbc'. Install it: pip install pyodbc.",
    "http://[::1": "'http://[::1' is not the address of a store: Invalid IPv6 URL",
    "sqlite://": "'sqlite://' is not the address of a store: it names no file",
    "sqlite:///:memory:": "'sqlite:///:memory:' is not the address of a store: it names no file",
    "carrier://pigeon": "carrier://pigeon says ",
    "sqlite:////proc": "'sqlite:////proc' is not the address of a store: it names a folder",
}


@pytest.mark.parametrize("uri", ADDRESSES)
def test_an_address_that_is_no_store_ends_in_one_line(uri, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert main(["history"]) == 6
    (line,) = capsys.readouterr().err.splitlines()
    assert ADDRESSES[uri] in line


def test_a_device_is_no_store_and_stays(monkeypatch, tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'pipe'}")
    assert main(["history"]) == 6
    assert "it names a folder or a device" in capsys.readouterr().err
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(
    "uri",
    ["carrier://ada:secret@pigeon", "http://ada:secret@[::1", "http://ada:/secret@x:9/",
     "http://ada:a@secret@[::1"],
)  # fmt: skip
def test_a_message_masks_the_password_of_a_store(uri, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert main(["history"]) == 6
    said = capsys.readouterr().err
    assert "ada:***@" in said
    assert "secret" not in said
