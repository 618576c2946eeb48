"""Pictures of the rides themselves: how long they take, when they begin, and where."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import NullLocator
from pandas.api.typing import SeriesGroupBy

from taxi_duration.plots import style
from taxi_duration.plots.style import Picture, complete_rows, require_columns, subplots, theme

MINUTES = np.arange(0, 62)
HALF_HOURS = np.arange(-2, 26.5, 0.5)
AROUND_MINUTES = np.array([1, *np.arange(1.5, 61)])  # many meters count in whole minutes
STEP = np.log(1.1)
QUARTILES = (0.25, 0.5, 0.75)
FARTHEST = 15  # miles that are drawn

MAP_HEIGHT = 7.4  # inches
PAIRS = 300  # busiest pairs of zones, which get a line
NAME_STEP = 0.035  # of the height, from one name to the next
LEADER = {"arrowstyle": "-", "color": style.GREY, "linewidth": 0.8, "zorder": 1.5}
LANDMARKS = {  # TLC's zones that a reader may know
    7: "Astoria", 14: "Bay Ridge", 55: "Coney Island", 74: "East Harlem", 92: "Flushing",
    130: "Jamaica", 132: "JFK Airport", 181: "Park Slope", 200: "Riverdale",
}  # fmt: skip


@theme()
def durations(all_rides: pd.DataFrame) -> Picture:
    """Draw the durations as recorded, dirt included, beside those that are kept.

    Parameters
    ----------
    all_rides : pandas.DataFrame
        Columns `duration` (minutes) and `left_out` (the reason, missing where kept).
    """
    require_columns(all_rides, "duration", "left_out")
    kept = all_rides["left_out"].isna()
    figure, (recorded, clean) = subplots(ncols=2, title="As recorded")
    _draw_recorded(recorded, all_rides["duration"], kept)
    _histogram(clean, all_rides["duration"][kept], edges=MINUTES, colour=style.NAVY)
    clean.set(title="Kept", xlabel="duration (minutes)")
    style.count_rides(clean)
    alt = (
        "Two histograms of ride durations: as recorded, in hours and with rides counted on a "
        "logarithmic axis so that the left-out ones show, and those kept, in minutes."
    )
    return Picture(figure, alt)


def _draw_recorded(axes: Axes, minutes: pd.Series, kept: pd.Series) -> None:
    hours = minutes / 60
    _histogram(axes, hours[kept], edges=HALF_HOURS, colour=style.NAVY, label="kept")
    _histogram(axes, hours[~kept], edges=HALF_HOURS, colour=style.ORANGE, label="left out")
    axes.set_yscale("log")
    axes.set(xlabel="duration (hours)", xticks=range(0, 25, 6))
    style.count_rides(axes, "rides (log scale)")
    axes.yaxis.set_minor_locator(NullLocator())
    axes.legend(loc="upper center")


def _histogram(
    axes: Axes, values: pd.Series, *, edges: np.ndarray, colour: str, label: str | None = None
) -> None:
    """Draw a histogram; values beyond the edges are counted in the outermost bars."""
    sns.histplot(
        values.clip(edges[0], edges[-1]), bins=edges, ax=axes, color=colour, label=label,
        alpha=1, linewidth=0.3,
    )  # fmt: skip


@theme()
def log_durations(rides: pd.DataFrame) -> Picture:
    """Draw the durations on a logarithmic axis, with the log-normal curve of same mean and spread.

    Parameters
    ----------
    rides : pandas.DataFrame
        Column `duration`: 1 to 60 minutes.
    """
    minutes = complete_rows(rides, "duration")["duration"].clip(1, 60)
    counts = np.histogram(minutes, AROUND_MINUTES)[0]
    heights = counts * STEP / np.diff(np.log(AROUND_MINUTES))
    figure, (axes,) = subplots(title="Durations on a logarithmic axis")
    axes.stairs(heights, AROUND_MINUTES, fill=True, color=style.NAVY, label="rides")
    _draw_log_normal(axes, np.log(minutes))
    axes.set(xlabel="duration (minutes, log scale)", xscale="log")
    axes.set_xticks([1, 2, 5, 10, 20, 30, 60], [1, 2, 5, 10, 20, 30, 60])
    axes.xaxis.set_minor_locator(NullLocator())
    style.count_rides(axes, "rides in each step of 10 %")
    axes.legend()
    alt = (
        "Histogram of ride durations on a logarithmic axis in minutes, counted in rides for each "
        "step of ten percent, with a log-normal curve of the same mean and spread over it."
    )
    return Picture(figure, alt)


def _draw_log_normal(axes: Axes, logs: pd.Series) -> None:
    spread = logs.std(ddof=0) or 1.0
    where = np.linspace(0, np.log(60), 200)
    bell = np.exp(-0.5 * ((where - logs.mean()) / spread) ** 2) / (spread * np.sqrt(2 * np.pi))
    heights = bell * len(logs) * STEP
    axes.plot(np.exp(where), heights, color=style.ORANGE, linewidth=2.2, label="log-normal curve")


@theme()
def rows_by_reason(counts: pd.Series, *, title: str = "Rows left out, by reason") -> Picture:
    """Draw how many rows each reason concerns.

    Parameters
    ----------
    counts : pandas.Series
        Rows by reason, as `Trips.left_out` or `Trips.odd`.
    title : str
        Another heading, for instance for the rows kept but odd.
    """
    table = counts.rename_axis("reason").reset_index(name="rows")
    rows = complete_rows(table, "reason", "rows").set_index("reason")["rows"]
    figure, (axes,) = subplots(height=1.1 + 0.4 * len(rows), title=title)
    style.value_bars(axes, rows, colour=style.ORANGE, fmt="{:,.0f}", size=10)
    axes.margins(x=0.12)
    axes.set(xlabel="rows", ylabel="reason")
    axes.xaxis.set_major_formatter(style.THOUSANDS)
    return Picture(figure, f"{title}: a horizontal bar for each reason, its length in rows.")


@theme()
def rides_by_hour(rides: pd.DataFrame) -> Picture:
    """Draw how many rides begin in each hour of the week, as a mean over the days.

    Parameters
    ----------
    rides : pandas.DataFrame
        Column `pickup_datetime`.
    """
    rides = complete_rows(rides, "pickup_datetime")
    table = style.week_table(style.by_weekday_and_hour(rides).size()).fillna(0)
    table = table.div(_count_days(rides).reindex(range(7)), axis="index")
    figure, (axes,) = subplots(title="Demand by hour and weekday")
    style.week_heat_map(axes, table, label="rides an hour", cmap=style.shades(), limits=(0, None))
    alt = (
        "Heat map of demand: hour of pick-up across, weekday down, "
        "darker where more rides an hour begin, hatched where the frame has no such day."
    )
    return Picture(figure, alt)


def _count_days(rides: pd.DataFrame) -> pd.Series:
    """Count the days of each weekday; a date with stray rides only is not a day."""
    rides_a_day = rides["pickup_datetime"].dt.normalize().value_counts()
    days = rides_a_day.index[rides_a_day >= rides_a_day.median() / 10]
    return pd.Series(days.day_of_week).value_counts()


@theme()
def duration_by_hour(rides: pd.DataFrame) -> Picture:
    """Draw the median duration over the day, with its quartiles, on weekdays and weekends.

    Parameters
    ----------
    rides : pandas.DataFrame
        Columns `pickup_datetime` and `duration` (minutes).
    """
    rides = complete_rows(rides, "pickup_datetime", "duration")
    weekend = rides["pickup_datetime"].dt.day_of_week >= 5
    figure, (axes,) = subplots(title="Duration by hour of the day")
    hour, minutes = rides["pickup_datetime"].dt.hour, rides["duration"]
    weekdays, weekends = (minutes[days].groupby(hour) for days in (~weekend, weekend))
    _draw_quartiles(axes, weekdays, label="Monday to Friday", colour=style.NAVY)
    _draw_quartiles(axes, weekends, label="Saturday and Sunday", colour=style.ORANGE)
    axes.set(xlabel=style.HOUR, xticks=range(0, 24, 3), ylabel="duration (minutes)", ylim=(0, None))
    axes.legend(loc="lower right")
    alt = (
        "Median ride duration in minutes by hour of pick-up, one line for Monday to Friday "
        "and one for weekends, each with a band from the lower to the upper quartile."
    )
    return Picture(figure, alt)


def _draw_quartiles(axes: Axes, groups: SeriesGroupBy, *, label: str, colour: str) -> None:
    low, middle, high = map(groups.quantile, QUARTILES)
    axes.fill_between(low.index, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.plot(middle.index, middle, color=colour, label=label, linewidth=2.2, marker="o", ms=4)


@theme()
def duration_by_distance(rides: pd.DataFrame) -> Picture:
    """Draw duration against distance, with the median and the quartiles.

    Parameters
    ----------
    rides : pandas.DataFrame
        Columns `trip_distance` (miles; farther ones than 15 are left out) and `duration` (minutes).
    """
    rides = complete_rows(rides, "trip_distance", "duration")
    rides = require_columns(rides[rides["trip_distance"].between(0, FARTHEST)], *rides)
    distance, minutes = rides["trip_distance"], rides["duration"]
    figure, (axes,) = subplots(title="Duration by distance")
    extent = (0, FARTHEST, 0, 60)
    style.density(axes, distance, minutes, cmap=style.shades(), gridsize=(50, 24), extent=extent)
    mile = distance.clip(upper=FARTHEST - 0.01).floordiv(1) + 0.5
    by_mile = minutes.groupby(mile)
    _draw_quartiles(axes, by_mile, label="median and middle half", colour=style.ORANGE)
    axes.set(xlabel="distance (miles)", ylabel="duration (minutes)", ylim=(0, 60))
    axes.legend(loc="upper left", bbox_to_anchor=(0.02, 1), frameon=True, edgecolor="white")
    alt = (
        "Ride duration in minutes over distance in miles: cells darker where more rides lie, "
        "and a line for the median of each mile with a band between the quartiles."
    )
    return Picture(figure, alt)


@theme()
def duration_by_month(rides: pd.DataFrame, *, min_rides: int = 30) -> Picture:
    """Draw how durations change from month to month.

    Parameters
    ----------
    rides : pandas.DataFrame
        Columns `month`, `pickup_datetime` and `duration` (minutes).
    min_rides : int
        Hours of a month with fewer rides are left out of its line.
    """
    rides = complete_rows(rides, "month", "pickup_datetime", "duration")
    months, hours = rides["month"].astype(str), rides["pickup_datetime"].dt.hour
    colours = sns.blend_palette([style.GREY, style.NAVY], months.nunique())
    figure, (whole, hourly) = subplots(ncols=2, title="Median and middle half")
    _draw_middle_halves(whole, rides["duration"].groupby(months), colours=colours)
    by_hour = rides["duration"].groupby([months, hours])
    means = by_hour.mean().where(by_hour.size() >= min_rides)
    for month, colour in zip(means.index.levels[0], colours, strict=True):
        hourly.plot(means[month], color=colour, label=month, linewidth=2.2)
    hourly.set(title=f"Mean by hour with {min_rides} rides or more")
    hourly.set(xlabel=style.HOUR, xticks=range(0, 24, 3), ylabel="duration (minutes)")
    hourly.legend()
    alt = (
        "Drift of ride durations in minutes: for each month the median and the range of the "
        "middle half, and beside it the mean by hour of pick-up with one line a month."
    )
    return Picture(figure, alt)


def _draw_middle_halves(axes: Axes, groups: SeriesGroupBy, *, colours: list) -> None:
    low, middle, high = map(groups.quantile, QUARTILES)
    axes.vlines(middle.index, low, high, colors=colours, linewidth=9, alpha=0.45)
    axes.scatter(middle.index, middle, color=colours, s=70, zorder=3)
    for month, minutes in middle.items():
        axes.annotate(f"{minutes:.1f}", (month, minutes), (10, -4), textcoords="offset points")
    axes.set(xlabel="month", ylabel="duration (minutes)", ylim=(0, None))
    axes.margins(x=0.25)


@theme()
def zone_map(coordinates: pd.DataFrame, *, rides: pd.DataFrame) -> Picture:
    """Draw the zones at their learned places, and the rides between them.

    Parameters
    ----------
    coordinates : pandas.DataFrame
        Columns `zone` (TLC's number), `east` and `north` (miles), as `ZoneMap.places` returns.
    rides : pandas.DataFrame
        Columns `PULocationID` and `DOLocationID`.
    """
    places = complete_rows(coordinates, "zone", "east", "north").set_index("zone")
    ends = complete_rows(rides, "PULocationID", "DOLocationID")
    ends = ends[ends.isin(places.index).all(axis="columns")]
    visited = places.loc[ends.melt()["value"]]  # far places with hardly any ride are left out
    low, high = visited.quantile(0.002) - 1, visited.quantile(0.998) + 1
    east, north = high - low
    width = np.clip(2 + MAP_HEIGHT * east / north, 5, 10)
    figure, (axes,) = subplots(width=width, height=MAP_HEIGHT, title="Zone map, learned from trips")
    _draw_flow(axes, places, flow=_busiest_pairs(ends))
    pickups = ends["PULocationID"].value_counts().reindex(places.index, fill_value=0)
    sizes = 8 + 300 * pickups / max(pickups.max(), 1)
    dots = {"color": style.NAVY, "edgecolor": "white", "linewidth": 0.6, "zorder": 2}
    axes.scatter(places["east"], places["north"], s=sizes, **dots)
    axes.set(xlim=(low["east"], high["east"]), ylim=(low["north"], high["north"]))
    axes.set(xlabel="east (miles)", ylabel="north (miles)", aspect="equal")
    _name_landmarks(axes, places)
    alt = (
        "Map of the taxi zones learned from the distances of trips, in miles east and north: "
        "dots grow with the pick-ups in a zone, lines with the rides between two zones."
    )
    return Picture(figure, alt)


def _busiest_pairs(ends: pd.DataFrame) -> pd.Series:
    """Count rides between two different zones, both directions together."""
    both = np.sort(ends.to_numpy(), axis=1)
    between = pd.DataFrame(both[both[:, 0] != both[:, 1]], columns=["one", "other"])
    return between.value_counts().head(PAIRS)


def _draw_flow(axes: Axes, places: pd.DataFrame, *, flow: pd.Series) -> None:
    one, other = (places.loc[flow.index.get_level_values(end)] for end in ("one", "other"))
    lines = np.stack([one.to_numpy(), other.to_numpy()], axis=1)
    widths = 7 * np.sqrt(flow / flow.max())
    line = {"color": style.ORANGE, "alpha": 0.55, "capstyle": "round"}
    axes.add_collection(LineCollection(lines, linewidths=widths, **line))


def _name_landmarks(axes: Axes, places: pd.DataFrame) -> None:
    """Write the names beside the map, from north to south, where they cover no dot."""
    low, high = axes.get_ylim()
    known = places.loc[places.index.intersection(list(LANDMARKS))]
    beside = np.inf
    for zone, (east, north) in known.sort_values("north", ascending=False).iterrows():
        beside = min((north - low) / (high - low), beside - NAME_STEP)
        axes.annotate(
            LANDMARKS[zone], (east, north), (1.02, beside), textcoords="axes fraction",
            va="center", color=style.BLACK, fontsize=10, arrowprops=LEADER,
        )  # fmt: skip
