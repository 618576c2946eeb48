"""Files: anything written whole or not at all, staging folders, digests."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from taxi_duration.errors import SourceError, TaxiDurationError

FRESH = 2  # seconds after which a folder that is not locked is a leftover
STAGED: set[Path] = set()  # staging folders of this process


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

    It is made in `place`, or else in the system's temporary folder. Those with the same prefix that
    killed processes have left there are removed, too. A process locks its folder, and the system
    takes the lock away whatever ends the process.
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
    """Say in one line why a file or folder cannot be written, as `SourceError`, and what to do."""
    try:
        yield
    except TaxiDurationError:
        raise
    except OSError as problem:
        raise SourceError(
            f"Cannot write {str(path)!r}: {system_reason(problem)}. Make room or {advice}."
        ) from problem


def sha256(path: Path) -> str:
    """Return the digest of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_digest(folder: Path, *patterns: str) -> str:
    """Return one digest for the names and bytes of all files below a folder, e.g. of `"*.py"`.

    Left out is what Python and MLflow write into a folder that they load from.

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


def system_reason(problem: OSError) -> str:
    """Return the system's words for an error that it has numbered, else those of who raised it."""
    return os.strerror(problem.errno) if problem.errno else str(problem)
