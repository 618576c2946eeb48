"""What every drawing function returns, and the sheet that it draws on."""

from __future__ import annotations

import os
from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.figure import Figure

from taxi_duration.data.files import atomic_write
from taxi_duration.errors import SchemaError, SourceError, nearest
from taxi_duration.plots.style import COUNTS, INK, WIDTH, look

__all__ = ["ERROR", "Picture", "check", "complete", "count_bar", "sheet", "titled", "zero_line"]

ERROR = "predicted − actual (minutes)"

METADATA = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}}


@dataclass(frozen=True, eq=False)
class Picture:
    """A drawn figure with the sentence that says what is to be seen.

    As the last value of a notebook cell it is shown once, with that sentence as its
    alternative text; the same figure gives the same bytes.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        Unknown to pyplot, so nothing has to be closed.
    alt : str
        What is drawn, over which axes, in which units; no figures that a run could change.
    """

    figure: Figure
    alt: str

    def __post_init__(self) -> None:
        self.figure.get_layout_engine().execute(self.figure)
        self.figure.set_layout_engine("none")  # each further layout would move things a little

    def __repr__(self) -> str:
        return f"Picture: {self.alt}"

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture as PNG or SVG, by the suffix, whole or not at all.

        Raises
        ------
        SourceError
            If the suffix is another one, or the file cannot be written.
        """
        path = Path(path)
        if path.suffix not in METADATA:
            raise SourceError(f"Picture {path.name!r} has no known format. End it in .png or .svg.")
        with atomic_write(path) as fresh:
            fresh.write_bytes(self._render(path.suffix))
        return path

    def _render(self, suffix: str) -> bytes:
        metadata = METADATA[suffix] | {"Description": self.alt}
        with look(), BytesIO() as file:
            self.figure.savefig(file, format=suffix[1:], metadata=metadata)
            return file.getvalue()

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Any]]:
        width, height = (round(100 * inches) for inches in self.figure.get_size_inches())
        image = b64encode(self._render(".png")).decode()
        about = {"alt": self.alt, "width": width, "height": height}
        return {"image/png": image, "text/plain": repr(self)}, {"image/png": about}


def sheet(
    *, width: float = WIDTH, height: float = 3.6, title: str = "", **layout: object
) -> tuple[Figure, list[Axes]]:
    """Return an empty figure and its axes; the layout is that of `Figure.subplots`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = list(figure.subplots(squeeze=False, **layout).flat)
    axes[0].set_title(title)
    return figure, axes


def count_bar(cells: Collection) -> None:
    """Explain the shades of cells that count rides."""
    figure = cells.get_figure()
    bar = figure.colorbar(cells, label="rides (log scale)", pad=0.02, format=COUNTS)
    bar.minorticks_off()


def titled(text: str, model: str | None) -> str:
    """Return a title that also names the model, if there is one."""
    return f"{text}: {model}" if model else text


def zero_line(axes: Axes) -> None:
    """Mark where there is no error."""
    axes.axhline(0, color=INK, linewidth=1.2, zorder=1)


def check(data: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return the frame if it has these columns and any row.

    Raises
    ------
    SchemaError
        If it has not.
    """
    for column in columns:
        if column not in data:
            raise SchemaError(
                f"Column {column!r} is missing in the frame to draw. {nearest(column, data)}"
            )
    if data.empty:
        raise SchemaError(
            f"The frame to draw has no rows with {', '.join(map(repr, columns))}. "
            "Hand in at least one."
        )
    return data


def complete(data: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return these columns, of the rows that have them all.

    Raises
    ------
    SchemaError
        If a column is missing, or no such row is left.
    """
    return check(check(data, *columns)[list(columns)].dropna(), *columns)
