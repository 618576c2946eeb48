"""The reference recipe, "xgboost" and LightGBM on the same months: error and fit seconds.

LightGBM gets the features of "xgboost", parameters of the same meaning, as many threads, and the
same early stopping.

    python benchmarks/training.py [FOLDER]

FOLDER holds TLC's green months 2021-01 to 2021-03; without it, full-size sample months are made.
Ends with exit code 1 and a sentence for each promised figure that was missed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from math import sqrt
from time import perf_counter
from typing import NamedTuple

from harness import load_months, print_table, record, report, rmse_by_part

from taxi_duration.data import Split
from taxi_duration.models import Fitted, fit
from taxi_duration.models.features import RideFeatures
from taxi_duration.models.training import PATIENCE

GOAL = 6.317  # the reference's rmse on the real valid month
TOLERANCE = 0.03
FIT, GOAL_REACHED = 6, 80  # times as long that the reference takes to fit, at least
LIGHTGBM = {
    "n_estimators": 2000, "learning_rate": 0.1, "num_leaves": 255, "min_child_samples": 30,
    "subsample": 0.9, "subsample_freq": 1, "colsample_bytree": 0.6,
}  # fmt: skip
SEEDS, LONGER = 0.02, 1.5  # minutes of rmse, and times LightGBM's seconds, at most
TEST = {"xgboost": 4.86, "xgboost, refitted": 4.65}  # rmse on the real test month, at most


def main() -> int:
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    split = load_months(folder)
    reference = fit("reference", split.train, split.valid)
    goal = GOAL if folder else rmse_by_part(reference, split)["valid"]
    xgboost = fit("xgboost", split.train, split.valid)
    early = fit_until(goal, xgboost, split)
    fits = {
        "reference": reference,
        "xgboost": xgboost,
        **({f"xgboost until {goal:.3f}": early} if early else {}),
        "xgboost, refitted": fit("xgboost", split.train, split.valid, refit=True),
    }
    other = fit_lightgbm(split, threads=xgboost.threads)
    header = "model", "valid rmse", "test rmse", "rounds", "fit", "the reference's time over it"
    rows = [row(name, fits[name], split, reference) for name in fits]
    print_table(header, *rows, lightgbm_row(other, reference))
    found = rmse_by_part(reference, split)["valid"]
    error = rmse_by_part(xgboost, split)["valid"]
    outcomes = {
        "reference": Outcome(found, reference.rounds, reference.seconds),
        "xgboost": Outcome(error, xgboost.rounds, xgboost.seconds),
        "LightGBM": other,
    }
    record("training", {name: each._asdict() for name, each in outcomes.items()})
    behind = worse(outcomes["xgboost"], other)
    missed = [*misses(reference, xgboost, early, found=found, goal=goal), *behind]
    if folder:
        missed += too_far_off({name: rmse_by_part(fits[name], split)["test"] for name in TEST})
    return report(missed)


class Outcome(NamedTuple):
    """What a fit came to."""

    valid: float  # rmse in minutes
    rounds: int
    seconds: float


def fit_lightgbm(split: Split, *, threads: int) -> Outcome:
    from lightgbm import LGBMRegressor, early_stopping

    start = perf_counter()
    features, train, valid = RideFeatures(), split.train.frame, split.valid.frame
    seen, unseen = features.fit_transform(train, train["duration"]), features.transform(valid)
    model = LGBMRegressor(**LIGHTGBM, n_jobs=threads, random_state=0, verbose=-1)
    stop = early_stopping(PATIENCE, verbose=False)
    model.fit(seen, train["duration"], eval_X=unseen, eval_y=valid["duration"], callbacks=[stop])
    error = sqrt(model.best_score_["valid_0"]["l2"])
    return Outcome(error, model.best_iteration_, perf_counter() - start)


def lightgbm_row(other: Outcome, reference: Fitted) -> list[str]:
    ratio = f"{reference.seconds / other.seconds:.1f}"
    seconds = f"{other.seconds:.2f} s"
    return ["LightGBM", f"{other.valid:.4f}", "", str(other.rounds), seconds, ratio]


def fit_until(goal: float, fitted: Fitted, split: Split) -> Fitted | None:
    """Fit again with just the rounds that reach the goal; None if it was never reached."""
    reached = fitted.curve["valid"] <= goal
    if not reached.any():
        return None
    rounds = int(reached.idxmax()) + 1
    return fit(fitted.name, split.train, split.valid, n_estimators=rounds)


def row(name: str, fitted: Fitted, split: Split, reference: Fitted) -> list[str]:
    rmse = rmse_by_part(fitted, split)
    ratio = reference.seconds / fitted.seconds
    return [
        name, f"{rmse['valid']:.4f}", f"{rmse['test']:.4f}", str(fitted.rounds),
        f"{fitted.seconds:.2f} s", f"{ratio:.1f}",
    ]  # fmt: skip


def misses(
    reference: Fitted, xgboost: Fitted, early: Fitted | None, *, found: float, goal: float
) -> Iterator[str]:
    if abs(found - goal) > TOLERANCE:
        yield f"The reference's valid rmse is {found:.3f}, not {goal:.3f} give or take {TOLERANCE}."
    if reference.seconds < FIT * xgboost.seconds:
        yield f"xgboost took more than 1/{FIT} of the reference's time to fit."
    if not early:
        yield f"xgboost never reached {goal:.3f} on the valid month."
    elif reference.seconds < GOAL_REACHED * early.seconds:
        yield f"xgboost took more than 1/{GOAL_REACHED} of that time to reach {goal:.3f}."


def worse(ours: Outcome, other: Outcome) -> Iterator[str]:
    """Say where "xgboost" is behind LightGBM by more than another seed or run makes."""
    if ours.valid > other.valid + SEEDS:
        yield f"xgboost's valid rmse is {ours.valid:.3f}, LightGBM's {other.valid:.3f}."
    if ours.seconds > LONGER * other.seconds:
        times = ours.seconds / other.seconds
        yield f"xgboost took {times:.2f} times LightGBM's time, not {LONGER}."


def too_far_off(found: dict[str, float]) -> Iterator[str]:
    for name, most in TEST.items():
        if found[name] > most:
            yield f"{name}: rmse {found[name]:.3f} on the test month, more than {most}."


if __name__ == "__main__":
    sys.exit(main())
