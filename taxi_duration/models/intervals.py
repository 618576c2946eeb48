"""Prediction intervals: a low and a high end for each predicted duration."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from taxi_duration.errors import ModelError

LEVEL = 0.8  # share of rides that should end within their interval
EDGES = (10, 25)  # predicted minutes
GROUPS = ("under 10", "10-25", "over 25")
MIN_RIDES = 50  # a group with fewer takes the widths of all rides
SHORTEST = 1.0  # minutes; widths are relative to at least that


@dataclass(frozen=True)
class Intervals:
    """Prediction intervals, relative to the predicted minutes, by group of predicted minutes.

    Examples
    --------
    >>> Intervals(0.8, low=(-0.3, -0.2, -0.2), high=(0.5, 0.4, 0.4)).around(np.array([8.0, 30.0]))
    {'low': array([ 5.6, 24. ]), 'high': array([12., 42.])}
    """

    level: float  # share of rides that they were calibrated to cover
    low: tuple[float, ...]  # of each of `GROUPS`: share of the predicted minutes, to be added
    high: tuple[float, ...]

    def around(self, predicted: np.ndarray) -> dict[str, np.ndarray]:
        """Return `low` and `high` (minutes) for predicted minutes."""
        minutes = np.asarray(predicted, dtype=float)
        group, scale = duration_groups(minutes), np.maximum(minutes, SHORTEST)
        low, high = (minutes + np.take(end, group) * scale for end in (self.low, self.high))
        return {"low": np.maximum(low, 0), "high": high}


def calibrate(predictions: pd.DataFrame, *, level: float = LEVEL) -> Intervals:
    """Return intervals that cover a share of rides, from rides that the model was not fitted on.

    Split conformal prediction [1]_ on signed relative errors, apart for short, middle and long
    predictions (Mondrian [2]_), since one width for all covers long rides badly. Each end leaves
    out half of what may be missed, so that a model that predicts too short gets a longer upper
    end.

    Parameters
    ----------
    predictions : DataFrame
        Columns `duration` and `predicted`, in minutes.
    level : float
        The share, between 0 and 1.

    References
    ----------
    .. [1] J. Lei et al., "Distribution-free predictive inference for regression", Journal of the
       American Statistical Association 113 (2018), pp. 1094-1111.
    .. [2] V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning in a random world" (2005),
       section 4.5.

    Examples
    --------
    >>> rides = pd.DataFrame({"predicted": 20.0, "duration": np.linspace(10, 40, 1000)})
    >>> pd.DataFrame(calibrate(rides).around([20.0])).round(1)
        low  high
    0  13.0  37.0
    """
    if not 0 < level < 1:
        raise ModelError(f"Level {level!r} is no share. Write one between 0 and 1, e.g. {LEVEL}.")
    minutes = predictions["predicted"].to_numpy(dtype=float)
    error = (predictions["duration"].to_numpy() - minutes) / np.maximum(minutes, SHORTEST)
    group = duration_groups(minutes)
    parts = [error[group == each] for each in range(len(GROUPS))]
    ends = [_ends(part if len(part) >= MIN_RIDES else error, level) for part in parts]
    low, high = zip(*ends, strict=True)
    return Intervals(level, low, high)


def duration_groups(minutes: np.ndarray) -> np.ndarray:
    """Return the number of each prediction's group in `GROUPS`."""
    return sum(minutes >= edge for edge in EDGES)


def _ends(error: np.ndarray, level: float) -> tuple[float, float]:
    """Return the errors between which a new one falls with the given probability."""
    ordered, n, missed = np.sort(error), len(error), (1 - level) / 2
    low = math.floor((n + 1) * missed) - 1
    high = math.ceil((n + 1) * (1 - missed)) - 1
    return float(ordered[max(low, 0)]), float(ordered[min(high, n - 1)])
