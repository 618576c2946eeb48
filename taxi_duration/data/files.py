"""Files: parquet read in blocks of rows, anything written whole or not at all, digests."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from taxi_duration.errors import SourceError, TaxiDurationError, nearest

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

Engine: TypeAlias = Literal["pyarrow", "fastparquet"]
ENGINES = get_args(Engine)
# fastparquet 2026.9 decodes other encodings to wrong values without an error
FASTPARQUET_ENCODINGS = {"PLAIN", "RLE", "BIT_PACKED", "PLAIN_DICTIONARY", "RLE_DICTIONARY"}
FRESH = 2  # seconds after which a folder that is not locked is a leftover
STAGED: set[Path] = set()  # staging folders of this process
BLOCK = 2**17  # rows; a column of as many fits in a processor's cache


def read_blocks(
    path: Path, columns: Sequence[str], *, engine: Engine = "pyarrow", rows: int = BLOCK
) -> Iterator[dict[str, np.ndarray | pd.DatetimeIndex]]:
    """Read a parquet file in blocks of rows, whatever its row groups.

    Page checksums are verified where the file has them. Memory does not grow with the file.

    Parameters
    ----------
    columns : sequence of str
        Names of top-level columns that the file has.
    engine : str
        "pyarrow" reads all of parquet; "fastparquet" rejects what it would misread, after pyarrow
        has looked for damage.
    rows : int
        Rows of each block but the last.

    Yields
    ------
    dict
        Arrays by the name of their column: times as `datetime64` in the file's unit, or as an
        index in UTC if they have a time zone; numbers as numpy's; missing values as NaN or NaT.

    Raises
    ------
    SourceError
        If the file is unreadable, damaged or not parquet, or the engine would misread it.
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
    """Return all rows and columns of a file that fits in memory; raises as `read_blocks`."""
    with _opened(path) as file, _read_errors(path):
        return file.read().to_pandas()


def read_schema(path: Path) -> pa.Schema:
    """Return the names and types of a file's columns; raises as `read_blocks`."""
    with _opened(path) as file:
        return file.schema_arrow


def write_parquet(frame: pd.DataFrame, path: Path) -> Path:
    """Write a frame as a file with page checksums; return its path. Raises as `write_errors`."""
    with atomic_write(path) as fresh, parquet_writer(fresh) as write:
        write(frame)
    return path


@contextmanager
def parquet_writer(path: Path, **options: object) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Yield a function that adds a frame to a file with page checksums, as a row group.

    Parameters
    ----------
    options
        Further arguments of `pyarrow.parquet.ParquetWriter`, e.g. `compression="none"`.
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
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a path to write a file or folder to; it replaces `path` when the block has ended.

    After an error nothing of it is left, and `path` is as it was. Raises as `write_errors`.
    """
    with write_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with staging_folder(path.parent, prefix=f".{path.name}-") as staging:
            fresh = staging / path.name
            yield fresh
            if fresh.is_dir() and path.is_dir():  # only an empty folder can be replaced
                path.rename(staging / f"{path.name}.old")
            fresh.replace(path)


@contextmanager
def staging_folder(place: str | Path | None = None, *, prefix: str) -> Iterator[Path]:
    """Yield a folder for unfinished files; at the end it is removed.

    Those with the same prefix that killed processes have left there are removed, too. A process
    locks its folder, and the system takes the lock away whatever ends the process.

    Parameters
    ----------
    place : str or Path, optional
        Where to make it; by default in the system's temporary folder.
    """
    place = Path(place or tempfile.gettempdir())
    _sweep(place, prefix)
    with tempfile.TemporaryDirectory(dir=place, prefix=prefix) as name:
        folder = Path(name)
        STAGED.add(folder)
        try:
            with _held(folder, required=False):
                yield folder
        finally:
            STAGED.discard(folder)


def temporary_folder() -> AbstractContextManager[Path]:
    """Return a `staging_folder` in the system's temporary folder."""
    return staging_folder(prefix="taxi-files-")


def remove_staged() -> None:
    """Remove the staging folders of this process, which is about to end."""
    for folder in list(STAGED):
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(place: Path, prefix: str) -> None:
    for folder in place.glob(f"{glob.escape(prefix)}{'[a-z0-9_]' * 8}"):
        with suppress(OSError):  # it is in use, another user's, or gone
            if time.time() - folder.stat().st_mtime > FRESH:
                with _held(folder):
                    shutil.rmtree(folder)


@contextmanager
def _held(folder: Path, *, required: bool = True) -> Iterator[None]:
    """Lock a folder as long as the process lives; some file systems have no locks."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with nullcontext() if required else suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def check_writable(folder: Path) -> None:
    """Make a folder, and check that a file can be written in it; raises as `write_errors`."""
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()


@contextmanager
def write_errors(path: Path, *, advice: str = "choose another folder") -> Iterator[None]:
    """Say in one line why a file or folder cannot be written, and what to do.

    Raises
    ------
    SourceError
        In place of the system's own error, e.g. if the disk is full.
    """
    try:
        yield
    except TaxiDurationError:
        raise
    except OSError as problem:
        raise SourceError(
            f"Cannot write {str(path)!r}: {_system_reason(problem)}. Make room or {advice}."
        ) from problem


def sha256(path: Path) -> str:
    """Return the digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_digest(folder: Path, *patterns: str) -> str:
    """Return one digest for the names and bytes of all files below a folder.

    Left out is what Python and MLflow write into a folder that they load from.

    Parameters
    ----------
    patterns : str
        Names of the files that count, e.g. `"*.py"`; all if none is given.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "MLmodel").write_text("flavors: {}")
    ...     tree_digest(Path(folder))[:8]
    'ffb851df'
    """
    digest = hashlib.sha256()
    for path in sorted(path for pattern in patterns or ["*"] for path in folder.rglob(pattern)):
        name = path.relative_to(folder)
        is_left_out = "__pycache__" in name.parts or name == Path("registered_model_meta")
        if path.is_file() and not is_left_out:
            digest.update(f"{sha256(path)}  {name.as_posix()}\n".encode())
    return digest.hexdigest()


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
        reason = f"cannot be read ({_system_reason(problem)}). Check its permissions and its disk."
        damage = f"is damaged ({_reason(problem)}). Delete it and fetch it again."
        raise SourceError(f"{path} {reason if problem.errno else damage}") from problem
    except Exception as problem:  # a footer of wrong bytes fails in many ways
        other = "Write it again" if engine == "pyarrow" else "Take engine 'pyarrow'"
        raise SourceError(
            f"{path} cannot be read by engine {engine!r} ({_reason(problem)}). "
            f"{other}, or choose another file."
        ) from problem


def _system_reason(problem: OSError) -> str:
    return os.strerror(problem.errno) if problem.errno else str(problem)


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
    """Return the values of a column in numpy's types."""
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
