"""A parquet file: opened, read by row groups, or said why not."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_duration.errors import SchemaError, SourceError

if TYPE_CHECKING:
    import pandas as pd
    from fastparquet import ParquetFile

__all__ = ["append_parquet", "open_parquet", "read_row_groups", "sha256", "write_parquet"]


def read_row_groups(path: Path, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Read the columns, those of them that are there, row group by row group.

    Raises
    ------
    SourceError
        As `open_parquet`, and where a page is damaged.
    SchemaError
        If the file has no rows, or none of the columns.
    """
    with open_parquet(path) as file:
        if not file.count():
            raise SchemaError(f"{path.name} has no rows. Choose another month or another file.")
        there = [column for column in columns if column in file.columns]
        if not there:
            raise SchemaError(
                f"{path.name} has none of the columns {', '.join(map(repr, columns))}. "
                "Choose another file or service."
            )
        try:
            yield from file.iter_row_groups(columns=there)
        except Exception as problem:  # a damaged page fails in many ways
            raise SourceError(_damaged(path, problem)) from problem


@contextmanager
def open_parquet(path: Path) -> Iterator[ParquetFile]:
    """Open a parquet file for as long as it is needed; only its footer is read.

    Raises
    ------
    SourceError
        If it cannot be read, is not a parquet file, is cut off, or its footer is damaged.
    """
    import fastparquet

    _check_ends(path)
    with path.open("rb") as file:  # fastparquet leaves those open that it opens itself
        try:
            parquet = fastparquet.ParquetFile(file)
        except Exception as problem:  # a damaged footer fails in many ways
            raise SourceError(_damaged(path, problem)) from problem
        yield parquet


def write_parquet(frame: pd.DataFrame, path: Path) -> Path:
    """Write a frame beside its place, and move it in.

    Raises
    ------
    SourceError
        If the folder is full or cannot be written; then nothing is left there.
    """
    import fastparquet

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as staging:
            fresh = Path(staging) / path.name
            fastparquet.write(str(fresh), frame, compression="SNAPPY")
            return fresh.replace(path)
    except OSError as problem:
        raise SourceError(
            f"Cannot write {str(path)!r}: {problem.strerror or problem}. "
            "Make room or choose another folder."
        ) from problem


def append_parquet(frame: pd.DataFrame, path: Path, *, stats: Sequence[str] = ()) -> None:
    """Write a frame as a row group at the end of a file, which is made if it is not there.

    It is not compressed: rides would get a third smaller, and take more than twice as long.

    Parameters
    ----------
    stats
        Columns whose smallest and largest value are kept, for readers who look for a few rows.
    """
    import fastparquet

    fastparquet.write(str(path), frame, compression=None, stats=[*stats], append=path.exists())


def sha256(path: Path) -> str:
    """Return the digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_ends(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(max(file.seek(0, os.SEEK_END) - 4, 0))
            end = file.read(4)
    except OSError as problem:
        raise SourceError(
            f"{path} cannot be read ({problem.strerror}). Look at who may read it, and at its disk."
        ) from problem
    if start != b"PAR1":
        raise SourceError(f"{path} is not a parquet file: it starts with {start!r}. Replace it.")
    if end != b"PAR1":
        raise SourceError(f"{path} is cut off: it has no footer. Delete it and fetch it again.")


def _damaged(path: Path, problem: Exception) -> str:
    reason = f"{type(problem).__name__}: {problem}".splitlines()[0]
    return f"{path} is damaged ({reason}). Delete it and fetch it again."
