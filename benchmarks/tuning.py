"""A search on real months: what it costs beside fits of the reference, and what it finds.

    python benchmarks/tuning.py FOLDER

FOLDER holds TLC's green months 2021-01 to 2021-03. The valid month chooses; the test month is
looked at when all is decided. Ends with 1 if a goal is missed.
"""

from __future__ import annotations

import sys
from time import perf_counter

from taxi_duration.data import Split, load_split
from taxi_duration.evaluation import score_parts
from taxi_duration.models import Fitted, fit, search
from taxi_duration.models.tuning import best_trial, final_parameters

MONTHS = ("2021-01", "2021-02", "2021-03")
TRIALS = 50
SHARE = 0.2  # of the time that as many fits of the reference take
RMSE, REFITTED = 5.06, 4.73  # minutes on the test month, without and with the valid month learned


def main() -> None:
    split = load_split(*MONTHS, source=sys.argv[1])
    start = perf_counter()
    trials = list(search("xgboost", split.train, split.valid, trials=TRIALS))
    searched = perf_counter()
    parameters = final_parameters(trials)
    tuned = fit("xgboost", split.train, split.valid, **parameters)
    finished = perf_counter()
    refitted = fit("xgboost", split.train, split.valid, refit=True, **parameters)
    untuned = fit("xgboost", split.train, split.valid)
    reference = fit("reference", split.train, split.valid)
    best, seconds = best_trial(trials), finished - start
    share = seconds / (TRIALS * reference.seconds)
    print(f"{len(trials)} trials in {searched - start:.0f} s, the best {best.number}: {best}")
    print(f"With its finishing {seconds:.0f} s: {share:.3f} of {TRIALS} fits of the reference.\n")
    fits = {"reference": reference, "untuned": untuned, "tuned": tuned, "refitted": refitted}
    print("| model | valid rmse | test rmse | rounds | fit |")
    print("|---|---|---|---|---|")
    errors = {label: _row(label, one, split) for label, one in fits.items()}
    missed = [
        goal
        for goal, met in {
            f"the search takes {share:.3f} of the reference's time, over {SHARE}": share <= SHARE,
            f"the tuned model's test rmse is over {RMSE}": errors["tuned"] <= RMSE,
            f"refitted, it is over {REFITTED}": errors["refitted"] <= REFITTED,
        }.items()
        if not met
    ]
    sys.exit(f"Missed: {'; '.join(missed)}." if missed else 0)


def _row(label: str, fitted: Fitted, split: Split) -> float:
    """Print a model's row; return its rmse on the test month."""
    rmse = score_parts(fitted, split).set_index("part")["rmse"]
    seconds = fitted.seconds + fitted.refit_seconds
    errors = f"{rmse['valid']:.4f} | {rmse['test']:.4f}"
    print(f"| {label} | {errors} | {fitted.rounds} | {seconds:.1f} s |")
    return rmse["test"]


if __name__ == "__main__":
    main()
