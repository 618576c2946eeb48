"""Train on past months, test on the next, roll on: how a model ages, and what to train on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import pairwise, product
from operator import add

import numpy as np
import pandas as pd

from taxi_duration.data.trips import Trips
from taxi_duration.errors import ModelError
from taxi_duration.evaluation.metrics import score
from taxi_duration.models.catalog import MODELS, make_model
from taxi_duration.models.training import fit

__all__ = ["backtest"]

WINDOWS = (1, 2, 3)  # months
FIRST = 2  # months that choose the number of rounds, before anything is tested
SHORTEST = 0.1  # days; with less the older rides of a month count nothing at all


def backtest(
    months: Sequence[Trips],
    *,
    model: str = "xgboost",
    windows: Sequence[int] = WINDOWS,
    half_lives: Sequence[float | None] = (None,),
    ahead: int = 1,
    threads: int | None = None,
) -> Iterator[dict[str, object]]:
    """Test a model on each month from the third on, trained on the months before it.

    The number of boosting rounds is chosen once, by the first two months, and never by a month
    that is tested.

    Parameters
    ----------
    months
        Rides of one month each, in their order.
    windows
        How many months to train on, the last before the test; windows that reach back before the
        first month are left out.
    half_lives
        Days after which a ride counts half; None for all rides alike.
    ahead
        How many months are tested with the same model, to see it age.

    Yields
    ------
    dict
        `tested` (month), `window` (months), `half_life` (days or None), `age` (months since the
        last that it learned from), and `rmse`, `mae`, `bias`, `within_5`, `rows`.

    Raises
    ------
    ModelError
        If there are fewer than three months, or they are not in their order, no window fits into
        them, a half-life is too short, or there is no such model.
    """
    make_model(model)
    _check(months)
    _check_how(windows, half_lives, longest=len(months) - 1)
    rounds = _rounds(model, months, threads)
    for end in range(FIRST - 1, len(months) - 1):
        for window, half_life in product(windows, half_lives):
            if window > end + 1:
                continue
            learned = reduce(add, months[end + 1 - window : end + 1])
            pipeline = make_model(model, threads=threads, **rounds)
            pipeline.fit(
                learned.frame, learned.frame["duration"], **_weights(model, learned, half_life)
            )
            for age, trips in enumerate(months[end + 1 : end + 1 + ahead], start=1):
                predicted = pipeline.predict(trips.frame).astype(float)
                yield {
                    "tested": str(trips.months[0]),
                    "window": window,
                    "half_life": half_life,
                    "age": age,
                    **score(trips.frame.assign(predicted=predicted)),
                }


def _check(months: Sequence[Trips]) -> None:
    starts = [trips.months[0] for trips in months]
    if len(starts) <= FIRST:
        raise ModelError(
            f"{len(starts)} months are too few to test on: two choose the number of rounds. "
            "Give three or more."
        )
    if any(later != earlier.next() for earlier, later in pairwise(starts)):
        said = ", ".join(map(str, starts))
        raise ModelError(f"Months {said} do not follow one another. Give them without gaps.")


def _check_how(windows: Sequence[int], half_lives: Sequence[float | None], *, longest: int) -> None:
    if not 1 <= min(windows) <= longest:
        raise ModelError(
            f"Windows {', '.join(map(str, windows))} do not fit: choose from 1 to {longest} months."
        )
    for half_life in half_lives:
        if half_life is not None and not half_life >= SHORTEST:
            raise ModelError(f"A half-life of {half_life} days is no {SHORTEST} days. Give more.")


def _rounds(model: str, months: Sequence[Trips], threads: int | None) -> dict[str, int]:
    if not MODELS[model].boosted:
        return {}
    return {"n_estimators": fit(model, *months[:FIRST], threads=threads).rounds}


def _weights(model: str, trips: Trips, half_life: float | None) -> dict[str, np.ndarray]:
    """Return how much each ride counts, as the pipeline's regressor takes it."""
    if half_life is None:
        return {}
    if not MODELS[model].boosted:
        raise ModelError(f"Model {model!r} takes no weights. Leave the half-life out.")
    end = pd.Timestamp(trips.months[-1].next().start)
    days = (end - trips.frame["pickup_datetime"]) / pd.Timedelta(days=1)
    return {"regressor__sample_weight": np.power(0.5, days.clip(lower=0) / half_life).to_numpy()}
