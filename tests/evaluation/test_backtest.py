"""A model through the months: tested on what came after, and on nothing else."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from taxi_duration.data.trips import Split, load_trips
from taxi_duration.errors import TaxiDurationError, UsageError
from taxi_duration.evaluation.backtest import Backtest, backtest, choose_window
from taxi_duration.evaluation.metrics import predict, score
from taxi_duration.models.catalog import make_model
from taxi_duration.models.training import fit
from taxi_duration.months import Months

MONTHS = Months.parse("2021-01..2021-05")


@pytest.fixture(scope="module")
def months():
    return [load_trips(month) for month in MONTHS]


@pytest.fixture(scope="module")
def found(months):
    return backtest(months, model="ridge", windows=[4, 1, 2], ahead=2)


@pytest.fixture(scope="module")
def table(found):
    return found.table


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
    tests = [few, [*few[:2], replace(few[2], frame=mixed)]]
    before, after = (backtest(each, windows=[2], threads=1).table.iloc[0] for each in tests)
    assert before["rmse"] != after["rmse"]
    assert before["bias"] == pytest.approx(after["bias"])


def test_a_tested_month_is_predicted_at_the_level_of_the_newest_month_before_it(months):
    few = [replace(each, frame=each.frame[::4].reset_index(drop=True)) for each in months[:3]]
    slower = [
        replace(each, frame=each.frame.assign(duration=1.3 * each.frame["duration"]))
        for each in few[1:]
    ]
    found = backtest([few[0], *slower], windows=[2], threads=1).table.iloc[0]
    assert abs(found["bias"]) < 0.05 * slower[1].frame["duration"].mean()


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
    found = backtest(months[:3], model="ridge", windows=[2])
    assert (found.table["window"].tolist(), found.best_window) == ([2], 2)


def test_by_default_windows_are_one_to_three_months_and_one_month_is_tested(months):
    table = backtest(months, model="median").table
    found = table.query("tested == '2021-05'")[["window", "age"]].to_numpy().tolist()
    assert found == [[1, 1], [2, 1], [3, 1]]


def test_windows_are_compared_on_the_months_that_all_of_them_have(found, months):
    windows = found.windows()
    assert windows.index.tolist() == [1, 2, 4]
    assert set(windows["months"]) == {1}
    on_may = found.table.query("tested == '2021-05' and age == 1").set_index("window")["rmse"]
    assert windows["rmse"].to_dict() == pytest.approx(on_may.to_dict())


def test_more_months_pay_for_few_rides(found):
    windows = found.windows()
    assert windows["verdict"].tolist() == ["shortest", "pays", "pays"]
    assert windows["than"].tolist()[1:] == [1, 2]
    assert found.best_window == 4


def made_up(**errors):
    """A back-test of 30 days of 100 rides; the errors of a window, in minutes, by day."""
    rows = [
        {"tested": "2021-03", "window": int(window[1:]), "day": day, "rides": 100,
         "squares": 100 * error**2}
        for window, each in errors.items()
        for day, error in enumerate(np.broadcast_to(each, 30))
    ]  # fmt: skip
    return Backtest(pd.DataFrame(), pd.DataFrame(rows))


NOISE = np.where(np.arange(30) % 2, 0.5, -0.5)


@pytest.mark.parametrize(
    ("errors", "verdicts", "best"),
    [
        ({"w1": 6, "w2": 5.9, "w3": 5.8}, ["shortest", "pays", "pays"], 3),
        ({"w1": 6, "w2": 5.9, "w3": 5.95}, ["shortest", "pays", "costs"], 2),
        ({"w1": 6, "w2": 6.1, "w3": 5.9}, ["shortest", "costs", "pays"], 3),
        ({"w1": 6, "w2": 5.95 + NOISE}, ["shortest", "may be chance"], 1),
        ({"w2": 6, "w3": 6}, ["shortest", "may be chance"], 2),
    ],
)
def test_a_window_pays_if_it_is_better_beyond_chance_than_what_paid_before(errors, verdicts, best):
    found = made_up(**errors)
    assert found.windows()["verdict"].tolist() == verdicts
    assert found.best_window == best


def test_the_difference_is_that_of_the_errors_and_lies_in_its_interval():
    row = made_up(w1=6 + NOISE, w2=5.5).windows().loc[2]
    assert row["difference"] == pytest.approx(5.5 - (36 + 0.25) ** 0.5)
    assert row["low"] < row["difference"] < row["high"] < 0


@pytest.fixture(scope="module")
def parts():
    return Split(*map(load_trips, ("2020-11..2021-01", "2021-02", "2021-03")))


def test_the_window_is_chosen_by_the_valid_month_alone(parts):
    wrong = replace(parts.test, frame=parts.test.frame.assign(duration=1.0))
    split, tried = choose_window(parts._replace(test=wrong), [3, 1], model="ridge")
    assert [str(each.months) for each in tried] == ["2021-01", "2020-11..2021-01"]
    assert tried[1].valid_rmse < tried[0].valid_rmse
    assert split.train.months == parts.train.months
    assert (split.valid, split.test) == (parts.valid, wrong)


def test_a_window_is_tried_as_if_it_were_the_train_months(parts):
    _, ((months, error),) = choose_window(parts, [1], model="ridge")
    ridge = fit("ridge", load_trips(months), parts.valid)
    assert error == score(predict(ridge, parts.valid))["rmse"]


def test_a_shorter_window_is_kept_if_the_months_before_are_misleading(parts):
    frame, old = parts.train.frame, parts.train.counts["kept"].iloc[:2].sum()
    slow = frame.assign(duration=frame["duration"].where(frame.index >= old, 60.0))
    misled = parts._replace(train=replace(parts.train, frame=slow))
    split, _ = choose_window(misled, [1, 3], model="ridge")
    pd.testing.assert_frame_equal(split.train.frame, load_trips("2021-01").frame)


def test_without_windows_the_train_months_stay(parts):
    assert choose_window(parts, []) == (parts, [])


@pytest.mark.parametrize("windows", [[0], [1, 4]])
def test_a_window_of_other_than_the_train_months_is_an_error(parts, windows):
    with pytest.raises(UsageError, match=r"do not fit: choose from 1 to 3 months\."):
        choose_window(parts, windows)
