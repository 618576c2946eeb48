"""Why this many minutes: what each thing known of a ride adds to its prediction."""

from __future__ import annotations

import numpy as np
import pandas as pd

from taxi_duration.data.rides import read_rides
from taxi_duration.errors import ModelError
from taxi_duration.models.estimator import Estimator
from taxi_duration.models.features import RideFeatures

__all__ = ["AVERAGE", "can_explain", "explain", "influence"]

AVERAGE = "average ride"
ROWS = 300  # rides that say enough about a month; deep trees take their time to say why

BECAUSE = {
    "distance": ("distance", "given_distance", "repaired", "usual_distance", "detour"),
    "pick-up zone": ("usual_pickup", "pickup_x", "pickup_y", "pickup_z"),
    "drop-off zone": ("usual_dropoff", "dropoff_x", "dropoff_y", "dropoff_z"),
    "way between them": ("usual_pair", "way_x", "way_y", "straight_line"),
    "time of day": ("minute_of_day",),
    "weekday": ("day_of_week",),
}


def can_explain(estimator: Estimator) -> bool:
    """Say whether the model is one of boosted trees on the features of a ride."""
    return isinstance(estimator.pipeline[0], RideFeatures)


def explain(estimator: Estimator, given: pd.DataFrame) -> pd.DataFrame:
    """Return what each thing that the model was told adds to the minutes of each ride.

    The trees' own contributions (SHAP values [1]_), added up over the features that say the same
    thing in a ride's words.

    Parameters
    ----------
    given
        Rides, as `Estimator.predict` takes them.

    Returns
    -------
    DataFrame
        A row for each ride and thing: `ride` (the index of `given`), `because`, `value` (as a
        person would say it) and `minutes`. The first thing of a ride is "average ride"; the
        minutes of a ride add up to its prediction.

    Raises
    ------
    ModelError
        If the model is none of boosted trees on the features of a ride.

    References
    ----------
    .. [1] S. M. Lundberg et al., "From local explanations to global understanding with explainable
       AI for trees", Nature Machine Intelligence 2 (2020), pp. 56-67.
    """
    rides = read_rides(given)
    parts, average = _contributions(estimator, rides)
    minutes = pd.DataFrame({AVERAGE: average, **parts}, index=rides.index)
    said = _said(rides, needs_distance=estimator.needs_distance)
    return pd.DataFrame(
        {
            "ride": np.repeat(rides.index, len(minutes.columns)),
            "because": np.tile(minutes.columns, len(rides)),
            "value": said[minutes.columns].to_numpy().ravel(),
            "minutes": minutes.to_numpy(dtype=float).ravel(),
        }
    )


def influence(estimator: Estimator, given: pd.DataFrame, *, rows: int = ROWS) -> pd.DataFrame:
    """Return which things carry the predictions of many rides, the strongest first.

    Parameters
    ----------
    rows
        Rides that are drawn of all.

    Returns
    -------
    DataFrame
        `because`, and `minutes`: how far it moves a prediction on the average, up or down.

    Raises
    ------
    ModelError
        As `explain`.
    """
    rides = read_rides(given.sample(min(rows, len(given)), random_state=0))
    parts, _ = _contributions(estimator, rides)
    strength = {because: float(np.abs(minutes).mean()) for because, minutes in parts.items()}
    table = pd.DataFrame({"because": list(strength), "minutes": list(strength.values())})
    return table.sort_values("minutes", ascending=False, ignore_index=True)


def _contributions(
    estimator: Estimator, rides: pd.DataFrame
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return minutes by thing, and those of an average ride."""
    features = estimator.pipeline[0]
    if not can_explain(estimator):
        raise ModelError(
            f"Model {estimator.name!r} cannot say why. Ask one of boosted trees on a ride's "
            "features: 'xgboost' or 'quote'."
        )
    import xgboost

    matrix = xgboost.DMatrix(features.transform(rides))
    shares = estimator.pipeline["regressor"].get_booster().predict(matrix, pred_contribs=True)
    names = list(features.get_feature_names_out())
    parts = {
        because: shares[:, [names.index(name) for name in made_of if name in names]].sum(axis=1)
        for because, made_of in BECAUSE.items()
    }
    return parts, shares[:, -1]


def _said(rides: pd.DataFrame, *, needs_distance: bool) -> pd.DataFrame:
    zones = {name: rides[name].map("{:.0f}".format) for name in ("PULocationID", "DOLocationID")}
    miles = rides["trip_distance"].map("{:.1f} miles".format) if needs_distance else "as usual"
    return pd.DataFrame(
        {
            AVERAGE: "",
            "distance": miles,
            "pick-up zone": zones["PULocationID"],
            "drop-off zone": zones["DOLocationID"],
            "way between them": zones["PULocationID"] + " to " + zones["DOLocationID"],
            "time of day": rides["pickup_datetime"].dt.strftime("%H:%M"),
            "weekday": rides["pickup_datetime"].dt.strftime("%a"),
        },
        index=rides.index,
    )
