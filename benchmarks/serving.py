"""One ride over HTTP, beside a trivial model with the same signature on the same server.

Both are asked in turn over kept-open connections; then rides come without a pause, from a process
of their own.

    python benchmarks/serving.py [FOLDER] [--requests 500] [--seconds 60]

FOLDER holds TLC's green months 2021-01 to 2021-03, on which the model is trained; without it,
full-size sample months are made. Ends with exit code 1 and a sentence for each promised figure
that was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

import numpy as np
import requests

TIMES = 1.5  # the trivial model's latency, at most
WARM_UP = 50  # requests that are not counted
TURN = 20  # requests to one server before the other has its turn
MONTHS = ("2021-01", "2021-02", "2021-03")
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


def train(source: str | None, folder: Path) -> Path:
    """Record "xgboost" with its own parameters in a store of its own; return its files."""
    from mlflow import MlflowClient, artifacts

    from taxi_duration.data import load_split, make_month, write_parquet
    from taxi_duration.months import GREEN, Month
    from taxi_duration.tracking import record

    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    for month in () if source else map(Month.parse, MONTHS):
        write_parquet(make_month(month), folder / GREEN.file(month))
    run = record("xgboost", load_split(*MONTHS, source=source or folder))
    (output,) = MlflowClient().get_run(run.run_id).outputs.model_outputs
    address = f"models:/{output.model_id}"
    return Path(artifacts.download_artifacts(artifact_uri=address, dst_path=str(folder / "ours")))


def make_trivial(ours: Path, folder: Path) -> Path:
    """Save a model with the signature of ours that always says one minute."""
    import mlflow

    (folder / "trivial.py").write_text(TRIVIAL, encoding="utf-8")
    mlflow.pyfunc.save_model(
        folder / "trivial", python_model=str(folder / "trivial.py"),
        signature=mlflow.models.Model.load(str(ours)).signature, pip_requirements=["mlflow"],
    )  # fmt: skip
    return folder / "trivial"


def milliseconds(call: Callable[[], object], repeats: int) -> list[float]:
    taken = []
    for _ in range(repeats):
        start = perf_counter()
        call()
        taken.append(1000 * (perf_counter() - start))
    return taken


def asker(client: requests.Session, address: str) -> Callable[[], None]:
    """Return what asks for one ride, and fails where no minutes come back."""

    def ask() -> None:
        reply = client.post(address, json={"dataframe_records": [RIDE]}, timeout=30)
        reply.raise_for_status()
        assert reply.json()["predictions"][0]["duration"] > 0

    return ask


def ask_in_turn(addresses: dict[str, str], repeats: int) -> dict[str, list[float]]:
    with ExitStack() as ends:
        asks = {
            name: asker(ends.enter_context(requests.Session()), address)
            for name, address in addresses.items()
        }
        for ask in asks.values():
            milliseconds(ask, WARM_UP)
        rounds = [
            {name: milliseconds(ask, TURN) for name, ask in asks.items()}
            for _ in range(max(repeats // TURN, 1))
        ]
    return {name: [taken for each in rounds for taken in each[name]] for name in asks}


def ask_inside(folder: str, repeats: int) -> None:
    """Print what one ride takes without a server, in the library and through MLflow."""
    import mlflow
    import pandas as pd

    from taxi_duration.models import Estimator

    ride = pd.DataFrame([RIDE]).astype(dict.fromkeys(list(RIDE)[1:], float))
    estimator, served = Estimator.load(Path(folder, "artifacts")), mlflow.pyfunc.load_model(folder)
    calls = {"library": lambda: estimator.predict(ride), "MLflow": lambda: served.predict(ride)}
    print(json.dumps({name: milliseconds(call, repeats)[1:] for name, call in calls.items()}))


def load(address: str, seconds: float) -> None:
    """Ask without a pause; print what each request took, and how many failed."""
    taken, failed, deadline = [], 0, perf_counter() + seconds
    with requests.Session() as client:
        ask = asker(client, address)
        while perf_counter() < deadline:
            try:
                taken += milliseconds(ask, 1)
            except (requests.RequestException, AssertionError, LookupError, ValueError):
                failed += 1
    print(json.dumps({"taken": taken, "failed": failed}))


def beside(*words: str, **how: object) -> dict[str, list[float]]:
    """Run this file in a process of its own, and read what it prints."""
    command = [sys.executable, __file__, *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, **how)
    return json.loads(done.stdout)


def measure(asked: argparse.Namespace, folder: Path) -> tuple[dict[str, list[float]], int]:
    """Return the milliseconds by way, and how many requests of the steady load failed."""
    from taxi_duration.serving.http import VARIABLES, serve_files

    models = {"ours": train(asked.folder, folder)}
    models["trivial"] = make_trivial(models["ours"], folder)
    inside = beside("--inside", str(models["ours"]), "--requests", str(asked.requests),
                    env=os.environ | VARIABLES)  # fmt: skip
    with ExitStack() as ends:
        addresses = {}
        for name, model in models.items():
            port = free_port()
            ends.enter_context(serve_files(model, host="127.0.0.1", port=port))
            addresses[name] = f"http://127.0.0.1:{port}/invocations"
        over = ask_in_turn(addresses, asked.requests)
        steady = beside("--load", addresses["ours"], "--seconds", str(asked.seconds))
    ways = {
        "the library alone": inside["library"],
        "MLflow's model, no server": inside["MLflow"],
        "served": over["ours"],
        "a trivial model, served": over["trivial"],
        f"served, {asked.seconds:g} s without a pause": steady["taken"],
    }
    return ways, steady["failed"]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--inside")
    parser.add_argument("--load")
    asked = parser.parse_args()
    if asked.inside:
        ask_inside(asked.inside, asked.requests)
        return 0
    if asked.load:
        load(asked.load, asked.seconds)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        ways, failed = measure(asked, Path(folder))
    print("| one ride | requests | p50 | p99 |\n|---|---|---|---|")
    for way, taken in ways.items():
        middle, slow = np.percentile(taken, [50, 99])
        print(f"| {way} | {len(taken)} | {middle:.1f} ms | {slow:.1f} ms |")
    times = np.median(ways["served"]) / np.median(ways["a trivial model, served"])
    print(f"\nServed, it takes {times:.2f} times as long as a trivial model; {failed} failed.")
    missed = list(misses(times, failed))
    print(*missed, sep="\n", file=sys.stderr, end="\n" if missed else "")
    return int(bool(missed))


def misses(times: float, failed: int) -> Iterator[str]:
    """Say each promised figure that was missed."""
    if times > TIMES:
        yield f"A ride takes {times:.2f} times as long as with a trivial model, not {TIMES}."
    if failed:
        yield f"{failed} requests of the steady load failed."


if __name__ == "__main__":
    sys.exit(main())
