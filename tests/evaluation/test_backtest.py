"""A model through the months: tested on what came after, and on nothing else."""

from dataclasses import replace

import pandas as pd
import pytest

from taxi_duration.data.trips import load_trips
from taxi_duration.errors import TaxiDurationError
from taxi_duration.evaluation.backtest import backtest
from taxi_duration.evaluation.metrics import score
from taxi_duration.models.catalog import make_model
from taxi_duration.months import Months

MONTHS = Months.parse("2021-01..2021-05")


@pytest.fixture(scope="module")
def months():
    return [load_trips(month) for month in MONTHS]


@pytest.fixture(scope="module")
def table(months):
    return pd.DataFrame(backtest(months, model="ridge", windows=[1, 2, 4], ahead=2))


def test_each_month_from_the_third_on_is_tested(table):
    assert sorted(table["tested"].unique()) == ["2021-03", "2021-04", "2021-05"]


def test_a_window_that_reaches_back_too_far_is_left_out(table):
    assert table.groupby("window")["tested"].min().to_dict() == {
        1: "2021-03",
        2: "2021-03",
        4: "2021-05",
    }


def test_a_model_is_tested_again_as_it_ages(table):
    found = table.query("window == 1")[["tested", "age"]].to_numpy().tolist()
    expected = [("2021-03", 1), ("2021-04", 2), ("2021-04", 1), ("2021-05", 2), ("2021-05", 1)]
    assert list(map(tuple, found)) == expected


def test_a_row_is_the_score_of_a_model_of_the_months_before(table, months):
    learned = months[1] + months[2]
    ridge = make_model("ridge").fit(learned.frame, learned.frame["duration"])
    rides = months[3].frame
    expected = score(rides.assign(predicted=ridge.predict(rides)))
    (row,) = table.query("tested == '2021-04' and window == 2 and age == 1").to_dict("records")
    assert {name: row[name] for name in expected} == expected


def test_the_tested_month_decides_nothing(months):
    few = [replace(each, frame=each.frame[::4].reset_index(drop=True)) for each in months[:3]]
    mixed = few[2].frame.assign(duration=few[2].frame["duration"].to_numpy()[::-1])
    (before,) = backtest(few, windows=[2], threads=1)
    (after,) = backtest([*few[:2], replace(few[2], frame=mixed)], windows=[2], threads=1)
    assert before["rmse"] != after["rmse"]
    assert before["bias"] == pytest.approx(after["bias"])


@pytest.mark.parametrize(
    ("backtest_of", "message"),
    [
        (lambda months: backtest(months[:2]), "2 months are too few"),
        (lambda months: backtest([months[0], months[2], months[3]]), "do not follow one another"),
        (lambda months: backtest(months[::-1]), "do not follow one another"),
        (lambda months: backtest(months, model="ridg"), "Did you mean 'ridge'"),
        (lambda months: backtest(months, windows=[1, 0]), "Windows 1, 0 do not fit"),
        (lambda months: backtest(months, windows=[5]), "choose from 1 to 4 months"),
    ],
)
def test_months_and_windows_that_cannot_be_tested_are_an_error(months, backtest_of, message):
    with pytest.raises(TaxiDurationError, match=message):
        list(backtest_of(months))


def test_the_widest_window_can_be_tested(months):
    (row,) = backtest(months[:3], model="ridge", windows=[2])
    assert row["window"] == 2


def test_by_default_windows_are_one_to_three_months_and_one_month_is_tested(months):
    table = pd.DataFrame(backtest(months, model="median"))
    found = table.query("tested == '2021-05'")[["window", "age"]].to_numpy().tolist()
    assert found == [[1, 1], [2, 1], [3, 1]]
