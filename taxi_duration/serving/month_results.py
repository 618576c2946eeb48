"""A month's predictions on disk: one folder with the rejected rows and a manifest of its origin."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from taxi_duration.data.files import sha256
from taxi_duration.data.parquet import read_parquet
from taxi_duration.data.rides import REASONS
from taxi_duration.months import Month, Service
from taxi_duration.tracking.store_address import beside_store

PREDICTIONS, REJECTED, MANIFEST = "predictions.parquet", "rejected.parquet", "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """Origin and counts of a month's predictions."""

    service: str
    month: str
    input: dict[str, str]  # sha256 of the month's file, by its name
    model: dict[str, str | int]
    rows: int
    predicted: int
    rejected: dict[str, int]  # rows by reason; with `predicted` they add up to `rows`
    repaired: int  # predicted with a median distance in place of one that is 0 or over 60 miles
    files: dict[str, str]  # sha256 of each file beside the manifest
    environment: dict[str, str]

    def save(self, folder: Path) -> None:
        """Write it as JSON."""
        text = json.dumps(asdict(self), indent=1)
        (folder / MANIFEST).write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class MonthResult:
    """A month's predictions on disk."""

    folder: Path
    manifest: Manifest
    fresh: bool  # made now; False if the same model had predicted the same file before

    @classmethod
    def find(cls, folder: Path) -> MonthResult | None:
        """Return the result in a folder; None if its manifest is missing or has other fields."""
        try:
            manifest = Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return cls(folder, manifest, fresh=False)

    def is_current(self, origin: Mapping[str, object]) -> bool:
        """Say whether it has this origin, and its files are unchanged."""
        same_origin = all(getattr(self.manifest, name) == each for name, each in origin.items())
        return same_origin and all(
            (self.folder / name).is_file() and sha256(self.folder / name) == digest
            for name, digest in self.manifest.files.items()
        )

    def predictions(self) -> pd.DataFrame:
        """Return the predicted rides; `score_months` lists their columns."""
        return read_parquet(self.folder / PREDICTIONS)

    def rejected(self) -> pd.DataFrame:
        """Return the rejected rows: `ride`, the columns of a ride, and the `reason`."""
        return read_parquet(self.folder / REJECTED)


def predictions_folder(folder: str | Path | None) -> Path:
    """Return the folder for predictions: the given one, by default one beside the recorded runs."""
    return Path(folder) if folder else beside_store("predictions")


def month_folder(into: Path, month: Month, service: Service) -> Path:
    """Return the folder of a month's predictions."""
    return into / f"service={service.name}" / f"month={month}"


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process has left of an `atomic_write` to this folder."""
    for staging in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(staging)


def tally(results: Sequence[MonthResult]) -> pd.DataFrame:
    """Count the rows of scored months, a column a month.

    Returns
    -------
    DataFrame
        "rows": read, predicted, predicted with a median distance in place of the given one; and
        "rejected": by each reason that there may be.
    """
    return pd.DataFrame({each.manifest.month: _counts(each.manifest) for each in results})


def _counts(manifest: Manifest) -> dict[tuple[str, str], int]:
    rejected = {
        ("rejected", reason.partition(" (")[0]): manifest.rejected.get(reason, 0)
        for reason in REASONS
    }
    return {
        ("rows", "read"): manifest.rows,
        ("rows", "predicted"): manifest.predicted,
        ("rows", "predicted with a median distance"): manifest.repaired,
        **rejected,
    }
