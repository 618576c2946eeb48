"""What a user sees of notebooks that run, of the models they leave, and of a model's history."""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from shutil import which
from typing import TYPE_CHECKING, TextIO

import click
import pandas as pd
from tqdm import tqdm

from taxi_duration.data.download import is_loopback
from taxi_duration.data.trips import Split
from taxi_duration.errors import printable, without_password
from taxi_duration.registry.loading import RegisteredModel, load
from taxi_duration.tracking.runs import list_runs

if TYPE_CHECKING:
    from taxi_duration.registry.journal import Entry

BAR = "{desc}  {bar:30}  {n} of {total} cells, {elapsed}"
LINE = "{desc}: {n} of {total} cells, {elapsed}"
COLUMNS = {
    "valid_rmse": ("valid RMSE", "{:.2f} min"),
    "test_rmse": ("test RMSE", "{:.2f} min"),
    "fit_seconds": ("fit", "{:.1f} s"),
    "size_mb": ("size", "{:.1f} MB"),
}
RIDE = {
    "pickup_datetime": "2021-03-01 08:00",
    "PULocationID": 74,
    "DOLocationID": 75,
    "trip_distance": 2.5,
}


class NotebookBar:
    """How many cells of a notebook are done: a bar on a terminal, lines elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.live = stream, stream.isatty()
        self.bar = tqdm(disable=True)

    def start(self, notebook: str, cell: int, cells: int) -> None:
        """Note that a cell starts, counted from 0, which starts a new bar."""
        if cell == 0:
            where, look = (self.stream, BAR) if self.live else (io.StringIO(), LINE)
            self.bar = tqdm(desc=notebook, total=cells, file=where, leave=False, bar_format=look)
        self.bar.update(cell - self.bar.n)

    def refresh(self) -> None:
        """Show how far the notebook is, if one runs."""
        if self.live:
            self.bar.refresh()
        elif not self.bar.disable:
            print(self.bar, file=self.stream, flush=True)

    def close(self) -> None:
        """Remove the bar."""
        self.bar.close()


@contextmanager
def show_progress(stream: TextIO | None = None, *, every: float = 30) -> Iterator[NotebookBar]:
    """Show which cell runs, on a terminal all the time, elsewhere `every` so many seconds.

    Examples
    --------
    >>> with show_progress() as progress:
    ...     progress.start("02_train", 0, 40)
    """
    progress, ended = NotebookBar(stream or sys.stderr), threading.Event()

    def refresh() -> None:
        while not ended.wait(0.5 if progress.live else every):
            progress.refresh()

    thread = threading.Thread(target=refresh, daemon=True)
    thread.start()
    try:
        yield progress
    finally:
        ended.set()
        thread.join()
        progress.close()


def warn_of_access(host: str) -> None:
    """Say what to do about a server that others can reach; nothing of one that they cannot."""
    if not is_loopback(host):
        click.echo(
            f"taxi-duration: Anyone who reaches {host} can use this server: put a reverse proxy "
            "with TLS and a login, such as Caddy or nginx, in front, and listen on 127.0.0.1.",
            err=True,
        )


def open_page(address: str) -> None:
    """Print an address, and open it in a browser where there is a screen."""
    import webbrowser

    click.echo(without_password(address))
    if sys.platform != "linux" or {"DISPLAY", "WAYLAND_DISPLAY"} & {*os.environ}:
        webbrowser.open(address)


def summary(results: Mapping[str, Mapping[str, object]]) -> str:
    """Return what notebooks have led to: models, the champion with a ride, and what to do next.

    Parameters
    ----------
    results : dict
        What each notebook displayed as JSON, by its name. A `run_id` is that of a training, a
        `version` that of a registered model.

    Examples
    --------
    >>> print(summary({"01_explore": {"rides kept": 5804}}).splitlines()[0])
    Go on with
    """
    trained = {
        name: str(result["run_id"]) for name, result in results.items() if "run_id" in result
    }
    chosen = [result for result in results.values() if "version" in result and "name" in result]
    parts = [_models(trained)] if trained else []
    if chosen:
        parts.append(_champion(load(f"models:/{chosen[-1]['name']}@champion")))
    return "\n\n".join([*filter(None, parts), next_commands()])


def next_commands() -> str:
    """Return three commands to go on with, as they can be typed here."""
    here = Path(sys.executable).with_name("taxi-duration")
    typed = "taxi-duration" if which("taxi-duration") else quote(os.path.relpath(here))
    ui, lab = f"{typed} ui", f"{typed} new --project taxis"
    if Path("Makefile").is_file():
        ui, lab = "make ui", "make lab"
    width = max(map(len, (ui, lab, f"{typed} --help")))
    return f"""Go on with
  {ui:{width}}  every run with its figures, in the browser
  {lab:{width}}  the notebooks, to read and to change
  {f"{typed} --help":{width}}  other months, other taxis, one notebook alone"""


def _models(trained: Mapping[str, str]) -> str:
    """Return the table of all trainings; later notebooks are named beside their models."""
    tables = [list_runs(parent=run_id) for run_id in trained.values()]
    for name, table in list(zip(trained, tables, strict=True))[1:]:
        table["model"] = [f"{model}, by {name}" for model in table["model"]]
    runs = pd.concat(tables, ignore_index=True)
    return model_table(runs.sort_values("valid_rmse")) if len(runs) else ""


def model_table(runs: pd.DataFrame) -> str:
    """Return a table of models with error, time and size, and the best on the valid month.

    Parameters
    ----------
    runs : DataFrame
        As `taxi_duration.tracking.runs.list_runs` returns them.

    Examples
    --------
    >>> import pandas as pd
    >>> columns = ["model", "valid_rmse", "test_rmse", "fit_seconds", "size_mb"]
    >>> print(model_table(pd.DataFrame([["ridge", 7.7037, 7.8, 1.2, 0.4]], columns=columns)))
    Model   valid RMSE  test RMSE      fit     size
    ridge     7.70 min   7.80 min    1.2 s   0.4 MB
    <BLANKLINE>
    Best on the valid month: ridge
    """
    table = runs.set_index("model").rename_axis(None)[list(COLUMNS)]
    shown = table.set_axis([title for title, _ in COLUMNS.values()], axis=1)
    text = shown.rename_axis(columns="Model").to_string(
        formatters=[form.format for _, form in COLUMNS.values()], col_space=[12, 10, 8, 8]
    )
    return f"{text}\n\nBest on the valid month: {table['valid_rmse'].idxmin()}"


def _champion(champion: RegisteredModel) -> str:
    ride = pd.DataFrame([{name: RIDE[name] for name in champion.estimator.inputs}])
    predicted = champion.predict(ride).iloc[0].round(1)
    level = round(100 * champion.estimator.intervals.level)
    return (
        f"Champion: version {champion.version} of {champion.name}, {champion.estimator.name}. "
        "Monday at 8:00 from zone 74 to 75, 2.5 miles:\n"
        f"{predicted['duration']} minutes, {level} % prediction interval {predicted['low']} "
        f"to {predicted['high']}"
    )


def format_history(history: pd.DataFrame) -> str:
    """Return what `registry.promotion.history` returns as text, a paragraph for each version."""
    return "\n\n".join(_version(row) for row in history.itertuples())


def _version(row: tuple) -> str:
    aliases = f", {' and '.join(row.aliases)}" if row.aliases else ""
    own = [  # parameters of the model itself, not months or digests
        f"{name} {value}"
        for name, value in row.parameters.items()
        if "sha256" not in name and name not in {*Split._fields, "refit"}
    ]
    lines = {
        "model": row.model,
        "run": f"{row.run_id}, registered {row.created:%Y-%m-%d %H:%M} UTC",
        "months": f"train {row.train}, valid {row.valid}, test {row.test}, refit {row.refit}",
        "data": ", ".join(f"{name} {digest[:12]}" for name, digest in row.inputs.items()),
        "parameters": ", ".join(own),
        "metrics": f"valid rmse {row.valid_rmse:.2f}, test rmse {row.test_rmse:.2f} minutes, "
        f"intervals cover {row.coverage:.1%} of the test month",
        "gate": str(row.verdict or "not run"),
        "champion": "; ".join(map(_promotion, row.promotions)) or "never",
    }
    texts = [f"  {name:10}  {printable(str(text))}" for name, text in lines.items()]
    return "\n".join([f"version {row.version}{aliases}", *texts])


def _promotion(entry: Entry) -> str:
    how = "promoted" if entry.kind == "promote" else "brought back"
    after = f" after version {entry.before}" if entry.before else ""
    return f"{how}{after} {entry.when:%Y-%m-%d %H:%M} UTC by {entry.who}: {entry.why}"
