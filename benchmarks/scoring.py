"""Scoring a month of 3 million rides beside XGBoost's own prediction of the ready matrix.

Scoring reads the file, checks each ride, makes the features, predicts with intervals, and writes
the predictions with their digests. Each way runs in a process of its own with the same threads, in
turn; of the shares of each round the median counts, and the largest memory.

    python benchmarks/scoring.py [FOLDER] [--rows 3000000] [--repeat 3]

FOLDER holds TLC's green months 2021-01 and 2021-02, on which the model is trained; without it,
full-size sample months are made. Ends with exit code 1 and a sentence for each promised figure
that was missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from types import SimpleNamespace

import pandas as pd
from harness import (
    WARM_UP,
    green_months,
    in_own_process,
    print_table,
    ratios,
    record,
    report,
    run_in_turn,
    spread,
    usage,
)

from taxi_duration.data import load_trips, make_month, open_month, write_parquet
from taxi_duration.data.rides import read_rides
from taxi_duration.evaluation import predict
from taxi_duration.models import MODELS, Estimator, calibrate, fit
from taxi_duration.months import YELLOW, Month

MONTH = Month(2021, 1)
SHARE = 0.9  # of XGBoost's own speed, at least
GIGABYTES = 1.0  # at most


def prepare(months: str | None, folder: Path, rows: int) -> None:
    """Save "xgboost" with its own parameters, as the registry keeps it, and a month to score."""
    names = "2021-01", "2021-02"
    with green_months(months, *names) as source:
        train, valid = (load_trips(month, source=source) for month in names)
    fitted = fit("xgboost", train, valid)
    intervals = calibrate(predict(fitted, valid))
    (folder / "model").mkdir()
    inputs = MODELS["xgboost"].inputs
    estimator = Estimator("xgboost", inputs, fitted.pipeline, intervals, fitted.level)
    estimator.save(folder / "model")
    make(folder, rows)


def make(folder: Path, rows: int) -> None:
    write_parquet(make_month(MONTH, service=YELLOW, rows=rows), folder / YELLOW.file(MONTH))


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
    blocks = open_month(MONTH, service=YELLOW, source=folder).blocks()
    rides = pd.concat(read_rides(pd.DataFrame(block, copy=False)) for block in blocks)
    matrix = estimator.pipeline[:-1].transform(rides)
    start = perf_counter()
    estimator.pipeline[-1].predict(matrix)
    return perf_counter() - start


WAYS = {"score": score, "boost": boost}


def run(way: str, folder: Path) -> dict[str, float]:
    estimator = Estimator.load(folder / "model")
    with tempfile.TemporaryDirectory() as warm_up:
        make(Path(warm_up), WARM_UP)
        WAYS[way](estimator, Path(warm_up))
    return usage(WAYS[way](estimator, folder))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("months", nargs="?", metavar="FOLDER")
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the command has it
    with tempfile.TemporaryDirectory() as name:
        # apart, since a process counts the memory of the one that started it as its own
        in_own_process(prepare, options.months, Path(name), options.rows)
        runs = run_in_turn(run, WAYS, Path(name), repeat=options.repeat)
    shares = ratios(runs["boost"], runs["score"])
    memory = max(each["gigabytes"] for each in runs["score"])
    speed = {way: options.rows / median(each["seconds"] for each in runs[way]) for way in WAYS}
    print_table(
        ("way", "rows/s", "share of XGBoost's speed", "peak memory"),
        ("XGBoost's own prediction", f"{speed['boost'] / 1e6:.3f} M", "1", ""),
        ("scoring a month", f"{speed['score'] / 1e6:.3f} M", spread(shares), f"{memory:.2f} GB"),
    )
    found = {"rows a second": speed, "share": shares, "gigabytes": memory}
    record("scoring", {"rows": options.rows, **found})
    return report(misses(median(shares), memory))


def misses(share: float, memory: float) -> Iterator[str]:
    if share < SHARE:
        yield f"Scoring has {share:.2f} of XGBoost's own speed, not {SHARE}."
    if memory > GIGABYTES:
        yield f"Scoring takes {memory:.2f} GB of memory, not {GIGABYTES}."


if __name__ == "__main__":
    sys.exit(main())
