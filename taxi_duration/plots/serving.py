"""Pictures of a model at work: why it predicts what it does, and how good it is month by month."""

from __future__ import annotations

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from taxi_duration.plots import style
from taxi_duration.plots.style import (
    Picture,
    complete_rows,
    model_colour,
    require_columns,
    subplots,
    theme,
)

RED, BLUE = "#c0392b", "#2980b9"
LOOK_AT, ACT_ON = 0.1, 0.25  # marks on the scale of the population stability index
MEASURES = {
    "rmse": style.RMSE,
    "bias": "predicted − actual\n(minutes)",
    "coverage": "rides within\ntheir interval",
    "rejected": "rows rejected",
}


@theme()
def contributions(explanation: pd.DataFrame) -> Picture:
    """Draw the contributions to one ride's prediction, beginning with the average ride's minutes.

    Parameters
    ----------
    explanation : pandas.DataFrame
        Of one ride: `because`, `value` and `minutes`, as `evaluation.explain` returns them.
    """
    table = complete_rows(explanation, "because", "value", "minutes")
    steps, end = table["minutes"].to_numpy(), table["minutes"].sum()
    start = np.concatenate([[0], np.cumsum(steps)[:-1]])
    names = [f"{row.because}: {row.value}".rstrip(": ") for row in table.itertuples()]
    figure, (axes,) = subplots(height=1.2 + 0.42 * len(table), title=f"Why {end:.1f} minutes")
    axes.barh(names, steps, left=start, color=[style.GREY, *np.where(steps[1:] > 0, RED, BLUE)])
    axes.axvline(end, color=style.BLACK, linestyle="dashed")
    label = {"textcoords": "offset points", "bbox": {"color": "white", "pad": 1}}
    for name, begin, step in zip(names, start, steps, strict=True):
        text = f"{step:+.1f}" if begin else f"{step:.1f}"
        axes.annotate(text, (max(begin, begin + step), name), (6, -4), **label)
    style.first_on_top(axes)
    right = 1.2 * max((start + np.maximum(steps, 0)).max(), end)
    axes.set(xlabel="predicted duration (minutes)", ylabel="feature", xlim=(0, right))
    alt = (
        "Waterfall of one ride's prediction in minutes: a bar for the average ride, then one for "
        "each feature, red where it adds minutes and blue where it takes some off, ending at a "
        "dashed line for the prediction."
    )
    return Picture(figure, alt)


@theme()
def mean_contributions(influence: pd.DataFrame, *, model: str | None = None) -> Picture:
    """Draw the mean contributions to the predictions of many rides, the largest on top.

    Parameters
    ----------
    influence : pandas.DataFrame
        `because` and `minutes`, as `evaluation.influence` returns them.
    model : str, optional
        Name for the colour.
    """
    table = complete_rows(influence, "because", "minutes").set_index("because")["minutes"]
    figure, (axes,) = subplots(height=1.2 + 0.36 * len(table), title="What moves the predictions")
    ordered = table.sort_values(ascending=False)
    style.value_bars(axes, ordered, colour=model_colour(model), fmt="%.1f")
    axes.set(xlabel="mean contribution, up or down (minutes)", ylabel="feature")
    axes.margins(x=0.1)
    alt = (
        "Horizontal bars, one for each feature and the longest on top: how many minutes it adds to "
        "a prediction or takes off on average."
    )
    return Picture(figure, alt)


@theme()
def quality_by_month(
    table: pd.DataFrame, *, rmse: float | None = None, coverage: float | None = None,
    model: str | None = None,
) -> Picture:  # fmt: skip
    """Draw error, bias, coverage and rejected rows of each month.

    Parameters
    ----------
    table : pandas.DataFrame
        `month`, `rmse`, `bias` (minutes), `coverage`, `rejected` (shares) and `verdict`, as
        `serving.monitoring.Report.table`.
    rmse, coverage : float, optional
        Of the valid month at training, and the promised coverage; drawn as dashed lines.
    model : str, optional
        Name for the colour.
    """
    months = require_columns(table, "month", *MEASURES, "verdict")
    expected = {"rmse": rmse, "bias": 0, "coverage": coverage, "rejected": 0}
    figure, panels = subplots(title="Quality by month", height=5.6, nrows=4, sharex=True)
    for axes, (measure, label) in zip(panels, MEASURES.items(), strict=True):
        _draw_months(axes, months, measure, colour=model_colour(model))
        if expected[measure] is not None:
            axes.axhline(expected[measure], color=style.BLACK, linewidth=1, linestyle="dashed")
        axes.set_ylabel(label, rotation=0, ha="right", va="center")
    for axes in panels[2:]:
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    panels[0].set_ylim(0, 1.25 * max(months["rmse"].max(), rmse or 0))
    panels[2].set_ylim(0, 1)
    panels[3].set_ylim(0, max(0.05, 1.1 * months["rejected"].max()))
    panels[-1].set_xlabel("month")
    alt = (
        "Error, bias, share of rides within their interval and share of rejected rows by month, "
        "one panel below the other, dashed at the expected value; hollow dots in months out of "
        "bounds."
    )
    return Picture(figure, alt)


