"""What may be published: figures of ten rides or more."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["FEWEST", "enough", "quantiles"]

FEWEST = 10  # rides behind a published figure
LEVELS = np.array([0.0025, 0.01, *np.linspace(0.03, 0.97, 19), 0.99, 0.9975]).round(4)


def enough(table: pd.DataFrame) -> pd.DataFrame:
    """Leave out figures of too few rides to be published."""
    return table[table["rides"] >= FEWEST].reset_index(drop=True)


def quantiles(groups: pd.api.typing.SeriesGroupBy) -> pd.DataFrame:
    """Return quantiles; the outermost are kept only where ten rides lie beyond them."""
    columns = {str(level): groups.quantile(level) for level in LEVELS}
    table = pd.DataFrame(columns)
    size = groups.size()
    for level in LEVELS:
        table.loc[size * min(level, 1 - level) < FEWEST, str(level)] = np.nan
    return table.round(3).assign(rides=size).reset_index()
