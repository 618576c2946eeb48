"""Pictures of predicted minutes: beside the actual ones, with their intervals, and their errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns

from taxi_duration.plots import style
from taxi_duration.plots.style import (
    Picture,
    complete_rows,
    model_colour,
    require_columns,
    subplots,
    theme,
)

MINUTES = np.arange(0, 62)
STACKED = {"height": 4.6, "nrows": 2, "sharex": True}
SCORES = ("rmse", "mae", "bias", "within_5", "rows")
SLICES = {
    "hour": style.HOUR,
    "weekday": "weekday of pick-up",
    "distance": "distance (miles)",
    "part": "part of the city where the ride begins",
}


@theme()
def predicted_and_actual(predictions: pd.DataFrame, *, model: str | None = None) -> Picture:
    """Draw how predicted and actual durations are distributed.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Columns `duration` and `predicted` (minutes).
    model : str, optional
        Name for the legend or title, and the colour.
    """
    minutes = complete_rows(predictions, "duration", "predicted").clip(0, 60)
    figure, (axes,) = subplots(title="Predicted and actual durations")
    bars = {"color": style.GREY, "label": "actual", "linewidth": 0.3}
    sns.histplot(minutes["duration"], bins=MINUTES, ax=axes, **bars)
    counts = np.histogram(minutes["predicted"], MINUTES)[0]
    label = f"predicted by {model}" if model else "predicted"
    axes.stairs(counts, MINUTES, color=model_colour(model), linewidth=2.2, label=label)
    axes.set(xlabel="duration (minutes)")
    style.count_rides(axes)
    axes.legend()
    alt = (
        "Distribution of durations in minutes, counted in rides: "
        "bars for the actual ones and an outline for the predicted ones."
    )
    return Picture(figure, alt)


@theme()
def scatter(predictions: pd.DataFrame, *, model: str | None = None) -> Picture:
    """Draw predicted against actual minutes, with the line where they are equal.

    Parameters
    ----------
    predictions, model
        As `predicted_and_actual` takes them.
    """
    minutes = complete_rows(predictions, "duration", "predicted").clip(0, 60)
    figure, (axes,) = subplots(width=6.4, height=5.2, title="Predicted against actual", model=model)
    style.density(
        axes, minutes["duration"], minutes["predicted"], cmap=style.shades(model_colour(model)),
        gridsize=(45, 26), extent=(0, 60, 0, 60),
    )  # fmt: skip
    axes.plot([0, 60], [0, 60], color=style.BLACK, linestyle="--", linewidth=1.5)
    axes.annotate("exactly right", (54, 55.5), ha="right", color=style.BLACK)
    axes.set(xlabel="actual duration (minutes)", ylabel="predicted duration (minutes)")
    axes.set(aspect="equal", xlim=(0, 60), ylim=(0, 60))
    alt = (
        "Predicted over actual duration, both in minutes: cells darker where more rides lie, "
        "and a dashed diagonal where the prediction is exactly right."
    )
    return Picture(figure, alt)


@theme()
def prediction_intervals(predictions: pd.DataFrame, *, model: str | None = None) -> Picture:
    """Draw the predicted minutes and their intervals, whether or not the rides have ended.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Columns `predicted`, `low` and `high` (minutes).
    model : str, optional
        Name for the title and the colour.
    """
    minutes = complete_rows(predictions, "predicted", "low", "high").sort_values("predicted")
    figure, (intervals, rides) = subplots(
        title="Prediction intervals", model=model, height_ratios=(2, 1), **STACKED
    )
    ends, colour = minutes.groupby(minutes["predicted"].round()).mean(), model_colour(model)
    band = {"alpha": 0.25, "color": colour, "linewidth": 0, "label": "interval"}
    intervals.fill_between(ends["predicted"], ends["low"], ends["high"], **band)
    intervals.plot([0, 60], [0, 60], color=style.BLACK, linestyle="--", label="prediction")
    intervals.set(ylabel="minutes", xlim=(0, 61), ylim=(0, None))
    intervals.legend(ncols=2, **style.LEGEND_ABOVE)
    rides.hist(minutes["predicted"].clip(0, 60), bins=MINUTES, color=colour)
    rides.set(xlabel="predicted duration (minutes)")
    style.count_rides(rides)
    alt = (
        "Over the predicted minutes: a band from the low to the high end of the intervals around "
        "a dashed line for the prediction, and below it the number of rides."
    )
    return Picture(figure, alt)


@theme()
def residuals(
    predictions: pd.DataFrame, *, model: str | None = None, min_rides: int = 10
) -> Picture:
    """Draw the median and the spread of the errors over the predicted minutes.

    Parameters
    ----------
    predictions, model
        As `predicted_and_actual` takes them.
    min_rides : int
        Steps of two minutes with fewer rides are left out.
    """
    minutes = complete_rows(predictions, "duration", "predicted")
    step = minutes["predicted"].clip(0, 59.9).floordiv(2) * 2 + 1
    errors = minutes.assign(step=step, error=minutes["predicted"] - minutes["duration"])
    enough = errors.groupby("step")["step"].transform("size") >= min_rides
    groups = require_columns(errors[enough], *minutes).groupby("step")["error"]
    figure, (axes,) = subplots(title="Errors", model=model)
    colour = model_colour(model)
    for low, high, alpha in ((0.05, 0.95, 0.18), (0.25, 0.75, 0.35)):
        lows, highs = groups.quantile(low), groups.quantile(high)
        line = {"alpha": alpha, "color": colour, "linewidth": 0}
        axes.fill_between(lows.index, lows, highs, label=f"{high - low:.0%} of rides", **line)
    axes.plot(groups.median(), color=colour, linewidth=2.2, label="median")
    axes.axhline(0, color=style.BLACK, linewidth=1.2, zorder=1)
    axes.set(xlabel="predicted duration (minutes)", ylabel=style.ERROR, xlim=(0, 60))
    axes.legend(ncols=3, **style.LEGEND_ABOVE)
    alt = (
        "Predicted minus actual minutes over predicted minutes: the median, bands for half and "
        "for nine tenths of the rides, and a line at zero; below it predictions are too short."
    )
    return Picture(figure, alt)


@theme()
def error_by_hour(
    predictions: pd.DataFrame,
    *,
    model: str | None = None,
    month: str | None = None,
    same_scale_as: pd.DataFrame | None = None,
    min_rides: int = 10,
) -> Picture:
    """Draw the mean error in each hour of the week.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Columns `pickup_datetime`, `duration` and `predicted` (minutes).
    model, month : str, optional
        Names for the title.
    same_scale_as : pandas.DataFrame, optional
        Other predictions, whose picture has the same colour for the same error.
    min_rides : int
        Hours with fewer rides are left hatched.
    """
    rides = complete_rows(predictions, "pickup_datetime", "duration", "predicted")
    table = _week_errors(rides, min_rides)
    scale = rides if same_scale_as is None else complete_rows(same_scale_as, *rides)
    largest = np.nanmax(_week_errors(scale, min_rides).abs())
    title = f"Bias by hour, {month}" if month else "Bias by hour"
    figure, (axes,) = subplots(title=title, model=model)
    limits = (-largest, largest)
    style.week_heat_map(axes, table, label=style.ERROR, cmap="vlag", limits=limits)
    alt = (
        f"Heat map of the error, {style.ERROR}: hour of pick-up across, weekday down, blue where "
        "too short, white at zero, red where too long, hatched where there are too few rides."
    )
    return Picture(figure, alt)


def _week_errors(rides: pd.DataFrame, min_rides: int) -> pd.DataFrame:
    errors = rides.assign(error=rides["predicted"] - rides["duration"])
    groups = style.by_weekday_and_hour(errors)["error"]
    enough = groups.transform("size") >= min_rides
    kept = style.by_weekday_and_hour(require_columns(errors[enough], *rides))["error"]
    return style.week_table(kept.mean())


@theme()
def error_by(scores: pd.DataFrame, *, model: str | None = None) -> Picture:
    """Draw the error by slices of the rides: RMSE and bias above, rides below.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns `rmse` and `bias` (minutes), `rows`, and one that names the slice, for instance
        `hour` or `distance`, in the order to draw.
    model : str, optional
        Name for the title and the colour.
    """
    by = next((str(column) for column in scores if column not in SCORES), "slice")
    scores = complete_rows(scores, by, "rmse", "bias", "rows")
    slices, name = scores[by].astype(str), by.replace("_", " ")
    figure, (errors, rides) = subplots(
        title=f"Error by {name}", model=model, height_ratios=(3, 1), **STACKED
    )
    line = {"color": model_colour(model), "marker": "o", "linewidth": 2.2}
    errors.plot(slices, scores["rmse"], label="RMSE", **line)
    line |= {"markerfacecolor": "white", "linestyle": "--"}
    errors.plot(slices, scores["bias"], label="bias: predicted − actual", **line)
    errors.axhline(0, color=style.BLACK, linewidth=1.2, zorder=1)
    errors.set(ylabel="error (minutes)")
    errors.legend(ncols=2, **style.LEGEND_ABOVE)
    rides.bar(slices, scores["rows"], color=style.GREY)
    rides.set(xlabel=SLICES.get(by, name))
    rides.grid(visible=False, axis="x")
    style.count_rides(rides)
    alt = (
        f"Error in minutes by {name}: RMSE as filled dots and bias as hollow ones "
        "with a line at zero, and below them bars for the rides in each."
    )
    return Picture(figure, alt)
