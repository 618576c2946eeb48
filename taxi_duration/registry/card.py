"""The model card: what a registered model is, what it is good for and how good, from its record."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from taxi_duration.data.files import atomic_write, temporary_folder
from taxi_duration.data.trips import Split
from taxi_duration.errors import printable
from taxi_duration.evaluation.metrics import METRICS
from taxi_duration.models.intervals import GROUPS
from taxi_duration.months import Months
from taxi_duration.registry.journal import read_journal
from taxi_duration.registry.loading import RegisteredModel, find_model, set_description, set_tag
from taxi_duration.tracking.runs import attach, download, read_environment

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).parent / "templates" / "card"
TIME_FORMAT = "%Y-%m-%d %H:%M UTC"
DESCRIPTION = 5000  # characters that MLflow's database holds
WHOLE = "`taxi-duration card` writes the whole card.\n"
MIN_RIDES = 50  # of a slice that may be called the hardest
rounded, share, whole = "{:.2f}".format, "{:.1%}".format, "{:,.0f}".format


@dataclass(frozen=True)
class Card:
    """A card in Markdown, and the same as a page that loads nothing from anywhere."""

    model: RegisteredModel
    markdown: str = field(repr=False)
    html: str = field(repr=False)

    def save(self, folder: Path) -> tuple[Path, Path]:
        """Write both into a folder, as NAME-VERSION.md and .html; return their paths."""
        stem = f"{self.model.name}-{self.model.version}"
        paths = folder / f"{stem}.md", folder / f"{stem}.html"
        for path, text in zip(paths, (self.markdown, self.html), strict=True):
            with atomic_write(path) as fresh:
                fresh.write_text(text, encoding="utf-8")
        return paths


def make_card(model: str | RegisteredModel) -> Card:
    """Return the card of a model, found or as `load` takes it, from its record alone."""
    from markdown_it import MarkdownIt

    found = find_model(model) if isinstance(model, str) else model
    found.check_files()
    markdown = _write(found)
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    return Card(found, markdown, _template("card.html.j2").render(model=found, body=body))


def attach_card(card: Card) -> None:
    """Attach a card: its files to the run, to the version a tag with their place, and its text.

    MLflow's page of the version shows the text.
    """
    with temporary_folder() as folder:
        page = card.save(folder)[1]
        attach(card.model.run_id, folder.iterdir(), folder="card")
        set_tag(card.model, "card", f"runs:/{card.model.run_id}/card/{page.name}")
        set_description(card.model, _shorten(card.markdown))


def describe(model: RegisteredModel) -> None:
    """Set the card of a model, whose files were verified, as the description of its version."""
    set_description(model, _shorten(_write(model)))


def _write(model: RegisteredModel) -> str:
    return _template("card.md.j2").render(_facts(model)).strip() + "\n"


def _shorten(markdown: str) -> str:
    """Leave out the tables of slices, then the longest sections, until a description holds it."""
    first, *sections = re.split(r"^(?=## )", markdown, flags=re.MULTILINE)
    sections = [section.partition("\n### ")[0].rstrip() + "\n\n" for section in sections]
    while sections and len("".join([first, *sections, WHOLE])) > DESCRIPTION:
        sections.remove(max(sections, key=len))
    return "".join([first, *sections, WHOLE])


@cache
def _template(name: str) -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=jinja2.select_autoescape(enabled_extensions=("html.j2",)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    numbers = {"rounded": rounded, "share": share, "whole": whole}
    environment.filters |= {**numbers, "text": _text, "code": _code, "word": _word}
    return environment.get_template(name)


def _text(value: object) -> str:
    """Return a value as one line that Markdown takes for text."""
    return re.sub(r"([\\|*_`<\[\]&~#])", r"\\\1", _line(value))


def _code(value: object) -> str:
    """Return a value as a span of code, in which nothing can be escaped."""
    return "`" + _line(value).replace("`", "'") + "`"


def _word(value: object) -> str:
    """Return a value as a word of a command that a reader may copy."""
    return shlex.quote(_line(value))


def _line(value: object) -> str:
    return printable(" ".join(str(value).split()))


def _facts(model: RegisteredModel) -> dict[str, object]:
    record, verdict = model.record, model.verdict
    gate = Months.parse(",".join(verdict.months)) if verdict else None
    with temporary_folder() as folder:
        rows = pd.read_csv(download(model.run_id, "rows.csv", folder), index_col=0)
        slices = pd.read_csv(download(model.run_id, "slices.csv", folder))
    return {
        "model": model,
        "today": f"{datetime.now(UTC):%Y-%m-%d}",
        "record": record,
        "verdict": verdict,
        "is_refitted": record.parameters["refit"] == "True",
        "is_changed": record.tags["tree"] == "changed",
        "test_months": record.months("test"),
        "gate_months": gate,
        "is_gate_test": bool(set(gate or ()) & set(record.months("test"))),
        "identity": _pairs(_identity(model)),
        "files": pd.DataFrame(record.inputs.items(), columns=["file", "sha256"]),
        "environment": _pairs(read_environment(record.run_id)),
        "rows": rows.map(whole).reset_index(names="month"),
        "errors": _errors(record.metrics),
        "slices": {by: _slices(part, by) for by, part in slices.groupby("by", sort=False)},
        "hardest": _hardest(slices),
        "coverage": _coverage(record.metrics),
        "promotions": _promotions(model),
    }


def _pairs(facts: Mapping[str, object]) -> pd.DataFrame:
    return pd.DataFrame(facts.items(), columns=["what", "which"])


def _identity(model: RegisteredModel) -> dict[str, object]:
    record = model.record
    return {
        "model": record.model,
        "registered": f"{model.created:{TIME_FORMAT}}",
        "trained": f"{record.started:{TIME_FORMAT}}",
        "developer": record.tags["developer"],
        "run": model.run_id,
        "digest of its files": model.sha256,
    } | {
        name: value
        for name, value in record.parameters.items()
        if "sha256" not in name and name not in Split._fields
    }


def _errors(metrics: Mapping[str, float]) -> pd.DataFrame:
    rows = {
        f"{label}{part}": [metrics[f"{prefix}{part}_{name}"] for name in METRICS]
        for label, prefix in (("", ""), ("naive, ", "naive_"))
        for part in Split._fields
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=METRICS)
    for name in METRICS:
        table[name] = table[name].map(share if name.startswith("within") else rounded)
    return table.rename(columns={"within_5": "within 5 minutes"}).reset_index(names="month")


def _slices(slices: pd.DataFrame, by: str) -> pd.DataFrame:
    valid, test = (
        slices[slices["month"] == month].set_index("slice") for month in ("valid", "test")
    )
    columns = {
        "valid rmse": valid["rmse"].map(rounded),
        "test rmse": test["rmse"].map(rounded),
        "valid bias": valid["bias"].map(rounded),
        "test bias": test["bias"].map(rounded),
        "test rows": test["rows"].map(whole),
    }
    return pd.DataFrame(columns, index=test.index).fillna("none").reset_index(names=by)


def _hardest(slices: pd.DataFrame) -> dict[str, object] | None:
    large = slices[(slices["month"] == "test") & (slices["rows"] >= MIN_RIDES)]
    return None if large.empty else large.loc[large["rmse"].idxmax()].to_dict()


def _coverage(metrics: Mapping[str, float]) -> pd.DataFrame:
    keys = {name: name.replace(" ", "_") for name in ("all", *GROUPS)}
    rows = [
        [name, share(metrics[f"test_coverage_{key}"]), rounded(metrics[f"test_width_{key}"])]
        for name, key in keys.items()
        if f"test_coverage_{key}" in metrics
    ]
    return pd.DataFrame(rows, columns=["predicted", "coverage", "width"])


def _promotions(model: RegisteredModel) -> pd.DataFrame:
    rows = [
        [f"{entry.when:{TIME_FORMAT}}", entry.kind, entry.before or "none", entry.who, entry.why]
        for entry in read_journal(model.name)
        if entry.version == model.version
    ]
    return pd.DataFrame(rows, columns=["when", "how", "champion before", "who", "why"])
