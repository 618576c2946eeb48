"""Pictures of a search: how its best trial came about, and what each parameter does."""

from __future__ import annotations

from math import ceil

import pandas as pd
from matplotlib.axes import Axes

from taxi_duration.plots.picture import Picture, check, complete, sheet, titled
from taxi_duration.plots.style import ABOVE, INK, MUTED, colour_of, look, shades

__all__ = ["search_history", "search_slices"]

OUTCOME = ("number", "valid_rmse", "rounds", "seconds")  # every other column is a parameter
ERROR = "RMSE (minutes)"
ABREAST = 4  # panels in a row
FAR = 15  # a parameter whose largest value is that many times its smallest is drawn by logarithm


@look()
def search_history(
    trials: pd.DataFrame, *, untuned: float | None = None, model: str = "xgboost"
) -> Picture:
    """Draw the error of each trial in their order, and the best one so far.

    Parameters
    ----------
    trials : pandas.DataFrame
        Columns `number` and `valid_rmse` (minutes), as `models.tuning.table` returns them.
    untuned : float, optional
        RMSE (minutes) of the model before the search, to be drawn beside the trials.
    model : str
        Names the model, and so its colour.

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    trials = complete(trials, "number", "valid_rmse").sort_values("number")
    numbers, errors = trials["number"], trials["valid_rmse"]
    best = errors.idxmin()
    figure, (axes,) = sheet(title=titled("Error of each trial", model))
    axes.scatter(numbers, errors, color=MUTED, s=34, label="trial")
    axes.step(
        numbers, errors.cummin(), where="post", color=colour_of(model), lw=2.2, label="best so far"
    )
    axes.plot(numbers[best], errors[best], "o", color=colour_of(model))
    if untuned is not None:
        axes.axhline(untuned, color=INK, linewidth=1, linestyle=":", label="untuned")
    axes.set(xlabel="number of the trial", ylabel=f"{ERROR}, valid month")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(ncols=3, **ABOVE)
    alt = (
        "RMSE on the valid month in minutes over the trials in their order: a dot for each, and "
        "falling steps for the best so far."
    )
    return Picture(figure, alt)


@look()
def search_slices(trials: pd.DataFrame, *, model: str = "xgboost") -> Picture:
    """Draw the error of each trial over each parameter, later trials darker.

    Parameters
    ----------
    trials : pandas.DataFrame
        Columns `number`, `valid_rmse` (minutes) and one for each parameter, as
        `taxi_duration.models.tuning.table` returns them.
    model : str
        Names the model, and so its colour.

    Raises
    ------
    SchemaError
        If a column, every parameter or every row is missing.
    """
    names = [str(name) for name in trials if name not in OUTCOME] or ["parameter"]
    trials = check(trials, "number", "valid_rmse", *names)
    rows = ceil(len(names) / ABREAST)
    figure, panels = sheet(
        height=0.7 + 2.2 * rows,
        title=titled("Error by parameter", model),
        nrows=rows,
        ncols=min(ABREAST, len(names)),
        sharey=True,
    )
    for name, axes in zip(names, panels, strict=False):
        _slice(axes, trials, name, model)
        axes.yaxis.label.set_visible(axes.get_subplotspec().is_first_col())
    for spare in panels[len(names) :]:
        spare.remove()
    alt = (
        "Small panels, one a parameter, that share an axis of the RMSE on the valid month in "
        "minutes: a dot for each trial, later ones darker, and a ring around the best."
    )
    return Picture(figure, alt)


def _slice(axes: Axes, trials: pd.DataFrame, name: str, model: str) -> None:
    values, best = trials[name], trials["valid_rmse"].idxmin()
    dots = {"c": trials["number"], "cmap": shades(colour_of(model)), "s": 24}
    axes.scatter(values, trials["valid_rmse"], **dots)
    axes.plot(
        values[best], trials["valid_rmse"][best], "o", mfc="none", mec=INK, mew=1.6, markersize=11
    )
    if values.min() > 0 and values.max() >= FAR * values.min():
        axes.set_xscale("log")
    axes.set(xlabel=name, ylabel=ERROR)
