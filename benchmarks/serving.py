"""One ride over HTTP, beside a trivial model with the same signature on the same server.

Both get requests in turn over kept-open connections; then rides come without a pause, from a
process of their own.

    python benchmarks/serving.py [FOLDER] [--requests 500] [--seconds 60]

FOLDER holds TLC's green months 2021-01 to 2021-03, on which the model is trained; without it,
full-size sample months are made. Ends with exit code 1 and a sentence for each promised figure
that was missed.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

import numpy as np
import requests
from harness import in_own_process, load_months, print_table, report

TIMES = 1.5  # the trivial model's latency, at most
WARM_UP = 50  # requests that are not counted
TURN = 20  # requests to one server before the other has its turn
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


def train(months: str | None, folder: Path) -> Path:
    """Record "xgboost" with its own parameters in a store of its own; return its files."""
    from mlflow import MlflowClient, artifacts

    from taxi_duration.tracking import record

    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
    run = record("xgboost", load_months(months))
    (output,) = MlflowClient().get_run(run.run_id).outputs.model_outputs
    address = f"models:/{output.model_id}"
    return Path(artifacts.download_artifacts(artifact_uri=address, dst_path=str(folder / "ours")))


def make_trivial(ours: Path, folder: Path) -> Path:
    """Save a model with the signature of ours that always predicts one minute."""
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


def requester(session: requests.Session, address: str) -> Callable[[], None]:
    """Return a function that requests one prediction, and fails if no minutes come back."""

    def request() -> None:
        reply = session.post(address, json={"dataframe_records": [RIDE]}, timeout=30)
        reply.raise_for_status()
        assert reply.json()["predictions"][0]["duration"] > 0

    return request


def request_in_turn(addresses: dict[str, str], repeats: int) -> dict[str, list[float]]:
    """Return the milliseconds of each request, by server."""
    taken = {name: [] for name in addresses}
    with ExitStack() as stack:
        calls = {
            name: requester(stack.enter_context(requests.Session()), address)
            for name, address in addresses.items()
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


def request_without_pause(address: str, seconds: float) -> tuple[list[float], int]:
    """Return the milliseconds of each request, and how many failed."""
    taken, failed, deadline = [], 0, perf_counter() + seconds
    with requests.Session() as session:
        call = requester(session, address)
        while perf_counter() < deadline:
            try:
                taken += milliseconds(call, 1)
            except (requests.RequestException, AssertionError, LookupError, ValueError):
                failed += 1
    return taken, failed


def measure(options: argparse.Namespace, folder: Path) -> tuple[dict[str, list[float]], int]:
    """Return the milliseconds by way, and how many requests of the steady load failed."""
    from taxi_duration.serving.http import VARIABLES, serve_files

    models = {"ours": train(options.months, folder)}
    models["trivial"] = make_trivial(models["ours"], folder)
    alone = in_own_process(predict_without_server, models["ours"], options.requests, VARIABLES)
    with ExitStack() as stack:
        addresses = {}
        for name, model in models.items():
            port = free_port()
            stack.enter_context(serve_files(model, host="127.0.0.1", port=port))
            addresses[name] = f"http://127.0.0.1:{port}/invocations"
        served = request_in_turn(addresses, options.requests)
        steady, failed = in_own_process(request_without_pause, addresses["ours"], options.seconds)
    ways = {
        "the library alone": alone["library"],
        "MLflow's model, no server": alone["MLflow"],
        "served": served["ours"],
        "a trivial model, served": served["trivial"],
        f"served, {options.seconds:g} s without a pause": steady,
    }
    return ways, failed


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("months", nargs="?", metavar="FOLDER")
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=60)
    with tempfile.TemporaryDirectory() as folder:
        ways, failed = measure(parser.parse_args(), Path(folder))
    rows = (
        [way, str(len(taken)), *(f"{each:.1f} ms" for each in np.percentile(taken, [50, 99]))]
        for way, taken in ways.items()
    )
    print_table(("one ride", "requests", "p50", "p99"), *rows)
    times = np.median(ways["served"]) / np.median(ways["a trivial model, served"])
    print(f"\nServed, it takes {times:.2f} times as long as a trivial model; {failed} failed.")
    return report(misses(times, failed))


def misses(times: float, failed: int) -> Iterator[str]:
    if times > TIMES:
        yield f"A ride takes {times:.2f} times as long as with a trivial model, not {TIMES}."
    if failed:
        yield f"{failed} requests of the steady load failed."


if __name__ == "__main__":
    sys.exit(main())
