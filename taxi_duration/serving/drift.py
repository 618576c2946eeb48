"""How far this month's rides are from those that a model learned from."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

__all__ = ["WATCHED", "drift", "stability_index"]

BINS = 10
RARE = 0.005  # zones with a smaller share are counted together
TRACE = 1e-4  # share that stands for none: no logarithm of zero

WATCHED = {
    "trip_distance": "distance",
    "hour": "hour of pick-up",
    "weekday": "weekday of pick-up",
    "PULocationID": "pick-up zone",
    "DOLocationID": "drop-off zone",
    "predicted": "predicted minutes",
}
MEASURED = ("trip_distance", "predicted")  # the others are categories


def drift(rides: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Compare what a model is told, and what it answers, with the months that it learned from.

    Parameters
    ----------
    rides, reference
        `pickup_datetime`, `PULocationID`, `DOLocationID`, `trip_distance`, `predicted`.

    Returns
    -------
    DataFrame
        A row for each of `WATCHED`: `watched` (in words), `psi` (population stability index), and
        for measured ones `shift`: the Wasserstein distance in the reference's standard deviations.
    """
    now, then = _watched(rides), _watched(reference)
    rows = [
        {
            "watched": said,
            "psi": stability_index(now[name], then[name], measured=name in MEASURED),
            "shift": _shift(now[name], then[name]) if name in MEASURED else np.nan,
        }
        for name, said in WATCHED.items()
    ]
    return pd.DataFrame(rows)


def stability_index(now: pd.Series, then: pd.Series, *, measured: bool) -> float:
    """Return the population stability index: 0 if alike; from 0.1 on look, from 0.25 on act.

    The symmetric relative entropy of two histograms [1]_. Numbers are counted in tenths of the
    reference, with a bin of their own for missing ones; categories each, rare ones together.

    References
    ----------
    .. [1] N. Siddiqi, "Credit Risk Scorecards" (2006), chapter 9.

    Examples
    --------
    >>> then = pd.Series([1.0, 2.0, 3.0, 4.0])
    >>> stability_index(then, then, measured=True)
    0.0
    >>> stability_index(then + 100, then, measured=True) > 0.25
    True
    """
    if measured:
        edges = np.unique(then.quantile(np.linspace(0, 1, BINS + 1)[1:-1]))
        now, then = (_binned(values, edges) for values in (now, then))
    shares = pd.DataFrame(
        {"now": now.value_counts(normalize=True), "then": then.value_counts(normalize=True)}
    ).fillna(0)
    rare = shares["then"] < RARE
    shares = pd.concat([shares[~rare], shares[rare].sum().to_frame("rare").T]).clip(lower=TRACE)
    return float(((shares["now"] - shares["then"]) * np.log(shares["now"] / shares["then"])).sum())


def _watched(rides: pd.DataFrame) -> pd.DataFrame:
    pickup = rides["pickup_datetime"].dt
    return rides.assign(hour=pickup.hour, weekday=pickup.day_of_week)[list(WATCHED)]


def _binned(values: pd.Series, edges: np.ndarray) -> pd.Series:
    numbers = values.to_numpy(dtype=float)
    return pd.Series(np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers)))


def _shift(now: pd.Series, then: pd.Series) -> float:
    """Return how far values lie from the reference's; far outliers of either count as its edge."""
    low, high = then.quantile([0.005, 0.995])
    then, now = (values.dropna().clip(low, high) for values in (then, now))
    if now.empty or not then.std() > 0:
        return np.nan
    return float(stats.wasserstein_distance(now, then) / then.std())
