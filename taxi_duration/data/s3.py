"""Months in object storage: copied once as they are there, read from the copy."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from taxi_duration.data.download import SUMS, cache_folder, read_sums, record_digest
from taxi_duration.data.files import atomic_write, sha256, write_errors
from taxi_duration.errors import SourceError

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

SCHEME = "s3://"
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
TRIES, CONNECT_SECONDS, REQUEST_SECONDS = 3, 10, 60
CHUNK = 2**20  # bytes
LOCK_SECONDS = 3600  # that another process may take to copy the same object


def fetch_object(folder: str, name: str) -> Path:
    """Copy an object to the cache, unless a copy of it as it is now is there; return its path.

    Credentials, endpoint and region come from the environment: see docs/command.md. A digest that
    SHA256SUMS beside the object has for it is compared; else that of the copy is recorded.
    """
    from filelock import FileLock

    place = _place(folder)
    path, store = f"{place}/{name}", _store()
    tag = _tag(store, path)
    copy = cache_folder() / "s3" / place / tag
    with write_errors(copy):
        copy.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(copy.with_name(f".{copy.name}.lock"), timeout=LOCK_SECONDS):
            if not (copy / name).is_file():
                with atomic_write(copy) as fresh:
                    _copy(store, place, name, fresh)
                    if _tag(store, path) != tag:
                        raise SourceError(f"{SCHEME}{path} was replaced meanwhile. Try again.")
    return copy / name


def _place(folder: str) -> str:
    """Return bucket and folder without the scheme; they become names of folders in the cache."""
    place = folder.removeprefix(SCHEME).rstrip("/")
    bucket, *parts = place.split("/")
    if not BUCKET.fullmatch(bucket) or {"", ".", ".."} & set(parts):
        raise SourceError(f"{folder!r} is no place. Write s3://BUCKET/FOLDER.")
    return place


def _store() -> S3FileSystem:
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    if missing := [name for name in KEYS if not os.environ.get(name)]:
        raise SourceError(f"There are no credentials for S3. Set {' and '.join(missing)}.")
    key, secret = (os.environ[name] for name in KEYS)
    return S3FileSystem(
        access_key=key,
        secret_key=secret,
        session_token=os.environ.get("AWS_SESSION_TOKEN") or None,
        region=_first(REGIONS) or "us-east-1",
        endpoint_override=_first(ENDPOINTS),
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=TRIES),
        connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS,
    )


def _first(names: tuple[str, ...]) -> str | None:
    """Return the first of some environment variables that is set."""
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def _tag(store: S3FileSystem, path: str) -> str:
    """Return the tag of an object's present content."""
    with _read_errors(path), store.open_input_stream(path) as stream:
        return re.sub(r"[^\w-]", "", stream.metadata()["ETag"].decode())


def _copy(store: S3FileSystem, place: str, name: str, folder: Path) -> None:
    """Copy an object and what SHA256SUMS beside it says; compare the digest, or record it."""
    folder.mkdir()
    _download(store, f"{place}/{name}", folder / name)
    sums = f"{place}/{SUMS}"
    with _read_errors(sums):
        has_sums = store.get_file_info(sums).is_file
    if has_sums:
        _download(store, sums, folder / SUMS)
    digest = sha256(folder / name)
    expected = read_sums(folder).get(name, digest)
    if expected != digest:
        raise SourceError(
            f"{SCHEME}{place}/{name} has sha256 {digest[:12]}..., and {SUMS} beside it says "
            f"{expected[:12]}... . Upload it again."
        )
    record_digest(folder / name, digest)


def _download(store: S3FileSystem, path: str, copy: Path) -> None:
    with copy.open("wb") as file:
        file.writelines(_chunks(store, path))


def _chunks(store: S3FileSystem, path: str) -> Iterator[bytes]:
    with _read_errors(path), store.open_input_stream(path) as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


@contextmanager
def _read_errors(path: str) -> Iterator[None]:
    """Say in one line why an object cannot be read."""
    at = f"at {_first(ENDPOINTS) or 'AWS'}"
    try:
        yield
    except FileNotFoundError as problem:
        raise SourceError(
            f"There is no {SCHEME}{path} {at}. Look at the names of bucket, folder and month."
        ) from problem
    except OSError as problem:
        reason = str(problem).partition(" (Request ID")[0]
        raise SourceError(
            f"{SCHEME}{path} {at} cannot be read: {reason}. Look at the credentials, and at "
            f"{' and '.join(ENDPOINTS)}."
        ) from problem
