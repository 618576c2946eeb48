"""A registered version, found by whatever names it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from taxi_duration.registry.loading import NAME, locate
from taxi_duration.registry.verdict import Verdict
from taxi_duration.tracking.store import client, store_errors

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

__all__ = ["DIGEST", "VERDICT", "Version", "find_version", "numbers", "tag_version"]

DIGEST, VERDICT = "sha256", "verdict"  # tags of a version
RUN = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Version:
    """A registered model.

    Attributes
    ----------
    name, version
        In the registry.
    run_id
        Of the training.
    sha256
        Digest of its files.
    aliases
        "champion", "challenger", both or none.
    verdict
        What the gate said of these files; None if it has not been asked.
    created
        UTC.
    """

    name: str
    version: str
    run_id: str
    sha256: str
    aliases: tuple[str, ...]
    verdict: Verdict | None = field(repr=False)
    created: pd.Timestamp

    @property
    def address(self) -> str:
        """Under which MLflow and `load` find it."""
        return f"models:/{self.name}/{self.version}"

    def __str__(self) -> str:
        return f"version {self.version}"


def find_version(version: str | Version, *, name: str = NAME) -> Version:
    """Find a registered model.

    Parameters
    ----------
    version
        "3", "champion", "taxi-duration@champion", "models:/taxi-duration/3", or a run's id.

    Raises
    ------
    ModelError
        If there is no such version.
    TrackingError
        If the store does not answer.
    """
    if isinstance(version, Version):
        return find_version(version.address)
    registered = _of_run(version, name) if RUN.fullmatch(version) else None
    return _version(registered or locate(version, name=name))


def tag_version(version: Version, tag: str, text: str) -> None:
    """Note something on a version; the next note of that name replaces it.

    Raises
    ------
    TrackingError
        If the store does not take it.
    """
    with store_errors(f"A note on {version} cannot be written"):
        client().set_model_version_tag(version.name, version.version, tag, text)


def numbers(name: str) -> list[int]:
    """Return the numbers of the versions of that name."""
    return sorted(int(each.version) for each in _search(f"name = '{name}'"))


def _of_run(run_id: str, name: str) -> ModelVersion | None:
    """Find the version of a run, again by its number: a search shows no aliases."""
    found = _search(f"name = '{name}' and run_id = '{run_id}'")
    return locate(str(found[0].version), name=name) if found else None


def _search(wanted: str) -> list[ModelVersion]:
    with store_errors("The registry cannot be read"):
        return list(client().search_model_versions(wanted))


def _version(found: ModelVersion) -> Version:
    digest = found.tags.get(DIGEST, "")
    verdict = Verdict.from_json(found.tags[VERDICT]) if VERDICT in found.tags else None
    return Version(
        name=found.name,
        version=str(found.version),
        run_id=found.run_id,
        sha256=digest,
        aliases=tuple(sorted(found.aliases)),
        verdict=verdict if verdict and verdict.sha256 == digest else None,
        created=pd.Timestamp(found.creation_timestamp, unit="ms"),
    )
