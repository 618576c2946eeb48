"""A model fitted on past months and tested on the next: how it ages, and how much to train on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pandas as pd

from taxi_duration.data.trips import Split, Trips
from taxi_duration.errors import MonthError, UsageError
from taxi_duration.evaluation.metrics import difference_interval, predict, score
from taxi_duration.models.catalog import MODELS, make_model
from taxi_duration.models.training import fit, month_level
from taxi_duration.months import Months

WINDOWS = (1, 2, 3)  # months
COMPARED = ["months", "rmse", "than", "difference", "low", "high", "verdict"]
FIRST = 2  # months that choose the number of rounds, before anything is tested


@dataclass(frozen=True)
class Backtest:
    """The tests of a model on months that came after those that it was fitted on.

    Attributes
    ----------
    table : DataFrame
        A row a test: `tested` (month), `window` (months), `age` (months since the last that it was
        fitted on), and `rmse`, `mae`, `bias`, `within_5`, `rows`.
    days : DataFrame
        Of the tests on the next month, a row a day: `tested`, `window`, `day`, `rides`, and
        `squares`, the sum of squared errors.
    """

    table: pd.DataFrame
    days: pd.DataFrame = field(repr=False)

    def windows(self) -> pd.DataFrame:
        """Return which windows pay, from the shortest to the longest.

        A window pays if its rmse is lower, beyond chance, than that of the longest shorter one
        that pays. All are compared on the months that each of them was tested on. The interval
        comes from drawing whole days of these months; it says nothing of other months.

        Returns
        -------
        DataFrame
            By `window`: `months` (tested), `rmse`, the window it is compared with (`than`), the
            `difference` in rmse, `low` and `high` (its 95 % interval), and the `verdict`.
        """
        day = ["tested", "day"]
        squares = self.days.pivot_table("squares", day, "window").dropna()
        rides = self.days.groupby(day)["rides"].first()[squares.index]
        best, rows = squares.columns[0], {}
        for window in squares:
            days = {"rides": rides, "new": squares[window], "old": squares[best]}
            rows[window] = _compare(pd.DataFrame(days), None if window == best else best)
            best = window if rows[window]["verdict"] == "pays" else best
        table = pd.DataFrame(rows.values(), pd.Index(rows, name="window"), COMPARED)
        return table.assign(months=len(squares.index.unique("tested")))

    @property
    def best_window(self) -> int:
        """The longest window that pays; the shortest if none does."""
        pays = self.windows()["verdict"].isin(["shortest", "pays"])
        return int(pays.index[pays][-1])


def _compare(days: pd.DataFrame, than: int | None) -> dict[str, object]:
    """Return a window's row, from the squared errors of each day, `new` and `old`."""
    total = days.sum()
    rmse, before = (float(np.sqrt(total[each] / total["rides"])) for each in ("new", "old"))
    if than is None:
        return {"rmse": rmse, "verdict": "shortest"}
    low, high = difference_interval(days)
    verdict = "pays" if high < 0 else "costs" if low > 0 else "may be chance"
    return {"rmse": rmse, "than": than, "difference": rmse - before, "low": low, "high": high,
            "verdict": verdict}  # fmt: skip


def backtest(
    months: Sequence[Trips],
    *,
    model: str = "xgboost",
    windows: Sequence[int] = WINDOWS,
    ahead: int = 1,
    threads: int | None = None,
) -> Backtest:
    """Test a model on each month from the third on, fitted on the months before it.

    The first two months choose the number of boosting rounds, once; no tested month does. A model
    that is levelled predicts at the level of the newest month that it was fitted on.

    Parameters
    ----------
    months : sequence of Trips
        One month each, three or more, in their order and without gaps.
    model, threads
        As `taxi_duration.models.fit` takes them.
    windows : sequence of int
        How many months to train on, the last before the test. A window that reaches back before
        the first month is left out.
    ahead : int
        How many months to test each fit on, to see it age.
    """
    make_model(model)
    _check(months, windows)
    rounds, tables, days = {}, [], []
    if MODELS[model].boosted:
        fitted = fit(model, *months[:FIRST], level=False, threads=threads)
        rounds["n_estimators"] = fitted.rounds
    for end in range(FIRST, len(months)):
        for window in (each for each in sorted(set(windows)) if each <= end):
            predictor = _fit_window(model, months[end - window : end], threads=threads, **rounds)
            for age, trips in enumerate(months[end : end + ahead], start=1):
                predictions = predictor(trips)
                test = {"tested": str(trips.months), "window": window}
                tables.append({**test, "age": age, **score(predictions)})
                if age == 1:
                    days.append(_days(predictions).assign(**test))
    return Backtest(pd.DataFrame(tables), pd.concat(days, ignore_index=True))


class Window(NamedTuple):
    """Train months that were tried, and the error of what was fitted on them."""

    months: Months
    valid_rmse: float  # minutes


def choose_window(
    split: Split, windows: Sequence[int], *, model: str = "xgboost", threads: int | None = None
) -> tuple[Split, list[Window]]:
    """Return the split with as many of the newest train months as suit the valid months best.

    The test months choose nothing. Without windows the split stays as it is.

    Parameters
    ----------
    windows : sequence of int
        Numbers of train months to try, each up to the newest one.
    model, threads
        As `taxi_duration.models.fit` takes them.
    """
    longest = len(split.train.months)
    if windows and not 1 <= min(windows) <= max(windows) <= longest:
        raise _misfit(windows, longest)
    tried = []
    for window in sorted(set(windows)):
        train = split.train.latest(window)
        fitted = fit(model, train, split.valid, threads=threads)
        tried.append(Window(train.months, score(predict(fitted, split.valid))["rmse"]))
    if not tried:
        return split, tried
    best = min(tried, key=lambda each: each.valid_rmse)
    return split._replace(train=split.train.latest(len(best.months))), tried


def _fit_window(
    model: str, months: Sequence[Trips], **how: int | None
) -> Callable[[Trips], pd.DataFrame]:
    """Return what predicts rides at the level of the newest of these months."""
    train = pd.concat([each.frame for each in months], ignore_index=True)
    pipeline = make_model(model, **how).fit(train, train["duration"])

    def predictor(trips: Trips, level: float = 1.0) -> pd.DataFrame:
        minutes = pipeline.predict(trips.frame).astype(float)
        return trips.frame.assign(predicted=level * minutes)

    # it knows no months: among rides that it was fitted on, the newest month still has its level
    level = month_level(predictor(months[-1])) if MODELS[model].levelled else 1.0
    return partial(predictor, level=level)


def _days(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the rides of each day and the sum of their squared errors."""
    squares = (predictions["predicted"] - predictions["duration"]) ** 2
    by_day = squares.groupby(predictions["pickup_datetime"].dt.normalize().rename("day"))
    return pd.DataFrame({"rides": by_day.size(), "squares": by_day.sum()}).reset_index()


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
    if not 1 <= min(windows) <= len(months) - 1:
        raise _misfit(windows, len(months) - 1)


def _misfit(windows: Sequence[int], longest: int) -> UsageError:
    listed = ", ".join(map(str, windows))
    return UsageError(f"Windows {listed} do not fit: choose from 1 to {longest} months.")
