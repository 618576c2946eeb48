"""Register a run's model, make it champion if the gate lets it, take it back; and who did what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pandas as pd

from taxi_duration.data.trips import Trips
from taxi_duration.errors import ModelError, check_name
from taxi_duration.months import Month
from taxi_duration.registry import journal
from taxi_duration.registry.admission import check_run
from taxi_duration.registry.gate import NAIVE, Candidate, judge, naive
from taxi_duration.registry.journal import CHAMPION, Entry, alone
from taxi_duration.registry.loading import NAME, Loaded, check_files, load
from taxi_duration.registry.selection import throughput
from taxi_duration.registry.verdict import Limits, Verdict
from taxi_duration.registry.versions import DIGEST, VERDICT, Version, find_version, numbers
from taxi_duration.tracking.runs import Record, read_record
from taxi_duration.tracking.store import client, store_errors

__all__ = [
    "NAME",
    "Entry",
    "Limits",
    "Loaded",
    "Verdict",
    "Version",
    "champion_on",
    "find_version",
    "history",
    "load",
    "promote",
    "register",
    "rollback",
]

CHALLENGER = "challenger"
NO_ADDRESS = "@'\""  # signs by which an address or a filter of MLflow would break in two
LEARNED = ("train", "valid")  # months that a model learned from, stopped or was calibrated by


def register(run_id: str, *, name: str = NAME) -> Version:
    """Register the model of a run as challenger; the same run always has the same version.

    Raises
    ------
    ModelError
        If the run has not finished, has no model with a signature, comes from changed code whose
        patch was not kept, is no better than "median", or its files are not those it recorded; if
        the name cannot be used.
    TrackingError
        If the store does not answer.
    """
    check_name(name, ModelError, without=NO_ADDRESS)
    record = read_record(run_id)
    check_run(record)
    store, source = client(), f"models:/{record.model_id}"
    with alone(name), store_errors(f"Run {run_id!r} cannot be registered"):
        if not store.search_registered_models(f"name = '{name}'"):
            store.create_registered_model(name)
        found = store.search_model_versions(f"name = '{name}' and source_path = '{source}'")
        if not found:
            digest = {DIGEST: record.parameters["model_sha256"]}
            found = [
                store.create_model_version(
                    name, source, run_id, tags=digest, model_id=record.model_id
                )
            ]
        version = str(found[0].version)
        if version != journal.champion_of(name):
            store.set_registered_model_alias(name, CHALLENGER, version)
    return find_version(version, name=name)


def promote(
    version: str | Version,
    gate: Trips,
    *,
    why: str,
    name: str = NAME,
    limits: Limits | None = None,
    dry_run: bool = False,
) -> Verdict:
    """Make a version champion, if it is better than the present one on the gate's rides.

    The verdict is written on the version either way. The champion changes in one step, so that a
    process that is killed leaves the old one or the new one. A version that is champion already
    keeps the verdict that made it so.

    Parameters
    ----------
    version
        As `find_version` takes it.
    gate
        The newest month, which has chosen nothing so far; each use is recorded.
    why
        For the journal.
    dry_run
        Whether only to say what would happen.

    Raises
    ------
    ModelError
        If the gate's month does not come after all that a model learned from, or a model's files
        are not those that were registered.
    TrackingError
        If the store does not answer.
    """
    asked = find_version(version, name=name)
    with alone(asked.name):
        challenger, before = find_version(asked), journal.champion_of(asked.name)
        if challenger.version == before and challenger.verdict:
            _check_files(challenger)
            return challenger.verdict
        new = before is None or challenger.version == before
        champion = None if new else find_version(before, name=asked.name)
        verdict = _judge(gate, challenger, champion, limits=limits)
        if not dry_run:
            _settle(challenger, verdict, why=why)
    return verdict


def rollback(*, why: str, name: str = NAME) -> Version:
    """Make the former champion champion again; what was promoted last is left out.

    Raises
    ------
    ModelError
        If there was none before, or its files are not those that were registered.
    TrackingError
        If the store does not answer.
    """
    with alone(name):
        former = find_version(journal.previous(name), name=name)
        _check_files(former)
        _move(name, former.version, "rollback", why=why)
    return find_version(former)


def champion_on(day: str | date, *, name: str = NAME) -> Version | None:
    """Return which version was champion when that day (UTC) ended, if any.

    Raises
    ------
    ModelError
        If the text is no day, or the store has no such model.
    TrackingError
        If the store does not answer.
    """
    version = journal.on_day(name, day)
    return find_version(version, name=name) if version else None


def history(*, name: str = NAME) -> pd.DataFrame:
    """Return the registered versions, the oldest first, and what each rests on.

    Returns
    -------
    DataFrame
        `version`, `run_id`, `model`, `created`, `train`, `valid`, `test`, `refit`, `inputs` (sha256
        by file), `parameters` (all that the run recorded), `valid_rmse`, `test_rmse`,
        `coverage` (of the test month), `aliases`, `verdict`, `promotions` (each `Entry` that made
        it champion).

    Raises
    ------
    ModelError
        If the store has no such model.
    TrackingError
        If the store does not answer.
    """
    changes = journal.entries(name)
    versions = [find_version(str(number), name=name) for number in numbers(name)]
    return pd.DataFrame([_line(version, changes) for version in versions])


def _judge(
    gate: Trips, challenger: Version, champion: Version | None, *, limits: Limits | None
) -> Verdict:
    old = _stand(champion, gate) if champion else Candidate(NAIVE, naive(gate))
    return judge(gate, _stand(challenger, gate), old, limits=limits)


def _check_files(version: Version) -> None:
    check_files(read_record(version.run_id), version.address)


def _stand(version: Version, gate: Trips) -> Candidate:
    """Load a version, and have it predict the gate's rides, of which it may know nothing."""
    loaded = load(version.address)
    record = loaded.record
    _check_gate(gate, version, record)
    return Candidate(
        name=str(version),
        minutes=loaded.pipeline.predict(gate.frame).astype(float),
        size_mb=record.metrics["model_bytes"] / 1e6,
        rows_per_second=throughput(loaded.pipeline, gate.frame),
        sha256=version.sha256,
    )


