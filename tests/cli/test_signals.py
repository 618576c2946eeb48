"""Ctrl-C and SIGTERM end the command within 5 seconds, whatever code they fall into."""

import os
import signal
import time
from contextlib import chdir
from pathlib import Path

import forks
import psutil
import pytest
from mlflow import MlflowClient

from taxi_duration.cli.main import main
from taxi_duration.cli.signals import FORCED, ORDERLY

BROKEN = Path(__file__).parents[1] / "broken_notebooks"
STUCK = {  # by what drops or never sees the exception
    "a finalizer": "Slow(); time.sleep(600)",
    "an import": "importlib.import_module('slow')",
    "an except clause": "goes_on()",
    "a query": "sqlite3.connect(':memory:').execute(ENDLESS)",
    "a slow clean-up": "slow = Slow(); time.sleep(600)",
}
COMMAND = """
import importlib, sqlite3, sys, time
from pathlib import Path
from taxi_duration.cli.main import cli, main
from taxi_duration.data.files import atomic_write
from taxi_duration.tracking.run_owner import owned_run
from taxi_duration.tracking.store import open_store

ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT sum(x) FROM n"

class Slow:
    def __del__(self):
        time.sleep(600)

def goes_on():
    while True:
        try:
            time.sleep(600)
        except BaseException:
            pass

@cli.command()
def stuck():
    open_store()
    with owned_run(run_name="{name}"), atomic_write(Path("result")) as fresh:
        fresh.write_text("half")
        Path("ready").touch()
        {stuck}

sys.exit(main())
"""
SLOW = """
import time

class Slow:
    def __del__(self):
        time.sleep(600)

Slow()
time.sleep(600)
"""


@pytest.fixture
def temporary(tmp_path_factory, monkeypatch):
    """Where this process, and those that it starts, keep temporary files."""
    folder = tmp_path_factory.mktemp("t")  # a short name: the path of a socket may not be long
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a program, and wait until it has made a file."""
    monkeypatch.chdir(tmp_path)
    started = []

    def start(*words, until):
        process = forks.start(*words)
        started.append(process)
        wait_for(Path(until).exists)
        return process

    yield start
    for process in started:
        process.kill()


def wait_for(said, seconds=300):
    end = time.monotonic() + seconds
    while not said():
        assert time.monotonic() < end
        time.sleep(0.02)


def statuses(store, name=None):
    """The statuses of all runs in a store, or of those of a name."""
    client = MlflowClient(store)
    found = client.search_runs([each.experiment_id for each in client.search_experiments()])
    return {run.info.status for run in found if name in (None, run.info.run_name)}


@pytest.fixture(scope="module")
def stopped(new_store, tmp_path_factory):
    """Commands that were stopped by SIGTERM at once, by what they fell into: process and folder."""
    running = {}
    with new_store(tmp_path_factory.mktemp("store")) as store:
        for stuck, line in STUCK.items():
            with chdir(folder := tmp_path_factory.mktemp("stuck")):
                Path("slow.py").write_text(SLOW)
                code = COMMAND.replace("{stuck}", line).replace("{name}", stuck)
                running[stuck] = forks.start(code, "stuck", err="said"), folder
    for process, folder in running.values():
        wait_for((folder / "ready").exists)
        time.sleep(0.2)
        process.terminate()
    yield store, running
    for process, _ in running.values():
        process.kill()


def test_an_orderly_end_and_a_forced_one_take_less_than_five_seconds_together():
    assert ORDERLY + FORCED < 5


@pytest.mark.parametrize("stuck", STUCK)
def test_sigterm_ends_the_command_in_whatever_it_falls_into(stopped, stuck):
    store, running = stopped
    process, folder = running[stuck]
    assert forks.end(process) == 143
    assert (folder / "said").read_text() == "taxi-duration: Stopped by SIGTERM.\n"
    assert not list(folder.glob("*result*"))
    assert statuses(store, stuck) == {"KILLED"}


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
    running = start(whole, "write", until="ready")
    running.terminate()
    assert forks.end(running) == 143
    assert Path("whole").exists()


def test_what_a_killed_run_leaves_is_gone_with_the_next_one(start, store, temporary):
    words = ["run", str(BROKEN / "never_ends.ipynb"), "-p", "mark=mark"]
    running = start(forks.COMMAND, *words, until="mark")
    wait_for(lambda: Path("mark").read_text())
    kernel = psutil.Process(int(Path("mark").read_text()))
    running.kill()
    forks.end(running)
    kernel.wait(timeout=300)
    (left,) = temporary.iterdir()
    os.utime(left, (0, 0))
    assert "RUNNING" in statuses(store)
    assert main(["run", str(BROKEN / "story.ipynb")]) == 0
    assert list(temporary.iterdir()) == []
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
