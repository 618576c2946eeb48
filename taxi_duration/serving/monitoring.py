"""How a model did on the months that it has scored; and whether somebody has to act."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from taxi_duration.data.trips import LONGEST, SHORTEST, load_trips
from taxi_duration.errors import ModelError
from taxi_duration.evaluation.metrics import coverage, score
from taxi_duration.months import Month, Service
from taxi_duration.registry.loading import NAME, RegisteredModel, load
from taxi_duration.serving.batch import folder_of
from taxi_duration.serving.drift import drift
from taxi_duration.serving.results import Scored
from taxi_duration.tracking.runs import Record
from taxi_duration.tracking.store import open_store, store_errors

__all__ = [
    "EXPERIMENT",
    "Limits",
    "Reference",
    "Report",
    "ScoredMonth",
    "evaluate_months",
    "monitor",
    "reference_of",
]

EXPERIMENT = "taxi-duration-monitoring"
LIMITED = ("rmse", "bias", "coverage", "rejected", "psi")


@dataclass(frozen=True)
class Limits:
    """From where on a month is out of bounds, and how many such months are an alarm.

    Attributes
    ----------
    rmse
        Share by which the error may exceed that of the valid month at training.
    bias
        Minutes, up or down.
    coverage
        How far the share of rides within their interval may be from the promised one.
    rejected
        Share of rows that are no valid rides.
    psi
        Population stability index of an input or of the predictions.
    months, of_last
        The alarm comes when the latest month is out of bounds, and so many of the last ones.
    """

    rmse: float = 0.10
    bias: float = 2.0
    coverage: float = 0.05
    rejected: float = 0.02
    psi: float = 0.25
    months: int = 2
    of_last: int = 3


@dataclass(frozen=True)
class Reference:
    """What a model was like when it was trained.

    Attributes
    ----------
    rides
        Of the months that it learned from, with their `predicted` minutes.
    rmse
        On the valid month, in minutes.
    level
        Share of rides that its intervals were made to cover.
    last
        The last month that it learned from.
    model
        What kind of model it is, e.g. "xgboost".
    """

    rides: pd.DataFrame = field(repr=False)
    rmse: float
    level: float
    last: str
    model: str | None = None


@dataclass(frozen=True)
class ScoredMonth:
    """A month's predictions, and how many rows were rejected."""

    month: str
    predictions: pd.DataFrame = field(repr=False)
    rejected: int

    @property
    def known(self) -> pd.DataFrame:
        """Rides that count for the error, as in training: they took 1 to 60 minutes."""
        return self.predictions[self.predictions["duration"].between(SHORTEST, LONGEST)]


@dataclass(frozen=True)
class Report:
    """How a model did, month by month.

    Attributes
    ----------
    table
        A row a month: `month`, `age` (months since training), `rmse`, `mae`, `bias`, `within_5`,
        `coverage`, `rejected` (a share), `psi` (the largest), `rows`, `verdict`.
    drift
        As `taxi_duration.serving.drift.drift`, with the `month`.
    alarm
        Whether somebody has to act.
    months
        What was judged, the latest last.
    """

    table: pd.DataFrame = field(repr=False)
    drift: pd.DataFrame = field(repr=False)
    alarm: bool
    months: tuple[ScoredMonth, ...] = field(repr=False)
    reference: Reference
    limits: Limits

    @property
    def verdict(self) -> str:
        """One sentence for the person who has to decide."""
        latest = self.table.iloc[-1]
        act = "Retrain." if self.alarm else "Nothing to do yet." if latest["verdict"] else ""
        return f"{latest['month']}: {latest['verdict'] or 'within its limits'}. {act}".strip()

    def margins(self) -> pd.DataFrame:
        """Return what each limit allows, and what each month has used of it, a row a limit."""
        used = self.table.set_index("month")
        rows = {
            "rmse above that at training (share)": used["rmse"] / self.reference.rmse - 1,
            "bias, either way (minutes)": used["bias"].abs(),
            "coverage, off the promised (share)": (used["coverage"] - self.reference.level).abs(),
            "rows rejected (share)": used["rejected"],
            "largest drift (PSI)": used["psi"],
        }
        table = pd.DataFrame(rows).T
        allowed = [getattr(self.limits, name) for name in LIMITED]
        return pd.DataFrame({"limit": allowed}, table.index).join(table)


