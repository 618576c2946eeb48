"""A month's raw rows: from "sample", "tlc" or a folder; only the needed columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from taxi_duration.data.download import cache_folder, check_recorded, fetch_month
from taxi_duration.data.files import BLOCK, Engine, read_blocks, read_schema, sha256
from taxi_duration.data.sample import make_month
from taxi_duration.data.schema import check
from taxi_duration.errors import SchemaError, SourceError
from taxi_duration.months import GREEN, Month, Service

__all__ = ["SAMPLE_ROWS", "Block", "RawMonth", "open_month"]

Block: TypeAlias = Mapping[str, np.ndarray | pd.DatetimeIndex]

SAMPLE_ROWS = 6_000  # small, so that notebooks on the sample stay quick


@dataclass(frozen=True)
class RawMonth:
    """A month's rows as TLC wrote them, and where they are.

    Attributes
    ----------
    path
        The file; None for a sample month.
    source
        "sample", "tlc" or the folder, as an absolute path.
    """

    month: Month
    service: Service
    path: Path | None = field(default=None, repr=False)
    source: str = field(default="sample", repr=False)

    @property
    def file(self) -> str:
        """Name of the file, or what stands for it."""
        name = self.service.file(self.month)
        return name if self.path else f"sample/{name}"

    @cached_property
    def sha256(self) -> str:
        """Digest of the file's bytes; of the values, for a sample month.

        Raises
        ------
        SourceError
            If it is not the digest that was recorded when the month was downloaded.
        """
        if self.path is None:
            return _digest(self._sample)
        digest = sha256(self.path)
        check_recorded(self.path, digest)
        return digest

    def blocks(self, *, rows: int = BLOCK, engine: Engine = "pyarrow") -> Iterator[Block]:
        """Blocks of rows under our names of the columns; memory does not grow with the month.

        Parameters
        ----------
        rows, engine
            As `taxi_duration.data.files.read_blocks` takes them.

        Raises
        ------
        SourceError
            If the file is not parquet, is damaged, or is not the one that was downloaded.
        SchemaError
            If it has no rows, or lacks a column, or one has another type.
        """
        if self.path is None:
            yield self._renamed({name: each.to_numpy() for name, each in self._sample.items()})
            return
        check(read_schema(self.path), self.service, self.file)
        empty = True
        with ThreadPoolExecutor(1) as aside:  # a large file's digest takes a third of its reading
            digest = aside.submit(lambda: self.sha256)
            for block in read_blocks(
                self.path, list(self.service.columns), engine=engine, rows=rows
            ):
                empty = False
                yield self._renamed(block)
            digest.result()
        if empty:
            raise SchemaError(f"{self.file} has no rows. Choose another month or another file.")

    def _renamed(self, block: Block) -> Block:
        return {ours: block[tlcs] for tlcs, ours in self.service.columns.items()}

    @cached_property
    def _sample(self) -> pd.DataFrame:
        columns = list(self.service.columns)
        return make_month(self.month, service=self.service, rows=SAMPLE_ROWS, columns=columns)


def open_month(
    month: str | Month, *, service: str | Service = GREEN, source: str | Path = "sample"
) -> RawMonth:
    """Find the raw rows of one month; nothing of them is read yet.

    Parameters
    ----------
    source
        "sample" for a made-up month, "tlc" to download it (once), or a folder of TLC's files.

    Raises
    ------
    MonthError
        If there is no such month or service.
    SourceError
        If the file is missing or unpublished.

    Examples
    --------
    >>> raw = open_month("2021-01")
    >>> raw.file
    'sample/green_tripdata_2021-01.parquet'
    >>> list(next(raw.blocks()))[:3]
    ['pickup_datetime', 'dropoff_datetime', 'PULocationID']
    >>> open_month("2021-01", source="nowhere")
    Traceback (most recent call last):
    ...
    taxi_duration.errors.SourceError: There is no folder 'nowhere'. Name one that holds TLC's \
files, or "tlc" to download them, or "sample".
    """
    when, kind = Month.parse(month), Service.parse(service)
    if source == "sample":
        return RawMonth(when, kind)
    where = "tlc" if source == "tlc" else str(Path(source).resolve())
    return RawMonth(when, kind, _locate(when, kind, source), where)


def _locate(month: Month, service: Service, source: str | Path) -> Path:
    if source == "tlc":
        path = cache_folder() / service.file(month)
        return path if path.is_file() else fetch_month(month, service=service)
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