def _check_gate(gate: Trips, version: Version, record: Record) -> None:
    texts = ", ".join(record.parameters[part] for part in LEARNED).split(", ")
    last = max(map(Month.parse, texts))
    if not min(gate.months) > last:
        raise ModelError(
            f"The gate's month {min(gate.months)} does not come after {last}, which {version} has "
            "seen. Take a newer month, or another name."
        )
    if gate.service.name != record.tags.get("service"):
        raise ModelError(
            f"The gate has rides of {gate.service.name} taxis, {version} has learned from "
            f"{record.tags.get('service')} ones. Take its service, or another name."
        )


def _settle(challenger: Version, verdict: Verdict, *, why: str) -> None:
    """Write the verdict on the version, and make it champion if it is accepted."""
    with store_errors(f"The verdict on {challenger} cannot be written"):
        client().set_model_version_tag(
            challenger.name, challenger.version, VERDICT, verdict.to_json()
        )
    if verdict.accepted:
        _move(challenger.name, challenger.version, "promote", why=why, verdict=verdict)


def _move(name: str, version: str, kind: str, *, why: str, verdict: Verdict | None = None) -> None:
    """Change the champion; the intent is written first, and counts once the alias has moved."""
    journal.write(name, kind, version, why=why, verdict=verdict)
    with store_errors(f"The champion of {name!r} cannot be changed"):
        client().set_registered_model_alias(name, CHAMPION, version)


def _line(version: Version, changes: Sequence[Entry]) -> dict[str, object]:
    record = read_record(version.run_id)
    parameters, metrics = record.parameters, record.metrics
    return {
        "version": version.version,
        "run_id": version.run_id,
        "model": record.model,
        "created": version.created,
        **{part: parameters.get(part) for part in ("train", "valid", "test", "refit")},
        "inputs": record.inputs,
        "parameters": parameters,
        **{name: metrics.get(name) for name in ("valid_rmse", "test_rmse")},
        "coverage": metrics.get("test_coverage_all"),
        "aliases": version.aliases,
        "verdict": version.verdict,
        "promotions": [entry for entry in changes if entry.version == version.version],
    }
