"""Drift: how far a month's rides are from those that a model was trained on."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

BINS = 10
RARE = 0.005  # zones with a smaller share are counted together
SMALLEST_SHARE = 1e-4  # in place of 0, of which there is no logarithm
OUTLIERS = (0.005, 0.995)  # quantiles; values beyond them count as these
DRIFT_COLUMNS = {
    "trip_distance": "distance",
    "hour": "hour of pick-up",
    "weekday": "weekday of pick-up",
    "PULocationID": "pick-up zone",
    "DOLocationID": "drop-off zone",
    "predicted": "predicted minutes",
}
NUMERIC = ("trip_distance", "predicted")  # the others are categories


def drift(rides: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Return how far inputs and predictions have drifted from the months of the training.

    Both have the columns of rides, and `predicted`. A row for each of `DRIFT_COLUMNS` has `column`
    (in words), `psi` (see `stability_index`), and for numeric ones `shift`: the Wasserstein
    distance in the reference's standard deviations.
    """
    now, then = _drift_columns(rides), _drift_columns(reference)
    rows = [
        {
            "column": title,
            "psi": stability_index(now[name], then[name], numeric=name in NUMERIC),
            "shift": _shift(now[name], then[name]) if name in NUMERIC else np.nan,
        }
        for name, title in DRIFT_COLUMNS.items()
    ]
    return pd.DataFrame(rows)


def stability_index(now: pd.Series, then: pd.Series, *, numeric: bool) -> float:
    """Return the population stability index (PSI) of two samples: 0 if they are alike.

    It is the symmetric Kullback-Leibler divergence of their histograms [2]_. By custom [1]_, values
    under 0.1 are no change, and from 0.25 on the population has changed. Numbers are counted in
    tenths of the reference `then`, missing ones apart; rare categories are counted together.

    References
    ----------
    .. [1] N. Siddiqi, "Credit Risk Scorecards" (Wiley, 2006), chapter 9.
    .. [2] B. Yurdakul and J. Naranjo, "Statistical properties of the population stability index",
       Journal of Risk Model Validation 14(4), 2020.

    Examples
    --------
    >>> then = pd.Series([1.0, 2.0, 3.0, 4.0])
    >>> stability_index(then, then, numeric=True)
    0.0
    >>> stability_index(then + 100, then, numeric=True) > 0.25
    True
    """
    if numeric:
        edges = np.unique(then.quantile(np.linspace(0, 1, BINS + 1)[1:-1]))
        now, then = _bins(now, edges), _bins(then, edges)
    shares = pd.DataFrame(
        {"now": now.value_counts(normalize=True), "then": then.value_counts(normalize=True)}
    ).fillna(0)
    rare = shares["then"] < RARE
    shares = pd.concat([shares[~rare], shares[rare].sum().to_frame().T]).clip(lower=SMALLEST_SHARE)
    return float(((shares["now"] - shares["then"]) * np.log(shares["now"] / shares["then"])).sum())


def _drift_columns(rides: pd.DataFrame) -> pd.DataFrame:
    pickup = rides["pickup_datetime"].dt
    return rides.assign(hour=pickup.hour, weekday=pickup.day_of_week)[list(DRIFT_COLUMNS)]


def _bins(values: pd.Series, edges: np.ndarray) -> pd.Series:
    numbers = values.to_numpy(dtype=float)
    return pd.Series(np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers)))


def _shift(now: pd.Series, then: pd.Series) -> float:
    low, high = then.quantile(OUTLIERS)
    now, then = now.dropna().clip(low, high), then.dropna().clip(low, high)
    if now.empty or not then.std() > 0:
        return np.nan
    return float(stats.wasserstein_distance(now, then) / then.std())
