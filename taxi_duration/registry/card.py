"""A model card: what a registered model is, what it is good for and how good, from its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pandas as pd

from taxi_duration.data.files import atomic_write
from taxi_duration.errors import TrackingError
from taxi_duration.evaluation.metrics import METRICS
from taxi_duration.models.intervals import GROUPS
from taxi_duration.registry.journal import entries
from taxi_duration.registry.loading import RegisteredModel, find_model, set_tag
from taxi_duration.registry.markdown import (
    cell,
    lines_of,
    minutes,
    pairs,
    share,
    table,
    to_html,
    whole,
)
from taxi_duration.tracking.runs import Record, attach, download, files_of

if TYPE_CHECKING:
    import jinja2

__all__ = ["Card", "attach_card", "make_card"]

TEMPLATES = Path(__file__).parent / "templates" / "card"
PARTS = ("train", "valid", "test")
NEEDED = ("rows.csv", "slices.csv")
WHEN = "%Y-%m-%d %H:%M UTC"
ENOUGH = 50  # rides; of fewer no slice is called the hardest


@dataclass(frozen=True)
class Card:
    """A card in Markdown, and the same as a page that loads nothing from anywhere."""

    version: RegisteredModel
    markdown: str = field(repr=False)
    html: str = field(repr=False)

    def save(self, folder: Path) -> tuple[Path, Path]:
        """Write both into a folder, as NAME-VERSION.md and .html; return their paths."""
        stem = f"{self.version.name}-{self.version.version}"
        paths = folder / f"{stem}.md", folder / f"{stem}.html"
        for path, text in zip(paths, (self.markdown, self.html), strict=True):
            with atomic_write(path) as fresh:
                fresh.write_text(text, encoding="utf-8")
        return paths


def make_card(model: str | RegisteredModel) -> Card:
    """Write the card of a registered model, from its record alone.

    Parameters
    ----------
    model
        As `find_model` takes it.

    Raises
    ------
    ModelError
        If there is no such version, or its files are not those that were registered.
    TrackingError
        If its run lacks what a card tells, or the store does not answer.
    """
    version = find_model(model) if isinstance(model, str) else model
    version.check_files()
    markdown = _template("card.md.j2").render(_facts(version, version.record)).strip() + "\n"
    title = f"{version.name}, version {version.version}"
    html = _template("card.html.j2").render(title=title, body=to_html(markdown))
    return Card(version, markdown, html)


def attach_card(card: Card) -> None:
    """Attach a card to the version: its files to the run, and where they are as a tag.

    Raises
    ------
    TrackingError
        If the store does not take it.
    """
    with TemporaryDirectory() as folder:
        page = card.save(Path(folder))[1]
        attach(card.version.run_id, Path(folder).iterdir(), folder="card")
        set_tag(card.version, "card", f"runs:/{card.version.run_id}/card/{page.name}")


def _template(name: str) -> jinja2.Template:
    import jinja2

    place = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(enabled_extensions=("html.j2",)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    place.filters |= {"minutes": minutes, "share": share, "whole": whole, "cell": cell}
    return place.get_template(name)


def _facts(version: RegisteredModel, record: Record) -> dict[str, object]:
    verdict = version.verdict
    rows, slices = _tables(version.run_id)
    test = record.parameters["test"].split(", ")
    return {
        "version": version,
        "verdict": verdict,
        "metrics": record.metrics,
        "service": record.tags["service"],
        "months": {part: record.parameters[part] for part in PARTS},
        "refit": record.parameters["refit"] == "True",
        "commit": record.tags.get("mlflow.source.git.commit"),
        "is_changed": record.tags["tree"] == "changed",
        "code": record.parameters["code_sha256"],
        "is_gate_test": bool(verdict and set(verdict.months) & set(test)),
        "identity": pairs(_identity(version, record)),
        "files": table(["file", "sha256"], record.inputs.items()),
        "environment": pairs(record.environment),
        "rows": table(["month", *rows], lines_of(rows.map(whole))),
        "gate": verdict and pairs({"verdict": str(verdict)}),
        "errors": _errors(record.metrics),
        "slices": {by: _slices(part) for by, part in slices.groupby("by", sort=False)},
        "hardest": _hardest(slices),
        "coverage": _coverage(record.metrics),
        "costs": pairs(_costs(version, record)),
        "promotions": _promotions(version),
    }


def _tables(run_id: str) -> list[pd.DataFrame]:
    missing = set(NEEDED) - set(files_of(run_id))
    if missing:
        raise TrackingError(
            f"Run {run_id!r} keeps no {', '.join(sorted(missing))}: an earlier version of this "
            "library recorded it. Train the model again, and register that run."
        )
    with TemporaryDirectory() as folder:
        rows, slices = (download(run_id, name, Path(folder)) for name in NEEDED)
        return [pd.read_csv(rows, index_col=0), pd.read_csv(slices)]


def _identity(version: RegisteredModel, record: Record) -> dict[str, object]:
    return {
        "model": record.model,
        "registered": f"{version.created:{WHEN}}",
        "trained": f"{record.started:{WHEN}}",
        "developer": record.tags["developer"],
        "run": version.run_id,
        "digest of its files": version.sha256,
    } | {
        name: value
        for name, value in record.parameters.items()
        if "sha256" not in name and name not in PARTS
    }


def _errors(metrics: Mapping[str, float]) -> str:
    lines = [
        [f"{who}{part}", *(_score(metrics[f"{prefix}{part}_{name}"], name) for name in METRICS)]
        for who, prefix in (("", ""), ("naive, ", "naive_"))
        for part in PARTS
    ]
    return table(["month", *map(_title, METRICS)], lines)


def _title(name: str) -> str:
    return f"{name.replace('_', ' ')} minutes" if name.startswith("within") else name


def _score(value: float, name: str) -> str:
    return share(value) if name.startswith("within") else minutes(value)


def _slices(slices: pd.DataFrame) -> str:
    valid, test = (
        slices[slices["month"] == month].set_index("slice") for month in ("valid", "test")
    )
    frame = pd.DataFrame(
        {
            "valid rmse": valid["rmse"].map(minutes),
            "test rmse": test["rmse"].map(minutes),
            "valid bias": valid["bias"].map(minutes),
            "test bias": test["bias"].map(minutes),
            "test rows": test["rows"].map(whole),
        },
        index=test.index,
    )
    return table([slices["by"].iloc[0], *frame], lines_of(frame.fillna("none")))


def _hardest(slices: pd.DataFrame) -> dict[str, object] | None:
    judged = slices[(slices["month"] == "test") & (slices["rows"] >= ENOUGH)]
    return None if judged.empty else judged.loc[judged["rmse"].idxmax()].to_dict()


def _coverage(metrics: Mapping[str, float]) -> str:
    names = {name: name.replace(" ", "_") for name in ("all", *GROUPS)}
    lines = [
        [name, share(metrics[f"test_coverage_{key}"]), minutes(metrics[f"test_width_{key}"])]
        for name, key in names.items()
        if f"test_coverage_{key}" in metrics
    ]
    return table(["predicted", "coverage", "width"], lines)


def _costs(version: RegisteredModel, record: Record) -> dict[str, str]:
    metrics, verdict = record.metrics, version.verdict
    speed = {"rides a second, at the gate": whole(verdict.rows_per_second)} if verdict else {}
    return {
        "size on disk, in MB": minutes(metrics["model_bytes"] / 1e6),
        "seconds of the fit": minutes(metrics["fit_seconds"]),
        "seconds of the refit": minutes(metrics["refit_seconds"]),
    } | speed


def _promotions(version: RegisteredModel) -> str:
    lines = [
        [f"{entry.when:{WHEN}}", entry.kind, entry.before or "none", entry.who, entry.why]
        for entry in entries(version.name)
        if entry.version == version.version
    ]
    return table(["when", "how", "champion before", "who", "why"], lines) if lines else ""
