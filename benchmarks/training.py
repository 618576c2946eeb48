"""The reference recipe and "xgboost" on the same months: error and fit seconds, as ratios.

    python benchmarks/training.py [FOLDER]

FOLDER holds TLC's green months 2021-01 to 2021-03; without it, full-size sample months are made.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from taxi_duration.evaluation import score_parts
from taxi_duration.models import fit
from taxi_duration.months import GREEN, Month
from taxi_duration.parquet import write_parquet
from taxi_duration.sample import make_month
from taxi_duration.trips import load_split

MONTHS = ("2021-01", "2021-02", "2021-03")
GOAL = 6.317  # the reference's rmse on the real valid month


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = sys.argv[1] if len(sys.argv) > 1 else full_size(made)
        split = load_split(*MONTHS, source=folder)
    ours = fit("xgboost", split.train, split.valid)
    rounds = int((ours.curve["valid"] <= GOAL).idxmax()) + 1
    early = fit("xgboost", split.train, split.valid, n_estimators=rounds)
    refitted = fit("xgboost", split.train, split.valid, refit=True)
    reference = fit("reference", split.train, split.valid)
    print("| model | valid rmse | test rmse | rounds | fit | the reference's time over it |")
    print("|---|---|---|---|---|---|")
    for label, one in {
        "reference": reference,
        "xgboost": ours,
        f"xgboost, {rounds} rounds": early,
        "xgboost, refitted": refitted,
    }.items():
        rmse = score_parts(one, split).set_index("part")["rmse"]
        print(
            f"| {label} | {rmse['valid']:.4f} | {rmse['test']:.4f} | {one.rounds} | "
            f"{one.seconds:.2f} s | {reference.seconds / one.seconds:.1f} |"
        )


def full_size(folder: str) -> str:
    for month in map(Month.parse, MONTHS):
        write_parquet(make_month(month), Path(folder, GREEN.file(month)))
    return folder


if __name__ == "__main__":
    main()
