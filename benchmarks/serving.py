"""One ride over HTTP: our service beside what else one would write, and under load.

`/predict`, with its checks and intervals, is compared with a route of FastAPI around the pickled
pipeline; `/invocations` with a trivial model on `mlflow models serve`. All get requests in turn
over kept-open connections; then rides come over 16 connections without a pause, from a process of
their own.

    python benchmarks/serving.py [FOLDER] [--requests 500] [--seconds 60] [--connections 16]

FOLDER holds TLC's green months 2021-01 to 2021-03, on which the model is trained; without it,
full-size sample months are made. Ends with exit code 1 and a sentence for each promised figure
that was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import shlex
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
from harness import in_own_process, load_months, print_table, record, report

PREDICT = 0.8  # of the hand-written route's latency, at most
INVOCATIONS = 1.2  # of the trivial model's latency, at most
COMPARED = (
    "/predict",
    "a hand-written route",
    "/invocations",
    "a trivial model on MLflow's server",
)
WARM_UP = 50  # requests that are not counted
TURN = 20  # requests to one server before the next has its turn
HOST = "127.0.0.1"
RIDE = {
    "pickup_datetime": "2021-03-01 08:00:00",
    "PULocationID": 74,
    "DOLocationID": 75,
    "trip_distance": 2.5,
}
TRIVIAL = """
import mlflow
import pandas as pd


class Trivial(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None) -> pd.DataFrame:
        return pd.DataFrame({"duration": 1.0, "low": 1.0, "high": 1.0}, index=model_input.index)


mlflow.models.set_model(Trivial())
"""
HAND_WRITTEN = """
import pickle
from datetime import datetime
from pathlib import Path

import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
pipeline = pickle.loads(Path(__file__).with_name("pipeline.pickle").read_bytes())


class Ride(BaseModel):
    pickup_datetime: datetime
    PULocationID: int
    DOLocationID: int
    trip_distance: float


@app.post("/predict")
def predict(ride: Ride):
    return {"duration": float(pipeline.predict(pd.DataFrame([ride.model_dump()]))[0])}


@app.get("/ping")
def ping():
    return {}
