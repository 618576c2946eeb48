"""A month's predictions on disk: what they rest on, and whether they are whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from taxi_duration.data.files import read_parquet, sha256
from taxi_duration.data.rides import REJECTED as REASONS
from taxi_duration.months import Month, Service

__all__ = [
    "PREDICTIONS",
    "REJECTED",
    "Manifest",
    "Scored",
    "known_manifest",
    "place",
    "sweep",
    "tally",
]

PREDICTIONS, REJECTED, MANIFEST = "predictions.parquet", "rejected.parquet", "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a month's predictions rest on, and how many there are.

    Attributes
    ----------
    files
        sha256 of each file beside the manifest.
    rejected
        Rows by reason; with `scored` they add up to `rows`.
    repaired
        Rows answered with the usual distance of their zones: it was 0, or over 60 miles.
    """

    service: str
    month: str
    input: dict[str, str]
    model: dict[str, str | int]
    rows: int
    scored: int
    rejected: dict[str, int]
    repaired: int
    files: dict[str, str]
    environment: dict[str, str]

    @classmethod
    def load(cls, folder: Path) -> Manifest | None:
        """Read the manifest of a folder; None if there is none, or it is not one of ours."""
        try:
            return cls(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def save(self, folder: Path) -> None:
        """Write it as JSON."""
        text = json.dumps(asdict(self), indent=1)
        (folder / MANIFEST).write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Scored:
    """A month's predictions on disk.

    Attributes
    ----------
    fresh
        Whether they were made now; False where the same model had answered the same file before.
    """

    folder: Path
    manifest: Manifest
    fresh: bool

    @classmethod
    def find(cls, into: Path, month: Month, service: Service) -> Scored | None:
        """Find a month's predictions below a folder; None if there are none."""
        folder = place(into, month, service)
        manifest = Manifest.load(folder)
        return cls(folder, manifest, fresh=False) if manifest else None

    def predictions(self) -> pd.DataFrame:
        """Return the answered rides, as `score_month` writes them."""
        return read_parquet(self.folder / PREDICTIONS)

    def rejected(self) -> pd.DataFrame:
        """Return the rejected rows: `ride`, the columns of a ride, and the `reason`."""
        return read_parquet(self.folder / REJECTED)


def place(into: Path, month: Month, service: Service) -> Path:
    """Return the folder of a month's predictions."""
    return into / f"service={service.name}" / f"month={month}"


def known_manifest(folder: Path, basis: Mapping[str, object]) -> Manifest | None:
    """Return the manifest of what is there, if it rests on the same and its files are whole."""
    known = Manifest.load(folder)
    if known is None or any(getattr(known, name) != value for name, value in basis.items()):
        return None
    whole = all(
        (folder / name).is_file() and sha256(folder / name) == digest
        for name, digest in known.files.items()
    )
    return known if whole else None


def tally(made: Sequence[Scored]) -> pd.DataFrame:
    """Count what became of the rows of scored months, a column a month.

    Returns
    -------
    DataFrame
        "rows": read, answered, answered with a usual distance in place of the given one; and
        "rejected": for each reason that there may be.
    """
    return pd.DataFrame({str(each.manifest.month): _counts(each.manifest) for each in made})


def _counts(manifest: Manifest) -> dict[tuple[str, str], int]:
    rejected = {
        ("rejected", reason.partition(" (")[0]): manifest.rejected.get(reason, 0)
        for reason in REASONS
    }
    return {
        ("rows", "read"): manifest.rows,
        ("rows", "answered"): manifest.scored,
        ("rows", "answered with a usual distance"): manifest.repaired,
        **rejected,
    }


def sweep(folder: Path) -> None:
    """Remove what a scorer that was killed has left."""
    for stale in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(stale)
