"""A scored month out of a service's log, for monitoring, once its drop-offs are known."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from taxi_duration.data.files import atomic_write, sha256
from taxi_duration.data.parquet import read_parquet
from taxi_duration.data.rides import in_new_york, read_minutes
from taxi_duration.errors import SchemaError, SourceError
from taxi_duration.months import Month, Service
from taxi_duration.registry.loading import RegisteredModel, find_model
from taxi_duration.serving.batch import origin_of, write_blocks
from taxi_duration.serving.request_log import log_folder
from taxi_duration.serving.results import MonthResult, month_folder

KEY = ["request_id", "row"]


def collect(
    model: str, month: str, *, dropoffs: str | Path, requests: str | Path | None = None
) -> MonthResult:
    """Make a month's predictions, as `monitor` reads them, of what a service has predicted.

    Only what this model has predicted or rejected counts. The result lies beside the log.

    Parameters
    ----------
    model : str
        As `taxi_duration.registry.load` takes it, e.g. "champion".
    month : str
        Of the pick-up; a rejected ride without one is of the month in which it was received.
    dropoffs : str or Path
        CSV: `request_id`, `dropoff_datetime`, and `row` where a request had several rides. Rides
        that are not in it have no known duration.
    requests : str or Path, optional
        Folder of the log; by default the one beside the recorded runs.
    """
    found, wanted, folder = find_model(model), Month.parse(month), log_folder(requests)
    file, service = Path(dropoffs), Service.parse(found.record.tags["service"])
    rows = _read_log(folder, found, wanted)
    rows = rows.merge(_read_dropoffs(file), on=KEY, how="left").rename_axis("ride").reset_index()
    begun, ended = rows["pickup_datetime"], rows["dropoff_datetime"]
    rows = rows.assign(duration=read_minutes(begun, ended), dropoff_datetime=in_new_york(ended))
    origin = origin_of(found, service, wanted, {file.name: sha256(file)})
    into = month_folder(folder, wanted, service)
    with atomic_write(into) as fresh:
        manifest = write_blocks(iter([rows]), fresh, found, origin)
    return MonthResult(into, manifest, fresh=True)


def _read_log(folder: Path, model: RegisteredModel, month: Month) -> pd.DataFrame:
    """Return what the model has predicted and rejected of a month, in order of reception."""
    parts = []
    for path in sorted(folder.glob("day=*/*.parquet")):
        rows = read_parquet(path)
        times = rows["pickup_datetime"].fillna(rows["received"])
        is_ours = (rows["model"] == model.name) & (rows["model_version"] == int(model.version))
        parts.append(rows[is_ours & (times >= month.start) & (times < month.next().start)])
    if not sum(map(len, parts)):
        raise SchemaError(
            f"{model.label} has predicted no ride of {month} in {str(folder)!r}. Name another "
            "month or model, or another folder with --requests."
        )
    return pd.concat(parts, ignore_index=True)


def _read_dropoffs(path: Path) -> pd.DataFrame:
    try:
        rows = pd.read_csv(path, dtype={"request_id": str})
        rows = rows if "row" in rows else rows.assign(row=0)
        rows = rows[[*KEY, "dropoff_datetime"]].astype({"row": "int64"})
    except OSError as problem:
        raise SourceError(f"Cannot read {str(path)!r}: {problem.strerror}.") from problem
    except (ValueError, KeyError) as problem:
        raise SchemaError(
            f"{path} has no drop-offs that can be read ({str(problem).splitlines()[0]}). Write a "
            "CSV with columns request_id, row, dropoff_datetime."
        ) from problem
    if rows.duplicated(KEY).any():
        request_id, row = rows.loc[rows.duplicated(KEY), KEY].iloc[0]
        raise SchemaError(f"{path} has row {row} of request {request_id!r} twice. Keep one.")
    return rows
