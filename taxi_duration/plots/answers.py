"""Pictures of what a model has answered, whether or not the rides have ended."""

from __future__ import annotations

import numpy as np
import pandas as pd

from taxi_duration.plots.picture import Picture, complete, sheet, titled
from taxi_duration.plots.style import ABOVE, COUNTS, INK, colour_of, look

__all__ = ["answers"]

MINUTES = np.arange(0, 62)


@look()
def answers(predictions: pd.DataFrame, *, model: str | None = None) -> Picture:
    """Draw the predicted minutes, and the intervals around them.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Columns `predicted`, `low` and `high` (minutes).
    model : str, optional
        Names the model, and so its colour.

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    minutes = complete(predictions, "predicted", "low", "high").sort_values("predicted")
    figure, (intervals, rides) = sheet(
        height=4.6, title=titled("Answers", model), nrows=2, sharex=True, height_ratios=(2, 1)
    )
    ends = minutes.groupby(minutes["predicted"].round()).mean()
    colour = colour_of(model)
    band = {"alpha": 0.25, "color": colour, "linewidth": 0, "label": "interval"}
    intervals.fill_between(ends["predicted"], ends["low"], ends["high"], **band)
    intervals.plot([0, 60], [0, 60], color=INK, linestyle="--", label="prediction")
    intervals.set(ylabel="minutes", xlim=(0, 61), ylim=(0, None))
    intervals.legend(ncols=2, **ABOVE)
    rides.hist(minutes["predicted"].clip(0, 60), bins=MINUTES, color=colour)
    rides.set(xlabel="predicted duration (minutes)", ylabel="rides")
    rides.yaxis.set_major_formatter(COUNTS)
    alt = (
        "Over the predicted minutes: a band from the low to the high end of the intervals around "
        "a dashed line for the prediction, and below it the number of rides."
    )
    return Picture(figure, alt)
