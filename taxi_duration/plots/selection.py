"""Pictures of models to choose from."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from taxi_duration.plots.picture import Picture, complete, sheet
from taxi_duration.plots.style import INK, colour_of, look

__all__ = ["pareto_front"]


@look()
def pareto_front(table: pd.DataFrame) -> Picture:
    """Draw the error of each model over its size, and the front that no other model is beyond.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `model`, `valid_rmse` (minutes), `size_mb` and `front`, as
        `taxi_duration.registry.selection.pareto` returns them.

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    points = complete(table, "model", "valid_rmse", "size_mb", "front").sort_values("size_mb")
    front = points[points["front"].astype(bool)]
    figure, (axes,) = sheet(height=4, title="Error and size of each model")
    axes.plot(
        front["size_mb"], front["valid_rmse"], color=INK, linewidth=1.2, linestyle="--",
        drawstyle="steps-post", label="front", zorder=1,
    )  # fmt: skip
    for row in points.sort_values("valid_rmse", ascending=False).itertuples():
        face = colour_of(row.model) if row.front else "white"
        axes.scatter(row.size_mb, row.valid_rmse, s=90, color=face, zorder=3, linewidths=2,
                     edgecolors=colour_of(row.model), label=row.model)  # fmt: skip
    axes.set(xscale="log", xlabel="size on disk (MB)", ylabel="RMSE on the valid month (minutes)")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0, 1.1 * points["valid_rmse"].max())
    axes.margins(x=0.1)
    _legend(axes)
    alt = (
        "Dots, one a model: RMSE on the valid month in minutes over size on disk in MB, filled "
        "where no other model is both smaller and better, and a dashed line through those."
    )
    return Picture(figure, alt)


def _legend(axes: Axes) -> None:
    """Name each model once, beside the picture, the one of the largest error on top."""
    handles, names = axes.get_legend_handles_labels()
    first = dict(zip(reversed(names), reversed(handles), strict=True))
    ordered = [(first[name], name) for name in dict.fromkeys(names)]
    axes.legend(*zip(*ordered, strict=True), loc="upper left", bbox_to_anchor=(1, 1))
