"""Register the model of a run, promote it through the gate, roll it back; its history."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pandas as pd

from taxi_duration.data.trips import Split, Trips
from taxi_duration.errors import ModelError, TaxiDurationError
from taxi_duration.registry import journal, loading
from taxi_duration.registry.card import describe
from taxi_duration.registry.gate import Candidate, Limits, Verdict, baseline, judge
from taxi_duration.registry.loading import NAME, RegisteredModel, find_model
from taxi_duration.registry.selection import throughput
from taxi_duration.tracking.mlflow_pages import ABOUT_MODELS, NOTE
from taxi_duration.tracking.runs import Record, files_of, read_record
from taxi_duration.tracking.store import client, store_errors

CHALLENGER = "challenger"

logger = logging.getLogger(__name__)


def register(run_id: str, *, name: str = NAME) -> RegisteredModel:
    """Register the model of a run as challenger; the same run always has the same version.

    Raises
    ------
    ModelError
        If the run has not finished, has no model with a signature, comes from changed code whose
        patch was not kept, is no better than "median", or its files are not those it recorded.
    UsageError
        If the name cannot be used.
    """
    loading.check_model_name(name)
    record = read_record(run_id)
    check_run(record)
    store, source = client(), f"models:/{record.model_id}"
    problem = f"Run {run_id!r} cannot be registered"
    with journal.model_lock(name), journal.shared_lock(name), store_errors(problem):
        if not store.search_registered_models(f"name = '{name}'"):
            store.create_registered_model(name, description=ABOUT_MODELS)
        found = store.search_model_versions(f"name = '{name}' and source_path = '{source}'")
        if not found:
            how = {
                "tags": {loading.DIGEST: record.parameters["model_sha256"]},
                "model_id": record.model_id,
                "description": _description(record),
            }
            found = [store.create_model_version(name, source, run_id, **how)]
        version = str(found[0].version)
        if version != journal.champion_of(name):
            store.set_registered_model_alias(name, CHALLENGER, version)
    return find_model(version, name=name)


def _description(record: Record) -> str:
    """Return what MLflow's page says of a version until it has a card."""
    valid, test = (record.metrics[f"{part}_rmse"] for part in ("valid", "test"))
    return (
        f"`{record.model}`: rmse {valid:.2f} minutes on the valid month, {test:.2f} on the test "
        f"month. {record.tags.get(NOTE, '')}"
    )


