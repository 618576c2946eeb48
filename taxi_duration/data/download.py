"""A file from TLC's public address, downloaded once and remembered by its sha256."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from taxi_duration.data.display import progress_bar
from taxi_duration.data.files import atomic_write, sha256, staging_folder, write_errors
from taxi_duration.data.parquet import read_schema
from taxi_duration.errors import SourceError, UsageError, innermost_cause, without_password
from taxi_duration.months import GREEN, Month, Service

if TYPE_CHECKING:
    import requests

TLC_URL = "https://d37ci6vzurychx.cloudfront.net/trip-data"
SUMS = "SHA256SUMS"
RETRIES = 3
LOCK_SECONDS = 60  # recording a digest takes none


class RepublishedWarning(UserWarning):
    """TLC has published a file again, with other bytes than those recorded."""


@dataclass(frozen=True)
class Kind:
    """A kind of file that TLC publishes."""

    noun: str  # what messages call it
    check: Callable[[Path], object]  # raises `SourceError` if a file is none
    advice: str  # what to do where it is not published
    folder: str = ""  # where it is, seen from the folder of months


MONTH = Kind(
    "a month of trips",
    check=read_schema,
    advice="It is about two months late: choose an earlier month, or try again later.",
)


def fetch_month(month: Month, *, service: Service = GREEN, **how: object) -> Path:
    """Download a month from TLC unless it is in the cache; return its path. See `fetch_file`."""
    return fetch_file(service.file(month), MONTH, **how)


def fetch_file(
    name: str,
    kind: Kind,
    *,
    cache: str | Path | None = None,
    base_url: str | None = None,
    again: bool = False,
    insecure: bool = False,
    progress: bool | None = None,
) -> Path:
    """Download a file from TLC unless it is in the cache; return its path.

    Parameters
    ----------
    cache : str or Path
        Folder to keep it in; else `TAXI_DURATION_CACHE`, else the user's cache folder. SHA256SUMS
        in it records the digest of the first download.
    base_url : str
        Address of the folder of months; else `TAXI_DURATION_TLC_URL`, else TLC's own. It has to be
        of https, unless it is of this computer.
    again : bool
        Download also a file that is in the cache, to see whether it was published again. If so,
        `RepublishedWarning` is issued and the old copy kept.
    insecure : bool
        Whether to download over http, too, where anyone on the way can change the bytes.
    progress : bool
        Whether to show a progress bar; by default on a terminal and in JupyterLab.
    """
    folder = cache_folder(cache)
    path = folder / name
    base_url = base_url or os.environ.get("TAXI_DURATION_TLC_URL") or TLC_URL
    is_needed = again or not path.exists()
    if is_needed and not insecure:
        _check_address(base_url)
    with write_errors(folder, advice="choose another folder: --cache, or TAXI_DURATION_CACHE"):
        folder.mkdir(parents=True, exist_ok=True)
        with staging_folder(folder, prefix=".fetch-") as staging:
            if not is_needed:
                digest = sha256(path)
                check_recorded(path, digest)
                record_digest(path, digest)
                return path
            hooks = {} if insecure else {"response": _check_redirect}
            get = partial(_get, hooks=hooks, advice=kind.advice, progress=progress)
            url = urljoin(f"{base_url.rstrip('/')}/", f"{kind.folder}{name}")
            return _keep(_download(url, kind, staging, get), path)


def cache_folder(cache: str | Path | None = None) -> Path:
    """Return where downloaded months are kept; see `fetch_file`."""
    default = _pooch().os_cache("taxi_duration")
    return Path(cache or os.environ.get("TAXI_DURATION_CACHE") or default).expanduser()


def check_recorded(path: Path, digest: str) -> None:
    """Reject a month with another digest than SHA256SUMS beside it records; without one, accept."""
    recorded = read_sums(path.parent).get(path.name, digest)
    if recorded != digest:
        raise SourceError(
            f"{path} is not what was downloaded: sha256 {recorded[:12]}... was recorded, it has "
            f"{digest[:12]}... . Delete it and fetch it again."
        )


def _pooch() -> ModuleType:
    """Import pooch, without its warning in a notebook that widgets are missing."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import pooch
    return pooch