def _draw_months(axes: Axes, months: pd.DataFrame, measure: str, *, colour: str) -> None:
    dots = {"marker": "o", "markersize": 7, "clip_on": False}
    axes.plot(months["month"], months[measure], color=colour, **dots)
    out = months[months["verdict"].ne("")]
    hollow = {"color": "white", "markeredgecolor": style.ORANGE, "markeredgewidth": 2}
    if len(out):  # no dots have no place, and the layout would fail
        axes.plot(out["month"], out[measure], linestyle="none", **dots, **hollow)
    axes.margins(x=0.08, y=0.25)


@theme()
def drift_by_month(drift: pd.DataFrame) -> Picture:
    """Draw how far each input and the prediction have moved from their training, by month.

    Parameters
    ----------
    drift : pandas.DataFrame
        `month`, `column` and `psi`, as `serving.monitoring.Report.drift`.
    """
    long = complete_rows(drift, "month", "column", "psi")
    table = long.pivot_table(index="column", columns="month", values="psi", sort=False)
    table = table.sort_index(axis="columns")
    figure, (axes,) = subplots(height=1.6 + 0.4 * len(table), title="Drift since training")
    cmap = sns.blend_palette(["#F4F6F8", style.ORANGE, "#7A3B0C"], as_cmap=True)
    style.heat_map(
        axes, table, label="population stability index", limits=(0, 2 * ACT_ON),
        cmap=cmap, linewidths=1, annot=True, fmt=".2f",
    )  # fmt: skip
    bar = axes.collections[0].colorbar.ax
    bar.axhline(LOOK_AT, color=style.BLACK, linestyle="dotted")
    bar.axhline(ACT_ON, color=style.BLACK)
    axes.set(xlabel="month of rides", ylabel="input or prediction")
    axes.tick_params(axis="y", rotation=0)
    alt = (
        "Heat map of the population stability index: months across, one row for each input "
        "and the prediction, darker where it has moved further from training; on the colour bar a "
        "dotted line from where to look and a full one from where to act."
    )
    return Picture(figure, alt)


@theme()
def backtest_error(table: pd.DataFrame) -> Picture:
    """Draw a back-test: the error in each tested month, a line for each window of months.

    Parameters
    ----------
    table : pandas.DataFrame
        `tested`, `window` (months), `age` (months) and `rmse`, as `evaluation.backtest` yields
        them.
    """
    rows = require_columns(table, "tested", "window", "age", "rmse")
    figure, (by_month, by_age) = subplots(
        height=3.8, title="Error in the next month", ncols=2, sharey=True, width_ratios=[3, 2]
    )
    colours = sns.color_palette("colorblind", rows["window"].nunique())
    for (window, tests), colour in zip(rows.groupby("window", sort=False), colours, strict=True):
        line = {"color": colour, "marker": "o"}
        months = "1 month" if window == 1 else f"{window} months"
        next_month = tests[tests["age"] == 1].sort_values("tested")
        ages = tests.groupby("age", sort=False)["rmse"].mean()
        by_month.plot(next_month["tested"], next_month["rmse"], label=months, **line)
        by_age.plot(ages, **line)
    by_month.set(xlabel="month tested", ylabel=style.RMSE)
    by_month.tick_params(axis="x", rotation=45)
    by_age.set(xlabel="months since training", ylabel=f"mean {style.RMSE}", title="By model age")
    by_age.set_xticks(sorted(rows["age"].unique()))
    figure.legend(loc="outside lower center", ncols=3, title="trained on")
    alt = (
        "RMSE in minutes of a back-test, a line for each window of months: on the left by tested "
        "month, on the right by months since training."
    )
    return Picture(figure, alt)
