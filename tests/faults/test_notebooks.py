"""A command that is told to end twice, or whose kernel does not listen, still ends at once."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

STUBBORN = Path(__file__).parents[1] / "broken_notebooks" / "hears_no_interrupt.ipynb"
SOON = 5  # seconds, as promised


@pytest.fixture
def temporary(tmp_path_factory, monkeypatch):
    """An empty folder for temporary files, with a short path."""
    folder = tmp_path_factory.mktemp("t")
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


@pytest.fixture
def at_work(store, temporary, tmp_path, monkeypatch):
    """A command whose notebook is at work, and the process of its kernel."""
    monkeypatch.chdir(tmp_path)
    words = [sys.executable, "-m", "taxi_duration.cli.main", "run", STUBBORN, "-p", "mark=mark"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as command:
        while not (Path("mark").exists() and Path("mark").read_text()):
            assert command.poll() is None
            time.sleep(0.05)
        yield command, psutil.Process(int(Path("mark").read_text()))
        command.kill()


@pytest.mark.parametrize(
    "pauses", [[0.3], pytest.param([], marks=pytest.mark.soak),
               pytest.param([0, 0, 1, 1], marks=pytest.mark.soak)]
)  # fmt: skip
def test_a_command_that_is_told_to_end_again_leaves_nothing(at_work, store, temporary, pauses):
    command, kernel = at_work
    sent = time.monotonic()
    for pause in pauses:
        command.terminate()
        time.sleep(pause)
    command.terminate()
    assert command.communicate(timeout=60)[1] == "taxi-duration: Stopped by SIGTERM.\n"
    assert (command.returncode, time.monotonic() - sent < SOON) == (143, True)
    kernel.wait(timeout=SOON)
    assert list(temporary.iterdir()) == []
    client = MlflowClient(store)
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    assert {run.info.status for run in runs} == {"KILLED"}
