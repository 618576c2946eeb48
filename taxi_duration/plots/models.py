"""Pictures of models: their training, their search, and the choice between them."""

from __future__ import annotations

from math import ceil

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from taxi_duration.plots import style
from taxi_duration.plots.style import (
    Picture,
    complete_rows,
    model_colour,
    require_columns,
    subplots,
    theme,
)

OUTCOMES = ("number", "valid_rmse", "rounds", "seconds")  # every other column is a parameter
FEATURES = 20  # that are drawn at most
PANELS = 4  # in a row
LOG_RATIO = 15  # largest over smallest value from which a parameter has a logarithmic axis


@theme()
def learning_curve(curve: pd.DataFrame, *, model: str = "xgboost") -> Picture:
    """Draw the error after each boosting round, and where the valid month's is lowest.

    A model without rounds has one error on each month: two bars.

    Parameters
    ----------
    curve : pandas.DataFrame
        Columns `train` and `valid`: RMSE (minutes), a row a round, as `Run.curve`.
    model : str
        Name for the title and the colour.
    """
    curve = complete_rows(curve, "train", "valid")
    if len(curve) == 1:
        return _draw_single_error(curve.iloc[0], model)
    rounds, colour = range(1, len(curve) + 1), model_colour(model)
    best, error = int(curve["valid"].argmin()) + 1, curve["valid"].min()
    figure, (axes,) = subplots(title="Error by boosting round", model=model)
    axes.plot(rounds, curve["train"], color=style.GREY, linewidth=2.2, label="train month")
    axes.plot(rounds, curve["valid"], color=colour, linewidth=2.2, label="valid month")
    lowest = {"linewidth": 1, "linestyle": ":", "label": "lowest on the valid month"}
    axes.axvline(best, color=style.BLACK, **lowest)
    axes.plot(best, error, "o", color=colour)
    axes.set(xlabel="boosting rounds", ylabel=style.RMSE, ylim=(0, None))
    axes.legend()
    alt = (
        "RMSE in minutes by boosting round: a line for the train month, one for the valid month, "
        "and a dotted line at the round where the latter is lowest."
    )
    return Picture(figure, alt)


def _draw_single_error(errors: pd.Series, model: str) -> Picture:
    figure, (axes,) = subplots(height=2, title="Error without boosting rounds", model=model)
    months = errors.rename({"train": "train month", "valid": "valid month"})
    style.value_bars(axes, months, colour=[style.GREY, model_colour(model)], fmt="%.2f")
    axes.set(xlabel=style.RMSE, ylabel="month")
    axes.margins(x=0.12)
    return Picture(figure, "Two bars: RMSE in minutes on the train month and on the valid month.")


@theme()
def feature_importance(importance: pd.DataFrame, *, model: str = "xgboost") -> Picture:
    """Draw each feature's share of the whole importance, the largest 20 from the top.

    Parameters
    ----------
    importance : pandas.DataFrame
        Columns `feature` and `importance`, in any unit.
    model : str
        Name for the title and the colour.
    """
    table = complete_rows(importance, "feature", "importance").set_index("feature")["importance"]
    shares = (100 * table / table.sum()).sort_values(ascending=False, kind="stable")[:FEATURES]
    height = 1.1 + 0.3 * len(shares)
    figure, (axes,) = subplots(height=height, title="Feature importance", model=model)
    style.value_bars(axes, shares, colour=model_colour(model), fmt="%.1f", size=9)
    axes.margins(x=0.1, y=0.02)
    axes.set(xlabel="share of the importance (%)", ylabel="feature")
    alt = (
        "Horizontal bars, one a feature and the longest on top: "
        "its share of the model's importance in percent."
    )
    return Picture(figure, alt)


@theme()
def search_history(
    trials: pd.DataFrame, *, untuned: float | None = None, model: str = "xgboost"
) -> Picture:
    """Draw the error of each trial in their order, and the best one so far.

    Parameters
    ----------
    trials : pandas.DataFrame
        Columns `number` and `valid_rmse` (minutes), as `models.tuning.trials_table` returns them.
    untuned : float, optional
        RMSE (minutes) of the model before the search, as a dotted line.
    model : str
        Name for the title and the colour.
    """
    trials = complete_rows(trials, "number", "valid_rmse").sort_values("number")
    numbers, errors, colour = trials["number"], trials["valid_rmse"], model_colour(model)
    best = errors.idxmin()
    figure, (axes,) = subplots(title="Error of each trial", model=model)
    axes.scatter(numbers, errors, color=style.GREY, s=34, label="trial")
    axes.step(numbers, errors.cummin(), where="post", color=colour, lw=2.2, label="best so far")
    axes.plot(numbers[best], errors[best], "o", color=colour)
    if untuned is not None:
        axes.axhline(untuned, color=style.BLACK, linewidth=1, linestyle=":", label="untuned")
    axes.set(xlabel="number of the trial", ylabel=f"{style.RMSE}, valid month")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(ncols=3, **style.LEGEND_ABOVE)
    alt = (
        "RMSE on the valid month in minutes over the trials in their order: a dot for each, and "
        "falling steps for the best so far."
    )
    return Picture(figure, alt)


