"""A month from TLC's public address, downloaded once and remembered by its sha256."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from taxi_duration.data.files import atomic_write, check_writable, read_schema, sha256, write_errors
from taxi_duration.errors import SourceError
from taxi_duration.months import GREEN, Month, Service
from taxi_duration.progress import progress_bar

__all__ = ["TLC_URL", "RepublishedWarning", "cache_folder", "check_recorded", "fetch_month"]

TLC_URL = "https://d37ci6vzurychx.cloudfront.net/trip-data"
SUMS = "SHA256SUMS"
RETRIES = 3
ADVICE = "choose another folder: --cache, or TAXI_DURATION_CACHE"
LOCK_SECONDS = 60  # to record a digest takes none


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
    folder = cache_folder(cache)
    path = folder / service.file(month)
    base_url = base_url or os.environ.get("TAXI_DURATION_TLC_URL") or TLC_URL
    check_writable(folder, advice=ADVICE)
    with write_errors(folder, advice=ADVICE):
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


def cache_folder(cache: str | Path | None = None) -> Path:
    """Return where downloaded months are kept; see `fetch_month`."""
    default = _pooch().os_cache("taxi_duration")
    return Path(cache or os.environ.get("TAXI_DURATION_CACHE") or default).expanduser()


def check_recorded(path: Path, digest: str) -> None:
    """Refuse a month that is not the one of which SHA256SUMS beside it holds the digest.

    Raises
    ------
    SourceError
        If another digest is recorded, or the record cannot be read. A month without one may pass.
    """
    recorded = _read_sums(path.parent).get(path.name, digest)
    if recorded != digest:
        raise SourceError(
            f"{path} is not what was downloaded: sha256 {recorded[:12]}... was recorded, it has "
            f"{digest[:12]}... . Delete it and fetch it again."
        )


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

    def download(url: str, output_file: str, shelf: pooch.Pooch) -> None:
        name = url.rpartition("/")[2]
        # pooch takes a bar only if it is true, before it knows the total
        options = {"iterable": True, "unit": "B", "unit_scale": True}
        with progress_bar(name, shown=progress, **options) as bar:
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
        read_schema(fresh)
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
    check_recorded(path, found)
    if recorded is None:
        _write_sum(path, found)
    return path


def _read_sums(folder: Path) -> dict[str, str]:
    """Return the recorded digests by the names of their files, as sha256sum writes them."""
    sums = folder / SUMS
    try:
        lines = sums.read_text(encoding="utf-8").splitlines() if sums.exists() else []
    except (OSError, UnicodeDecodeError) as problem:
        raise SourceError(
            f"{sums} cannot be read ({problem}). It holds the digests of downloaded months: "
            "restore it, or delete it to record them anew."
        ) from problem
    split = (line.partition(" ") for line in lines)
    return {name.strip().removeprefix("*"): digest for digest, _, name in split}


def _write_sum(path: Path, digest: str) -> None:
    """Record a digest; under a lock, since another process may record one at the same time."""
    from filelock import FileLock

    sums = path.parent / SUMS
    with FileLock(path.parent / f".{SUMS}.lock", timeout=LOCK_SECONDS):
        known = _read_sums(path.parent) | {path.name: digest}
        text = "".join(f"{recorded}  {name}\n" for name, recorded in sorted(known.items()))
        with atomic_write(sums) as fresh:
            fresh.write_text(text, encoding="utf-8")


def _unpublished(name: str, month: Month) -> str:
    return (
        f"TLC has not published {name}. It is about two months late: choose an earlier month "
        f"than {month}, or try again later."
    )
