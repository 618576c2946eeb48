"""A search on real months: its time beside fits of the reference, and the error of its result.

    python benchmarks/tuning.py FOLDER

FOLDER holds TLC's green months 2021-01 to 2021-03. The valid month chooses; the test month is
predicted after all is decided. Ends with exit code 1 and a sentence for each promised figure that
was missed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from time import perf_counter

from harness import load_months, print_table, report, rmse_by_part

from taxi_duration.models import fit, search
from taxi_duration.models.tuning import best_trial, final_parameters

TRIALS = 50
SHARE = 0.07  # of the time that as many fits of the reference take
RMSE, REFITTED = 4.86, 4.63  # minutes on the test month, trained without and with the valid month


def main() -> int:
    split = load_months(sys.argv[1])
    start = perf_counter()
    trials = list(search("xgboost", split.train, split.valid, trials=TRIALS))
    searched = perf_counter() - start
    parameters = final_parameters(trials)
    tuned = fit("xgboost", split.train, split.valid, **parameters)
    seconds = perf_counter() - start
    reference = fit("reference", split.train, split.valid)
    fits = {
        "reference": reference,
        "untuned": fit("xgboost", split.train, split.valid),
        "tuned": tuned,
        "refitted": fit("xgboost", split.train, split.valid, refit=True, **parameters),
    }
    best, share = best_trial(trials), seconds / (TRIALS * reference.seconds)
    print(f"{len(trials)} trials in {searched:.0f} s, the best {best.number}: {best}")
    print(f"With the last fit {seconds:.0f} s: {share:.3f} of {TRIALS} fits of the reference.\n")
    errors = {name: rmse_by_part(fitted, split) for name, fitted in fits.items()}
    rows = (
        [name, f"{errors[name]['valid']:.4f}", f"{errors[name]['test']:.4f}", str(fitted.rounds),
         f"{fitted.seconds + fitted.refit_seconds:.1f} s"]
        for name, fitted in fits.items()
    )  # fmt: skip
    print_table(("model", "valid rmse", "test rmse", "rounds", "fit"), *rows)
    return report(misses(share, errors["tuned"]["test"], errors["refitted"]["test"]))


def misses(share: float, tuned: float, refitted: float) -> Iterator[str]:
    if share > SHARE:
        yield f"The search takes {share:.3f} of the reference's time, not {SHARE}."
    if tuned > RMSE:
        yield f"The tuned model's test rmse is {tuned:.3f}, not {RMSE}."
    if refitted > REFITTED:
        yield f"The refitted model's test rmse is {refitted:.3f}, not {REFITTED}."


if __name__ == "__main__":
    sys.exit(main())