@theme()
def error_by_parameter(trials: pd.DataFrame, *, model: str = "xgboost") -> Picture:
    """Draw the error of each trial over each parameter, later trials darker.

    Parameters
    ----------
    trials, model
        As `search_history` takes them; each further column is a parameter.
    """
    names = [str(name) for name in trials if name not in OUTCOMES] or ["parameter"]
    trials = require_columns(trials, "number", "valid_rmse", *names)
    rows, columns = ceil(len(names) / PANELS), min(PANELS, len(names))
    figure, panels = subplots(
        height=0.7 + 2.2 * rows, title="Error by parameter", model=model, nrows=rows,
        ncols=columns, sharey=True,
    )  # fmt: skip
    for name, axes in zip(names, panels, strict=False):
        _draw_trials(axes, trials, name, model)
        axes.yaxis.label.set_visible(axes.get_subplotspec().is_first_col())
    for spare in panels[len(names) :]:
        spare.remove()
    alt = (
        "Small panels, one a parameter, that share an axis of the RMSE on the valid month in "
        "minutes: a dot for each trial, later ones darker, and a ring around the best."
    )
    return Picture(figure, alt)


def _draw_trials(axes: Axes, trials: pd.DataFrame, name: str, model: str) -> None:
    values, errors = trials[name], trials["valid_rmse"]
    best = errors.idxmin()
    axes.scatter(values, errors, c=trials["number"], cmap=style.shades(model_colour(model)), s=24)
    axes.plot(values[best], errors[best], "o", mfc="none", mec=style.BLACK, mew=1.6, markersize=11)
    if values.min() > 0 and values.max() >= LOG_RATIO * values.min():
        axes.set_xscale("log")
    axes.set(xlabel=name, ylabel=style.RMSE)


@theme()
def compare_models(comparison: pd.DataFrame) -> Picture:
    """Draw the error of each model on the valid and the test month, the best on top.

    Parameters
    ----------
    comparison : pandas.DataFrame
        Columns `model`, `valid_rmse` and `test_rmse` (minutes).
    """
    table = complete_rows(comparison, "model", "valid_rmse", "test_rmse").sort_values("valid_rmse")
    names, colours = table["model"].astype(str), table["model"].map(model_colour)
    errors = table[["valid_rmse", "test_rmse"]]
    figure, (axes,) = subplots(height=1.6 + 0.36 * len(table), title="Error of each model")
    axes.hlines(names, 0, errors.min(axis=1), color=style.GREY, linewidth=1)
    hollow = {"facecolors": "white", "edgecolors": colours, "linewidths": 2}
    axes.scatter(errors["valid_rmse"], names, color=colours, s=130, zorder=3, label="valid month")
    axes.scatter(errors["test_rmse"], names, s=50, zorder=3, label="test month", **hollow)
    for name, valid, test in zip(names, *errors.to_numpy().T, strict=True):
        place, text = (max(valid, test), name), f"valid {valid:.2f}, test {test:.2f}"
        axes.annotate(text, place, (12, -4), textcoords="offset points", fontsize=10)
    style.first_on_top(axes)
    axes.margins(y=0.3 / max(len(table) - 1, 1))  # the same distance from the edge for few models
    axes.set(xlabel=style.RMSE, ylabel="model", xlim=(0, 1.36 * errors.max(axis=None)))
    filled, hollow = axes.legend(ncols=2, **style.LEGEND_ABOVE).legend_handles
    filled.set(color=style.BLACK)
    hollow.set(edgecolor=style.BLACK)
    alt = (
        "Dot plot of the RMSE in minutes, from zero, one row a model and the best on top: "
        "a filled dot for the valid month and a hollow one for the test month."
    )
    return Picture(figure, alt)


@theme()
def pareto_front(table: pd.DataFrame) -> Picture:
    """Draw the error of each model over its size, and the front of those that no other beats.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `model`, `valid_rmse` (minutes), `size_mb` and `front`, as
        `registry.candidates` returns them.
    """
    points = complete_rows(table, "model", "valid_rmse", "size_mb", "front").sort_values("size_mb")
    front = points[points["front"].astype(bool)]
    figure, (axes,) = subplots(height=4, title="Error and size of each model")
    line = {"color": style.BLACK, "linewidth": 1.2, "linestyle": "--", "drawstyle": "steps-post"}
    axes.plot(front["size_mb"], front["valid_rmse"], label="front", zorder=1, **line)
    for row in points.sort_values("valid_rmse", ascending=False).itertuples():
        edge = model_colour(row.model)
        dot = {"color": edge if row.front else "white", "edgecolors": edge, "linewidths": 2}
        axes.scatter(row.size_mb, row.valid_rmse, s=90, zorder=3, label=row.model, **dot)
    axes.set(xscale="log", xlabel="size on disk (MB)", ylabel="RMSE on the valid month (minutes)")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0, 1.1 * points["valid_rmse"].max())
    axes.margins(x=0.1)
    _add_legend(axes)
    alt = (
        "Dots, one a model: RMSE on the valid month in minutes over size on disk in MB, filled "
        "where no other model is both smaller and better, and a dashed line through those."
    )
    return Picture(figure, alt)


def _add_legend(axes: Axes) -> None:
    """Name each model once, beside the picture, the one of the largest error on top."""
    handles, names = axes.get_legend_handles_labels()
    first = dict(zip(reversed(names), reversed(handles), strict=True))
    ordered = [(first[name], name) for name in dict.fromkeys(names)]
    axes.legend(*zip(*ordered, strict=True), loc="upper left", bbox_to_anchor=(1, 1))