"""


class Way(NamedTuple):
    """What gets a ride, and how."""

    port: int
    path: str
    content: object


def train(months: str | None, folder: Path) -> Path:
    """Register "xgboost" with its own parameters in a store of its own; return its files."""
    from mlflow import MlflowClient, artifacts

    from taxi_duration.registry import register
    from taxi_duration.tracking import record as train_and_record

    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    run = train_and_record("xgboost", load_months(months))
    register(run.run_id)
    (output,) = MlflowClient().get_run(run.run_id).outputs.model_outputs
    address = f"models:/{output.model_id}"
    return Path(artifacts.download_artifacts(artifact_uri=address, dst_path=str(folder / "ours")))


def serve_trivial(ours: Path, folder: Path, stack: ExitStack) -> Way:
    """Have MLflow serve a model with the signature of ours that always predicts one minute."""
    import mlflow
    from mlflow.pyfunc import scoring_server

    from taxi_duration.serving.server_process import run_server

    (folder / "trivial.py").write_text(TRIVIAL, encoding="utf-8")
    mlflow.pyfunc.save_model(
        folder / "trivial", python_model=str(folder / "trivial.py"),
        signature=mlflow.models.Model.load(str(ours)).signature, pip_requirements=["mlflow"],
    )  # fmt: skip
    port = free_port()
    command, variables = scoring_server.get_cmd(str(folder / "trivial"), port, HOST, nworkers=1)
    variables["UVICORN_ACCESS_LOG"] = "false"
    stack.enter_context(
        run_server(shlex.split(command), host=HOST, port=port, ready="/ping", **variables)
    )
    return Way(port, "/invocations", {"dataframe_records": [RIDE]})


def serve_hand_written(ours: Path, folder: Path, stack: ExitStack) -> Way:
    """Serve the pipeline as one would by hand: unpickled, with a frame, without intervals."""
    from taxi_duration.models import Estimator
    from taxi_duration.serving.server_process import run_server

    pipeline = Estimator.load(ours / "artifacts").pipeline
    (folder / "pipeline.pickle").write_bytes(pickle.dumps(pipeline))
    (folder / "hand_written.py").write_text(HAND_WRITTEN, encoding="utf-8")
    port = free_port()
    words = ["uvicorn", "hand_written:app", "--app-dir", str(folder), "--port", str(port)]
    words += ["--no-access-log", "--log-level", "warning"]
    stack.enter_context(run_server(words, host=HOST, port=port, ready="/ping"))
    return Way(port, "/predict", RIDE)


def serve_ours(stack: ExitStack) -> int:
    """Serve the registered model; return the port."""
    from taxi_duration.serving import serve

    port = free_port()
    log = stack.enter_context(tempfile.TemporaryDirectory())
    stack.enter_context(serve("1", port=port, requests=log))
    return port


def milliseconds(call: Callable[[], object], repeats: int) -> list[float]:
    taken = []
    for _ in range(repeats):
        start = perf_counter()
        call()
        taken.append(1000 * (perf_counter() - start))
    return taken


def requester(connection: HTTPConnection, way: Way) -> Callable[[], None]:
    """Return a function that requests one prediction, and fails if no minutes come back."""
    body, headers = json.dumps(way.content).encode(), {"Content-Type": "application/json"}

    def request() -> None:
        connection.request("POST", way.path, body, headers)
        reply = connection.getresponse()
        if reply.status != 200 or b'"duration"' not in reply.read():
            raise ValueError(f"status {reply.status}")

    return request


def request_in_turn(ways: dict[str, Way], repeats: int) -> dict[str, list[float]]:
    """Return the milliseconds of each request, by way."""
    taken = {name: [] for name in ways}
    with ExitStack() as stack:
        calls = {
            name: requester(stack.enter_context(closing(HTTPConnection(HOST, way.port))), way)
            for name, way in ways.items()
        }
        for call in calls.values():
            milliseconds(call, WARM_UP)
        for _ in range(max(repeats // TURN, 1)):
            for name, call in calls.items():
                taken[name] += milliseconds(call, TURN)
    return taken


def predict_without_server(
    folder: Path, repeats: int, variables: dict[str, str]
) -> dict[str, list[float]]:
    """Return the milliseconds of one ride in the library and through MLflow."""
    os.environ.update(variables)  # before any library starts its threads
    import mlflow
    import pandas as pd

    from taxi_duration.models import Estimator

    ride = pd.DataFrame([RIDE]).astype(dict.fromkeys(list(RIDE)[1:], float))
    library, loaded = Estimator.load(folder / "artifacts"), mlflow.pyfunc.load_model(str(folder))
    calls = {"library": lambda: library.predict(ride), "MLflow": lambda: loaded.predict(ride)}
    return {name: milliseconds(call, repeats)[1:] for name, call in calls.items()}


def request_without_pause(way: Way, seconds: float, connections: int) -> tuple[list[float], int]:
    """Return the milliseconds of each request over many connections, and how many failed."""
    deadline = perf_counter() + seconds

    def run(_number: int) -> tuple[list[float], int]:
        taken, failed = [], 0
        with closing(HTTPConnection(HOST, way.port, timeout=30)) as connection:
            call = requester(connection, way)
            while perf_counter() < deadline:
                try:
                    taken += milliseconds(call, 1)
                except (OSError, HTTPException, ValueError):
                    failed += 1
                    connection.close()
        return taken, failed

    with ThreadPoolExecutor(connections) as threads:
        parts = list(threads.map(run, range(connections)))
    return [each for taken, _ in parts for each in taken], sum(failed for _, failed in parts)


def measure(options: argparse.Namespace, folder: Path) -> tuple[dict[str, list[float]], int]:
    """Return the milliseconds by way, and how many requests under load failed."""
    from taxi_duration.serving.server_process import VARIABLES

    ours = train(options.months, folder)
    alone = in_own_process(predict_without_server, ours, options.requests, VARIABLES)
    with ExitStack() as stack:
        port = serve_ours(stack)
        each = (
            Way(port, "/predict", RIDE),
            serve_hand_written(ours, folder, stack),
            Way(port, "/invocations", {"dataframe_records": [RIDE]}),
            serve_trivial(ours, folder, stack),
        )
        ways = dict(zip(COMPARED, each, strict=True))
        served = request_in_turn(ways, options.requests)
        load = (ways["/predict"], options.seconds, options.connections)
        steady, failed = in_own_process(request_without_pause, *load)
    return {
        "the library alone": alone["library"],
        "MLflow's model, no server": alone["MLflow"],
        **served,
        f"/predict, {options.connections} connections for {options.seconds:g} s": steady,
    }, failed


def free_port() -> int:
    with socket.socket() as free:
        free.bind((HOST, 0))
        return free.getsockname()[1]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("months", nargs="?", metavar="FOLDER")
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--connections", type=int, default=16)
    with tempfile.TemporaryDirectory() as folder:
        found = summarize(*measure(parser.parse_args(), Path(folder)))
    rows = (
        (way, str(each["requests"]), f"{each['p50']:.1f} ms", f"{each['p99']:.1f} ms")
        for way, each in found["ways"].items()
    )
    print_table(("one ride", "requests", "p50", "p99"), *rows)
    predict, invocations, failed = (found[name] for name in ("predict", "invocations", "failed"))
    print(
        f"\n/predict takes {predict:.2f} of a hand-written route, /invocations {invocations:.2f} "
        f"of a trivial model; {failed} failed."
    )
    record("serving", found)
    return report(misses(predict, invocations, failed))


def summarize(ways: dict[str, list[float]], failed: int) -> dict[str, object]:
    """Return milliseconds by way, and what is promised of them: two ratios, and none failed."""
    found = {}
    for way, taken in ways.items():
        half, most = np.percentile(taken, [50, 99]).tolist()
        found[way] = {"requests": len(taken), "p50": half, "p99": most}
    predict, by_hand, invocations, trivial = (found[way]["p50"] for way in COMPARED)
    ratios = {"predict": predict / by_hand, "invocations": invocations / trivial}
    return {"ways": found, "failed": failed, **ratios}


def misses(predict: float, invocations: float, failed: int) -> Iterator[str]:
    if predict > PREDICT:
        yield f"/predict takes {predict:.2f} of a hand-written route, not {PREDICT}."
    if invocations > INVOCATIONS:
        yield f"/invocations takes {invocations:.2f} of a trivial model, not {INVOCATIONS}."
    if failed:
        yield f"{failed} requests under load failed."


if __name__ == "__main__":
    sys.exit(main())
