"""What all pictures share: the `Picture`, one look, checked frames, and axes drawn alike."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zlib import crc32

import matplotlib.style
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from pandas.api.typing import DataFrameGroupBy

from taxi_duration.errors import SchemaError, SourceError, nearest

NAVY = "#33475B"  # recorded rides: no model has this colour
ORANGE = "#C8782A"  # what is set against them
GREY = "#A9B2BC"
BLACK = "#20262C"
MODELS = {
    "median": "#7F7F7F", "linear": "#56B4E9", "ridge": "#029E73", "lasso": "#CC78BC",
    "reference": "#DE8F05", "xgboost": "#0173B2", "quote": "#B8321A",
}  # fmt: skip
OTHER_MODELS = ("#5B3A8E", "#8C6D31", "#17BECF", "#3A3A3A", "#8FA31E")

ERROR, RMSE = "predicted − actual (minutes)", "RMSE (minutes)"
HOUR = "hour of pick-up (o'clock)"
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
THOUSANDS = StrMethodFormatter("{x:,.0f}")  # 12,000
LEGEND_ABOVE = {
    "loc": "lower right", "bbox_to_anchor": (1, 1), "borderaxespad": 0.1, "columnspacing": 1.2,
}  # fmt: skip
THEME = {
    "axes.edgecolor": "#8A939C", "axes.spines.right": False, "axes.spines.top": False,
    "axes.grid": True, "grid.color": "#E6E9EC",
    "axes.titlelocation": "left", "axes.titleweight": "bold", "axes.titlesize": 12,
    "axes.labelsize": 11, "xtick.labelsize": 10, "ytick.labelsize": 10,
    "legend.fontsize": 10, "legend.frameon": False,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "figure.dpi": 150, "savefig.dpi": "figure", "svg.hashsalt": "taxi_duration",
}  # fmt: skip
METADATA = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}}


@contextmanager
def theme() -> Iterator[None]:
    """Draw in one look, independent of the user's own settings, and restore those.

    Also a decorator: `@theme()`.
    """
    settings = sns.plotting_context("notebook") | sns.axes_style("ticks") | THEME
    with matplotlib.style.context(settings, after_reset=True):
        yield


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure with its alternative text.

    As the last value of a notebook cell it is shown once; the same figure gives the same bytes.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        Unknown to pyplot, so there is nothing to close.
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
        """Write the picture to a file, completely or not at all, and return its path.

        Parameters
        ----------
        path : str or path-like
            The suffix .png or .svg chooses the format.
        """
        path = Path(path)
        if path.suffix not in METADATA:
            raise SourceError(f"Picture {path.name!r} has no known format. End it in .png or .svg.")
        content = self._render(path.suffix)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=path.parent, prefix=".") as folder:
                fresh = Path(folder, path.name)
                fresh.write_bytes(content)
                return fresh.replace(path)
        except OSError as problem:
            raise SourceError(
                f"Cannot write {str(path)!r}: {problem.strerror}. Make room, or choose another "
                "folder."
            ) from problem

    def _render(self, suffix: str) -> bytes:
        metadata = METADATA[suffix] | {"Description": self.alt}
        with theme(), BytesIO() as file:
            self.figure.savefig(file, format=suffix[1:], metadata=metadata)
            return file.getvalue()

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, str], dict[str, Any]]:
        width, height = (round(100 * inches) for inches in self.figure.get_size_inches())
        image = b64encode(self._render(".png")).decode()
        about = {"alt": self.alt, "width": width, "height": height}
        return {"image/png": image, "text/plain": repr(self)}, {"image/png": about}


def require_columns(data: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return the frame; raise `SchemaError` if it lacks one of the columns or has no rows."""
    for column in columns:
        if column not in data:
            raise SchemaError(
                f"Column {column!r} is missing in the frame to draw. {nearest(column, data)}"
            )
    if data.empty:
        raise SchemaError(
            f"The frame to draw has no rows with {', '.join(map(repr, columns))}. "
            "Pass at least one."
        )
    return data


