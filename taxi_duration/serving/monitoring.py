"""Monitoring: error, bias, coverage and drift of scored months, and whether action is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from taxi_duration.data.trips import LONGEST, SHORTEST, load_trips
from taxi_duration.errors import ModelError
from taxi_duration.evaluation.metrics import coverage, score
from taxi_duration.models.training import month_level
from taxi_duration.months import Month, Months, Service
from taxi_duration.registry.loading import RegisteredModel, load
from taxi_duration.serving.drift import drift
from taxi_duration.serving.month_results import MonthResult, month_folder, predictions_folder
from taxi_duration.tracking.provenance import log_texts
from taxi_duration.tracking.run_owner import owned_run
from taxi_duration.tracking.runs import Record
from taxi_duration.tracking.store import open_store, store_errors

EXPERIMENT = "taxi-duration-monitoring"


@dataclass(frozen=True)
class Limits:
    """Limits of a month's figures, and how many months beyond them are an alarm."""

    rmse: float = 0.10  # share by which it may exceed that of the valid month at training
    bias: float = 2.0  # minutes, up or down
    coverage: float = 0.05  # difference of the share of rides in their interval from the promised
    rejected: float = 0.02  # share of rows that are no valid rides
    psi: float = 0.25  # population stability index of an input or of the predictions
    months: int = 2  # beyond a limit, the latest among them, that are an alarm
    of_last: int = 3  # months among which these are counted


@dataclass(frozen=True)
class Reference:
    """A model at its training, with which months are compared."""

    rides: pd.DataFrame = field(repr=False)  # of the months of the training, with `predicted`
    rmse: float  # on the valid month, in minutes
    coverage: float  # share of rides that its intervals were made to cover
    last: str  # month that it was trained on
    model: str | None = None  # kind of model, e.g. "xgboost"


@dataclass(frozen=True)
class ScoredMonth:
    """A month's predictions, and the number of rejected rows."""

    month: str
    predictions: pd.DataFrame = field(repr=False)
    rejected: int

    @property
    def known(self) -> pd.DataFrame:
        """Rides that count for the error, as in training: of 1 to 60 minutes."""
        return self.predictions[self.predictions["duration"].between(SHORTEST, LONGEST)]


@dataclass(frozen=True)
class Report:
    """Figures of scored months, and whether they are an alarm.

    `table` has a row a month: `month`, `age` (months since training), `rmse`, `mae`, `bias`,
    `within_5`, `level` (minutes that its rides took as a multiple of those predicted: how far
    traffic has moved since training), `coverage`, `rejected` (a share), `psi` (the largest),
    `rows`, `verdict`.
    """

    table: pd.DataFrame = field(repr=False)
    drift: pd.DataFrame = field(repr=False)  # as `taxi_duration.serving.drift.drift`, by `month`
    alarm: bool  # whether action is needed
    months: tuple[ScoredMonth, ...] = field(repr=False)  # in their order
    reference: Reference
    limits: Limits

    @property
    def verdict(self) -> str:
        """One sentence on the latest month, and what to do."""
        latest = self.table.iloc[-1]
        act = "Retrain." if self.alarm else "Nothing to do yet." if latest["verdict"] else ""
        return f"{latest['month']}: {latest['verdict'] or 'within its limits'}. {act}".strip()

    def margins(self) -> pd.DataFrame:
        """Return each limit and what each month has used of it, a row a limit."""
        months, then, limits = self.table.set_index("month"), self.reference, self.limits
        used = {
            "rmse above that at training (share)": months["rmse"] / then.rmse - 1,
            "bias, either way (minutes)": months["bias"].abs(),
            "coverage, off the promised (share)": (months["coverage"] - then.coverage).abs(),
            "rows rejected (share)": months["rejected"],
            "largest drift (PSI)": months["psi"],
        }
        allowed = [limits.rmse, limits.bias, limits.coverage, limits.rejected, limits.psi]
        return pd.DataFrame({"limit": allowed}, list(used)).join(pd.DataFrame(used).T)


def monitor(
    model: str,
    months: str,
    *,
    service: str | Service = "green",
    source: str | Path = "sample",
    predictions: str | Path | None = None,
    limits: Limits | None = None,
) -> Report:
    """Judge the months that a model has scored, and record the report in MLflow.

    Parameters
    ----------
    model : str
        As `taxi_duration.registry.load` takes it, e.g. "champion".
    months : str
        A month, `FIRST..LAST`, or several of these with commas; each has to be scored by this
        model.
    source : str or Path
        Of the months that the model was trained on.
    predictions : str or Path, optional
        Folder into which `score_months` wrote; by default the one beside the recorded runs.
    limits : Limits, optional
        By default `Limits()`.

    Raises
    ------
    ModelError
        If there is no such model, it has not scored a month, or `source` has other months than
        those that it was trained on.
    """
    kind, wanted = Service.parse(service), Months.parse(months)
    found, folder = load(model), predictions_folder(predictions)
    scored = [_scored_month(found, month, kind, folder) for month in wanted]
    report = evaluate_months(scored, reference_of(found, source), limits=limits)
    _record(report, found, str(wanted))
    return report


