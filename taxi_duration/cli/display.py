"""What a user sees while notebooks run, and when they have run."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    import pandas as pd

    from taxi_duration.registry.promotion import Entry

__all__ = ["NEXT", "Display", "format_history", "model_table", "watch"]

NEXT = """Go on with
  make ui               every run with its figures, in the browser
  make lab              the notebooks, to read and to change
  taxi-duration --help  other months, other taxis, one notebook alone"""


@contextmanager
def watch(stream: TextIO | None = None, *, every: float = 30) -> Iterator[Display]:
    """Show where the notebooks are: a bar on a terminal, elsewhere a line `every` so many seconds.

    Examples
    --------
    >>> with watch() as display:
    ...     display.enter("02_train", 0, 40)
    """
    stream = stream or sys.stderr
    display = _Bar(stream) if stream.isatty() else Display(stream)
    with _repeated(display.refresh, 0.5 if stream.isatty() else every):
        try:
            yield display
        finally:
            display.leave()


class Display:
    """Lines that say where a notebook is."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.where = ""
        self.start = time.monotonic()

    def enter(self, name: str, cell: int, cells: int) -> None:
        """Take note that a cell of a notebook starts; cells count from 0."""
        if cell == 0:
            self.start = time.monotonic()
        self.where = f"{name}: cell {cell + 1} of {cells}"

    def leave(self) -> None:
        """Take note that the notebook is done."""
        self.where = ""

    def refresh(self) -> None:
        """Show where the notebook is, if one runs."""
        if self.where:
            seconds = time.monotonic() - self.start
            self.stream.write(f"{self.where}, after {seconds:.0f} s\n")
            self.stream.flush()


class _Bar(Display):
    """A bar, which goes when the notebook is done."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.bar = None

    def enter(self, name: str, cell: int, cells: int) -> None:
        from tqdm import tqdm

        if cell == 0:
            self.leave()
            look = "{desc}  {bar:30}  {n} of {total} cells, {elapsed}"
            self.bar = tqdm(desc=name, total=cells, file=self.stream, leave=False, bar_format=look)
        self.bar.update(cell - self.bar.n)

    def leave(self) -> None:
        if self.bar is not None:
            self.bar.close()

    def refresh(self) -> None:
        if self.bar is not None:
            self.bar.refresh()


@contextmanager
def _repeated(action: Callable[[], None], every: float) -> Iterator[None]:
    done = threading.Event()

    def repeat() -> None:
        while not done.wait(every):
            action()

    thread = threading.Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def model_table(runs: pd.DataFrame) -> str:
    """Write the models with error, time and size, and name the best by the valid month.

    Parameters
    ----------
    runs
        A row for each model: model, valid_rmse and test_rmse in minutes, fit_seconds, size_mb.

    Examples
    --------
    >>> import pandas as pd
    >>> columns = ["model", "valid_rmse", "test_rmse", "fit_seconds", "size_mb"]
    >>> print(model_table(pd.DataFrame([["ridge", 7.7037, 7.8, 1.2, 0.4]], columns=columns)))
    Model  valid RMSE  test RMSE    fit    size
    ridge    7.70 min   7.80 min  1.2 s  0.4 MB
    <BLANKLINE>
    Best on the valid month: ridge
    """
    shown = {
        "Model": runs["model"],
        "valid RMSE": [f"{minutes:.2f} min" for minutes in runs["valid_rmse"]],
        "test RMSE": [f"{minutes:.2f} min" for minutes in runs["test_rmse"]],
        "fit": [f"{seconds:.1f} s" for seconds in runs["fit_seconds"]],
        "size": [f"{megabytes:.1f} MB" for megabytes in runs["size_mb"]],
    }
    widths = [max(map(len, [title, *column])) for title, column in shown.items()]
    rows = [
        "  ".join(
            f"{cell:{'>' if at else '<'}{width}}"
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [tuple(shown), *zip(*shown.values(), strict=True)]
    ]
    best = runs.loc[runs["valid_rmse"].idxmin(), "model"]
    return "\n".join([*rows, "", f"Best on the valid month: {best}"])


def format_history(history: pd.DataFrame) -> str:
    """Write what `registry.promotion.history` returns, a paragraph for each version."""
    return "\n\n".join(_version(row) for row in history.itertuples())


def _version(row: tuple) -> str:
    aliases = f", {' and '.join(row.aliases)}" if row.aliases else ""
    lines = {
        "model": row.model,
        "run": f"{row.run_id}, registered {row.created:%Y-%m-%d %H:%M} UTC",
        "months": f"train {row.train}, valid {row.valid}, test {row.test}, refit {row.refit}",
        "data": ", ".join(f"{name} {digest[:12]}" for name, digest in row.inputs.items()),
        "parameters": ", ".join(f"{name} {value}" for name, value in _own(row.parameters)),
        "metrics": f"valid rmse {row.valid_rmse:.2f}, test rmse {row.test_rmse:.2f} minutes, "
        f"intervals cover {row.coverage:.1%} of the test month",
        "gate": row.verdict or "not run",
        "champion": "; ".join(map(_promotion, row.promotions)) or "never",
    }
    texts = [f"  {name:10}  {text}" for name, text in lines.items()]
    return "\n".join([f"version {row.version}{aliases}", *texts])


def _own(parameters: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the parameters that are the model's own, not months or digests."""
    return [
        (name, value)
        for name, value in parameters.items()
        if "sha256" not in name and name not in {"train", "valid", "test", "refit"}
    ]


def _promotion(entry: Entry) -> str:
    how = "promoted" if entry.kind == "promote" else "brought back"
    after = f" after version {entry.before}" if entry.before else ""
    return f"{how}{after} {entry.when:%Y-%m-%d %H:%M} UTC by {entry.who}: {entry.why}"
