"""Pictures of models and of their training."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from taxi_duration.plots.picture import Picture, complete, sheet
from taxi_duration.plots.style import ABOVE, INK, MUTED, colour_of, look

__all__ = ["compare_models", "feature_importance", "learning_curve"]


@look()
def compare_models(comparison: pd.DataFrame) -> Picture:
    """Draw the error of each model on the valid and the test month, the best on top.

    Parameters
    ----------
    comparison : pandas.DataFrame
        Columns `model`, `valid_rmse` and `test_rmse` (minutes).

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    table = complete(comparison, "model", "valid_rmse", "test_rmse").sort_values("valid_rmse")
    names, colours = table["model"].astype(str), table["model"].map(colour_of)
    errors = table[["valid_rmse", "test_rmse"]]
    figure, (axes,) = sheet(height=1.6 + 0.36 * len(table), title="Error of each model")
    axes.hlines(names, 0, errors.min(axis=1), color=MUTED, linewidth=1)
    hollow = {"facecolors": "white", "edgecolors": colours, "linewidths": 2}
    axes.scatter(errors["valid_rmse"], names, color=colours, s=130, zorder=3, label="valid month")
    axes.scatter(errors["test_rmse"], names, s=50, zorder=3, label="test month", **hollow)
    for name, valid, test in zip(names, *errors.to_numpy().T, strict=True):
        place, text = (max(valid, test), name), f"valid {valid:.2f}, test {test:.2f}"
        axes.annotate(text, place, (12, -4), textcoords="offset points", fontsize=10)
    axes.invert_yaxis()
    axes.margins(y=0.3 / max(len(table) - 1, 1))  # the same distance from the edge for few models
    axes.grid(visible=False, axis="y")
    axes.set(xlabel="RMSE (minutes)", ylabel="model", xlim=(0, 1.36 * errors.max(axis=None)))
    _legend_in_ink(axes)
    alt = (
        "Dot plot of the RMSE in minutes, from zero, one row a model and the best on top: "
        "a filled dot for the valid month and a hollow one for the test month."
    )
    return Picture(figure, alt)


def _legend_in_ink(axes: Axes) -> None:
    """Explain filled and hollow, in no model's colour."""
    filled, hollow = axes.legend(ncols=2, **ABOVE).legend_handles
    filled.set(color=INK)
    hollow.set(edgecolor=INK)


@look()
def learning_curve(curve: pd.DataFrame, *, model: str = "xgboost") -> Picture:
    """Draw the error after each boosting round, and where the valid month's is lowest.

    A model without rounds has one error on each month: a bar for either.

    Parameters
    ----------
    curve : pandas.DataFrame
        Columns `train` and `valid`: RMSE (minutes), a row a round, as `Fitted.curve`.
    model : str
        Names the model, and so its colour.

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    curve = complete(curve, "train", "valid")
    if len(curve) == 1:
        return _learned_at_once(curve.iloc[0], model)
    rounds = range(1, len(curve) + 1)
    best, error = int(curve["valid"].argmin()) + 1, curve["valid"].min()
    figure, (axes,) = sheet(title=f"Error by boosting round: {model}")
    axes.plot(rounds, curve["train"], color=MUTED, linewidth=2.2, label="train month")
    axes.plot(rounds, curve["valid"], color=colour_of(model), linewidth=2.2, label="valid month")
    axes.axvline(best, color=INK, linewidth=1, linestyle=":", label="lowest on the valid month")
    axes.plot(best, error, "o", color=colour_of(model))
    axes.set(xlabel="boosting rounds", ylabel="RMSE (minutes)", ylim=(0, None))
    axes.legend()
    alt = (
        "RMSE in minutes by boosting round: a line for the train month, one for the valid month, "
        "and a dotted line at the round where the latter is lowest."
    )
    return Picture(figure, alt)


def _learned_at_once(errors: pd.Series, model: str) -> Picture:
    figure, (axes,) = sheet(height=2, title=f"Error, learned without rounds: {model}")
    months = ["train month", "valid month"]
    bars = axes.barh(months, errors[["train", "valid"]], color=[MUTED, colour_of(model)])
    axes.bar_label(bars, fmt="%.2f", padding=4)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set(xlabel="RMSE (minutes)", ylabel="month")
    axes.margins(x=0.12)
    return Picture(figure, "Two bars: RMSE in minutes on the train month and on the valid month.")


@look()
def feature_importance(
    importance: pd.DataFrame, *, model: str = "xgboost", most: int = 20
) -> Picture:
    """Draw what the model rests on: each feature's share of the whole importance.

    Parameters
    ----------
    importance : pandas.DataFrame
        Columns `feature` and `importance`, in any unit.
    model : str
        Names the model, and so its colour.
    most : int
        How many features to draw at most; the shares are of all of them.

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    table = complete(importance, "feature", "importance").sort_values(
        "importance", ascending=False, kind="stable"
    )
    shares = (100 * table["importance"] / table["importance"].sum())[:most]
    figure, (axes,) = sheet(height=1.1 + 0.3 * len(shares), title=f"What {model} rests on")
    bars = axes.barh(table["feature"][:most].astype(str), shares, color=colour_of(model))
    axes.bar_label(bars, fmt="%.1f", padding=4, fontsize=9)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.1, y=0.02)
    axes.set(xlabel="share of the importance (%)", ylabel="feature")
    alt = (
        "Horizontal bars, one a feature and the longest on top: "
        "its share of the model's importance in percent."
    )
    return Picture(figure, alt)
