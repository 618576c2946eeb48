"""Time and memory of training and scoring, from 75 thousand to 36 million rides.

Rides come from files of at most 3 million rows and are streamed: boosted trees are trained on them,
and the months are scored with the model. Each size runs in a process of its own.

    python benchmarks/growth.py [--most 3000000] [--smallest 75000] [--rounds 40]

Ends with exit code 1 and a sentence for each promised figure that was missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace

from harness import WARM_UP, in_own_process, print_table, record, report, usage

from taxi_duration.data import load_trips, make_month, stream_trips, write_parquet
from taxi_duration.evaluation import predict
from taxi_duration.models import MODELS, Estimator, calibrate, fit
from taxi_duration.months import YELLOW, Month, Months

SIZES = (75_000, 300_000, 1_200_000, 3_000_000, 12_000_000, 36_000_000)
MONTH = 3_000_000  # rows of a file, at most
FIRST, VALID = Month(2021, 1), Month(2023, 1)
VALID_ROWS = 75_000
GIGABYTES = 4  # at most
LINEAR = 1.2  # times the seconds a row of the smallest size, at most


def months_of(rows: int) -> Months:
    """Return the months that so many rows come from."""
    months = [FIRST]
    while len(months) * MONTH < rows:
        months.append(months[-1].next())
    return Months(months)


def make(folder: Path, month: Month, rows: int) -> None:
    write_parquet(make_month(month, service=YELLOW, rows=rows), folder / YELLOW.file(month))


def train(rows: int, folder: Path, rounds: int) -> dict[str, float]:
    """Train on the months, and save the model; return what it took."""
    valid = load_trips(VALID, service="yellow", source=folder)
    start = perf_counter()
    rides = stream_trips(months_of(rows), service="yellow", source=folder)
    fitted = fit("xgboost", rides, valid, n_estimators=rounds)
    used = usage(perf_counter() - start)
    intervals = calibrate(predict(fitted, valid))
    (folder / "model").mkdir(exist_ok=True)
    estimator = Estimator("xgboost", MODELS["xgboost"].inputs, fitted.pipeline, intervals)
    estimator.save(folder / "model")
    return used | {"rides": len(rides)}


def score(rows: int, folder: Path, rounds: int) -> dict[str, float]:  # noqa: ARG001
    """Score the months with the saved model; return what it took."""
    from taxi_duration.serving import score_months

    estimator = Estimator.load(folder / "model")
    model = SimpleNamespace(name="taxi-duration", version="1", sha256="0" * 64, estimator=estimator)
    with tempfile.TemporaryDirectory(dir=folder) as into:
        start = perf_counter()
        score_months(model, months_of(rows), service="yellow", source=folder, into=into)
        return usage(perf_counter() - start)


WORK = {"train": train, "score": score}
UNITS = "seconds", "gigabytes"


def measure(size: int, folder: Path, rounds: int) -> dict[str, float]:
    """Return the seconds and the peak memory of training and scoring so many rows."""
    for month in months_of(size):
        in_own_process(make, folder, month, min(size, MONTH))
    used = {what: in_own_process(run, what, size, folder, rounds) for what in WORK}
    return {
        "rows": size,
        "rides": used["train"]["rides"],
        **{f"{what} {unit}": each[unit] for what, each in used.items() for unit in UNITS},
    }


def run(what: str, size: int, folder: Path, rounds: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        warm_up = Path(name)
        for month in (FIRST, VALID):
            make(warm_up, month, WARM_UP)
        train(WARM_UP, warm_up, 1)
        if what == "score":
            score(WARM_UP, warm_up, 1)
    return WORK[what](size, folder, rounds)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int, default=3_000_000, metavar="ROWS")
    parser.add_argument("--smallest", type=int, default=SIZES[0], metavar="ROWS")
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as the command has it
    between = [size for size in SIZES if options.smallest < size < options.most]
    sizes = [options.smallest, *between, options.most]
    with tempfile.TemporaryDirectory() as name:
        in_own_process(make, Path(name), VALID, min(VALID_ROWS, options.smallest))
        found = [in_own_process(measure, size, Path(name), options.rounds) for size in sizes]
    print_table(
        ("rows", "train", "a million rows", "memory", "score", "a million rows", "memory"),
        *(row(each) for each in found),
    )
    record("growth", found)
    return report(misses(found))


def row(found: dict[str, float]) -> list[str]:
    millions = found["rows"] / 1e6
    cells = [f"{millions:g} M"]
    for what in WORK:
        seconds = found[f"{what} seconds"]
        cells += [f"{seconds:.1f} s", f"{seconds / millions:.1f} s"]
        cells += [f"{found[f'{what} gigabytes']:.2f} GB"]
    return cells


def misses(found: list[dict[str, float]]) -> Iterator[str]:
    first, last = found[0], found[-1]
    for what in WORK:
        one, other = (each[f"{what} seconds"] / each["rows"] for each in (first, last))
        if other > LINEAR * one:
            yield (
                f"A row takes {other / one:.2f} times as long to {what} among {last['rows']:,} as "
                f"among {first['rows']:,}, not {LINEAR}."
            )
        if (memory := last[f"{what} gigabytes"]) > GIGABYTES:
            yield f"To {what} {last['rows']:,} rows takes {memory:.2f} GB, not {GIGABYTES}."


if __name__ == "__main__":
    sys.exit(main())
