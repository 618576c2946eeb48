"""Pictures of the error by hour of the week, and by any other slice of the rides."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from taxi_duration.errors import SchemaError, nearest
from taxi_duration.plots.picture import ERROR, Picture, check, complete, sheet, titled, zero_line
from taxi_duration.plots.style import ABOVE, COUNTS, MUTED, colour_of, look, shades
from taxi_duration.plots.week import by_weekday_and_hour, heat_map, whole_week

__all__ = ["error_by", "error_by_hour"]

MEASURES = {"bias": ERROR, "rmse": "RMSE (minutes)"}
HEAT_MAPS = {
    "bias": ("Bias by hour", "blue where too short, white at zero, red where too long"),
    "rmse": ("RMSE by hour", "darker where larger"),
}
SCORES = ("rmse", "mae", "bias", "within_5", "rows")
SLICES = {
    "hour": "hour of pick-up (o'clock)",
    "weekday": "weekday of pick-up",
    "distance": "distance (miles)",
    "part": "part of the city where the ride begins",
}


@look()
def error_by_hour(
    predictions: pd.DataFrame,
    *,
    measure: Literal["bias", "rmse"] = "bias",
    model: str | None = None,
    month: str | None = None,
    scale_of: pd.DataFrame | None = None,
    at_least: int = 10,
) -> Picture:
    """Draw the error in each hour of the week.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Columns `pickup_datetime`, `duration` and `predicted` (minutes).
    measure : {"bias", "rmse"}
        Mean of predicted minus actual minutes, or the root of its mean square.
    model : str, optional
        Names the model.
    month : str, optional
        Names the month of the rides.
    scale_of : pandas.DataFrame, optional
        Other predictions: with the colours of their picture, so that the two can be compared.
    at_least : int
        Hours with fewer rides are left hatched.

    Raises
    ------
    SchemaError
        If a column or every row is missing, no hour has enough rides, or the measure is another.
    """
    if measure not in MEASURES:
        raise SchemaError(f"Measure {measure!r} cannot be drawn. {nearest(measure, MEASURES)}")
    rides = complete(predictions, "pickup_datetime", "duration", "predicted")
    table = _weekly_errors(rides, measure=measure, at_least=at_least)
    scale = rides if scale_of is None else complete(scale_of, *rides)
    limits = _limits(_weekly_errors(scale, measure=measure, at_least=at_least), measure)
    title, meaning = HEAT_MAPS[measure]
    figure, (axes,) = sheet(title=titled(f"{title}, {month}" if month else title, model))
    cmap = "vlag" if measure == "bias" else shades(colour_of(model))
    heat_map(axes, table, label=MEASURES[measure], cmap=cmap, limits=limits)
    alt = (
        f"Heat map of the error, {MEASURES[measure]}: hour of pick-up across, weekday down, "
        f"{meaning}, hatched where there are too few rides."
    )
    return Picture(figure, alt)


def _limits(table: pd.DataFrame, measure: str) -> tuple[float, float]:
    low, high = np.nanmin(table), np.nanmax(table)
    return (-max(-low, high), max(-low, high)) if measure == "bias" else (low, high)


def _weekly_errors(rides: pd.DataFrame, *, measure: str, at_least: int) -> pd.DataFrame:
    errors = rides.assign(error=rides["predicted"] - rides["duration"])
    crowded = by_weekday_and_hour(errors)["error"].transform("size") >= at_least
    groups = by_weekday_and_hour(check(errors[crowded], "duration", "predicted"))["error"]
    if measure == "rmse":
        return whole_week(groups.apply(lambda error: np.sqrt(np.mean(error**2))))
    return whole_week(groups.mean())


@look()
def error_by(scores: pd.DataFrame, *, model: str | None = None) -> Picture:
    """Draw the error by slices of the rides: RMSE and bias above, rides below.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns `rmse` and `bias` (minutes), `rows`, and one that names the slice, for instance
        `hour` or `distance`, in the order to draw.
    model : str, optional
        Names the model, and so its colour.

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    by = next((str(column) for column in scores if column not in SCORES), "slice")
    scores = complete(scores, by, "rmse", "bias", "rows")
    slices = scores[by].astype(str)
    title = titled(f"Error by {by.replace('_', ' ')}", model)
    figure, (errors, rides) = sheet(
        height=4.6, title=title, nrows=2, sharex=True, height_ratios=(3, 1)
    )
    style = {"color": colour_of(model), "marker": "o", "linewidth": 2.2}
    errors.plot(slices, scores["rmse"], label="RMSE", **style)
    errors.plot(
        slices,
        scores["bias"],
        label="bias: predicted − actual",
        markerfacecolor="white",
        ls="--",
        **style,
    )
    zero_line(errors)
    errors.set(ylabel="error (minutes)")
    errors.legend(ncols=2, **ABOVE)
    rides.bar(slices, scores["rows"], color=MUTED)
    rides.set(xlabel=SLICES.get(by, by.replace("_", " ")), ylabel="rides")
    rides.grid(visible=False, axis="x")
    rides.yaxis.set_major_formatter(COUNTS)
    alt = (
        f"Error in minutes by {by.replace('_', ' ')}: RMSE as filled dots and bias as hollow ones "
        "with a line at zero, and below them bars for the rides in each."
    )
    return Picture(figure, alt)
