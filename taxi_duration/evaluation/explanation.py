"""Why this many minutes: what each thing known of a ride contributes to its prediction."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from taxi_duration.data.rides import ZONES, read_rides
from taxi_duration.errors import ModelError
from taxi_duration.models.estimator import Estimator
from taxi_duration.models.features import RideFeatures

AVERAGE = "average ride"
RIDES = 300  # that are enough for a month; deep trees are slow to explain

REASONS = {
    "distance": ("distance", "given_distance", "repaired", "usual_distance", "detour"),
    "pick-up zone": ("usual_pickup", "pickup_x", "pickup_y", "pickup_z"),
    "drop-off zone": ("usual_dropoff", "dropoff_x", "dropoff_y", "dropoff_z"),
    "way between them": ("usual_pair", "way_x", "way_y", "straight_line"),
    "time of day": ("minute_of_day",),
    "weekday": ("day_of_week",),
}


def can_explain(estimator: Estimator) -> bool:
    """Return whether the model is one of boosted trees on the features of a ride."""
    return isinstance(estimator.pipeline[0], RideFeatures)


def explain(
    estimator: Estimator, given: pd.DataFrame, *, names: Mapping[int, str] | None = None
) -> pd.DataFrame:
    """Return the minutes that each reason contributes to the prediction of each ride.

    The trees' SHAP values [1]_ times the estimator's level, added up over the features that belong
    to the same reason.

    Parameters
    ----------
    estimator : Estimator
        One that `can_explain` accepts.
    given : DataFrame
        Rides, as `Estimator.predict` takes them.
    names : mapping
        Of zones, to be said instead of their numbers, as `taxi_duration.data.zone_names`.

    Returns
    -------
    DataFrame
        A row for each ride and reason: `ride` (the index of `given`), `because`, `value` (as text)
        and `minutes`. The first reason of a ride is "average ride"; its minutes add up to its
        prediction.

    References
    ----------
    .. [1] S. M. Lundberg et al., "From local explanations to global understanding with explainable
       AI for trees", Nature Machine Intelligence 2 (2020), pp. 56-67.
    """
    rides = read_rides(given)
    minutes = _contributions(estimator, rides)
    values = _values(rides, names or {}, needs_distance=estimator.needs_distance)
    return pd.DataFrame(
        {
            "ride": np.repeat(rides.index, len(minutes.columns)),
            "because": np.tile(minutes.columns, len(rides)),
            "value": values[minutes.columns].to_numpy().ravel(),
            "minutes": minutes.to_numpy(dtype=float).ravel(),
        }
    )


def influence(estimator: Estimator, given: pd.DataFrame) -> pd.DataFrame:
    """Return how much each reason contributes to predictions, from up to 300 of the rides.

    Returns
    -------
    DataFrame
        `because`, and `minutes`: the mean contribution, up or down, the largest first.
    """
    rides = read_rides(given.sample(min(RIDES, len(given)), random_state=0))
    minutes = _contributions(estimator, rides).drop(columns=AVERAGE).abs().mean().astype(float)
    return minutes.sort_values(ascending=False).rename_axis("because").reset_index(name="minutes")


def _contributions(estimator: Estimator, rides: pd.DataFrame) -> pd.DataFrame:
    """Return minutes, a row a ride and a column a reason, the average ride first."""
    if not can_explain(estimator):
        raise ModelError(
            f"Model {estimator.name!r} cannot be explained. Take one of boosted trees on a ride's "
            "features: 'xgboost' or 'quote'."
        )
    import xgboost

    features, regressor = estimator.pipeline
    matrix = xgboost.DMatrix(features.transform(rides))
    shares = estimator.level * regressor.get_booster().predict(matrix, pred_contribs=True)
    names = list(features.get_feature_names_out())
    minutes = {AVERAGE: shares[:, -1]} | {
        reason: shares[:, [names.index(name) for name in made_of if name in names]].sum(axis=1)
        for reason, made_of in REASONS.items()
    }
    return pd.DataFrame(minutes, index=rides.index)


def _values(rides: pd.DataFrame, names: Mapping[int, str], *, needs_distance: bool) -> pd.DataFrame:
    pickup, dropoff = (rides[end].map(lambda zone: names.get(zone, f"{zone:.0f}")) for end in ZONES)
    miles = rides["trip_distance"].map("{:.1f} miles".format) if needs_distance else "as usual"
    return pd.DataFrame(
        {
            AVERAGE: "",
            "distance": miles,
            "pick-up zone": pickup,
            "drop-off zone": dropoff,
            "way between them": pickup + " to " + dropoff,
            "time of day": rides["pickup_datetime"].dt.strftime("%H:%M"),
            "weekday": rides["pickup_datetime"].dt.strftime("%a"),
        },
        index=rides.index,
    )
