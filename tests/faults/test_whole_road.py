"""The whole road, killed at random until it has been thirty times, and two of them at once."""

import json
import os
import random
import shutil
import subprocess
import sys
import time

import psutil
import pytest
from mlflow import MlflowClient

from taxi_duration.notebooks.stage import RECORD
from taxi_duration.registry.journal import read_journal
from taxi_duration.registry.loading import NAME, load
from taxi_duration.serving.batch import score_months

pytestmark = pytest.mark.soak

KILLS = 30
STAGES = ("02_train", "03_tune", "04_select", "05_score", "06_monitor")
WORDS = [*STAGES, "-p", "models=linear,xgboost", "-p", "trials=2", "-p", "threads=1"]
SCORED = "2021-02..2021-03"


@pytest.fixture
def start(new_store, migrated, tmp_path_factory):
    """Start the whole road in a new folder, or go on with the one in a folder."""
    started = []

    def start(folder=None, *, name="road"):
        folder = folder or tmp_path_factory.mktemp("r")
        if not (folder / "mlflow.db").exists():
            shutil.copy(migrated, folder / "mlflow.db")
        (folder / "t").mkdir(exist_ok=True)
        environment = os.environ | {
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
            "TMPDIR": str(folder / "t"),
        }
        words = [sys.executable, "-m", "taxi_duration.cli.main", "run", *WORDS, "--name", name]
        with (folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(
                [*words, "--into", str(folder / "runs")], env=environment, stdout=log, stderr=log
            )
        started.append(process)
        return folder, process

    yield start
    for process in started:
        process.kill()
        process.wait()


def kill(process):
    """Kill the command alone; its kernels have to notice."""
    kernels = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(kernels, timeout=30)
    assert alive == []


def ended(folder, monkeypatch, *, name="road"):
    """What the road came to: figures, champion, predictions, and what it has left."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    records = {each: read(folder / "runs" / name / f"{each}{RECORD}") for each in STAGES}
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()])
    champion = load()
    champion.check_files()
    scored = score_months(champion, SCORED, into=folder / "predictions")
    return {
        "figures": {each: figures(record["result"]) for each, record in records.items()},
        "champion": champion.record.metrics["test_rmse"],
        "promotions": len(read_journal(NAME)),
        "fresh": [each.fresh for each in scored],
        "predictions": [list(each.predictions()["predicted"]) for each in scored],
        "running": [run.info.run_name for run in runs if run.info.status == "RUNNING"],
        "left": [
            str(path)
            for path in (*folder.rglob(".*"), *(folder / "t").iterdir())
            if path.suffix != ".lock"
        ],
    }


def read(path):
    return json.loads(path.read_text())


def figures(result):
    """The figures of a notebook's result, without the ids of its runs and versions."""
    return {key: value for key, value in result.items() if isinstance(value, float)}


def wait(folder, process, name="road"):
    assert process.wait(timeout=900) == 0, (folder / f"{name}.log").read_text()


def test_a_road_that_is_killed_thirty_times_ends_as_an_undisturbed_one(start, monkeypatch):
    began, (folder, process) = time.monotonic(), start()
    wait(folder, process)
    longest = (time.monotonic() - began) / 4  # a stage or two
    expected, kills = ended(folder, monkeypatch), 0
    draw = random.Random()
    while kills < KILLS:
        folder, process = start()
        while process.poll() is None and kills < KILLS:
            time.sleep(draw.uniform(0, longest))
            if process.poll() is None:
                kill(process)
                kills += 1
                age(folder)
                _, process = start(folder)
        wait(folder, process)
        assert ended(folder, monkeypatch) == expected, kills


def age(folder):
    """Make what a killed command has left look old: what is fresh is not swept."""
    for path in folder.rglob("*"):
        if path.is_dir():
            os.utime(path, (0, 0))


def test_two_whole_roads_at_once_on_one_store_end_as_one(start, monkeypatch):
    folder, process = start()
    wait(folder, process)
    expected = ended(folder, monkeypatch)
    names, (folder, process) = ("one", "other"), start(name="one")
    _, other = start(folder, name="other")
    for name, each in zip(names, (process, other), strict=True):
        wait(folder, each, name)
    for name in names:
        found = ended(folder, monkeypatch, name=name)
        assert {key: found[key] for key in ("champion", "predictions", "running", "left")} == {
            key: expected[key] for key in ("champion", "predictions", "running", "left")
        }
        assert found["figures"]["02_train"] == expected["figures"]["02_train"]