def _download(url: str, kind: Kind, folder: Path, get: Callable[..., None]) -> Path:
    import requests

    pooch, name = _pooch(), url.rpartition("/")[2]
    pooch.get_logger().setLevel("WARNING")
    files = pooch.create(folder, "", registry={name: None}, urls={name: url},
                         retry_if_failed=RETRIES)  # fmt: skip
    try:
        fresh = Path(files.fetch(name, downloader=get))
    except requests.RequestException as problem:
        cause = innermost_cause(str(problem))
        reason = f"{url} could not be downloaded, tried {RETRIES + 1} times: {cause}"
        raise SourceError(
            f"{without_password(reason)}. Check the network, or name a mirror with "
            "TAXI_DURATION_TLC_URL."
        ) from problem
    try:
        kind.check(fresh)
    except SourceError as problem:
        raise SourceError(
            f"What {without_password(url)} sent is not {kind.noun}. Try again later, or name "
            "a mirror with TAXI_DURATION_TLC_URL."
        ) from problem
    return fresh


def is_loopback(host: str) -> bool:
    """Return whether a host is this computer, as no other one can reach it.

    Examples
    --------
    >>> [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "0.0.0.0", "example.org")]
    [True, True, True, False, False]
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_address(url: str, error: type[Exception] = UsageError) -> None:
    """Reject an address over which anyone on the way can change what is downloaded."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return
    raise error(
        f"{without_password(url)!r} is not an address of https. Name one that is, or take what "
        "comes with `taxi-duration fetch --insecure`."
    )


def _check_redirect(response: requests.Response, **_: object) -> None:
    """Check where a server leads to, before it is followed."""
    if response.is_redirect:
        _check_address(urljoin(response.url, response.headers["location"]), SourceError)


def _get(
    url: str, path: str, files: object, *, hooks: dict[str, Callable], advice: str,
    progress: bool | None,
) -> None:  # fmt: skip
    """Download a file, as pooch asks for it; an unpublished one is not tried again."""
    import pooch
    import requests

    name = url.rpartition("/")[2]
    # pooch sets the total, but ignores a bar that has none
    with progress_bar(name, total=1, shown=progress, unit="B", unit_scale=True) as bar:
        try:
            pooch.HTTPDownloader(progressbar=bar, timeout=30, hooks=hooks)(url, path, files)
        except requests.HTTPError as problem:
            problem.response.close()
            if problem.response.status_code in (403, 404):
                raise SourceError(f"TLC has not published {name}. {advice}") from problem
            raise


def _keep(fresh: Path, path: Path) -> Path:
    """Move a download in, unless another digest is recorded."""
    digest = sha256(fresh)
    recorded = read_sums(path.parent).get(path.name, digest)
    if recorded == digest:
        record_digest(path, digest)
        return fresh.replace(path)
    changed = (
        f"TLC has published {path.name} again: sha256 {recorded[:12]}... was recorded, "
        f"{digest[:12]}... is there now."
    )
    if not path.exists():
        raise SourceError(f"{changed} To take it, delete its line in {path.parent / SUMS}.")
    warnings.warn(
        f"{changed} The old copy is kept; to take the new one, delete {path} and its line in "
        f"{SUMS}.",
        RepublishedWarning,
        stacklevel=3,
    )
    return path


def read_sums(folder: Path) -> dict[str, str]:
    """Return the recorded digests by file name, from the format of sha256sum."""
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


def record_digest(path: Path, digest: str) -> None:
    """Record a file's digest, if none is; under a lock, for other processes record theirs."""
    from filelock import FileLock

    sums = path.parent / SUMS
    with FileLock(path.parent / f".{SUMS}.lock", timeout=LOCK_SECONDS):
        recorded = read_sums(path.parent)
        if path.name not in recorded:
            lines = sorted((recorded | {path.name: digest}).items())
            with atomic_write(sums) as fresh:
                text = "".join(f"{digest}  {name}\n" for name, digest in lines)
                fresh.write_text(text, encoding="utf-8")
