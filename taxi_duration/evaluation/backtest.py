"""A model fitted on past months and tested on the next: how it ages, and how much to train on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import pairwise
from operator import add

from taxi_duration.data.trips import Trips
from taxi_duration.errors import MonthError, UsageError
from taxi_duration.evaluation.metrics import score
from taxi_duration.models.catalog import MODELS, make_model
from taxi_duration.models.training import fit

WINDOWS = (1, 2, 3)  # months
FIRST = 2  # months that choose the number of rounds, before anything is tested


def backtest(
    months: Sequence[Trips],
    *,
    model: str = "xgboost",
    windows: Sequence[int] = WINDOWS,
    ahead: int = 1,
    threads: int | None = None,
) -> Iterator[dict[str, object]]:
    """Test a model on each month from the third on, fitted on the months before it.

    The first two months choose the number of boosting rounds, once; no tested month does.

    Parameters
    ----------
    months : sequence of Trips
        One month each, in their order.
    model : str
        One of `taxi_duration.models.catalog.MODELS`.
    windows : sequence of int
        How many months to train on, the last before the test. A window that reaches back before
        the first month is left out.
    ahead : int
        How many months to test each fit on, to see it age.
    threads : int, optional
        For boosting; as many as processors if None.

    Yields
    ------
    dict
        `tested` (month), `window` (months), `age` (months since the last that it was fitted on),
        and `rmse`, `mae`, `bias`, `within_5`, `rows`.
    """
    make_model(model)
    _check(months, windows)
    rounds = _rounds(model, months, threads)
    for end in range(FIRST, len(months)):
        for window in windows:
            if window > end:
                continue
            train = reduce(add, months[end - window : end]).frame
            pipeline = make_model(model, threads=threads, **rounds).fit(train, train["duration"])
            for age, trips in enumerate(months[end : end + ahead], start=1):
                predicted = pipeline.predict(trips.frame).astype(float)
                yield {
                    "tested": str(trips.months[0]),
                    "window": window,
                    "age": age,
                    **score(trips.frame.assign(predicted=predicted)),
                }


def _check(months: Sequence[Trips], windows: Sequence[int]) -> None:
    starts = [trips.months[0] for trips in months]
    if len(starts) <= FIRST:
        raise MonthError(
            f"{len(starts)} months are too few to test on: two choose the number of rounds. "
            "Give three or more."
        )
    if any(later != earlier.next() for earlier, later in pairwise(starts)):
        listed = ", ".join(map(str, starts))
        raise MonthError(f"Months {listed} do not follow one another. Give them without gaps.")
    longest = len(months) - 1
    if not 1 <= min(windows) <= longest:
        listed = ", ".join(map(str, windows))
        raise UsageError(f"Windows {listed} do not fit: choose from 1 to {longest} months.")


def _rounds(model: str, months: Sequence[Trips], threads: int | None) -> dict[str, int]:
    if not MODELS[model].boosted:
        return {}
    return {"n_estimators": fit(model, *months[:FIRST], threads=threads).rounds}
