"""A month's raw rows: from "sample", "tlc", a folder or S3; only the needed columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from taxi_duration.data.download import cache_folder, check_recorded, fetch_month
from taxi_duration.data.files import sha256
from taxi_duration.data.parquet import BLOCK, Engine, announced_rows, read_blocks, read_schema
from taxi_duration.data.s3 import SCHEME, fetch_object
from taxi_duration.data.sample import make_month
from taxi_duration.errors import SchemaError, SourceError
from taxi_duration.months import GREEN, Month, Service

if TYPE_CHECKING:
    import pyarrow as pa

Block: TypeAlias = Mapping[str, np.ndarray | pd.DatetimeIndex]

SAMPLE_ROWS = 6_000  # small, so that notebooks on the sample stay quick


@dataclass(frozen=True)
class RawMonth:
    """A month's rows as TLC wrote them, and where they are."""

    month: Month
    service: Service
    path: Path | None = field(default=None, repr=False)  # None for a sample month
    source: str = field(default="sample", repr=False)  # a folder as an absolute path

    @property
    def file(self) -> str:
        """Name of the file, or what stands for it."""
        name = self.service.file(self.month)
        return name if self.path else f"sample/{name}"

    @property
    def rows(self) -> int:
        """Number of rows that the file announces."""
        return announced_rows(self.path) if self.path else len(self._sample)

    @cached_property
    def sha256(self) -> str:
        """Digest of the file's bytes, checked against the recorded one; of a sample, its values."""
        if self.path is None:
            return _digest(self._sample)
        digest = sha256(self.path)
        check_recorded(self.path, digest)
        return digest

    def blocks(self, *, rows: int = BLOCK, engine: Engine = "pyarrow") -> Iterator[Block]:
        """Yield blocks of rows under our names of the columns; memory does not grow with the month.

        Takes what `taxi_duration.data.parquet.read_blocks` does, and raises what `load_trips` does.
        """
        if self.path is None:
            yield self._renamed({name: each.to_numpy() for name, each in self._sample.items()})
            return
        _check_schema(read_schema(self.path), self.service, self.file)
        columns, is_empty = list(self.service.columns), True
        with ThreadPoolExecutor(1) as thread:  # the digest takes a third as long as reading
            digest = thread.submit(lambda: self.sha256)
            for block in read_blocks(self.path, columns, engine=engine, rows=rows):
                is_empty = False
                yield self._renamed(block)
            digest.result()
        if is_empty:
            raise SchemaError(f"{self.file} has no rows. Choose another month or another file.")

    def _renamed(self, block: Block) -> Block:
        return {ours: block[tlcs] for tlcs, ours in self.service.columns.items()}

    @cached_property
    def _sample(self) -> pd.DataFrame:
        rows = make_month(self.month, service=self.service, rows=SAMPLE_ROWS)
        return rows[list(self.service.columns)]


def open_month(
    month: str | Month, *, service: str | Service = GREEN, source: str | Path = "sample"
) -> RawMonth:
    """Find the raw rows of one month; none of them is read yet.

    Parameters
    ----------
    month : str
        As `YYYY-MM`.
    service, source
        As `taxi_duration.data.load_trips` takes them.

    Examples
    --------
    >>> raw = open_month("2021-01")
    >>> raw.file
    'sample/green_tripdata_2021-01.parquet'
    >>> list(next(raw.blocks()))[:3]
    ['pickup_datetime', 'dropoff_datetime', 'PULocationID']
    """
    month, service = Month.parse(month), Service.parse(service)
    if source == "sample":
        return RawMonth(month, service)
    path = _locate(month, service, source)
    is_folder = source != "tlc" and not str(source).startswith(SCHEME)
    return RawMonth(month, service, path, str(Path(source).resolve() if is_folder else source))


def _locate(month: Month, service: Service, source: str | Path) -> Path:
    if source == "tlc":
        path = cache_folder() / service.file(month)
        return path if path.is_file() else fetch_month(month, service=service)
    if str(source).startswith(SCHEME):
        return fetch_object(str(source), service.file(month))
    folder = Path(source)
    if not folder.is_dir():
        raise SourceError(
            f"There is no folder {str(source)!r}. Name one that holds TLC's files, "
            'or "tlc" to download them, or "sample".'
        )
    path = folder / service.file(month)
    if not path.is_file():
        others = sorted(other.name for other in folder.glob(f"{service.name}_tripdata_*.parquet"))
        raise SourceError(
            f"{str(folder)!r} has no {path.name}; it has {', '.join(others) or 'no such month'}. "
            f"Download it: taxi-duration fetch {month} --service {service.name} --cache {folder}"
        )
    return path


def _digest(frame: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for name, column in frame.items():
        digest.update(str(name).encode())
        digest.update(pd.util.hash_pandas_object(column, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def _check_schema(schema: pa.Schema, service: Service, file: str) -> None:
    """Check the needed columns and their types, which differ within limits from year to year."""
    problems = []
    for name in service.columns:
        types = [field.type for field in schema if field.name == name]
        wanted = "datetimes" if name in (service.pickup, service.dropoff) else "numbers"
        if not types:
            problems.append(f"column {name!r} is missing")
        elif len(types) > 1:
            problems.append(f"column {name!r} is there {len(types)} times")
        elif not _holds(types[0], wanted):
            problems.append(f"column {name!r} has type {types[0]}, not {wanted}")
    if problems:
        raise SchemaError(
            f"{file} does not hold {service.name} taxi trips: {'; '.join(problems)}. "
            "Choose another file or service."
        )


def _holds(kind: pa.DataType, wanted: str) -> bool:
    """Whether values of an Arrow type are datetimes, or numbers; all may be missing."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_null(kind):
        return True
    if wanted == "datetimes":
        return pa.types.is_timestamp(kind)
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