def monitor(
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
    found = load(model)  # once: an alias may move at any time
    folder = folder_of(predictions)
    seen = [_scored_month(found, month, kind, folder) for month in wanted]
    report = evaluate_months(seen, reference_of(found, source), limits=limits)
    _record(report, found, months, limits or Limits())
    return report


def reference_of(model: RegisteredModel, source: str | Path) -> Reference:
    """Return what a model was like when it was trained.

    Raises
    ------
    ModelError
        If the months that it learned from are not what they were.
    SourceError, SchemaError
        If they cannot be read.
    """
    record, estimator = model.record, model.estimator
    months = learned_months(record)
    service = record.tags["service"]
    learned = reduce(add, (load_trips(month, service=service, source=source) for month in months))
    for file, digest in learned.sha256.items():
        if record.inputs.get(file) != digest:
            raise ModelError(
                f"{file} is not the one that the model learned from: digest {digest[:12]}, not "
                f"{str(record.inputs.get(file))[:12]}. Name the source of the training."
            )
    answers = estimator.predict_unchecked(learned.frame)
    return Reference(
        rides=learned.frame.assign(predicted=answers["duration"]),
        rmse=record.metrics["valid_rmse"],
        level=estimator.intervals.level,
        last=months[-1],
        model=estimator.name,
    )


def learned_months(record: Record) -> list[str]:
    """Return the months that a run's model has learned from."""
    refitted = record.parameters["refit"] == "True"
    return [record.parameters[part] for part in (("train", "valid") if refitted else ("train",))]


def _scored_month(
    model: RegisteredModel, month: Month, service: Service, folder: Path
) -> ScoredMonth:
    scored = Scored.find(folder, month, service)
    if scored is None or scored.manifest.model["sha256"] != model.sha256:
        raise ModelError(
            f"Version {model.version} of {model.name!r} has not scored {service.name} {month} "
            f"in {str(folder)!r}. Run the notebook 05_score first, or taxi-duration score {month} "
            f"--service {service.name} --into {folder}."
        )
    return ScoredMonth(str(month), scored.predictions(), sum(scored.manifest.rejected.values()))


def _record(report: Report, model: RegisteredModel, months: str, limits: Limits) -> None:
    open_store(EXPERIMENT)
    import mlflow

    name = f"{model.name}/{model.version} {months}"
    tags = {"alarm": str(report.alarm), "verdict": report.verdict}
    with (
        store_errors("What was seen cannot be recorded"),
        mlflow.start_run(run_name=name, tags=tags),
    ):
        mlflow.log_params({"model": model.name, "version": model.version, "months": months})
        mlflow.log_params({f"limit_{key}": value for key, value in vars(limits).items()})
        for step, row in enumerate(report.table.to_dict("records")):
            figures = {key: each for key, each in row.items() if key not in ("month", "verdict")}
            known = {key: each for key, each in figures.items() if pd.notna(each)}
            mlflow.log_metrics(known, step=step)
        with TemporaryDirectory() as folder:
            report.table.to_csv(Path(folder, "months.csv"), index=False)
            report.drift.to_csv(Path(folder, "drift.csv"), index=False)
            mlflow.log_artifacts(folder)


def evaluate_months(
    months: Sequence[ScoredMonth], reference: Reference, *, limits: Limits | None = None
) -> Report:
    """Judge each scored month whose durations are known, and whether there is cause for alarm.

    Only rides of 1 to 60 minutes count for the error, as in training. One odd month is no alarm:
    the latest has to be out of bounds, and so many of the last (see `Limits`).

    Raises
    ------
    ModelError
        If there is no month, or one whose durations are not known.
    """
    limits = limits or Limits()
    if not months:
        raise ModelError("There is no scored month to look at. Score one: taxi-duration score.")
    ordered = sorted(months, key=lambda each: each.month)
    drifts = {each.month: drift(each.predictions, reference.rides) for each in ordered}
    rows = [_figures(each, reference, drifts[each.month]) for each in ordered]
    table = pd.DataFrame(rows)
    table["verdict"] = [
        "; ".join(_crossed(row, reference, limits, drifts[row["month"]])) for row in rows
    ]
    out = table["verdict"].ne("").tail(limits.of_last)
    alarm = bool(out.iloc[-1] and out.sum() >= limits.months)
    tidy = pd.concat(drifts, names=["month"]).reset_index("month").reset_index(drop=True)
    return Report(table, tidy, alarm, tuple(ordered), reference, limits)


def _figures(each: ScoredMonth, reference: Reference, moved: pd.DataFrame) -> dict[str, object]:
    known, rows = each.known, len(each.predictions) + each.rejected
    if known.empty and each.rejected < rows:
        raise ModelError(
            f"No duration of {each.month} is known yet. Look at it when its rides have ended, and "
            "their month is scored again."
        )
    figures = score(known) if len(known) else dict.fromkeys(("rmse", "mae", "bias", "within_5"))
    covered = coverage(known)["coverage"].iloc[0] if len(known) else None
    return {
        "month": each.month,
        "age": _months_between(reference.last, each.month),
        **figures,
        "coverage": covered,
        "rejected": each.rejected / rows,
        "psi": moved["psi"].max(),
        "rows": rows,
    }


def _crossed(
    row: dict[str, object], reference: Reference, limits: Limits, moved: pd.DataFrame
) -> list[str]:
    """Say each limit that a month crosses."""
    said = []
    if row["rmse"] is not None:
        worse = row["rmse"] / reference.rmse - 1
        if worse > limits.rmse:
            said.append(f"rmse {worse:.0%} above that of the valid month at training")
        if abs(row["bias"]) > limits.bias:
            which = "long" if row["bias"] > 0 else "short"
            said.append(f"predictions {abs(row['bias']):.1f} minutes too {which}")
        if abs(row["coverage"] - reference.level) > limits.coverage:
            said.append(f"{row['coverage']:.0%} of rides in their {reference.level:.0%} interval")
    if row["rejected"] > limits.rejected:
        said.append(f"{row['rejected']:.0%} of rows rejected")
    far = moved[moved["psi"] > limits.psi].itertuples()
    return said + [f"{each.column} drifted (PSI {each.psi:.2f})" for each in far]


def _months_between(first: str, last: str) -> int:
    (year, month), (later, number) = (map(int, text.split("-")) for text in (first, last))
    return 12 * (later - year) + number - month
