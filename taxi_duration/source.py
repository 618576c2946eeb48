"""A month's raw rows: from "sample", "tlc" or a folder; only the needed columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from taxi_duration.download import fetch_month
from taxi_duration.errors import SourceError
from taxi_duration.months import GREEN, Month, Service
from taxi_duration.parquet import read_row_groups, sha256
from taxi_duration.sample import make_month

__all__ = ["SAMPLE_ROWS", "RawMonth", "digest_month", "iter_month", "read_month"]

SAMPLE_ROWS = 6_000  # small, so that notebooks on the sample stay quick


@dataclass(frozen=True)
class RawMonth:
    """A month's rows as TLC spells them, and where they came from.

    Attributes
    ----------
    frame
        One row a ride, in TLC's column names and types.
    file
        Name of the file, or what stands for it.
    sha256
        Digest of the file's bytes; of the values, for a sample month.
    """

    frame: pd.DataFrame
    month: Month
    service: Service
    file: str
    sha256: str


def read_month(
    month: Month,
    *,
    service: Service = GREEN,
    source: str | Path = "sample",
    columns: Sequence[str] | None = None,
) -> RawMonth:
    """Read the raw rows of one month.

    Parameters
    ----------
    source
        "sample" for a made-up month, "tlc" to download it (once), or a folder of TLC's files.
    columns
        TLC's names; those that this project needs if None. Names that the file lacks are left
        out: `taxi_duration.trips` says which are missing.

    Raises
    ------
    SourceError
        If the file is missing, unpublished, not parquet, or damaged.
    SchemaError
        If it has no rows, or none of the columns.

    Examples
    --------
    >>> raw = read_month(Month(2021, 1))
    >>> list(raw.frame.columns)[:3]
    ['lpep_pickup_datetime', 'lpep_dropoff_datetime', 'PULocationID']
    >>> read_month(Month(2021, 1), source="nowhere")
    Traceback (most recent call last):
    ...
    taxi_duration.errors.SourceError: There is no folder 'nowhere'. Name one that holds TLC's \
files, or "tlc" to download them, or "sample".
    """
    columns = list(columns or service.columns)
    if source == "sample":
        frame = make_month(month, service=service, rows=SAMPLE_ROWS, columns=columns)
        return RawMonth(frame, month, service, f"sample/{service.file(month)}", _digest(frame))
    path = _locate(month, service, source)
    with ThreadPoolExecutor(1) as aside:  # a large file's digest takes a third of its reading
        digest = aside.submit(sha256, path)
        frame = pd.concat(read_row_groups(path, columns), ignore_index=True)
    return RawMonth(frame, month, service, path.name, digest.result())


def iter_month(
    month: Month,
    *,
    service: Service = GREEN,
    source: str | Path = "tlc",
    columns: Sequence[str] | None = None,
) -> Iterator[pd.DataFrame]:
    """Read a month row group by row group, so that memory does not grow with it.

    Takes and raises what `read_month` does.
    """
    if source == "sample":
        yield read_month(month, service=service, columns=columns).frame
    else:
        yield from read_row_groups(
            _locate(month, service, source), list(columns or service.columns)
        )


def digest_month(
    month: Month, *, service: Service = GREEN, source: str | Path = "sample"
) -> dict[str, str]:
    """Return the digest of a month's file by its name, as `read_month` does, without parsing it.

    Takes and raises what `read_month` does; a damaged file has a digest as well.

    Examples
    --------
    >>> list(digest_month(Month(2021, 1)))
    ['sample/green_tripdata_2021-01.parquet']
    """
    if source == "sample":
        raw = read_month(month, service=service)
        return {raw.file: raw.sha256}
    path = _locate(month, service, source)
    return {path.name: sha256(path)}


def _locate(month: Month, service: Service, source: str | Path) -> Path:
    if source == "tlc":
        return fetch_month(month, service=service)
    folder = Path(source)
    if not folder.is_dir():
        raise SourceError(
            f"There is no folder {str(source)!r}. Name one that holds TLC's files, "
            'or "tlc" to download them, or "sample".'
        )
    path = folder / service.file(month)
    if not path.is_file():
        there = sorted(found.name for found in folder.glob(f"{service.name}_tripdata_*.parquet"))
        raise SourceError(
            f"{str(folder)!r} has no {path.name}; it has {', '.join(there) or 'no such month'}. "
            f"Download it: taxi-duration fetch {month} --service {service.name} --cache {folder}"
        )
    return path


def _digest(frame: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for name, column in frame.items():
        digest.update(str(name).encode())
        digest.update(pd.util.hash_pandas_object(column, index=False).to_numpy().tobytes())
    return digest.hexdigest()
