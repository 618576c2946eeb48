"""From a file of 3 million rides to what a model is fed: rows a second and peak memory.

Each way runs in a process of its own, on the same file, three times in turn; the best time counts.
Ratios are to the reference way, that of the course notes: every column, `.apply` for the minutes,
zones as text, a dictionary for each ride, DictVectorizer.

    python benchmarks/speed.py [--rows 3000000] [--repeat 3]

Ends with exit code 1 and a sentence for each promised figure that was missed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

MONTH = "2021-01"
FILE = f"yellow_tripdata_{MONTH}.parquet"
TIMES = {"rows": 25, "matrix": 10}  # the reference's speed, at least
SHARE = 1 / 3  # of the reference's peak memory, at most


def make(folder: str, rows: int) -> None:
    from taxi_duration.months import YELLOW, Month
    from taxi_duration.parquet import write_parquet
    from taxi_duration.sample import make_month

    frame = make_month(Month.parse(MONTH), service=YELLOW, rows=rows)
    write_parquet(frame, Path(folder, FILE))


def reference(folder: str) -> None:
    import pandas as pd
    from sklearn.feature_extraction import DictVectorizer

    rides = pd.read_parquet(Path(folder, FILE), engine="pyarrow")
    rides["duration"] = rides.tpep_dropoff_datetime - rides.tpep_pickup_datetime
    rides.duration = rides.duration.apply(lambda took: took.total_seconds() / 60)
    rides = rides[(rides.duration >= 1) & (rides.duration <= 60)].copy()
    zones = ["PULocationID", "DOLocationID"]
    rides[zones] = rides[zones].astype(str)
    rides["PU_DO"] = rides["PULocationID"] + "_" + rides["DOLocationID"]
    DictVectorizer().fit_transform(rides[["PU_DO", "trip_distance"]].to_dict(orient="records"))


def rows(folder: str) -> None:
    """To kept rows with minute, weekday, pair and repaired distance."""
    from taxi_duration.features import Clock, DistanceRepair
    from taxi_duration.trips import load_trips
    from taxi_duration.zones import pair_codes, zone_codes

    rides = load_trips(MONTH, service="yellow", source=folder).frame
    Clock().fit(rides).transform(rides)
    DistanceRepair().fit(rides).transform(rides)
    pair_codes(zone_codes(rides["PULocationID"]), zone_codes(rides["DOLocationID"]))


def matrix(folder: str) -> None:
    """To the whole matrix that "xgboost" is fed, cross-fitted habits and learned map included."""
    from taxi_duration.features import RideFeatures
    from taxi_duration.trips import load_trips

    rides = load_trips(MONTH, service="yellow", source=folder).frame
    RideFeatures().fit_transform(rides, rides["duration"])


WAYS = {"reference": reference, "rows": rows, "matrix": matrix}


def measure(way: str, folder: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--way", way, "--folder", folder]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def run_way(way: str, folder: str) -> None:
    with tempfile.TemporaryDirectory() as warm_up:  # imports and first looks are not counted
        make(warm_up, 1000)
        WAYS[way](warm_up)
    start = perf_counter()
    WAYS[way](folder)
    seconds = perf_counter() - start
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "gigabytes": kilobytes / 1e6}))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--way")
    parser.add_argument("--folder")
    asked = parser.parse_args()
    if asked.way == "make":
        make(asked.folder, asked.rows)
        return 0
    if asked.way:
        run_way(asked.way, asked.folder)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--way", "make", "--folder", folder]
        subprocess.run([*command, "--rows", str(asked.rows)], check=True)
        runs = [{way: measure(way, folder) for way in WAYS} for _ in range(asked.repeat)]
    best = {way: min((run[way] for run in runs), key=lambda one: one["seconds"]) for way in WAYS}
    print("| way | rows/s | times the reference's | peak memory | share of the reference's |")
    print("|---|---|---|---|---|")
    for way, one in best.items():
        faster, share = ratios(one, best["reference"])
        speed = asked.rows / one["seconds"] / 1e6
        print(f"| {way} | {speed:.2f} M | {faster:.1f} | {one['gigabytes']:.2f} GB | {share:.2f} |")
    missed = list(misses(best))
    print(*missed, sep="\n", file=sys.stderr, end="\n" if missed else "")
    return int(bool(missed))


def ratios(one: dict[str, float], reference: dict[str, float]) -> tuple[float, float]:
    """Return how many times as fast, in what share of the memory."""
    return reference["seconds"] / one["seconds"], one["gigabytes"] / reference["gigabytes"]


def misses(best: dict[str, dict[str, float]]) -> Iterator[str]:
    """Say each promised figure that was missed."""
    for way, times in TIMES.items():
        faster, share = ratios(best[way], best["reference"])
        if faster < times:
            yield f"{way}: {faster:.1f} times the reference's speed, not {times}."
        if share > SHARE:
            yield f"{way}: {share:.2f} of the reference's peak memory, not {SHARE:.2f}."


if __name__ == "__main__":
    sys.exit(main())
