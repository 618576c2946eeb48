"""How similar are made and real months? The same models are trained and tested on both.

    python benchmarks/sample_likeness.py FOLDER [--models median linear ...]

FOLDER has TLC's green months 2021-01 to 2021-03. The reference model takes minutes, twice.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from harness import load_months
from xgboost import XGBRegressor

from taxi_duration.data import Split
from taxi_duration.evaluation import predict, score
from taxi_duration.models import MODELS, fit
from taxi_duration.models.encoding import ZoneTargetEncoder
from taxi_duration.models.features import clock

NO_MAP = "xgboost without map"
TOLERANCE = 0.06  # the made error may differ from the real one by this share
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--models", nargs="+", default=[*MODELS, NO_MAP])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    splits = load_months(options.folder), load_months(None, seed=options.seed)
    print(side_by_side(*map(facts, splits)).round(4).to_string(), "\n")
    errors = [pd.Series({name: rmse(name, split) for name in options.models}) for split in splits]
    table = side_by_side(*errors)
    table["alike"] = (table["ratio"] - 1).abs() <= TOLERANCE
    print(table.sort_values("real", ascending=False).round(3).to_string())


def facts(split: Split) -> pd.Series:
    """Return counts, quantiles and shares of the rides."""
    pairs = [part.frame["PULocationID"] * 1000 + part.frame["DOLocationID"] for part in split]
    minutes = split.test.frame["duration"]
    distance = split.train.frame["trip_distance"]
    return pd.Series(
        {f"kept rides, {name}": len(part) for name, part in split._asdict().items()}
        | {"minutes, mean": minutes.mean(), "minutes, sd": minutes.std()}
        | {f"minutes, {share:.0%}": minutes.quantile(share) for share in QUANTILES}
        | {f"miles, {share:.0%}": distance.quantile(share) for share in QUANTILES}
        | {"distance 0": (distance == 0).mean(), "pairs in train": pairs[0].nunique()}
        | {"unseen pairs, test": 1 - pairs[2].isin(pairs[0]).mean()}
    )


def rmse(name: str, split: Split) -> float:
    """Return the error in the test month of a model fitted on the train month."""
    if name == NO_MAP:
        return rmse_without_map(split)
    fitted = fit(name, split.train, split.valid, level=False)  # the one without map has none
    return score(predict(fitted, split.test))["rmse"]


def rmse_without_map(split: Split) -> float:
    """Return the error of boosted trees that have zones by number only."""
    encoder = ZoneTargetEncoder()
    minutes = [part.frame["duration"] for part in split]
    encodings = [
        encoder.fit_transform(split.train.frame, minutes[0].to_numpy()),
        *(encoder.transform(part.frame) for part in split[1:]),
    ]
    train, valid, test = (
        features(part.frame, encoded) for part, encoded in zip(split, encodings, strict=True)
    )
    model = XGBRegressor(
        enable_categorical=True, n_estimators=2000, learning_rate=0.08, max_depth=8,
        min_child_weight=10, subsample=0.9, colsample_bytree=0.8, early_stopping_rounds=50,
        random_state=0,
    )  # fmt: skip
    model.fit(train, minutes[0], eval_set=[(valid, minutes[1])], verbose=False)
    return float(np.sqrt(np.mean((model.predict(test) - minutes[2]) ** 2)))


def features(rides: pd.DataFrame, encoded: np.ndarray) -> pd.DataFrame:
    zones = rides[["PULocationID", "DOLocationID"]].astype(pd.CategoricalDtype(range(266)))
    numbers = np.column_stack([rides["trip_distance"], clock(rides), encoded])
    return zones.join(pd.DataFrame(numbers, columns=[*"abcdef"]))


def side_by_side(real: pd.Series, made: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"real": real, "made": made, "ratio": made / real})


if __name__ == "__main__":
    main()
