"""One look for every picture: theme, sizes and the colour of each model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

import matplotlib.style
import seaborn as sns
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import StrMethodFormatter

__all__ = [
    "ABOVE",
    "CONTRAST",
    "COUNTS",
    "INK",
    "MUTED",
    "RIDES",
    "WIDTH",
    "colour_of",
    "look",
    "shades",
]

WIDTH = 8.0  # inches; 800 pixels on a page
RIDES = "#33475B"  # what was recorded: no model has this colour
CONTRAST = "#C8782A"  # the other kind of ride beside it
MUTED = "#A9B2BC"
INK = "#20262C"
COUNTS = StrMethodFormatter("{x:,.0f}")  # 12,000
ABOVE = {  # a legend's place
    "loc": "lower right",
    "bbox_to_anchor": (1, 1),
    "borderaxespad": 0.1,
    "columnspacing": 1.2,
}
MODELS = {
    "median": "#7F7F7F",
    "linear": "#56B4E9",
    "ridge": "#029E73",
    "lasso": "#CC78BC",
    "reference": "#DE8F05",
    "xgboost": "#0173B2",
    "quote": "#B8321A",
}
OTHERS = ("#5B3A8E", "#8C6D31", "#17BECF", "#3A3A3A", "#8FA31E")
THEME = {
    "axes.edgecolor": "#8A939C",
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 12,
    "axes.labelsize": 11,
    "figure.dpi": 150,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "grid.color": "#E6E9EC",
    "legend.fontsize": 10,
    "legend.frameon": False,
    "savefig.dpi": "figure",
    "svg.hashsalt": "taxi_duration",
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
}


@contextmanager
def look() -> Iterator[None]:
    """Draw in our theme, whatever the reader's own settings are, and put those back.

    Also a decorator: `@look()`.
    """
    theme = sns.plotting_context("notebook") | sns.axes_style("ticks") | THEME
    with matplotlib.style.context(theme, after_reset=True):
        yield


def colour_of(model: str | None) -> str:
    """Return the colour of a model, the same in every picture; `None` is an unnamed model.

    Examples
    --------
    >>> colour_of("xgboost")
    '#0173B2'
    >>> colour_of("my own")
    '#8C6D31'
    """
    if model is None:
        return MODELS["xgboost"]
    return MODELS.get(model) or OTHERS[crc32(model.encode()) % len(OTHERS)]


def shades(colour: str) -> LinearSegmentedColormap:
    """Return shades of a colour from nearly white, over itself, to nearly black."""
    return sns.blend_palette(["#E3E9EF", colour, "#10161D"], as_cmap=True)
