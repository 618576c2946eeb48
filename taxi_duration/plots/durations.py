"""Pictures of the durations themselves, and of the rows left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from taxi_duration.plots.picture import Picture, check, complete, sheet
from taxi_duration.plots.style import CONTRAST, COUNTS, RIDES, look

__all__ = ["durations", "left_out", "log_durations"]

MINUTES = np.arange(0, 62)
HALF_HOURS = np.arange(-2, 26.5, 0.5)
AROUND_MINUTES = np.array([1, *np.arange(1.5, 61)])  # many meters count in whole minutes
STEP = np.log(1.1)


@look()
def durations(all_rides: pd.DataFrame) -> Picture:
    """Draw the durations as recorded, dirt included, beside those that are kept.

    Parameters
    ----------
    all_rides : pandas.DataFrame
        Columns `duration` (minutes) and `left_out` (the reason, missing where kept).

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    check(all_rides, "duration", "left_out")
    kept = all_rides["left_out"].isna()
    figure, (recorded, clean) = sheet(ncols=2, title="As recorded")
    _draw_recorded(recorded, all_rides["duration"], kept)
    _bars(clean, all_rides["duration"][kept], edges=MINUTES, colour=RIDES)
    clean.set(title="Kept", xlabel="duration (minutes)", ylabel="rides")
    clean.yaxis.set_major_formatter(COUNTS)
    alt = (
        "Two histograms of ride durations: as recorded, in hours and with rides counted on a "
        "logarithmic axis so that the left-out ones show, and those kept, in minutes."
    )
    return Picture(figure, alt)


def _draw_recorded(axes: Axes, minutes: pd.Series, kept: pd.Series) -> None:
    hours = minutes / 60
    _bars(axes, hours[kept], edges=HALF_HOURS, colour=RIDES, label="kept")
    _bars(axes, hours[~kept], edges=HALF_HOURS, colour=CONTRAST, label="left out")
    axes.set_yscale("log")
    axes.set(xlabel="duration (hours)", ylabel="rides (log scale)", xticks=range(0, 25, 6))
    axes.yaxis.set_major_formatter(COUNTS)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.legend(loc="upper center")


def _bars(
    axes: Axes, values: pd.Series, *, edges: np.ndarray, colour: str, label: str | None = None
) -> None:
    """Draw a histogram; what lies beyond the edges is counted in the outermost bars."""
    sns.histplot(
        values.clip(edges[0], edges[-1]), bins=edges, ax=axes, color=colour, label=label,
        alpha=1, linewidth=0.3,
    )  # fmt: skip


@look()
def log_durations(rides: pd.DataFrame) -> Picture:
    """Draw the durations on a logarithmic axis, with the bell curve of same mean and spread.

    Parameters
    ----------
    rides : pandas.DataFrame
        Column `duration`: 1 to 60 minutes.

    Raises
    ------
    SchemaError
        If the column or every row is missing.
    """
    minutes = complete(rides, "duration")["duration"].clip(1, 60)
    counts = np.histogram(minutes, AROUND_MINUTES)[0]
    heights = counts * STEP / np.diff(np.log(AROUND_MINUTES))
    figure, (axes,) = sheet(title="Durations on a logarithmic axis")
    axes.stairs(heights, AROUND_MINUTES, fill=True, color=RIDES, label="rides")
    _draw_bell(axes, np.log(minutes))
    axes.set_xscale("log")
    axes.set_xticks([1, 2, 5, 10, 20, 30, 60], [1, 2, 5, 10, 20, 30, 60])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="duration (minutes, log scale)", ylabel="rides in each step of 10 %")
    axes.yaxis.set_major_formatter(COUNTS)
    axes.legend()
    alt = (
        "Histogram of ride durations on a logarithmic axis in minutes, counted in rides for each "
        "step of ten percent, with a log-normal curve of the same mean and spread over it."
    )
    return Picture(figure, alt)


def _draw_bell(axes: Axes, logs: pd.Series) -> None:
    spread = logs.std(ddof=0) or 1.0
    where = np.linspace(0, np.log(60), 200)
    bell = np.exp(-0.5 * ((where - logs.mean()) / spread) ** 2) / (spread * np.sqrt(2 * np.pi))
    rides = bell * len(logs) * STEP
    axes.plot(np.exp(where), rides, color=CONTRAST, linewidth=2.2, label="log-normal curve")


@look()
def left_out(counts: pd.Series, *, title: str = "Rows left out, by reason") -> Picture:
    """Draw how many rows each reason concerns.

    Parameters
    ----------
    counts : pandas.Series
        Rows by reason, as `Trips.left_out` or `Trips.odd`.
    title : str
        Another heading, for instance for the rows kept but odd.

    Raises
    ------
    SchemaError
        If there is no reason.
    """
    table = complete(counts.rename_axis("reason").reset_index(name="rows"), "reason", "rows")
    figure, (axes,) = sheet(height=1.1 + 0.4 * len(table), title=title)
    bars = axes.barh(table["reason"].astype(str), table["rows"], color=CONTRAST)
    axes.bar_label(bars, fmt="{:,.0f}", padding=4, fontsize=10)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.12)
    axes.set(xlabel="rows", ylabel="reason")
    axes.xaxis.set_major_formatter(COUNTS)
    return Picture(figure, f"{title}: a horizontal bar for each reason, its length in rows.")
