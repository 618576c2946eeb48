"""Pictures of how a model does at work, month by month."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from taxi_duration.plots.picture import Picture, check, complete, sheet
from taxi_duration.plots.style import CONTRAST, INK, colour_of, look

__all__ = ["ageing", "drifts", "quality"]

LOOK_AT, ACT_ON = 0.1, 0.25  # population stability index
PER_MONTH = {
    "rmse": "RMSE (minutes)",
    "bias": "predicted − actual\n(minutes)",
    "coverage": "rides within\ntheir interval",
    "rejected": "rows rejected",
}


@look()
def quality(
    table: pd.DataFrame,
    *,
    rmse: float | None = None,
    level: float | None = None,
    model: str | None = None,
) -> Picture:
    """Draw error, bias, coverage and rejected rows of each month.

    Parameters
    ----------
    table : pandas.DataFrame
        `month`, `rmse`, `bias` (minutes), `coverage`, `rejected` (shares) and `verdict`, as
        `taxi_duration.serving.monitoring.Report.table`.
    rmse, level : float, optional
        Of the valid month at training, and the promised coverage; drawn as dashed lines.
    model : str, optional
        Names the model, and so its colour.

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    months = check(table, "month", *PER_MONTH, "verdict")
    expected = {"rmse": rmse, "bias": 0, "coverage": level, "rejected": 0}
    figure, panels = sheet(
        height=5.6, title="How the model does", nrows=len(PER_MONTH), sharex=True
    )
    for axes, (measure, label) in zip(panels, PER_MONTH.items(), strict=True):
        _through_months(axes, months, measure, colour=colour_of(model))
        if expected[measure] is not None:
            axes.axhline(expected[measure], color=INK, linewidth=1, linestyle="dashed")
        axes.set_ylabel(label, rotation=0, ha="right", va="center")
    for axes in panels[2:]:
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    panels[0].set_ylim(0, 1.25 * max(months["rmse"].max(), rmse or 0))
    panels[2].set_ylim(0, 1)
    panels[3].set_ylim(0, max(0.05, 1.1 * months["rejected"].max()))
    panels[-1].set_xlabel("month")
    alt = (
        "Error, bias, share of rides within their interval and share of rejected rows by month, "
        "one panel below the other; dashed where training would have them, hollow dots in months "
        "out of bounds."
    )
    return Picture(figure, alt)


def _through_months(axes: Axes, months: pd.DataFrame, measure: str, *, colour: str) -> None:
    dots = {"marker": "o", "markersize": 7}
    axes.plot(months["month"], months[measure], color=colour, **dots)
    out = months[months["verdict"].ne("")]
    hollow = {"color": "white", "markeredgecolor": CONTRAST, "markeredgewidth": 2}
    axes.plot(out["month"], out[measure], linestyle="none", **dots, **hollow)
    axes.margins(x=0.08, y=0.25)


@look()
def drifts(drift: pd.DataFrame) -> Picture:
    """Draw how far each thing that a model is told has moved from its training, by month.

    Parameters
    ----------
    drift : pandas.DataFrame
        `month`, `column` and `psi`, as `taxi_duration.serving.monitoring.Report.drift`.

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    long = complete(drift, "month", "column", "psi")
    order = list(dict.fromkeys(long["column"]))
    table = long.pivot_table(index="column", columns="month", values="psi").reindex(order)
    figure, (axes,) = sheet(height=1.6 + 0.4 * len(table), title="Drift since training")
    shades = sns.blend_palette(["#F4F6F8", CONTRAST, "#7A3B0C"], as_cmap=True)
    bar = {"label": "population stability index", "pad": 0.02}
    sns.heatmap(
        table, ax=axes, cmap=shades, vmin=0, vmax=2 * ACT_ON, cbar_kws=bar, linewidths=1,
        annot=True, fmt=".2f",
    )  # fmt: skip
    axes.collections[0].colorbar.ax.axhline(LOOK_AT, color=INK, linestyle="dotted")
    axes.collections[0].colorbar.ax.axhline(ACT_ON, color=INK)
    axes.set(xlabel="month of rides", ylabel="input or prediction")
    axes.tick_params(length=0)
    axes.set_yticks(axes.get_yticks(), order, rotation=0)
    alt = (
        "Heat map of the population stability index: months across, one row for each input "
        "and the prediction, darker where it has moved further from training; on the colour bar a "
        "dotted line from where to look and a full one from where to act."
    )
    return Picture(figure, alt)


@look()
def ageing(table: pd.DataFrame) -> Picture:
    """Draw a back-test: the error in each tested month, a line for each way to train.

    Parameters
    ----------
    table : pandas.DataFrame
        `tested`, `window` (months), `half_life` (days, or missing), `age` (months) and `rmse`,
        as `taxi_duration.evaluation.backtest.backtest` yields them.

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    rows = check(table, "tested", "window", "half_life", "age", "rmse")
    figure, panels = sheet(
        height=3.8, title="Error in the next month", ncols=2, sharey=True, width_ratios=[3, 2]
    )
    ways = rows.assign(way=[_way(row.window, row.half_life) for row in rows.itertuples()])
    colours = dict(zip(ways["way"].unique(), sns.color_palette("colorblind"), strict=False))
    next_month = ways[ways["age"] == 1].sort_values("tested")
    by_age = ways.groupby(["way", "age"], sort=False)["rmse"].mean().reset_index()
    for way, colour in colours.items():
        seen, old = next_month[next_month["way"] == way], by_age[by_age["way"] == way]
        panels[0].plot(seen["tested"], seen["rmse"], color=colour, marker="o", label=way)
        panels[1].plot(old["age"], old["rmse"], color=colour, marker="o")
    panels[0].set(xlabel="month tested", ylabel="RMSE (minutes)")
    panels[0].tick_params(axis="x", rotation=45)
    panels[1].set(xlabel="months since training", ylabel="mean RMSE (minutes)", title="As it ages")
    panels[1].set_xticks(sorted(by_age["age"].unique()))
    figure.legend(loc="outside lower center", ncols=3, title="learned from")
    alt = (
        "RMSE in minutes of a back-test, a line for each way to train: on the left by tested "
        "month, on the right by months since training."
    )
    return Picture(figure, alt)


def _way(window: int, half_life: float | None) -> str:
    months = "1 month" if window == 1 else f"{window} months"
    return months if pd.isna(half_life) else f"{months}, half-life {half_life:g} days"
