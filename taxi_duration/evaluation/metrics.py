"""How far predictions are off, overall and by slice, and how well intervals cover."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from sklearn.inspection import permutation_importance

from taxi_duration.data.rides import N_ZONES
from taxi_duration.data.trips import Split, Trips
from taxi_duration.errors import ModelError, nearest
from taxi_duration.models.catalog import MODELS
from taxi_duration.models.intervals import GROUPS, duration_groups
from taxi_duration.models.training import Fitted
from taxi_duration.models.zones import ZoneMap, zone_codes

CLOSE = 5  # minutes; the limit of `within_5`
METRICS = ["rmse", "mae", "bias", "within_5"]
PARTS = ["north-west", "north-east", "south-west", "south-east", "unknown"]
IMPORTANCE_RIDES = 5000
BOOTSTRAP_DRAWS = 2000
INTERVAL = (0.025, 0.975)  # quantiles
MAPLESS_SLICES = ("distance", "hour", "weekday")

SLICES = {
    "distance": lambda rides: pd.cut(
        rides["trip_distance"],
        [-np.inf, 0, 1, 2, 5, 10, 20, np.inf],
        labels=["0", "0-1", "1-2", "2-5", "5-10", "10-20", "over 20"],
    ),
    "hour": lambda rides: rides["pickup_datetime"].dt.hour,
    "weekday": lambda rides: pd.Categorical.from_codes(
        rides["pickup_datetime"].dt.day_of_week,
        ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
        ordered=True,
    ),
    "part": lambda rides: _parts_of_city(rides),
}


def predict(fitted: Fitted, trips: Trips) -> pd.DataFrame:
    """Return the rides with a column `predicted`, in minutes, beside their `duration`.

    A refitted model was fitted on its valid months, too, and a level was learned there. If it has
    seen any of the months, the first fit predicts without the level, so that the valid month stays
    unseen; all others are predicted as the model predicts at work.

    Examples
    --------
    >>> from taxi_duration.models.training import fit
    >>> from taxi_duration.data.trips import load_split
    >>> train, valid, test = load_split("2021-01", "2021-02", "2021-03")
    >>> predictions = predict(fit("median", train, valid), test)
    >>> sorted(score(predictions))
    ['bias', 'mae', 'rmse', 'rows', 'within_5']
    """
    seen = not set(trips.months).isdisjoint(fitted.months)
    pipeline, level = (fitted.first, 1.0) if seen else (fitted.pipeline, fitted.level)
    return trips.frame.assign(predicted=level * pipeline.predict(trips.frame).astype(float))


def score(predictions: pd.DataFrame) -> dict[str, float]:
    """Return how far the predictions are off.

    Parameters
    ----------
    predictions : DataFrame
        Columns `duration` and `predicted`, in minutes.

    Returns
    -------
    dict
        `rmse`, `mae` and `bias` (predicted minus actual) in minutes, `within_5` the share of
        rides predicted to 5 minutes, and `rows`.

    Examples
    --------
    >>> score(pd.DataFrame({"duration": [10.0, 20.0], "predicted": [13.0, 20.0]}))["mae"]
    1.5
    """
    if predictions.empty:
        raise ModelError("There are no rides to score. Take a month that has some.")
    means = _losses(predictions).mean()
    return means.to_dict() | {"rmse": float(means["rmse"] ** 0.5), "rows": len(predictions)}


def score_by(predictions: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return the `score` of each slice, a row each in the slices' order.

    Parameters
    ----------
    predictions : DataFrame
        As `predict` returns them.
    by : str
        "distance" (bands in miles), "hour", "weekday" or "part" (of the city, where the ride
        begins: on the map that its distances draw, seen from the middle of all rides).
    """
    if by not in SLICES:
        raise ModelError(f"Slice {by!r} is unknown. {nearest(by, SLICES)}")
    slices = _losses(predictions).groupby(SLICES[by](predictions), observed=True)
    means = slices.mean()
    table = means.assign(rmse=means["rmse"] ** 0.5, rows=slices.size())
    return table.rename_axis(by).reset_index()


