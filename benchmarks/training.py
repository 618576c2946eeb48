"""The reference recipe and "xgboost" on the same months: error and fit seconds, as ratios.

    python benchmarks/training.py [FOLDER]

FOLDER holds TLC's green months 2021-01 to 2021-03; without it, full-size sample months are made.
Ends with exit code 1 and a sentence for each promised figure that was missed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from harness import load_months, print_table, report, rmse_by_part

from taxi_duration.data import Split
from taxi_duration.models import Fitted, fit

GOAL = 6.317  # the reference's rmse on the real valid month
TOLERANCE = 0.03
FIT, GOAL_REACHED = 6, 80  # times as long that the reference takes to fit, at least


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
    header = "model", "valid rmse", "test rmse", "rounds", "fit", "the reference's time over it"
    print_table(header, *(row(name, fits[name], split, reference) for name in fits))
    found = rmse_by_part(reference, split)["valid"]
    return report(misses(reference, xgboost, early, found=found, goal=goal))


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


if __name__ == "__main__":
    sys.exit(main())
