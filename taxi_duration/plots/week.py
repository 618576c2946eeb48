"""The week as a table of weekdays by hours, and its heat map."""

from __future__ import annotations

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from pandas.api.typing import DataFrameGroupBy

__all__ = ["by_weekday_and_hour", "heat_map", "whole_week"]

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def by_weekday_and_hour(rides: pd.DataFrame) -> DataFrameGroupBy:
    """Group rides by weekday (0 is Monday) and hour of their pick-up."""
    pickup = rides["pickup_datetime"].dt
    return rides.groupby([pickup.day_of_week.rename("weekday"), pickup.hour.rename("hour")])


def whole_week(values: pd.Series) -> pd.DataFrame:
    """Spread values by weekday and hour over 7 rows and 24 columns."""
    hours = pd.MultiIndex.from_product([range(7), range(24)])
    return pd.DataFrame(values.reindex(hours).to_numpy().reshape(7, 24))


def heat_map(
    axes: Axes, table: pd.DataFrame, *, label: str, cmap: str | Colormap, limits: tuple
) -> None:
    """Draw a whole week, an empty cell hatched, with the label on the colour bar."""
    low, high = limits
    bar = {"label": label, "pad": 0.02}
    sns.heatmap(
        table, ax=axes, cmap=cmap, vmin=low, vmax=high, cbar_kws=bar, linewidths=0.6,
        xticklabels=False, yticklabels=False,
    )  # fmt: skip
    axes.set(xlabel="hour of pick-up (o'clock)", ylabel="weekday of pick-up")
    axes.set_xticks([hour + 0.5 for hour in range(0, 24, 3)], range(0, 24, 3), rotation=0)
    axes.set_yticks([day + 0.5 for day in range(7)], WEEKDAYS, rotation=0)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.patch.set(hatch="/////", edgecolor="#C5CBD1")
