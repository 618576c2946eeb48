"""A month from TLC's public address, downloaded once and remembered by its sha256."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from taxi_duration.errors import SourceError
from taxi_duration.months import GREEN, Month, Service
from taxi_duration.parquet import open_parquet, sha256

__all__ = ["TLC_URL", "RepublishedWarning", "fetch_month"]

TLC_URL = "https://d37ci6vzurychx.cloudfront.net/trip-data"
SUMS = "SHA256SUMS"
RETRIES = 3


class RepublishedWarning(UserWarning):
    """TLC has published a month again, with other bytes than those recorded."""


def fetch_month(
    month: Month,
    *,
    service: Service = GREEN,
    cache: str | Path | None = None,
    base_url: str | None = None,
    again: bool = False,
    progress: bool | None = None,
) -> Path:
    """Download a month from TLC, unless it is there already; return its path.

    Parameters
    ----------
    cache
        Folder to keep it in; else `TAXI_DURATION_CACHE`, else the user's cache folder.
        Its SHA256SUMS remembers what was downloaded first.
    base_url
        Address of the folder of files; else `TAXI_DURATION_TLC_URL`, else TLC's own.
    again
        Ask TLC even for a month that is there, to learn whether it was published again. If so,
        `RepublishedWarning` is issued and the old copy kept.
    progress
        Whether to show a bar, or now and then a line; only on a terminal if None.

    Raises
    ------
    SourceError
        If the month is not published, the server fails three times more, the download is
        not what was recorded, or the folder cannot be written.
    """
    folder = _cache_folder(cache)
    path = folder / service.file(month)
    base_url = base_url or os.environ.get("TAXI_DURATION_TLC_URL") or TLC_URL
    with _writing(folder):
        recorded = _read_sums(folder).get(path.name)
        if path.exists() and not again:
            return _unchanged(path, recorded)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as staging:
            url = f"{base_url.rstrip('/')}/{path.name}"
            fresh = _download(url, Path(staging), month, progress=progress)
            return _keep(fresh, path, recorded)


def _pooch() -> ModuleType:
    """Import pooch, which in a notebook asks for widgets that nobody needs."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import pooch
    return pooch


def _cache_folder(cache: str | Path | None) -> Path:
    default = _pooch().os_cache("taxi_duration")
    folder = Path(cache or os.environ.get("TAXI_DURATION_CACHE") or default).expanduser()
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    return folder


def _download(url: str, staging: Path, month: Month, *, progress: bool | None) -> Path:
    import requests

    pooch, name = _pooch(), url.rpartition("/")[2]
    pooch.get_logger().setLevel("WARNING")
    shelf = pooch.create(staging, base_url="", registry={name: None}, urls={name: url},
                         retry_if_failed=RETRIES)  # fmt: skip
    try:
        fresh = Path(shelf.fetch(name, downloader=_downloader(month, progress=progress)))
    except requests.RequestException as problem:
        raise SourceError(
            f"{url} could not be downloaded, tried {RETRIES + 1} times: {problem}. "
            "Check the network, or name a mirror with TAXI_DURATION_TLC_URL."
        ) from problem
    _check_parquet(fresh, url)
    return fresh


def _downloader(month: Month, *, progress: bool | None) -> Callable[..., None]:
    import pooch
    import requests
    from tqdm import tqdm

    def download(url: str, output_file: str, shelf: pooch.Pooch) -> None:
        seconds = 0.1 if sys.stderr.isatty() else 10
        name = url.rpartition("/")[2]
        # True, because pooch asks whether there is a bar before it knows how long
        with tqdm(True, desc=name, unit="B", unit_scale=True, mininterval=seconds, leave=False,
                  disable=None if progress is None else not progress) as bar:  # fmt: skip
            try:
                pooch.HTTPDownloader(progressbar=bar, timeout=30)(url, output_file, shelf)
            except requests.HTTPError as problem:
                problem.response.close()
                if problem.response.status_code in (403, 404):
                    raise SourceError(_unpublished(name, month)) from problem
                raise

    return download


def _check_parquet(fresh: Path, url: str) -> None:
    try:
        with open_parquet(fresh):
            pass
    except SourceError as problem:
        raise SourceError(
            f"What {url} sent is not a month of trips. Try again later, or name a mirror with "
            "TAXI_DURATION_TLC_URL."
        ) from problem


def _keep(fresh: Path, path: Path, recorded: str | None) -> Path:
    found = sha256(fresh)
    if recorded in (None, found):
        _write_sum(path, found)
        fresh.replace(path)
        return path
    said = (
        f"TLC has published {path.name} again: sha256 {recorded[:12]}... was recorded, "
        f"{found[:12]}... is there now."
    )
    if not path.exists():
        raise SourceError(f"{said} To take it, delete its line in {path.parent / SUMS}.")
    warnings.warn(
        f"{said} The old copy is kept; to take the new one, delete {path} and its line in {SUMS}.",
        RepublishedWarning,
        stacklevel=3,
    )
    return path


def _unchanged(path: Path, recorded: str | None) -> Path:
    found = sha256(path)
    if recorded is None:
        _write_sum(path, found)
    elif found != recorded:
        raise SourceError(
            f"{path} is not what was downloaded: sha256 {recorded[:12]}... was recorded, it has "
            f"{found[:12]}... . Delete it and fetch it again."
        )
    return path


def _read_sums(folder: Path) -> dict[str, str]:
    sums = folder / SUMS
    lines = sums.read_text().splitlines() if sums.exists() else []
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _write_sum(path: Path, digest: str) -> None:
    sums = _read_sums(path.parent) | {path.name: digest}
    text = "".join(f"{recorded}  {name}\n" for name, recorded in sorted(sums.items()))
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".sums-") as staging:
        fresh = Path(staging) / SUMS
        fresh.write_text(text)
        fresh.replace(path.parent / SUMS)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except SourceError:
        raise
    except OSError as problem:
        raise SourceError(_unwritable(folder, problem)) from problem


def _unpublished(name: str, month: Month) -> str:
    return (
        f"TLC has not published {name}. It is about two months late: choose an earlier month "
        f"than {month}, or try again later."
    )


def _unwritable(folder: Path, problem: OSError) -> str:
    return (
        f"Cannot write to {str(folder)!r} ({problem.strerror or problem}). Make room or name "
        "another folder: --cache, or TAXI_DURATION_CACHE."
    )
