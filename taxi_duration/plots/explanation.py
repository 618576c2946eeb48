"""Pictures of why a ride is predicted to take its minutes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from taxi_duration.plots.picture import Picture, complete, sheet
from taxi_duration.plots.style import INK, MUTED, colour_of, look

__all__ = ["influences", "reasons"]

LONGER, SHORTER = "#c0392b", "#2980b9"


@look()
def reasons(explanation: pd.DataFrame) -> Picture:
    """Draw how one ride's prediction comes about, from the average ride's minutes to its own.

    Parameters
    ----------
    explanation : pandas.DataFrame
        Of one ride: `because`, `value` and `minutes`, as `evaluation.explanation.explain`
        returns them.

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    table = complete(explanation, "because", "value", "minutes")
    steps, end = table["minutes"].to_numpy(), table["minutes"].sum()
    start = np.concatenate([[0], np.cumsum(steps)[:-1]])
    names = [f"{row.because}: {row.value}".rstrip(": ") for row in table.itertuples()]
    figure, (axes,) = sheet(height=1.2 + 0.42 * len(table), title=f"Why {end:.1f} minutes")
    colours = [MUTED, *np.where(steps[1:] > 0, LONGER, SHORTER)]
    axes.barh(names, steps, left=start, color=colours)
    axes.axvline(end, color=INK, linestyle="dashed")
    label = {"textcoords": "offset points", "bbox": {"color": "white", "pad": 1}}
    for name, begin, step in zip(names, start, steps, strict=True):
        text = f"{step:+.1f}" if begin else f"{step:.1f}"
        axes.annotate(text, (max(begin, begin + step), name), (6, -4), **label)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    right = 1.2 * max((start + np.maximum(steps, 0)).max(), end)
    axes.set(xlabel="predicted duration (minutes)", ylabel="known of the ride", xlim=(0, right))
    alt = (
        "Waterfall of one ride's prediction in minutes: a bar for the average ride, then one for "
        "each thing known of the ride, red where it makes the ride longer and blue where shorter, "
        "ending at a dashed line for the prediction."
    )
    return Picture(figure, alt)


@look()
def influences(influence: pd.DataFrame, *, model: str | None = None) -> Picture:
    """Draw which things carry the predictions of many rides, the strongest on top.

    Parameters
    ----------
    influence : pandas.DataFrame
        `because` and `minutes`, as `taxi_duration.evaluation.explanation.influence` returns them.
    model : str, optional
        Names the model, and so its colour.

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    table = complete(influence, "because", "minutes").sort_values("minutes", ascending=False)
    figure, (axes,) = sheet(height=1.2 + 0.36 * len(table), title="What moves the predictions")
    bars = axes.barh(table["because"], table["minutes"], color=colour_of(model or "xgboost"))
    axes.bar_label(bars, fmt="%.1f", padding=4)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set(xlabel="mean move of a prediction, up or down (minutes)", ylabel="known of the ride")
    axes.margins(x=0.1)
    alt = (
        "Horizontal bars, one for each thing known of a ride and the longest on top: how many "
        "minutes it moves a prediction on the average."
    )
    return Picture(figure, alt)