def check_run(record: Record) -> None:
    """Raise `ModelError` if the model of a run must not be registered."""
    from mlflow.models import Model

    if record.status != "FINISHED" or not record.model_id:
        state = "has no model" if record.status == "FINISHED" else f"is {record.status}"
        raise ModelError(f"Run {record.run_id!r} {state}. Register a finished run of a model.")
    valid, naive_valid = (record.metrics.get(f"{each}valid_rmse") for each in ("", "naive_"))
    if valid is None or naive_valid is None or not valid < naive_valid:
        raise ModelError(
            f"Run {record.run_id!r} has an rmse of {valid} on the valid month, no better than the "
            f"{naive_valid} of 'median'. Register a run that is."
        )
    if record.tags.get("tree") == "changed" and "code.patch" not in files_of(record.run_id):
        raise ModelError(
            f"Run {record.run_id!r} comes from changed code, and its patch was not kept. "
            "Commit, and train again."
        )
    with loading.verified_files(record) as folder:
        if Model.load(str(folder)).signature is None:
            raise ModelError(
                f"The model of run {record.run_id!r} does not say what it takes and gives. "
                "Log it with a signature."
            )


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
    version : str or RegisteredModel
        As `load` takes it, or found.
    gate : Trips
        The newest month, which has chosen nothing so far; each use is recorded.
    why : str
        For the journal.
    limits : Limits, optional
        Of the gate.
    dry_run : bool
        Whether only to return the verdict, and change nothing.

    Raises
    ------
    ModelError
        If the gate's month does not come after all that a model learned from, a model's files are
        not those that were registered, or the champion has changed since it was judged.
    """
    found = find_model(version, name=name) if isinstance(version, str) else version
    with journal.model_lock(found.name):
        challenger, champion = find_model(found.address), journal.champion_of(found.name)
        if challenger.version == champion and challenger.verdict:
            challenger.check_files()
            return challenger.verdict
        is_first = champion in (None, challenger.version)
        other = None if is_first else find_model(champion, name=found.name)
        verdict = judge(
            gate,
            _candidate(challenger, gate),
            _candidate(other, gate) if other else baseline(gate),
            limits=limits,
        )
        if dry_run:
            return verdict
        with journal.change_of(found.name, champion):
            loading.set_tag(challenger, loading.VERDICT, verdict.to_json())
            if verdict.accepted:
                _set_champion(challenger, "promote", why=why, verdict=verdict)
    if verdict.accepted:
        _describe(found.name, {challenger.version, champion})
    return verdict


def _describe(name: str, versions: set[str | None]) -> None:
    """Write their cards on versions that became, or were, champion; which stands without them."""
    for version in versions - {None}:
        try:
            describe(find_model(version, name=name))
        except TaxiDurationError as problem:
            logger.warning("version %s has an old description: %s", version, problem)


def rollback(*, why: str, name: str = NAME) -> RegisteredModel:
    """Make the former champion champion again; what was promoted last is left out.

    Raises
    ------
    ModelError
        If there was none before, its files are not those that were registered, or the champion
        has just changed.
    """
    with journal.model_lock(name):
        champion = journal.champion_of(name)
        with journal.change_of(name, champion):
            former = find_model(journal.former_champion(name), name=name)
            former.check_files()
            _set_champion(former, "rollback", why=why)
    _describe(name, {former.version, champion})
    return find_model(former.address)


def history(*, name: str = NAME) -> pd.DataFrame:
    """Return the registered versions, the oldest first, with what each was trained on and scored.

    Returns
    -------
    DataFrame
        `version`, `run_id`, `model`, `created`, `train`, `valid`, `test`, `refit`, `inputs` (sha256
        by file), `parameters` (all that the run recorded), `valid_rmse`, `test_rmse`,
        `coverage` (of the test month), `aliases`, `verdict`, `promotions` (each `Entry` that made
        it champion).
    """
    changes = journal.read_journal(name)
    with store_errors("The registry cannot be read"):
        found = client().search_model_versions(f"name = '{name}'")
    numbers = sorted(int(each.version) for each in found)
    versions = [find_model(str(number), name=name) for number in numbers]
    return pd.DataFrame([_row(version, changes) for version in versions])


def _candidate(model: RegisteredModel, gate: Trips) -> Candidate:
    """Return a version with its predictions of the gate's rides, which it must not have seen."""
    record = model.record
    first, last = gate.months[0], record.last_seen
    if not first > last:
        raise ModelError(
            f"The gate's month {first} does not come after {last}, which {model} has "
            "seen. Take a newer month, or another name."
        )
    if gate.service.name != record.tags.get("service"):
        raise ModelError(
            f"The gate has rides of {gate.service.name} taxis, {model} has learned from "
            f"{record.tags.get('service')} ones. Take its service, or another name."
        )
    estimator = model.estimator
    return Candidate(
        name=str(model),
        minutes=estimator.predict_unchecked(gate.frame)["duration"].to_numpy(),
        size_mb=record.metrics["model_bytes"] / 1e6,
        rows_per_second=throughput(estimator.pipeline, gate.frame),
        sha256=model.sha256,
    )


def _set_champion(
    model: RegisteredModel, kind: str, *, why: str, verdict: Verdict | None = None
) -> None:
    """Change the champion; the entry is written first, and counts once the alias has moved."""
    journal.write_entry(model.name, kind, model.version, why=why, verdict=verdict)
    with store_errors(f"The champion of {model.name!r} cannot be changed"):
        client().set_registered_model_alias(model.name, journal.CHAMPION, model.version)


def _row(version: RegisteredModel, changes: Sequence[journal.Entry]) -> dict[str, object]:
    record = version.record
    parameters, metrics = record.parameters, record.metrics
    return {
        "version": version.version,
        "run_id": version.run_id,
        "model": record.model,
        "created": version.created,
        **{name: parameters.get(name) for name in (*Split._fields, "refit")},
        "inputs": record.inputs,
        "parameters": parameters,
        **{name: metrics.get(name) for name in ("valid_rmse", "test_rmse")},
        "coverage": metrics.get("test_coverage_all"),
        "aliases": version.aliases,
        "verdict": version.verdict,
        "promotions": [entry for entry in changes if entry.version == version.version],
    }
