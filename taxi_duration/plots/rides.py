"""Pictures of the rides: when they begin, and how long they take by hour, distance and month."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from pandas.api.typing import SeriesGroupBy

from taxi_duration.plots.picture import Picture, check, complete, count_bar, sheet
from taxi_duration.plots.style import CONTRAST, MUTED, RIDES, look, shades
from taxi_duration.plots.week import by_weekday_and_hour, heat_map, whole_week

__all__ = ["duration_by_distance", "duration_by_hour", "duration_by_month", "rides_by_hour"]


@look()
def rides_by_hour(rides: pd.DataFrame) -> Picture:
    """Draw how many rides begin in each hour of the week, as a mean over the days.

    Parameters
    ----------
    rides : pandas.DataFrame
        Column `pickup_datetime`.

    Raises
    ------
    SchemaError
        If the column or every row is missing.
    """
    rides = complete(rides, "pickup_datetime")
    table = whole_week(by_weekday_and_hour(rides).size()).fillna(0)
    table = table.div(_days(rides).reindex(range(7)), axis="index")
    figure, (axes,) = sheet(title="Demand by hour and weekday")
    heat_map(axes, table, label="rides an hour", cmap=shades("#5E86A8"), limits=(0, None))
    alt = (
        "Heat map of demand: hour of pick-up across, weekday down, "
        "darker where more rides an hour begin, hatched where the frame has no such day."
    )
    return Picture(figure, alt)


def _days(rides: pd.DataFrame) -> pd.Series:
    """Count the days of each weekday; a date with stray rides only is not a day."""
    rides_a_day = rides["pickup_datetime"].dt.normalize().value_counts()
    days = rides_a_day.index[rides_a_day >= rides_a_day.median() / 10]
    return pd.Series(days.day_of_week).value_counts()


@look()
def duration_by_hour(rides: pd.DataFrame) -> Picture:
    """Draw the median duration over the day, with its quartiles, on weekdays and weekends.

    Parameters
    ----------
    rides : pandas.DataFrame
        Columns `pickup_datetime` and `duration` (minutes).

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    rides = complete(rides, "pickup_datetime", "duration")
    weekend = rides["pickup_datetime"].dt.day_of_week >= 5
    figure, (axes,) = sheet(title="Duration by hour of the day")
    for chosen, label, colour in (
        (~weekend, "Monday to Friday", RIDES),
        (weekend, "Saturday and Sunday", CONTRAST),
    ):
        hour = rides["pickup_datetime"][chosen].dt.hour
        _draw_quartiles(axes, rides["duration"][chosen].groupby(hour), label=label, colour=colour)
    axes.set(xlabel="hour of pick-up (o'clock)", ylabel="duration (minutes)", ylim=(0, None))
    axes.set_xticks(range(0, 24, 3))
    axes.legend(loc="lower right")
    alt = (
        "Median ride duration in minutes by hour of pick-up, one line for Monday to Friday "
        "and one for weekends, each with a band from the lower to the upper quartile."
    )
    return Picture(figure, alt)


def _draw_quartiles(axes: Axes, groups: SeriesGroupBy, *, label: str, colour: str) -> None:
    low, middle, high = (groups.quantile(share) for share in (0.25, 0.5, 0.75))
    axes.fill_between(low.index, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(middle.index, middle, color=colour, label=label, linewidth=2.2, marker="o", ms=4)


@look()
def duration_by_distance(rides: pd.DataFrame, *, longest: float = 15) -> Picture:
    """Draw duration against distance, with the median and the quartiles.

    Parameters
    ----------
    rides : pandas.DataFrame
        Columns `trip_distance` (miles) and `duration` (minutes).
    longest : float
        Miles at which the picture ends.

    Raises
    ------
    SchemaError
        If a column or every row is missing, or no ride is that short.
    """
    rides = complete(rides, "trip_distance", "duration")
    rides = check(rides[rides["trip_distance"].between(0, longest)], "trip_distance", "duration")
    figure, (axes,) = sheet(title="Duration by distance")
    cells = axes.hexbin(
        rides["trip_distance"], rides["duration"], bins="log", mincnt=1, cmap=shades("#5E86A8"),
        gridsize=(50, 24), extent=(0, longest, 0, 60), linewidths=0.1,
    )  # fmt: skip
    count_bar(cells)
    mile = rides["trip_distance"].clip(upper=longest - 0.01).floordiv(1) + 0.5
    _draw_quartiles(
        axes, rides["duration"].groupby(mile), label="median and middle half", colour=CONTRAST
    )
    axes.set(xlabel="distance (miles)", ylabel="duration (minutes)", ylim=(0, 60))
    axes.legend(loc="upper left", bbox_to_anchor=(0.02, 1), frameon=True, edgecolor="white")
    alt = (
        "Ride duration in minutes over distance in miles: cells darker where more rides lie, "
        "and a line for the median of each mile with a band between the quartiles."
    )
    return Picture(figure, alt)


@look()
def duration_by_month(rides: pd.DataFrame, *, at_least: int = 30) -> Picture:
    """Draw how durations drift from month to month.

    Parameters
    ----------
    rides : pandas.DataFrame
        Columns `month`, `pickup_datetime` and `duration` (minutes).
    at_least : int
        Hours of a month with fewer rides are left out of its line.

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    rides = complete(rides, "month", "pickup_datetime", "duration")
    months, hours = rides["month"].astype(str), rides["pickup_datetime"].dt.hour
    colours = sns.blend_palette([MUTED, RIDES], months.nunique())
    figure, (whole, hourly) = sheet(ncols=2, title="Median and middle half")
    _draw_middle_halves(whole, rides["duration"].groupby(months), colours=colours)
    by_hour = rides["duration"].groupby([months, hours])
    means = by_hour.mean().where(by_hour.size() >= at_least)
    for month, colour in zip(means.index.levels[0], colours, strict=True):
        hourly.plot(means[month], color=colour, label=month, linewidth=2.2)
    hourly.set(
        title=f"Mean by hour with {at_least} rides or more",
        xlabel="hour of pick-up (o'clock)",
        xticks=range(0, 24, 3),
    )
    hourly.set(ylabel="duration (minutes)")
    hourly.legend()
    alt = (
        "Drift of ride durations in minutes: for each month the median and the range of the "
        "middle half, and beside it the mean by hour of pick-up with one line a month."
    )
    return Picture(figure, alt)


def _draw_middle_halves(axes: Axes, groups: SeriesGroupBy, *, colours: list) -> None:
    low, middle, high = (groups.quantile(share) for share in (0.25, 0.5, 0.75))
    axes.vlines(middle.index, low, high, colors=colours, linewidth=9, alpha=0.45)
    axes.scatter(middle.index, middle, color=colours, s=70, zorder=3)
    for month, minutes in middle.items():
        axes.annotate(f"{minutes:.1f}", (month, minutes), (10, -4), textcoords="offset points")
    axes.set(xlabel="month", ylabel="duration (minutes)", ylim=(0, None))
    axes.margins(x=0.25)
