"""A small frame for each drawing function, and the picture that it draws of it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from taxi_duration import plots
from taxi_duration.plots.style import Picture

ROWS = 4000
MODELS = ["median", "linear", "ridge", "lasso", "reference", "xgboost", "quote"]


def make_rides() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    minutes = rng.uniform(1, 60, ROWS).round(2)
    pickup = pd.Timestamp("2021-03-01") + pd.to_timedelta(rng.integers(0, 28 * 1440, ROWS), "min")
    return pd.DataFrame(
        {
            "pickup_datetime": pickup.astype("datetime64[us]"),
            "PULocationID": rng.integers(1, 9, ROWS),
            "DOLocationID": rng.integers(1, 9, ROWS),
            "trip_distance": minutes / 4,
            "duration": minutes,
            "predicted": (minutes + rng.normal(-1, 3, ROWS)).clip(0.5, 59.5),
            "month": np.where(rng.random(ROWS) < 0.5, "2021-02", "2021-03"),
        }
    )


RIDES = make_rides()
ALL_RIDES = pd.DataFrame(
    {
        "duration": [5.0, 7.5, 30.0, 0.2, 1439.0, -3.0, None],
        "left_out": pd.Categorical([None] * 3 + ["under", "over", "before", "no time"]),
    }
)
REASONS = pd.Series({"under 1 minute": 1448, "over 60 minutes": 1162, "no time": 0})
SCORES = pd.DataFrame(
    {
        "distance": pd.Categorical(["0", "0-1", "over 1"]),
        "rmse": [9.0, 3.0, 6.0],
        "mae": [7.0, 2.0, 4.0],
        "bias": [-3.0, 0.1, -1.0],
        "within_5": [0.4, 0.9, 0.6],
        "rows": [20, 300, 400],
    }
)
COMPARISON = pd.DataFrame(
    {"model": MODELS, "valid_rmse": np.arange(7) + 3.25, "test_rmse": np.arange(7) + 3.0}
)
CURVE = pd.DataFrame({"train": [9.0, 6.0, 5.0, 4.0], "valid": [9.5, 7.0, 6.5, 6.75]})
IMPORTANCE = pd.DataFrame({"feature": ["weekday", "distance"], "importance": [1.0, 3.0]})
SIZES = pd.DataFrame(
    {
        "model": MODELS,
        "valid_rmse": [11.0, 9.2, 9.3, 9.5, 6.6, 5.9, 8.3],
        "size_mb": [0.04, 0.04, 0.03, 0.02, 4.2, 1.2, 0.6],
        "front": [False, True, True, True, False, True, True],
    }
)
TRIALS = pd.DataFrame(
    {
        "number": [2, 0, 1, 3],
        "valid_rmse": [5.3, 5.4, 5.2, 5.25],
        "rounds": 9,
        "seconds": 1.0,
        "max_depth": [9, 5, 8, 7],
        "reg_lambda": [9.0, 0.5, 80.0, 30.0],
        "subsample": [0.9, 0.7, 0.8, 1.0],
        "reg_alpha": 1.0,
        "gamma": 0.0,
    }
)
EXPLANATION = pd.DataFrame(
    {
        "because": ["average ride", "distance", "time of day"],
        "value": ["", "2.5 miles", "08:00"],
        "minutes": [16.0, -5.5, 1.5],
    }
)
MONTHS = pd.DataFrame(
    {
        "month": ["2021-02", "2021-03"],
        "rmse": [5.0, 9.0],
        "bias": [-1.0, -4.0],
        "coverage": [0.8, 0.5],
        "rejected": [0.0, 0.2],
        "verdict": ["", "rmse above its limit"],
    }
)
DRIFT = pd.DataFrame(
    {"month": ["2021-02", "2021-03"] * 2, "column": ["hour", "hour", "distance", "distance"],
     "psi": [0.01, 0.02, 0.1, 0.4]}
)  # fmt: skip
BACKTEST = pd.DataFrame(
    {
        "tested": ["2021-03", "2021-04", "2021-04"],
        "window": [1, 1, 2],
        "age": [1, 2, 1],
        "rmse": [5.0, 5.5, 4.8],
    }
)
PLACES = pd.DataFrame({"zone": range(1, 9), "east": range(8), "north": [0, 3, 1, 2, 5, 4, 7, 6]})

PICTURES = {
    "durations": (plots.durations, ALL_RIDES),
    "log_durations": (plots.log_durations, RIDES),
    "rows_by_reason": (plots.rows_by_reason, REASONS),
    "rides_by_hour": (plots.rides_by_hour, RIDES),
    "duration_by_hour": (plots.duration_by_hour, RIDES),
    "duration_by_distance": (plots.duration_by_distance, RIDES),
    "duration_by_month": (plots.duration_by_month, RIDES),
    "predicted_and_actual": (plots.predicted_and_actual, RIDES),
    "scatter": (plots.scatter, RIDES),
    "prediction_intervals": (plots.prediction_intervals, RIDES.assign(low=1.0, high=50.0)),
    "residuals": (plots.residuals, RIDES),
    "error_by_hour": (lambda rides: plots.error_by_hour(rides, min_rides=5), RIDES),
    "error_by": (plots.error_by, SCORES),
    "learning_curve": (plots.learning_curve, CURVE),
    "error_without_rounds": (plots.learning_curve, CURVE[:1]),
    "feature_importance": (plots.feature_importance, IMPORTANCE),
    "search_history": (plots.search_history, TRIALS),
    "error_by_parameter": (plots.error_by_parameter, TRIALS),
    "compare_models": (plots.compare_models, COMPARISON),
    "pareto_front": (plots.pareto_front, SIZES),
    "contributions": (plots.contributions, EXPLANATION),
    "mean_contributions": (plots.mean_contributions, EXPLANATION),
    "quality_by_month": (plots.quality_by_month, MONTHS),
    "quality_within_bounds": (plots.quality_by_month, MONTHS.assign(verdict="")),
    "drift_by_month": (plots.drift_by_month, DRIFT),
    "backtest_error": (plots.backtest_error, BACKTEST),
    "zone_map": (lambda places: plots.zone_map(places, rides=RIDES), PLACES),
}


def draw_anew(name: str) -> Picture:
    function, frame = PICTURES[name]
    return function(frame)


draw = cache(draw_anew)


def axes_of(picture: Picture) -> Axes:
    """The first axes, or the only ones."""
    return picture.figure.axes[0]


def heights(axes: Axes) -> list[float]:
    return [bar.get_height() for bar in axes.patches]
