"""A short road over a disk that fails at one of its renames, fsyncs and commits.

    LD_PRELOAD=disk.so python road.py FOLDER ROAD FAULT:AT...

In FOLDER are `months` and an empty database, `migrated.db`. Each FAULT is one of `FAULTS` and meets
the AT-th call, whereupon the road is taken again; a FAULT of AT..STEP meets each STEP-th call from
the AT-th. For each a line of JSON says what became of both. The first line is of an undisturbed
road, or for `two roads` of two at once and a third. Each road is a process of its own.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import click
import nbformat
from mlflow import MlflowClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from taxi_duration.cli.main import cli, main
from taxi_duration.data.trips import load_split
from taxi_duration.errors import ModelError
from taxi_duration.notebooks.pipeline import run_all, status
from taxi_duration.registry.gate import Limits
from taxi_duration.registry.journal import read_journal
from taxi_duration.registry.loading import NAME, load
from taxi_duration.registry.promotion import promote, register
from taxi_duration.registry.selection import candidates, select_best
from taxi_duration.serving.batch import score_months
from taxi_duration.tracking.store import open_store
from taxi_duration.tracking.training import record

FAULTS = {"kill": 0, "failing write": errno.EIO, "full disk": errno.ENOSPC}
TRAIN, VALID, TEST = "2021-01", "2021-02", "2021-03"
SCORED = f"{VALID}..{TEST}"
QUICK = {"learning_rate": 0.3, "n_estimators": 12, "max_depth": 4, "threads": 1}
SOURCE, PREDICTIONS, RUNS = Path("../months"), Path("predictions"), Path("runs")
DISK = ctypes.CDLL(None)
IMPORTED = (
    "ipykernel.kernelapp",
    "mlflow.pyfunc.model",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "papermill",
    "skops.io",
    "xgboost",
)


def model_road() -> None:
    """Train unless that is done; then register, promote and score."""
    split = load_split(TRAIN, VALID, TEST, source=SOURCE)
    try:
        found = candidates(split.valid)
    except ModelError:
        record("xgboost", split, **QUICK)
        found = candidates(split.valid)
    version = register(select_best(found)["run_id"])
    any_speed = Limits(rows_per_second=0)  # few rides on a busy machine
    promote(version, split.test, why="it is better", limits=any_speed)
    score_months("champion", SCORED, source=SOURCE, into=PREDICTIONS)


def stage_road() -> None:
    """Run a notebook as a stage."""
    notebook = Path("small.ipynb")
    if not notebook.exists():
        tags = {"tags": ["parameters"]}
        cells = [
            new_markdown_cell("Which month?"),
            new_code_cell('train: str = "2021-01"  # month', metadata=tags),
            new_code_cell("display({'application/vnd.taxi+json': {'train': train}}, raw=True)"),
        ]
        nbformat.write(new_notebook(cells=cells), notebook)
    for _ in run_all([notebook], into=RUNS):
        pass


ROADS: dict[str, Callable[[], None]] = {
    "model": model_road,
    "two roads": model_road,
    "stage": stage_road,
    "store": open_store,
}


def take(road: str) -> int:
    """Take a road as a command, so that an error becomes a line and an exit code."""
    cli.add_command(click.Command("road", callback=ROADS[road]))
    return main(["road"])


def found_at_the_end(road: str) -> dict[str, object]:
    """Return what must be the same whether or not a fault was met."""
    store = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    experiments = [each.experiment_id for each in store.search_experiments()]
    running = store.search_runs(experiments, "attributes.status = 'RUNNING'")
    found = {
        "database": sqlite3.connect("mlflow.db").execute("PRAGMA integrity_check").fetchall(),
        "experiments": len(experiments),
        "running": [run.info.run_name for run in running],
        "leftovers": [str(path) for path in Path().rglob("*") if is_leftover(path)],
    }
    if road == "stage":
        return found | {"stages": status(RUNS)["state"].tolist()}
    return found if road == "store" else found | champion() | predictions()


def is_leftover(path: Path) -> bool:
    hidden = path.name.startswith(".") and path.suffix != ".lock"
    return hidden or path.parent.name == "temporary"


def champion() -> dict[str, object]:
    model = load()
    model.check_files()
    errors = {name: model.record.metrics[name] for name in ("valid_rmse", "test_rmse")}
    return errors | {"changes of champion": len(read_journal(NAME))}


def predictions() -> dict[str, str]:
    results = score_months("champion", SCORED, source=SOURCE, into=PREDICTIONS)
    assert not any(each.fresh for each in results)
    frames = {each.manifest.month: each.predictions() for each in results}
    return {month: hashlib.sha256(frame.drop(columns="model_version").to_csv().encode()).hexdigest()
            for month, frame in frames.items()}  # fmt: skip


def start(
    road: str, *, fault: str = "", at: int = 0, said: Path = Path("said"), alone: bool = True
) -> int:
    """Take a road in a process of its own, which looks at what it found if it is alone."""
    if child := os.fork():
        return child
    with said.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    DISK.arm_disk(at, FAULTS.get(fault, 0))
    code = take(road)
    if code == 0 and not fault and alone:
        calls = DISK.disk_calls()
        sys.stdout.write(json.dumps({"calls": calls, **found_at_the_end(road)}))
    sys.stdout.flush()
    os._exit(code)


def end(child: int, said: Path = Path("said")) -> tuple[int, str]:
    """Return the exit code of a process, and what it has printed."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said.read_text().strip()


def enter(folder: Path, road: str) -> None:
    """Enter a place in which nothing has been done yet."""
    place = folder / "place"
    shutil.rmtree(place, ignore_errors=True)
    (place / "temporary").mkdir(parents=True)
    if road != "store":
        shutil.copy(folder / "migrated.db", place / "mlflow.db")
    os.chdir(place)
    os.environ["TMPDIR"] = str(place / "temporary")
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{place / 'mlflow.db'}"


def age() -> None:
    """Make what is left here look old: a fresh folder is not swept."""
    for path in Path().rglob("*"):
        if path.is_dir():
            os.utime(path, (0, 0))


def undisturbed(folder: Path, road: str) -> dict[str, object]:
    enter(folder, road)
    ends = two_at_once(road) if road == "two roads" else []
    code, found = end(start(road))  # what one of two found, the other may have left unfinished
    return {"codes": [code, *(code for code, _ in ends)], "ends": ends, "found": found}


def two_at_once(road: str) -> list[tuple[int, str]]:
    places = [Path("said"), Path("also said")]
    children = [start(road, said=said, alone=False) for said in places]
    return [end(child, said) for child, said in zip(children, places, strict=True)]


def disturbed(folder: Path, road: str, fault: str, at: int) -> dict[str, object]:
    enter(folder, road)
    code, said = end(start(road, fault=fault, at=at))
    age()
    again, found = end(start(road))
    return {"fault": fault, "at": at, "code": code, "said": said, "again": again, "found": found}


def journeys(folder: Path, road: str, faults: list[str]) -> Iterator[dict]:
    first = undisturbed(folder, road)
    yield first
    calls = json.loads(first["found"].splitlines()[-1])["calls"]
    for each in faults:
        fault, _, points = each.partition(":")
        at, _, step = points.partition("..")
        for point in range(int(at), calls + 1, int(step)) if step else [int(at)]:
            yield disturbed(folder, road, fault, point)


if __name__ == "__main__":
    for name in IMPORTED:  # once, before the forks
        import_module(name)
    folder, road, *faults = sys.argv[1:]
    for each in journeys(Path(folder), road, faults):
        sys.stdout.write(json.dumps(each) + "\n")
        sys.stdout.flush()
