"""The names of TLC's zones, from the table that TLC publishes beside the months."""

from __future__ import annotations

import csv
from pathlib import Path

from taxi_duration.data.download import Kind, cache_folder, check_recorded, fetch_file
from taxi_duration.data.files import sha256
from taxi_duration.data.rides import LAST_ZONE
from taxi_duration.errors import SourceError, printable

FILE = "taxi_zone_lookup.csv"
NAMELESS = {"", "N/A", "NA", "NV"}  # what TLC writes for zones that are no place


def fetch_zones(**how: object) -> Path:
    """Download TLC's table of zones unless it is in the cache; return its path.

    Parameters
    ----------
    **how
        As `taxi_duration.data.download.fetch_file` takes it.
    """
    return fetch_file(FILE, TABLE, **how)


def zone_names(source: str | Path = "tlc") -> dict[int, str]:
    """Return the names of zones by their number, as far as they are known; nothing is downloaded.

    Parameters
    ----------
    source : str or Path
        "tlc" for the table that `taxi-duration fetch zones` downloads, a folder that has it, or any
        other source of months, which has no names.

    Examples
    --------
    >>> zone_names("sample")
    {}
    """
    path = (cache_folder() if source == "tlc" else Path(source)) / FILE
    if source == "sample" or not path.is_file():
        return {}
    check_recorded(path, sha256(path))
    return read_names(path)


def read_names(path: Path) -> dict[int, str]:
    """Return the names in a table; raise `SourceError` if it is none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(int(row["LocationID"]), row["Zone"].strip()) for row in csv.DictReader(file)]
    except (OSError, csv.Error, KeyError, TypeError, ValueError, AttributeError) as problem:
        raise _no_table(path, f"{type(problem).__name__}: {problem}") from problem
    zones = [zone for zone, _ in rows]
    if not zones or len({*zones}) < len(zones) or not {*zones} <= {*range(1, LAST_ZONE + 1)}:
        raise _no_table(path, f"its LocationIDs are not each one of 1 to {LAST_ZONE}, once")
    return {zone: printable(name) for zone, name in rows if name not in NAMELESS}


def _no_table(path: Path, reason: str) -> SourceError:
    return SourceError(
        f"{path} is not TLC's table of zones ({printable(reason)}). Delete it and fetch it again: "
        "taxi-duration fetch zones."
    )


TABLE = Kind(
    "a table of zones",
    check=read_names,
    advice="Try again later, or name a mirror with TAXI_DURATION_TLC_URL.",
    folder="../misc/",
)
