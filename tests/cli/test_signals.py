"""Ctrl-C and SIGTERM end the command within 5 seconds, whatever code they fall into."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from taxi_duration.cli.main import main

BROKEN = Path(__file__).parents[1] / "broken_notebooks"
STUCK = {  # by what drops or never sees the exception
    "a finalizer": "Slow(); time.sleep(60)",
    "an import": "importlib.import_module('slow')",
    "an except clause": "goes_on()",
    "a query": "sqlite3.connect(':memory:').execute(ENDLESS)",
    "a slow clean-up": "slow = Slow(); time.sleep(60)",
}
COMMAND = """
import importlib, sqlite3, sys, time
from pathlib import Path
from taxi_duration.cli.main import cli, main
from taxi_duration.data.files import atomic_write
from taxi_duration.tracking.owner import owned_run
from taxi_duration.tracking.store import open_store

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT sum(x) FROM n"

class Slow:
    def __del__(self):
        time.sleep(60)

def goes_on():
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass

@cli.command()
def stuck():
    open_store()
    with owned_run(), atomic_write(Path("result")) as fresh:
        fresh.write_text("half")
        Path("ready").touch()
        {stuck}

sys.exit(main())
"""
SLOW = """
import time

class Slow:
    def __del__(self):
        time.sleep(60)

Slow()
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr("tempfile.tempdir", None)


@pytest.fixture
def start():
    """Start a Python program, and wait until it has made a file."""
    started = []

    def start(*words, until):
        process = subprocess.Popen([sys.executable, *words], stderr=subprocess.PIPE, text=True)
        started.append(process)
        wait_for(lambda: Path(until).exists() and Path(until).stat().st_mtime)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def wait_for(said, seconds=60):
    end = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < end
        time.sleep(0.02)


def statuses(store):
    client = MlflowClient(store)
    found = client.search_runs([each.experiment_id for each in client.search_experiments()])
    return {run.info.status for run in found}


@pytest.mark.parametrize("stuck", STUCK)
def test_sigterm_ends_the_command_in_whatever_it_falls_into(start, store, stuck):
    Path("slow.py").write_text(SLOW)
    code = COMMAND.replace("{stuck}", STUCK[stuck])
    running = start("-c", code, "stuck", until="ready")
    time.sleep(0.2)
    sent = time.monotonic()
    running.terminate()
    assert running.communicate(timeout=30)[1] == "taxi-duration: Stopped by SIGTERM.\n"
    assert (running.returncode, time.monotonic() - sent < 5) == (143, True)
    assert statuses(store) == {"KILLED"}
    assert not Path("result").exists()
    assert not list(Path().glob(".result-*"))


def test_what_must_be_whole_is_finished_before_the_command_ends(start, store):
    whole = """
import sys, time
from pathlib import Path
from taxi_duration.cli import signals
from taxi_duration.cli.main import cli, main
from taxi_duration.tracking.store import uninterrupted

signals.ORDERLY = 0.2

@cli.command()
def write():
    with uninterrupted():
        Path("ready").touch()
        time.sleep(1)
        Path("whole").touch()

sys.exit(main())
"""
    running = start("-c", whole, "write", until="ready")
    running.terminate()
    assert running.wait(30) == 143
    assert Path("whole").exists()


def test_what_a_killed_run_leaves_is_gone_with_the_next_one(start, store):
    words = ["run", str(BROKEN / "never_ends.ipynb"), "-p", "mark=mark"]
    running = start("-m", "taxi_duration.cli.main", *words, until="mark")
    wait_for(lambda: Path("mark").read_text())
    kernel = psutil.Process(int(Path("mark").read_text()))
    running.kill()
    running.wait()
    kernel.wait(timeout=10)
    (left,) = Path("temporary").iterdir()
    os.utime(left, (0, 0))
    assert "RUNNING" in statuses(store)
    assert main(["run", str(BROKEN / "story.ipynb")]) == 0
    assert list(Path("temporary").iterdir()) == []
    assert "RUNNING" not in statuses(store)


def test_python_reports_other_dropped_exceptions_as_before(capsys):
    from taxi_duration.cli.signals import interruptible

    class Broken:
        def __del__(self):
            raise ValueError("in a finalizer")

    with interruptible() as interruption:
        Broken()
    assert "ValueError: in a finalizer" in capsys.readouterr().err
    assert not interruption


def test_afterwards_signals_are_handled_as_before():
    from taxi_duration.cli.signals import interruptible

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with interruptible():
        pass
    assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
