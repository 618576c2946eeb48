"""A server of MLflow that goes away while models are trained, and comes back."""

import os
import subprocess
import sys
import time
from contextlib import suppress

import requests
from mlflow import MlflowClient
from shelf import free_port

from taxi_duration.errors import TrackingError


class Server:
    """`mlflow server` on a port of its own, which can be killed and started again."""

    def __init__(self, store, artifacts, folder, *options, environment=None):
        self.words = ["--backend-store-uri", store, "--artifacts-destination", str(artifacts)]
        self.words += options
        self.environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self.environment |= environment or {}
        self.folder, self.port = folder, free_port()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        words = [sys.executable, "-m", "mlflow", "server", "-w", "1", "--port", str(self.port)]
        with (self.folder / "log").open("a") as log:
            how = {"env": self.environment, "stdout": log, "stderr": log}
            self.process = subprocess.Popen(words + self.words, **how, start_new_session=True)
        for _ in range(600):
            with suppress(requests.RequestException):
                if requests.get(f"{self.address}/health", timeout=5).ok:
                    return
            time.sleep(0.2)
        raise TimeoutError(self.address)

    def kill(self):
        os.killpg(self.process.pid, 9)
        self.process.wait()


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


def train_while_it_goes(server, waits):
    """Kill the server some seconds into trainings: each ends in one line; the next one works."""
    words = {"args": [sys.executable, "-c", RECORD], "stderr": subprocess.PIPE, "text": True}
    for wait in waits:
        with subprocess.Popen(**words) as training:
            while "RUNNING" not in figures(server.address)[1]:
                time.sleep(0.1)
            time.sleep(wait)
            server.kill()
            said = training.communicate()[1]
        assert training.returncode == TrackingError.exit_code
        assert len(said.splitlines()) == 1
        server.start()
    assert subprocess.run(**words).returncode == 0
    errors, states = figures(server.address)
    assert set(errors) == {"linear", "ridge"}
    assert "RUNNING" not in states
