"""A registered model watched at work: what it was at training, what it has answered since."""

from __future__ import annotations

from functools import reduce
from operator import add
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from taxi_duration.data.trips import load_trips
from taxi_duration.errors import ModelError
from taxi_duration.months import Month, Service
from taxi_duration.registry.loading import NAME
from taxi_duration.registry.versions import find_version
from taxi_duration.serving.batch import Scorer, folder_of, load_scorer
from taxi_duration.serving.monitoring import Limits, Reference, Report, ScoredMonth, monitor
from taxi_duration.serving.results import Scored
from taxi_duration.tracking.runs import Record, read_record
from taxi_duration.tracking.store import open_store, store_errors

__all__ = ["EXPERIMENT", "reference_of", "watch"]

EXPERIMENT = "taxi-duration-monitoring"


def watch(
    months: str,
    *,
    model: str = f"models:/{NAME}@champion",
    service: str | Service = "green",
    source: str | Path = "sample",
    predictions: str | Path | None = None,
    limits: Limits | None = None,
) -> Report:
    """Judge the months that a model has scored, and record what was found.

    Parameters
    ----------
    months
        A month, or `FIRST..LAST`; each has to be scored.
    source
        Where the months are that the model learned from.
    predictions
        Where `taxi_duration.serving.batch.score_months` wrote; None: beside the recorded runs.

    Raises
    ------
    ModelError
        If there is no such model, or a month has not been scored by it.
    MonthError, SourceError, SchemaError
        If a month is none, or the months that the model learned from cannot be read.
    TrackingError
        If the store does not answer.
    """
    kind, wanted = Service.parse(service), Month.parse_range(months)
    version = find_version(model)  # once: an alias may move at any time
    scorer = load_scorer(version)
    record = read_record(version.run_id)
    folder = folder_of(predictions)
    seen = [_scored_month(scorer, month, kind, folder) for month in wanted]
    report = monitor(seen, reference_of(scorer, record, source), limits=limits)
    _record(report, scorer, months, limits or Limits())
    return report


def reference_of(scorer: Scorer, record: Record, source: str | Path) -> Reference:
    """Return what a model was like when it was trained.

    Raises
    ------
    ModelError
        If the months that it learned from are not what they were.
    SourceError, SchemaError
        If they cannot be read.
    """
    months = learned_months(record)
    service = record.tags["service"]
    learned = reduce(add, (load_trips(month, service=service, source=source) for month in months))
    for file, digest in learned.sha256.items():
        if record.inputs.get(file) != digest:
            raise ModelError(
                f"{file} is not the one that the model learned from: digest {digest[:12]}, not "
                f"{str(record.inputs.get(file))[:12]}. Name the source of the training."
            )
    answers = scorer.estimator.answer(learned.frame)
    return Reference(
        rides=learned.frame.assign(predicted=answers["duration"]),
        rmse=record.metrics["valid_rmse"],
        level=scorer.estimator.intervals.level,
        last=months[-1],
        model=scorer.estimator.name,
    )


def learned_months(record: Record) -> list[str]:
    """Return the months that a run's model has learned from."""
    refitted = record.parameters["refit"] == "True"
    return [record.parameters[part] for part in (("train", "valid") if refitted else ("train",))]


def _scored_month(scorer: Scorer, month: Month, service: Service, folder: Path) -> ScoredMonth:
    scored = Scored.find(folder, month, service)
    if scored is None or scored.manifest.model["sha256"] != scorer.sha256:
        raise ModelError(
            f"Version {scorer.version} of {scorer.name!r} has not scored {service.name} {month} "
            f"in {str(folder)!r}. Run the notebook 05_score first, or taxi-duration score {month} "
            f"--service {service.name} --into {folder}."
        )
    return ScoredMonth(str(month), scored.predictions(), sum(scored.manifest.rejected.values()))


def _record(report: Report, scorer: Scorer, months: str, limits: Limits) -> None:
    open_store(EXPERIMENT)
    import mlflow

    name = f"{scorer.name}/{scorer.version} {months}"
    tags = {"alarm": str(report.alarm), "verdict": report.verdict}
    with (
        store_errors("What was seen cannot be recorded"),
        mlflow.start_run(run_name=name, tags=tags),
    ):
        mlflow.log_params({"model": scorer.name, "version": scorer.version, "months": months})
        mlflow.log_params({f"limit_{key}": value for key, value in vars(limits).items()})
        for step, row in enumerate(report.table.to_dict("records")):
            figures = {key: each for key, each in row.items() if key not in ("month", "verdict")}
            known = {key: each for key, each in figures.items() if pd.notna(each)}
            mlflow.log_metrics(known, step=step)
        with TemporaryDirectory() as folder:
            report.table.to_csv(Path(folder, "months.csv"), index=False)
            report.drift.to_csv(Path(folder, "drift.csv"), index=False)
            mlflow.log_artifacts(folder)
