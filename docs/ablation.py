"""Measure what each feature of "xgboost" brings and costs, and write the table in docs/features.md.

    python docs/ablation.py FOLDER

FOLDER holds TLC's green months 2021-01 and 2021-02. The model is fitted without each feature in
turn and judged by the valid month; the test month is not read.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from tqdm import tqdm

from taxi_duration.data import Trips, load_trips
from taxi_duration.models import MODELS
from taxi_duration.models.features import clock

PAGE = Path(__file__).with_name("features.md")
MARKS = re.compile(r"(?<=<!-- ablation -->\n).*?(?=<!-- end of ablation -->)", re.DOTALL)
PATIENCE = 50  # rounds, as in a training
RIDES = 100_000  # whose features are timed
REPEAT = 7
GROUPS = {  # all that is made of one thing, then what each of it adds to the rest
    "the clock": ("minute_of_day", "day_of_week"),
    "the distance": ("distance", "given_distance", "repaired", "detour"),
    "the target encoding": ("usual_pair", "usual_pickup", "usual_dropoff"),
    "the map": (
        *(f"{end}_{axis}" for end in ("pickup", "dropoff") for axis in "xyz"),
        "way_x", "way_y", "straight_line", "detour",
    ),
    "places": tuple(f"{end}_{axis}" for end in ("pickup", "dropoff") for axis in "xyz"),
    "way": ("way_x", "way_y"),
}  # fmt: skip
ALONE = ("minute_of_day", "day_of_week", "distance", "given_distance", "repaired", "detour",
         "usual_pair", "usual_pickup", "usual_dropoff", "straight_line")  # fmt: skip


class Matrices(NamedTuple):
    """Features and minutes to fit on and to judge by, and the features that made them."""

    train: np.ndarray
    minutes: np.ndarray
    valid: np.ndarray
    taken: np.ndarray
    features: BaseEstimator


def make(train: Trips, valid: Trips) -> Matrices:
    """Return the features of "xgboost", fitted on the train month."""
    features = MODELS["xgboost"].features()
    minutes = train.frame["duration"].to_numpy()
    matrix = features.fit_transform(train.frame, minutes)
    taken = valid.frame["duration"].to_numpy()
    return Matrices(matrix, minutes, features.transform(valid.frame), taken, features)


def fit_without(left_out: tuple[str, ...], matrices: Matrices, **parameters: object) -> float:
    """Return the rmse on the valid month, in minutes, of a model without these features."""
    names = matrices.features.get_feature_names_out()
    kept = ~np.isin(names, left_out)
    recipe = MODELS["xgboost"]
    given = {**recipe.parameters, "early_stopping_rounds": PATIENCE, **parameters}
    judged = [(matrices.valid[:, kept], matrices.taken)]
    model = recipe.regressor(**given)
    model.fit(matrices.train[:, kept], matrices.minutes, eval_set=judged, verbose=False)
    return float(model.best_score)


def errors(matrices: Matrices, **parameters: object) -> Iterator[tuple[str, float]]:
    """Yield the rmse with all features, named "", then without each group and each feature."""
    for name, left_out in {"": (), **GROUPS, **{name: (name,) for name in ALONE}}.items():
        yield name, fit_without(left_out, matrices, **parameters)


def costs(features: BaseEstimator, rides: dict[str, np.ndarray]) -> dict[str, tuple[float, int]]:
    """Return for each group the milliseconds of a processor for these rides, and kilobytes held."""
    parts = {
        "the clock": (clock, None),
        "the distance": (features.repair_.transform, features.repair_),
        "the target encoding": (features.encoder_.transform, features.encoder_),
        "the map": (features.map_.transform, features.map_),
    }
    found = {
        name: (milliseconds(run, rides), kilobytes(part)) for name, (run, part) in parts.items()
    }
    held = sum(size for _, size in found.values())
    return {"": (milliseconds(features.transform, rides), held), **found}


def milliseconds(run: Callable[[object], object], rides: object) -> float:
    """Return the least time of a processor that a call took."""
    times = []
    for _ in range(REPEAT):
        start = process_time()
        run(rides)
        times.append(process_time() - start)
    return 1000 * min(times)


def kilobytes(part: BaseEstimator | None) -> int:
    """Return the size of the arrays that a fitted part holds."""
    fitted = vars(part).values() if part else ()
    held = [array for each in fitted for array in (each if isinstance(each, list) else [each])]
    return round(sum(array.nbytes for array in held) / 1000)


def table(found: dict[str, float], cost: dict[str, tuple[float, int]]) -> str:
    """Return the table in Markdown."""
    lines = [
        f"| without | valid rmse | it brings | time for {RIDES:,} rides | memory |",
        "|---|---|---|---|---|",
    ]
    for name, rmse in found.items():
        time, size = cost.get(name, (None, None))
        spent = f"{time:.1f} ms | {size} KB" if time is not None else "| "
        shown = f"`{name}`" if name in ALONE else name or "nothing"
        gain = f"{rmse - found['']:+.3f}" if name else ""
        lines.append(f"| {shown} | {rmse:.3f} | {gain} | {spent} |")
    return "\n".join(lines)


def main(folder: str) -> None:
    """Measure on real months, and write the page."""
    train, valid = load_trips("2021-01", source=folder), load_trips("2021-02", source=folder)
    matrices = make(train, valid)
    rides = {name: np.resize(column.to_numpy(), RIDES) for name, column in train.frame.items()}
    fits = 1 + len(GROUPS) + len(ALONE)
    found = dict(tqdm(errors(matrices), total=fits, unit=" fits"))
    text = table(found, costs(matrices.features, rides))
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(MARKS.sub(lambda _: f"\n{text}\n\n", page), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