def evaluate_months(
    months: Sequence[ScoredMonth], reference: Reference, *, limits: Limits | None = None
) -> Report:
    """Judge scored months whose durations are known.

    Only rides of 1 to 60 minutes count for the error, as in training. One unusual month is no
    alarm: the latest has to be beyond a limit, and so many of the last ones (see `Limits`).
    """
    limits = limits or Limits()
    if not months:
        raise ModelError("There is no scored month. Score one: taxi-duration score.")
    ordered = sorted(months, key=lambda each: each.month)
    drifts = {each.month: drift(each.predictions, reference.rides) for each in ordered}
    rows = [_figures(each, reference, drifts[each.month]) for each in ordered]
    for row in rows:
        row["verdict"] = "; ".join(_exceeded(row, reference, limits, drifts[row["month"]]))
    beyond = [row["verdict"] != "" for row in rows][-limits.of_last :]
    alarm = beyond[-1] and sum(beyond) >= limits.months
    tidy = pd.concat(drifts, names=["month"]).reset_index("month").reset_index(drop=True)
    return Report(pd.DataFrame(rows), tidy, alarm, tuple(ordered), reference, limits)


def reference_of(model: RegisteredModel, source: str | Path) -> Reference:
    """Return what a model was like at its training; the months have to be those of then."""
    record, estimator = model.record, model.estimator
    months = training_months(record)
    service = record.tags["service"]
    trips = load_trips(months, service=service, source=source)
    for file, digest in trips.sha256.items():
        if record.inputs.get(file) != digest:
            raise ModelError(
                f"{file} is not the file that the model was trained on: digest {digest[:12]}, not "
                f"{str(record.inputs.get(file))[:12]}. Name the source of the training."
            )
    predicted = estimator.predict_unchecked(trips.frame)["duration"]
    return Reference(
        rides=trips.frame.assign(predicted=predicted),
        rmse=record.metrics["valid_rmse"],
        coverage=estimator.intervals.level,
        last=str(months[-1]),
        model=estimator.name,
    )


def training_months(record: Record) -> Months:
    """Return the months that a run's model was trained on; a refitted one also on the valid one."""
    is_refitted = record.parameters["refit"] == "True"
    return record.months("train") + (record.months("valid") if is_refitted else ())


def _scored_month(
    model: RegisteredModel, month: Month, service: Service, folder: Path
) -> ScoredMonth:
    result = MonthResult.find(month_folder(folder, month, service))
    if result is None or result.manifest.model["sha256"] != model.sha256:
        raise ModelError(
            f"Version {model.version} of {model.name!r} has not scored {service.name} {month} "
            f"in {str(folder)!r}. Run the notebook 05_score first, or taxi-duration score {month} "
            f"--service {service.name} --into {folder}."
        )
    return ScoredMonth(str(month), result.predictions(), sum(result.manifest.rejected.values()))


def _record(report: Report, model: RegisteredModel, months: str) -> None:
    open_store(EXPERIMENT)
    import mlflow

    name = f"{model.label} {months}"
    tags = {"alarm": str(report.alarm), "verdict": report.verdict}
    figures = report.table.drop(columns=["month", "verdict"])
    with store_errors("The report cannot be recorded"), owned_run(run_name=name, tags=tags):
        mlflow.log_params({"model": model.name, "version": model.version, "months": months})
        mlflow.log_params({f"limit_{key}": value for key, value in vars(report.limits).items()})
        for step, row in figures.iterrows():
            mlflow.log_metrics(row.dropna().to_dict(), step=step)
        tables = {"months.csv": report.table, "drift.csv": report.drift}
        log_texts({name: table.to_csv(index=False) for name, table in tables.items()})


def _figures(month: ScoredMonth, reference: Reference, drifts: pd.DataFrame) -> dict[str, object]:
    known, rows = month.known, len(month.predictions) + month.rejected
    if known.empty and month.rejected < rows:
        raise ModelError(
            f"No duration of {month.month} is known yet. When its rides have ended, score the "
            "month again."
        )
    figures = score(known) if len(known) else dict.fromkeys(("rmse", "mae", "bias", "within_5"))
    return {
        "month": month.month,
        "age": (pd.Period(month.month) - pd.Period(reference.last)).n,
        **figures,
        "level": month_level(known) if len(known) else None,
        "coverage": coverage(known)["coverage"].iloc[0] if len(known) else None,
        "rejected": month.rejected / rows,
        "psi": drifts["psi"].max(),
        "rows": rows,
    }


def _exceeded(
    row: dict[str, object], reference: Reference, limits: Limits, drifts: pd.DataFrame
) -> Iterator[str]:
    """Say each limit that a month exceeds."""
    if row["rmse"] is not None:
        worse = row["rmse"] / reference.rmse - 1
        if worse > limits.rmse:
            yield f"rmse {worse:.0%} above that of the valid month at training"
        if abs(row["bias"]) > limits.bias:
            direction = "long" if row["bias"] > 0 else "short"
            yield f"predictions {abs(row['bias']):.1f} minutes too {direction}"
        if abs(row["coverage"] - reference.coverage) > limits.coverage:
            yield f"{row['coverage']:.0%} of rides in their {reference.coverage:.0%} interval"
    if row["rejected"] > limits.rejected:
        yield f"{row['rejected']:.0%} of rows rejected"
    for each in drifts[drifts["psi"] > limits.psi].itertuples():
        yield f"{each.column} drifted (PSI {each.psi:.2f})"
