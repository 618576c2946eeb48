"""Parquet, read in blocks of rows by one of two engines, and written with page checksums."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from taxi_duration.data.files import atomic_write, system_reason
from taxi_duration.errors import SourceError, TaxiDurationError, nearest

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

Engine: TypeAlias = Literal["pyarrow", "fastparquet"]
ENGINES = get_args(Engine)
# fastparquet 2026.9 decodes other encodings to wrong values without an error
FASTPARQUET_ENCODINGS = {"PLAIN", "RLE", "BIT_PACKED", "PLAIN_DICTIONARY", "RLE_DICTIONARY"}
BLOCK = 2**17  # rows; a column of as many fits in a processor's cache


def read_blocks(
    path: Path, columns: Sequence[str], *, engine: Engine = "pyarrow", rows: int = BLOCK
) -> Iterator[dict[str, np.ndarray | pd.DatetimeIndex]]:
    """Read top-level columns of a parquet file in blocks of so many rows, whatever its row groups.

    Page checksums are verified where the file has them. Memory does not grow with the file. Engine
    "pyarrow" reads all of parquet; "fastparquet" rejects what it would misread, after pyarrow has
    looked for damage.

    Yields
    ------
    dict
        Arrays by the name of their column: times as `datetime64` in the file's unit, or as an
        index in UTC if they have a time zone; numbers as numpy's; missing values as NaN or NaT.
    """
    if engine not in ENGINES:
        raise SourceError(f"Engine {engine!r} is unknown. {nearest(engine, ENGINES)}")
    with _opened(path) as file, _read_errors(path, engine):
        if engine == "fastparquet":
            batches = _fastparquet_batches(file, path, list(columns), rows)
        else:
            batches = file.iter_batches(batch_size=rows, columns=list(columns))
        done = 0
        for batch in batches:
            done += batch.num_rows
            values = (_values(column) for column in batch.columns)
            yield dict(zip(batch.schema.names, values, strict=True))
        if done != file.metadata.num_rows:
            raise OSError(f"{file.metadata.num_rows} rows are announced, {done} are there")


def read_parquet(path: Path) -> pd.DataFrame:
    """Return all rows and columns of a file that fits in memory."""
    with _opened(path) as file, _read_errors(path):
        return file.read().to_pandas()


def read_schema(path: Path) -> pa.Schema:
    """Return the names and types of a file's columns."""
    with _opened(path) as file:
        return file.schema_arrow


def announced_rows(path: Path) -> int:
    """Return the number of rows that a file announces."""
    with _opened(path) as file:
        return file.metadata.num_rows


def write_parquet(frame: pd.DataFrame, path: Path) -> Path:
    """Write a frame as a file with page checksums; return its path."""
    with atomic_write(path) as fresh, parquet_writer(fresh) as write:
        write(frame)
    return path


@contextmanager
def parquet_writer(path: Path, **options: object) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Yield a function that adds a frame to a file with page checksums, as a row group.

    Options are those of `pyarrow.parquet.ParquetWriter`, e.g. `compression="none"`.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    writer = None

    def write(frame: pd.DataFrame) -> None:
        nonlocal writer
        table = pa.Table.from_pandas(frame, preserve_index=False)
        writer = writer or ParquetWriter(
            path.absolute(), table.schema, write_page_checksum=True, **options
        )
        writer.write_table(table)

    try:
        yield write
    finally:
        if writer:
            writer.close()


@contextmanager
def _opened(path: Path) -> Iterator[ParquetFile]:
    from pyarrow.parquet import ParquetFile

    with _read_errors(path):
        _check_ends(path)
        # absolute, since Arrow takes "a:/b" for an address
        file = ParquetFile(
            path.absolute(), page_checksum_verification=True, coerce_int96_timestamp_unit="us"
        )
        file.schema_arrow  # noqa: B018  finds names that are not text
    with file:
        yield file


def _check_ends(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(max(file.seek(0, os.SEEK_END) - 4, 0))
        end = file.read(4)
    if start != b"PAR1":
        raise SourceError(f"{path} is not a parquet file: it starts with {start!r}. Replace it.")
    if end != b"PAR1":
        raise SourceError(f"{path} is cut off: it has no footer. Delete it and fetch it again.")


@contextmanager
def _read_errors(path: Path, engine: Engine = "pyarrow") -> Iterator[None]:
    """Say in one line why a file cannot be read; "damaged" only where its bytes show it."""
    try:
        yield
    except TaxiDurationError:
        raise
    except OSError as problem:  # Arrow's error for bytes that contradict each other, too
        reason = f"cannot be read ({system_reason(problem)}). Check its permissions and its disk."
        damage = f"is damaged ({_reason(problem)}). Delete it and fetch it again."
        raise SourceError(f"{path} {reason if problem.errno else damage}") from problem
    except Exception as problem:  # a footer of wrong bytes fails in many ways
        other = "Write it again" if engine == "pyarrow" else "Take engine 'pyarrow'"
        raise SourceError(
            f"{path} cannot be read by engine {engine!r} ({_reason(problem)}). "
            f"{other}, or choose another file."
        ) from problem


def _reason(problem: Exception) -> str:
    lines = str(problem).strip().splitlines()
    return f"{type(problem).__name__}: {lines[0] if lines else 'no reason given'}"


def _fastparquet_batches(
    file: ParquetFile, path: Path, columns: list[str], rows: int
) -> Iterator[pa.RecordBatch]:
    import fastparquet
    import pyarrow as pa

    if misread := "; ".join(_misread(file, columns)):
        raise SourceError(f"{path} cannot be read by engine 'fastparquet': {misread}. "
                          "Take engine 'pyarrow'.")  # fmt: skip
    for _ in file.iter_batches(columns=columns):
        pass  # finds a damaged page, on which fastparquet hangs or ends the process
    with path.open("rb") as opened:  # fastparquet does not close what it opens itself
        for group in fastparquet.ParquetFile(opened).iter_row_groups(columns=columns):
            for start in range(0, len(group), rows):
                block = group.iloc[start : start + rows]
                yield pa.RecordBatch.from_pandas(block, preserve_index=False)


def _misread(file: ParquetFile, columns: list[str]) -> Iterator[str]:
    """Name each column that fastparquet would misread, and why."""
    import pyarrow as pa

    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    for position in range(len(file.schema.names)):
        if (name := file.schema.column(position).path) in columns:
            kind = file.schema_arrow.field(name).type
            encodings = {each for group in groups for each in group.column(position).encodings}
            if others := sorted(encodings - FASTPARQUET_ENCODINGS):
                yield f"column {name!r} has encoding {', '.join(others)}"
            if pa.types.is_decimal(kind) or pa.types.is_float16(kind) or getattr(kind, "tz", None):
                yield f"column {name!r} has type {kind}"


def _values(column: pa.Array) -> np.ndarray | pd.DatetimeIndex:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_decimal(column.type):
        column = column.cast(pa.string()).cast(pa.float64())  # as Python reads the digits
    if pa.types.is_null(column.type):
        column = column.cast(pa.float64())
    values = column.to_numpy(zero_copy_only=False)
    has_zone = pa.types.is_timestamp(column.type) and column.type.tz
    return pd.DatetimeIndex(values).tz_localize("UTC") if has_zone else values
