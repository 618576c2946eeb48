"""The reference recipe and "xgboost" on the same months: error and fit seconds, as ratios.

    python benchmarks/training.py [FOLDER]

FOLDER holds TLC's green months 2021-01 to 2021-03; without it, full-size sample months are made.
Ends with exit code 1 and a sentence for each promised figure that was missed.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from taxi_duration.data import Split, load_split, make_month, write_parquet
from taxi_duration.evaluation import score_parts
from taxi_duration.models import Fitted, fit
from taxi_duration.months import GREEN, Month

MONTHS = ("2021-01", "2021-02", "2021-03")
GOAL = 6.317  # the reference's rmse on the real valid month
WITHIN = 0.03
FIT, GOAL_REACHED = 6, 80  # the reference's fit takes at least so many times as long


def main() -> int:
    real = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as made:
        split = load_split(*MONTHS, source=real or full_size(made))
    reference = fit("reference", split.train, split.valid)
    goal = GOAL if real else valid_rmse(reference, split)
    ours = fit("xgboost", split.train, split.valid)
    early = fit_until(goal, ours, split)
    refitted = fit("xgboost", split.train, split.valid, refit=True)
    print("| model | valid rmse | test rmse | rounds | fit | the reference's time over it |")
    print("|---|---|---|---|---|---|")
    for label, one in {
        "reference": reference,
        "xgboost": ours,
        f"xgboost until {goal:.3f}": early,
        "xgboost, refitted": refitted,
    }.items():
        if one:
            print(row(label, one, split, reference))
    missed = list(misses(reference, ours, early, split=split, goal=goal))
    print(*missed, sep="\n", file=sys.stderr, end="\n" if missed else "")
    return int(bool(missed))


def full_size(folder: str) -> str:
    for month in map(Month.parse, MONTHS):
        write_parquet(make_month(month), Path(folder, GREEN.file(month)))
    return folder


def valid_rmse(fitted: Fitted, split: Split) -> float:
    return score_parts(fitted, split).set_index("part")["rmse"]["valid"]


def fit_until(goal: float, fitted: Fitted, split: Split) -> Fitted | None:
    """Fit again with the rounds that the goal takes; None if it was never reached."""
    reached = fitted.curve["valid"] <= goal
    if not reached.any():
        return None
    rounds = int(reached.idxmax()) + 1
    return fit(fitted.name, split.train, split.valid, n_estimators=rounds)


def row(label: str, one: Fitted, split: Split, reference: Fitted) -> str:
    rmse = score_parts(one, split).set_index("part")["rmse"]
    return (
        f"| {label} | {rmse['valid']:.4f} | {rmse['test']:.4f} | {one.rounds} | "
        f"{one.seconds:.2f} s | {reference.seconds / one.seconds:.1f} |"
    )


def misses(
    reference: Fitted, ours: Fitted, early: Fitted | None, *, split: Split, goal: float
) -> Iterator[str]:
    """Say each promised figure that was missed."""
    found = valid_rmse(reference, split)
    if abs(found - goal) > WITHIN:
        yield f"The reference's valid rmse is {found:.3f}, not {goal:.3f} give or take {WITHIN}."
    if reference.seconds < FIT * ours.seconds:
        yield f"xgboost took more than 1/{FIT} of the reference's time to fit."
    if not early:
        yield f"xgboost never reached {goal:.3f} on the valid month."
    elif reference.seconds < GOAL_REACHED * early.seconds:
        yield f"xgboost took more than 1/{GOAL_REACHED} of that time to reach {goal:.3f}."


if __name__ == "__main__":
    sys.exit(main())
