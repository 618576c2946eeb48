"""Stores with trainings to choose from or a champion at work, a server, and files changed."""

import os
import shutil
import signal
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace

import forks
import requests
import uvicorn

from taxi_duration.registry.promotion import promote, register
from taxi_duration.serving.batch import score_months
from taxi_duration.tracking.training import record

QUICK = {"learning_rate": 0.3, "threads": 1}
GOOD = QUICK | {"n_estimators": 30, "max_depth": 6}
STOCK = {
    "poor": ("ridge", {}),
    "weak": ("xgboost", QUICK | {"n_estimators": 5, "max_depth": 4}),
    "good": ("xgboost", GOOD),
    "another seed": ("xgboost", GOOD | {"random_state": 1}),
}


def stock(split):
    """Record models of several kinds; return their run ids."""
    runs = {what: record(name, split, **how) for what, (name, how) in STOCK.items()}
    runs["bad slice"] = record("xgboost", _long_short_rides(split), **GOOD)
    return {what: run.run_id for what, run in runs.items()}


def _long_short_rides(split):
    """Teach that rides of up to a mile take three times as long as they do."""
    rides = split.train.frame
    longer = (3 * rides["duration"]).clip(upper=60)
    is_short = rides["trip_distance"].between(0, 1, inclusive="right")
    wrong = rides.assign(duration=rides["duration"].mask(is_short, longer))
    return split._replace(train=replace(split.train, frame=wrong))


SERVER = """
import os
os.setsid()  # so that the server and its workers end together
os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
from mlflow.cli import cli
cli()
"""


@contextmanager
def serving(database, folder):
    """Run `mlflow server` on loopback, in front of a copy of a database; give its address."""
    copy = shutil.copy(database, folder / "mlflow.db")
    with mlflow_server(f"sqlite:///{copy}", folder / "artifacts", folder) as address:
        yield address


@contextmanager
def mlflow_server(store, artifacts, folder, *options, environment=None):
    """Run `mlflow server` on loopback, in front of a store; give its address."""
    port = free_port()
    words = ["server", "-w", "1", "--port", port, "--backend-store-uri", store]
    words += ["--artifacts-destination", artifacts, *options]
    logs = {"out": folder / "log", "err": folder / "errors"}
    server = forks.start(SERVER, *words, **logs, environment=environment)
    try:
        _wait(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.join()


@contextmanager
def serving_app(app):
    """Run an application on loopback in a thread; give its address."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def free_port():
    """A port on loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait(address):
    for _ in range(1500):
        try:
            if requests.get(f"{address}/health", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.2)
    raise TimeoutError(address)


def employ(split):
    """Train a model, make it champion and have it score two sample months; return its run id."""
    run = record("xgboost", split, learning_rate=0.2, n_estimators=60, threads=1)
    promote(register(run.run_id), split.test, why="a test")
    score_months("champion", "2021-02..2021-03")
    return run.run_id


@contextmanager
def changed_file(path, content):
    """A while in which a file has other bytes, or is missing (None)."""
    before = path.read_bytes() if path.exists() else None
    _write(path, content)
    try:
        yield
    finally:
        _write(path, before)


def _write(path, content):
    path.unlink(missing_ok=True) if content is None else path.write_bytes(content)
