"""From a file of 3 million rides to the inputs of a model: rows a second and peak memory.

Each way runs in a process of its own, on the same file, in turn, three rounds; of the ratios of a
round the median counts. They are to the reference way, that of the course notes: every column,
`.apply` for the minutes, zones as text, a dictionary for each ride, DictVectorizer. "trips" are the
kept rides with their minutes, and the other rows counted by reason; polars and DuckDB do the same,
the digest of the file included, as one would write it by hand.

    python benchmarks/speed.py [--rows 3000000] [--repeat 3]

Ends with exit code 1 and a sentence for each promised figure that was missed.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from harness import (
    WARM_UP,
    in_own_process,
    print_table,
    ratios,
    record,
    report,
    run_in_turn,
    spread,
    usage,
)

if TYPE_CHECKING:  # each way imports its own libraries, so that their memory is counted apart
    import pandas as pd

MONTH = "2021-01"
FILE = f"yellow_tripdata_{MONTH}.parquet"
ZONES = ["PULocationID", "DOLocationID"]
COLUMNS = ["tpep_pickup_datetime", "tpep_dropoff_datetime", *ZONES, "trip_distance"]
TIMES = {"rows": 25, "matrix": 15}  # the reference's speed, at least
READING = 1  # of the speed of the faster of polars and DuckDB, at least
SHARE = 1 / 3  # of the reference's peak memory, at most


def make(folder: str, rows: int) -> None:
    """Write a month as TLC does: by Arrow, without page checksums."""
    from taxi_duration.data import make_month
    from taxi_duration.months import YELLOW, Month

    frame = make_month(Month.parse(MONTH), service=YELLOW, rows=rows)
    frame.to_parquet(Path(folder, FILE), engine="pyarrow")


def reference(folder: str) -> None:
    import pandas as pd
    from sklearn.feature_extraction import DictVectorizer

    rides = pd.read_parquet(Path(folder, FILE), engine="pyarrow")
    rides["duration"] = rides.tpep_dropoff_datetime - rides.tpep_pickup_datetime
    rides.duration = rides.duration.apply(lambda took: took.total_seconds() / 60)
    rides = rides[(rides.duration >= 1) & (rides.duration <= 60)].copy()
    rides[ZONES] = rides[ZONES].astype(str)
    rides["PU_DO"] = rides["PULocationID"] + "_" + rides["DOLocationID"]
    DictVectorizer().fit_transform(rides[["PU_DO", "trip_distance"]].to_dict(orient="records"))


def trips(folder: str) -> pd.DataFrame:
    """Return the kept rides; the others are counted by reason."""
    from taxi_duration.data import load_trips

    return load_trips(MONTH, service="yellow", source=folder).frame


def polars(folder: str) -> pd.DataFrame:
    """Return the same as "trips", by polars."""
    import polars as pl

    minutes, miles, begun = (pl.col(name) for name in ("duration", "trip_distance", COLUMNS[0]))
    zones = {name: pl.col(name) for name in ZONES}
    rides = pl.scan_parquet(Path(folder, FILE)).select(COLUMNS).with_columns(
        ((pl.col(COLUMNS[1]) - begun).dt.total_microseconds() / 6e7).alias("duration"),
        *[pl.when(zone.is_between(1, 265)).then(zone).otherwise(0).fill_null(264).cast(pl.Int32)
          for zone in zones.values()],
    )  # fmt: skip
    left_out = [minutes.is_null(), minutes < 0, (minutes >= 0) & (minutes < 1), minutes > 60]
    kept = rides.filter(minutes.is_between(1, 60))
    first, last = datetime(2021, 1, 1), datetime(2021, 2, 1)
    odd = [
        miles.is_null(), miles <= 0, miles > 60,
        pl.any_horizontal(zone.is_in([264, 265]) for zone in zones.values()),
        pl.any_horizontal(zone == 0 for zone in zones.values()),
        (begun < first) | (begun >= last),
    ]  # fmt: skip
    queries = [rides.select(counts(left_out)), kept, kept.select(counts(odd))]
    with ThreadPoolExecutor(1) as aside:
        digest = aside.submit(sha256, Path(folder, FILE))
        found = pl.collect_all(queries)[1].to_pandas()
        digest.result()
    return found


def counts(reasons: list[Any]) -> list[Any]:
    return [applies.sum().alias(str(number)) for number, applies in enumerate(reasons)]


def duckdb(folder: str) -> pd.DataFrame:
    """Return the same as "trips", by DuckDB."""
    import duckdb

    begun, ended = COLUMNS[:2]
    zones = ", ".join(
        f"case when {zone} is null then 264 when {zone} between 1 and 265 then {zone} else 0 end"
        f"::int as {zone}" for zone in ZONES
    )  # fmt: skip
    with duckdb.connect() as database, ThreadPoolExecutor(1) as aside:
        digest = aside.submit(sha256, Path(folder, FILE))
        database.execute(f"""create temp table rides as select *, case when duration is null then 1
            when duration < 0 then 2 when duration < 1 then 3 when duration > 60 then 4 else 0 end
            ::utinyint as reason from (select {begun}, {ended}, {zones}, trip_distance,
            (epoch_us({ended}) - epoch_us({begun})) / 6e7 as duration
            from '{Path(folder, FILE)}')""")
        database.sql("select reason, count(*) from rides group by 1").fetchall()
        database.sql(f"""select count_if(trip_distance is null), count_if(trip_distance <= 0),
            count_if(trip_distance > 60), count_if(PULocationID >= 264 or DOLocationID >= 264),
            count_if(PULocationID = 0 or DOLocationID = 0),
            count_if({begun} < timestamp '2021-01-01' or {begun} >= timestamp '2021-02-01')
            from rides where reason = 0""").fetchall()
        found = database.sql("select * exclude reason from rides where reason = 0").df()
        digest.result()
    return found


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def rows(folder: str) -> None:
    """Make minute, weekday, pair and repaired distance of the kept rides."""
    from taxi_duration.data import load_trips
    from taxi_duration.models.features import DistanceRepair, clock
    from taxi_duration.models.zones import pair_codes, zone_codes

    rides = load_trips(MONTH, service="yellow", source=folder).frame
    clock(rides)
    DistanceRepair().fit(rides).transform(rides)
    pair_codes(zone_codes(rides["PULocationID"]), zone_codes(rides["DOLocationID"]))


def matrix(folder: str) -> None:
    """Make all features of "xgboost", with cross-fitted target encodings and the learned map."""
    from taxi_duration.data import load_trips
    from taxi_duration.models.features import RideFeatures

    rides = load_trips(MONTH, service="yellow", source=folder).frame
    RideFeatures().fit_transform(rides, rides["duration"])


WAYS = {
    "reference": reference, "polars": polars, "duckdb": duckdb, "trips": trips, "rows": rows,
    "matrix": matrix,
}  # fmt: skip


def run(way: str, folder: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as warm_up:
        make(warm_up, WARM_UP)
        WAYS[way](warm_up)
    start = perf_counter()
    WAYS[way](folder)
    return usage(perf_counter() - start)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        in_own_process(make, folder, options.rows)
        runs = run_in_turn(run, WAYS, folder, repeat=options.repeat)
    found = {way: figures(runs, way, options.rows) for way in WAYS}
    print_table(
        ("way", "rows/s", "times the reference's", "peak memory", "share of the reference's"),
        *(row(way, each) for way, each in found.items()),
    )
    shares = reading(runs)
    print(f"\nTrips come at {spread(shares)} of the speed of the faster of polars and DuckDB.")
    record("speed", {"rows": options.rows, "ways": found, "reading": shares})
    return report(misses(found, median(shares)))


def figures(runs: dict[str, list[dict[str, float]]], way: str, rows: int) -> dict[str, Any]:
    """Return the median speed, its ratios to the reference's in each round, and the memory."""
    memory = {each: max(used["gigabytes"] for used in runs[each]) for each in (way, "reference")}
    return {
        "rows a second": rows / median(used["seconds"] for used in runs[way]),
        "times": ratios(runs["reference"], runs[way]),
        "gigabytes": memory[way],
        "share": memory[way] / memory["reference"],
    }


def row(way: str, found: dict[str, Any]) -> list[str]:
    speed, memory = found["rows a second"] / 1e6, found["gigabytes"]
    times, share = spread(found["times"]), f"{found['share']:.2f}"
    return [way, f"{speed:.2f} M", times, f"{memory:.2f} GB", share]


def reading(runs: dict[str, list[dict[str, float]]]) -> list[float]:
    """Return our speed of reading in each round, as a share of the faster of polars and DuckDB."""
    pairs = zip(runs["polars"], runs["duckdb"], strict=True)
    faster = [min(pair, key=lambda used: used["seconds"]) for pair in pairs]
    return ratios(faster, runs["trips"])


def misses(found: dict[str, dict[str, Any]], reading: float) -> Iterator[str]:
    for way, least in TIMES.items():
        times, share = median(found[way]["times"]), found[way]["share"]
        if times < least:
            yield f"{way}: {times:.1f} times the reference's speed, not {least}."
        if share > SHARE:
            yield f"{way}: {share:.2f} of the reference's peak memory, not {SHARE:.2f}."
    if reading < READING:
        yield (
            f"trips: {reading:.2f} of the speed of the faster of polars and DuckDB, not {READING}."
        )


if __name__ == "__main__":
    sys.exit(main())
