"""Scoring a month of 3 million rides beside XGBoost's own prediction of the ready matrix.

Scoring reads the file, looks at each ride, makes the features, predicts, adds the ends, and writes
the answers with their digests. Each way runs in a process of its own with the same threads, in
turn; the best time counts, and the largest memory.

    python benchmarks/scoring.py [FOLDER] [--rows 3000000] [--repeat 3]

FOLDER holds TLC's green months 2021-01 and 2021-02, on which the model is trained; without it,
full-size sample months are made. Ends with exit code 1 and a sentence for each promised figure
that was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace

import pandas as pd

from taxi_duration.data import make_month, write_parquet
from taxi_duration.models import Estimator
from taxi_duration.months import GREEN, YELLOW, Month

MONTH = Month(2021, 1)
SHARE = 0.9  # of XGBoost's own speed, at least
GIGABYTES = 1.0  # at most
WARM_UP = 1000  # rows; imports and first looks are not counted


def train(source: str | None, into: Path) -> None:
    """Fit "xgboost" with its own parameters, and keep it as it is kept in the registry."""
    from taxi_duration.data import load_trips
    from taxi_duration.evaluation import predict
    from taxi_duration.models import MODELS, calibrate, fit

    with tempfile.TemporaryDirectory() as made:
        for month in () if source else (MONTH, MONTH.next()):
            write_parquet(make_month(month), Path(made, GREEN.file(month)))
        months = (MONTH, MONTH.next())
        learned, chosen = (load_trips(month, source=source or made) for month in months)
    fitted = fit("xgboost", learned, chosen)
    intervals = calibrate(predict(fitted, chosen))
    into.mkdir()
    Estimator("xgboost", MODELS["xgboost"].inputs, fitted.pipeline, intervals).save(into)


def score(estimator: Estimator, folder: Path) -> float:
    """Return the seconds that scoring takes."""
    from taxi_duration.serving import score_months

    model = SimpleNamespace(name="taxi-duration", version="1", sha256="0" * 64, estimator=estimator)
    with tempfile.TemporaryDirectory(dir=folder) as into:
        start = perf_counter()
        score_months(model, str(MONTH), service=YELLOW, source=folder, into=into)
        return perf_counter() - start


def boost(estimator: Estimator, folder: Path) -> float:
    """Return the seconds that XGBoost takes for the ready matrix of the same rows."""
    from taxi_duration.data import open_month
    from taxi_duration.data.rides import read_rides

    blocks = open_month(MONTH, service=YELLOW, source=folder).blocks()
    rides = pd.concat(read_rides(pd.DataFrame(block, copy=False)) for block in blocks)
    matrix = estimator.pipeline[:-1].transform(rides)
    start = perf_counter()
    estimator.pipeline[-1].predict(matrix)
    return perf_counter() - start


WAYS = {"score": score, "boost": boost}


def run_way(way: str, folder: Path) -> None:
    estimator = Estimator.load(folder / "model")
    with tempfile.TemporaryDirectory() as warm_up:
        make(Path(warm_up), WARM_UP)
        WAYS[way](estimator, Path(warm_up))
    seconds = WAYS[way](estimator, folder)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "gigabytes": kilobytes / 1e6}))


def make(folder: Path, rows: int) -> None:
    write_parquet(make_month(MONTH, service=YELLOW, rows=rows), folder / YELLOW.file(MONTH))


def measure(way: str, folder: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--way", way, folder]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--way")
    parser.add_argument("--months")
    asked = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the command has it
    if asked.way == "prepare":
        train(asked.months or None, Path(asked.folder, "model"))
        make(Path(asked.folder), asked.rows)
        return 0
    if asked.way:
        run_way(asked.way, Path(asked.folder))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        prepare = ["--way", "prepare", "--rows", str(asked.rows), "--months", asked.folder or ""]
        # apart, for a process counts the memory of the one that has started it as its own
        subprocess.run([sys.executable, __file__, *prepare, folder], check=True)
        runs = [{way: measure(way, folder) for way in WAYS} for _ in range(asked.repeat)]
    best = {way: min(run[way]["seconds"] for run in runs) for way in WAYS}
    share = best["boost"] / best["score"]
    memory = max(run["score"]["gigabytes"] for run in runs)
    print("| way | rows/s | share of XGBoost's speed | peak memory |\n|---|---|---|---|")
    print(f"| XGBoost's own prediction | {asked.rows / best['boost'] / 1e6:.3f} M | 1 | |")
    speed = asked.rows / best["score"] / 1e6
    print(f"| scoring a month | {speed:.3f} M | {share:.2f} | {memory:.2f} GB |")
    missed = list(misses(share, memory))
    print(*missed, sep="\n", file=sys.stderr, end="\n" if missed else "")
    return int(bool(missed))


def misses(share: float, memory: float) -> Iterator[str]:
    """Say each promised figure that was missed."""
    if share < SHARE:
        yield f"Scoring has {share:.2f} of XGBoost's own speed, not {SHARE}."
    if memory > GIGABYTES:
        yield f"Scoring takes {memory:.2f} GB of memory, not {GIGABYTES}."


if __name__ == "__main__":
    sys.exit(main())
