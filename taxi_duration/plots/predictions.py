"""Pictures of predicted against actual minutes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns

from taxi_duration.plots.picture import (
    ERROR,
    Picture,
    check,
    complete,
    count_bar,
    sheet,
    titled,
    zero_line,
)
from taxi_duration.plots.style import ABOVE, COUNTS, INK, MUTED, colour_of, look, shades

__all__ = ["predicted_and_actual", "residuals", "scatter"]

MINUTES = np.arange(0, 62)


@look()
def predicted_and_actual(predictions: pd.DataFrame, *, model: str | None = None) -> Picture:
    """Draw how predicted and actual durations are distributed.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Columns `duration` and `predicted` (minutes).
    model : str, optional
        Names the model, and so its colour.

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    minutes = complete(predictions, "duration", "predicted").clip(0, 60)
    figure, (axes,) = sheet(title="Predicted and actual durations")
    sns.histplot(
        minutes["duration"], bins=MINUTES, ax=axes, color=MUTED, label="actual", linewidth=0.3
    )
    counts = np.histogram(minutes["predicted"], MINUTES)[0]
    label = f"predicted by {model}" if model else "predicted"
    axes.stairs(counts, MINUTES, color=colour_of(model), linewidth=2.2, label=label)
    axes.set(xlabel="duration (minutes)", ylabel="rides")
    axes.yaxis.set_major_formatter(COUNTS)
    axes.legend()
    alt = (
        "Distribution of durations in minutes, counted in rides: "
        "bars for the actual ones and an outline for the predicted ones."
    )
    return Picture(figure, alt)


@look()
def scatter(predictions: pd.DataFrame, *, model: str | None = None) -> Picture:
    """Draw predicted against actual minutes, with the line where they agree.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Columns `duration` and `predicted` (minutes).
    model : str, optional
        Names the model, and so its colour.

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    minutes = complete(predictions, "duration", "predicted").clip(0, 60)
    figure, (axes,) = sheet(width=6.4, height=5.2, title=titled("Predicted against actual", model))
    cells = axes.hexbin(
        minutes["duration"], minutes["predicted"], bins="log", mincnt=1, gridsize=(45, 26),
        extent=(0, 60, 0, 60), cmap=shades(colour_of(model)), linewidths=0.1,
    )  # fmt: skip
    count_bar(cells)
    axes.plot([0, 60], [0, 60], color=INK, linestyle="--", linewidth=1.5)
    axes.annotate("exactly right", (54, 55.5), ha="right", color=INK)
    axes.set(xlabel="actual duration (minutes)", ylabel="predicted duration (minutes)")
    axes.set(aspect="equal", xlim=(0, 60), ylim=(0, 60))
    alt = (
        "Predicted over actual duration, both in minutes: cells darker where more rides lie, "
        "and a dashed diagonal where the prediction is exactly right."
    )
    return Picture(figure, alt)


@look()
def residuals(
    predictions: pd.DataFrame, *, model: str | None = None, at_least: int = 10
) -> Picture:
    """Draw the errors over the predicted minutes: where they centre and how far they spread.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Columns `duration` and `predicted` (minutes).
    model : str, optional
        Names the model, and so its colour.
    at_least : int
        Steps of two minutes with fewer rides are left out.

    Raises
    ------
    SchemaError
        If a column or every row is missing, or no step has enough rides.
    """
    minutes = complete(predictions, "duration", "predicted")
    step = minutes["predicted"].clip(0, 59.9).floordiv(2) * 2 + 1
    errors = minutes.assign(step=step, error=minutes["predicted"] - minutes["duration"])
    crowded = errors.groupby("step")["step"].transform("size") >= at_least
    groups = check(errors[crowded], "duration", "predicted").groupby("step")["error"]
    figure, (axes,) = sheet(title=titled("Errors", model))
    for low, high, alpha in ((0.05, 0.95, 0.18), (0.25, 0.75, 0.35)):
        band = f"{high - low:.0%} of rides"
        lows, highs = groups.quantile(low), groups.quantile(high)
        axes.fill_between(
            lows.index, lows, highs, alpha=alpha, color=colour_of(model), linewidth=0, label=band
        )
    axes.plot(groups.median(), color=colour_of(model), linewidth=2.2, label="median")
    zero_line(axes)
    axes.set(xlabel="predicted duration (minutes)", ylabel=ERROR, xlim=(0, 60))
    axes.legend(ncols=3, **ABOVE)
    alt = (
        "Predicted minus actual minutes over predicted minutes: the median, bands for half and "
        "for nine tenths of the rides, and a line at zero; below it predictions are too short."
    )
    return Picture(figure, alt)