def complete_rows(data: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return these columns of the rows that have no missing value in them."""
    return require_columns(require_columns(data, *columns)[list(columns)].dropna(), *columns)


def model_colour(model: str | None) -> str:
    """Return the colour of a model, the same in every picture; `None` is an unnamed model.

    Examples
    --------
    >>> model_colour("xgboost")
    '#0173B2'
    >>> model_colour("my own")
    '#8C6D31'
    """
    if model is None:
        return MODELS["xgboost"]
    return MODELS.get(model) or OTHER_MODELS[crc32(model.encode()) % len(OTHER_MODELS)]


def shades(colour: str = "#5E86A8") -> LinearSegmentedColormap:
    """Return a colour map from nearly white through the colour to nearly black."""
    return sns.blend_palette(["#E3E9EF", colour, "#10161D"], as_cmap=True)


def subplots(
    *, title: str, model: str | None = None, width: float = 8, height: float = 3.6,
    **layout: object,
) -> tuple[Figure, list[Axes]]:  # fmt: skip
    """Return an empty figure and its axes, the first with a title that may name a model.

    Sizes are in inches, of which 8 are the width of a page; `layout` is that of `Figure.subplots`.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = list(figure.subplots(squeeze=False, **layout).flat)
    axes[0].set_title(f"{title}: {model}" if model else title)
    return figure, axes


def count_rides(axes: Axes, label: str = "rides") -> None:
    """Label the vertical axis as a number of rides."""
    axes.set_ylabel(label)
    axes.yaxis.set_major_formatter(THOUSANDS)


def first_on_top(axes: Axes) -> None:
    """Draw the categories of a vertical axis downwards, without grid lines between them."""
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")


def value_bars(
    axes: Axes, values: pd.Series, *, colour: str | list[str], fmt: str, size: float | None = None
) -> None:
    """Draw a horizontal bar for each value, by its index and with the value beside it."""
    bars = axes.barh(values.index.astype(str), values, color=colour)
    axes.bar_label(bars, fmt=fmt, padding=4, fontsize=size)
    first_on_top(axes)


def density(
    axes: Axes, x: pd.Series, y: pd.Series, *, cmap: LinearSegmentedColormap,
    gridsize: tuple[int, int], extent: tuple[float, float, float, float],
) -> None:  # fmt: skip
    """Draw hexagons, darker where more rides lie, with a colour bar that counts them."""
    cells = axes.hexbin(
        x, y, bins="log", mincnt=1, cmap=cmap, gridsize=gridsize, extent=extent, linewidths=0.1
    )
    bar = axes.figure.colorbar(cells, label="rides (log scale)", pad=0.02, format=THOUSANDS)
    bar.minorticks_off()


def heat_map(
    axes: Axes, table: pd.DataFrame, *, label: str, limits: tuple[float, float | None],
    **options: object,
) -> None:  # fmt: skip
    """Draw a table as coloured cells, the label on the colour bar; seaborn has more options."""
    low, high = limits
    bar = {"label": label, "pad": 0.02}
    sns.heatmap(table, ax=axes, vmin=low, vmax=high, cbar_kws=bar, **options)
    axes.tick_params(length=0)


def by_weekday_and_hour(rides: pd.DataFrame) -> DataFrameGroupBy:
    """Group rides by weekday (0 is Monday) and hour of their pick-up."""
    pickup = rides["pickup_datetime"].dt
    return rides.groupby([pickup.day_of_week.rename("weekday"), pickup.hour.rename("hour")])


def week_table(values: pd.Series) -> pd.DataFrame:
    """Return values by weekday and hour as a table of 7 rows and 24 columns."""
    hours = pd.MultiIndex.from_product([range(7), range(24)])
    return pd.DataFrame(values.reindex(hours).to_numpy().reshape(7, 24))


def week_heat_map(axes: Axes, table: pd.DataFrame, **options: object) -> None:
    """Draw a table of the week as `heat_map` does, an empty cell hatched."""
    heat_map(axes, table, linewidths=0.6, xticklabels=False, yticklabels=False, **options)
    axes.set(xlabel=HOUR, ylabel="weekday of pick-up")
    axes.set_xticks([hour + 0.5 for hour in range(0, 24, 3)], range(0, 24, 3), rotation=0)
    axes.set_yticks([day + 0.5 for day in range(7)], WEEKDAYS, rotation=0)
    axes.grid(visible=False)
    axes.patch.set(hatch="/////", edgecolor="#C5CBD1")
