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
from taxi_duration.registry.loading import (
    DIGEST,
    NAME,
    VERDICT,
    RegisteredModel,
    find_model,
    set_tag,
)
from taxi_duration.registry.selection import throughput
from taxi_duration.registry.verdict import Limits, Verdict
from taxi_duration.tracking.runs import read_record
from taxi_duration.tracking.store import client, store_errors

__all__ = [
    "NAME",
    "Entry",
    "Limits",
    "Verdict",
    "champion_on",
    "history",
    "promote",
    "register",
    "rollback",
]

CHALLENGER = "challenger"
NO_ADDRESS = "@'\""  # signs by which an address or a filter of MLflow would break in two
LEARNED = ("train", "valid")  # months that a model learned from, stopped or was calibrated by


def register(run_id: str, *, name: str = NAME) -> RegisteredModel:
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
    return find_model(version, name=name)


def promote(
    version: str | RegisteredModel,
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
        As `find_model` takes it.
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
    asked = find_model(version, name=name) if isinstance(version, str) else version
    with alone(asked.name):
        challenger, before = find_model(asked.address), journal.champion_of(asked.name)
        if challenger.version == before and challenger.verdict:
            challenger.check_files()
            return challenger.verdict
        new = before is None or challenger.version == before
        champion = None if new else find_model(before, name=asked.name)
        verdict = _judge(gate, challenger, champion, limits=limits)
        if not dry_run:
            _settle(challenger, verdict, why=why)
    return verdict


def rollback(*, why: str, name: str = NAME) -> RegisteredModel:
    """Make the former champion champion again; what was promoted last is left out.

    Raises
    ------
    ModelError
        If there was none before, or its files are not those that were registered.
    TrackingError
        If the store does not answer.
    """
    with alone(name):
        former = find_model(journal.previous(name), name=name)
        former.check_files()
        _move(name, former.version, "rollback", why=why)
    return find_model(former.address)


def champion_on(day: str | date, *, name: str = NAME) -> RegisteredModel | None:
    """Return which version was champion when that day (UTC) ended, if any.

    Raises
    ------
    ModelError
        If the text is no day, or the store has no such model.
    TrackingError
        If the store does not answer.
    """
    version = journal.on_day(name, day)
    return find_model(version, name=name) if version else None


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
    with store_errors("The registry cannot be read"):
        found = client().search_model_versions(f"name = '{name}'")
    numbers = sorted(int(each.version) for each in found)
    versions = [find_model(str(number), name=name) for number in numbers]
    return pd.DataFrame([_line(version, changes) for version in versions])


def _judge(
    gate: Trips,
    challenger: RegisteredModel,
    champion: RegisteredModel | None,
    *,
    limits: Limits | None,
) -> Verdict:
    old = _stand(champion, gate) if champion else Candidate(NAIVE, naive(gate))
    return judge(gate, _stand(challenger, gate), old, limits=limits)


def _stand(model: RegisteredModel, gate: Trips) -> Candidate:
    """Have a version predict the gate's rides, which it may not have seen."""
    _check_gate(gate, model)
    pipeline = model.estimator.pipeline
    return Candidate(
        name=str(model),
        minutes=pipeline.predict(gate.frame).astype(float),
        size_mb=model.record.metrics["model_bytes"] / 1e6,
        rows_per_second=throughput(pipeline, gate.frame),
        sha256=model.sha256,
    )


def _check_gate(gate: Trips, model: RegisteredModel) -> None:
    record = model.record
    texts = ", ".join(record.parameters[part] for part in LEARNED).split(", ")
    last = max(map(Month.parse, texts))
    if not min(gate.months) > last:
        raise ModelError(
            f"The gate's month {min(gate.months)} does not come after {last}, which {model} has "
            "seen. Take a newer month, or another name."
        )
    if gate.service.name != record.tags.get("service"):
        raise ModelError(
            f"The gate has rides of {gate.service.name} taxis, {model} has learned from "
            f"{record.tags.get('service')} ones. Take its service, or another name."
        )


def _settle(challenger: RegisteredModel, verdict: Verdict, *, why: str) -> None:
    """Write the verdict on the version, and make it champion if it is accepted."""
    set_tag(challenger, VERDICT, verdict.to_json())
    if verdict.accepted:
        _move(challenger.name, challenger.version, "promote", why=why, verdict=verdict)


def _move(name: str, version: str, kind: str, *, why: str, verdict: Verdict | None = None) -> None:
    """Change the champion; the intent is written first, and counts once the alias has moved."""
    journal.write(name, kind, version, why=why, verdict=verdict)
    with store_errors(f"The champion of {name!r} cannot be changed"):
        client().set_registered_model_alias(name, CHAMPION, version)


def _line(version: RegisteredModel, changes: Sequence[Entry]) -> dict[str, object]:
    record = version.record
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