def score_slices(predictions: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the `score` by distance, hour and weekday of several months, each with its name.

    Columns are `month` (the name), `by`, `slice`, and those of `score`.

    Examples
    --------
    >>> times = {"pickup_datetime": pd.Timestamp("2021-02-01 08:00"), "trip_distance": 2.0}
    >>> rides = pd.DataFrame([times | {"duration": 10.0, "predicted": 12.0}])
    >>> score_slices({"valid": rides})["by"].tolist()
    ['distance', 'hour', 'weekday']
    """
    tables = [
        score_by(frame, by).rename(columns={by: "slice"}).assign(month=name, by=by)
        for name, frame in predictions.items()
        for by in MAPLESS_SLICES
    ]
    return pd.concat(tables, ignore_index=True)[["month", "by", "slice", *METRICS, "rows"]]


def predict_parts(fitted: Fitted, split: Split) -> dict[str, pd.DataFrame]:
    """Return `predict` of each month of a split, by the name of its part."""
    return {part: predict(fitted, trips) for part, trips in split._asdict().items()}


def score_parts(fitted: Fitted, split: Split) -> pd.DataFrame:
    """Return the `score` of the model on each month of a split, a row each."""
    return score_predictions(fitted.name, predict_parts(fitted, split))


def score_predictions(model: str, predictions: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the same of months that are predicted: columns `model`, `part`, those of `score`."""
    return pd.DataFrame(
        {"model": model, "part": part, **score(frame)} for part, frame in predictions.items()
    )


def compare(scores: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return models by their error, the best on the valid month first.

    Parameters
    ----------
    scores : iterable of DataFrame
        One of `score_parts` for each model.

    Returns
    -------
    DataFrame
        `model`, then `valid_` and `test_` each with `rmse`, `mae`, `bias` and `within_5`. The test
        month does not change the order.
    """
    tidy = pd.concat(scores)
    valid, test = (
        tidy[tidy["part"] == part].set_index("model")[METRICS].add_prefix(f"{part}_")
        for part in ("valid", "test")
    )
    return valid.join(test).sort_values("valid_rmse").reset_index()


def coverage(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return how many rides ended within their interval.

    Parameters
    ----------
    predictions : DataFrame
        Columns `duration`, `predicted`, `low` and `high`, in minutes.

    Returns
    -------
    DataFrame
        A row for "all" and for each of `taxi_duration.models.intervals.GROUPS` that has rides:
        `predicted` (the group), `coverage` (a share), `width` (mean, in minutes), `rows`.
    """
    low, high = predictions["low"], predictions["high"]
    inside = predictions["duration"].between(low, high)
    each = pd.DataFrame({"coverage": inside, "width": high - low})
    group = pd.Categorical.from_codes(duration_groups(predictions["predicted"].to_numpy()), GROUPS)
    rows = {"all": each, **dict(list(each.groupby(group, observed=True)))}
    return pd.DataFrame(
        {"predicted": name, **part.mean(), "rows": len(part)} for name, part in rows.items()
    )


def difference_interval(days: pd.DataFrame) -> tuple[float, float]:
    """Return the 95 % interval of the difference in rmse of two models, from drawing whole days.

    Each row is a day: `rides`, and the sums of the squared errors, `new` and `old`.

    Examples
    --------
    >>> days = pd.DataFrame({"rides": [10, 20], "new": [40.0, 80.0], "old": [90.0, 180.0]})
    >>> difference_interval(days)
    (-1.0, -1.0)
    """
    rides = days["rides"].to_numpy()
    equal = np.full(len(rides), 1 / len(rides))
    drawn = np.random.default_rng(0).multinomial(len(rides), equal, size=BOOTSTRAP_DRAWS)
    new, old = (np.sqrt(drawn @ days[each].to_numpy() / (drawn @ rides)) for each in ("new", "old"))
    low, high = np.quantile(new - old, INTERVAL)
    return float(low), float(high)


def importance(fitted: Fitted, trips: Trips) -> pd.DataFrame:
    """Return the permutation importance [1]_ of each input, from up to 5,000 of the rides.

    Models of any kind can be compared by it.

    Returns
    -------
    DataFrame
        Columns `feature` and `importance` (minutes of rmse that are lost without it), the largest
        first.

    References
    ----------
    .. [1] L. Breiman, "Random Forests", Machine Learning 45 (2001), section 10.
    """
    some = trips.frame.sample(min(IMPORTANCE_RIDES, len(trips)), random_state=0)
    inputs = list(MODELS[fitted.name].inputs)
    shuffled = permutation_importance(
        fitted.first, some[inputs], some["duration"], n_repeats=3, random_state=0,
        scoring="neg_root_mean_squared_error",
    )  # fmt: skip
    lost = shuffled["importances_mean"].clip(min=0)
    table = pd.DataFrame({"feature": inputs, "importance": lost})
    return table.sort_values("importance", ascending=False, ignore_index=True)


def _losses(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return each ride's part in each metric, of which the mean is taken; "rmse" is squared."""
    error = predictions["predicted"] - predictions["duration"]
    if lacking := int(error.isna().sum()):
        rides = f"{lacking} of {len(error)} rides"
        raise ModelError(f"{rides} lack their duration or prediction. Leave them out.")
    size = error.abs()
    return pd.DataFrame({"rmse": error**2, "mae": size, "bias": error, "within_5": size <= CLOSE})


def _parts_of_city(rides: pd.DataFrame) -> pd.Categorical:
    """Return the quarter of the map in which each ride begins, or "unknown"."""
    places = ZoneMap().fit(rides).places().set_index("zone").reindex(range(N_ZONES))
    east, north = places.iloc[zone_codes(rides["PULocationID"])].to_numpy().T
    is_placed = ~np.isnan(east)
    middle = (np.median(axis[is_placed]) if is_placed.any() else 0 for axis in (east, north))
    is_east, is_north = (axis > half for axis, half in zip((east, north), middle, strict=True))
    quarter = np.where(is_placed, 2 * ~is_north + is_east, len(PARTS) - 1)
    return pd.Categorical.from_codes(quarter, PARTS, ordered=True)
