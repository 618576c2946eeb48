"""Who passes the gate: the better one, beyond chance, in every part, within the limits."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import root_mean_squared_error

from taxi_duration.errors import ModelError
from taxi_duration.evaluation import SLICES
from taxi_duration.gate import Contestant, Limits, Verdict, judge, naive


@pytest.fixture(scope="module")
def gate(months):
    return months.test


def off_by(gate, share, *, where=None):
    """Return minutes that are wrong by a share of each ride's duration."""
    minutes = gate.frame["duration"].to_numpy()
    return minutes * (1 + np.where(True if where is None else where, share, 0.3))


@pytest.fixture(scope="module")
def champion(gate):
    return Contestant("version 1", off_by(gate, 0.3))


def challenger(minutes, **costs):
    return Contestant("version 2", minutes, sha256="abc", **costs)


def test_a_better_challenger_is_accepted(gate, champion):
    verdict = judge(gate, challenger(off_by(gate, 0.2)), champion)
    assert verdict.accepted
    assert str(verdict).startswith("accepted: its rmse of ")
    assert verdict.high < 0


@pytest.mark.parametrize("share", [0.3, 0.31, 0.2995])
def test_one_that_is_equal_worse_or_hardly_better_is_refused(gate, champion, share):
    verdict = judge(gate, challenger(off_by(gate, share)), champion)
    assert not verdict.accepted
    assert "of version 1 by 1%" in str(verdict)


def test_one_that_is_better_on_a_single_day_only_is_refused(gate, champion):
    day = gate.frame["pickup_datetime"].dt.day.eq(9)
    verdict = judge(gate, challenger(off_by(gate, 0.0, where=day)), champion)
    assert verdict.challenger_rmse < 0.99 * verdict.champion_rmse
    assert not verdict.accepted
    assert "may be chance" in str(verdict)


@pytest.mark.parametrize("by", ["distance", "hour", "part"])
def test_one_that_is_worse_in_a_large_slice_is_refused(gate, champion, by):
    slices = SLICES[by](gate.frame)
    largest = pd.Series(slices).mode()[0]
    minutes = np.where(slices == largest, off_by(gate, 0.35), off_by(gate, 0.1))
    verdict = judge(gate, challenger(minutes), champion, limits=Limits(rides=300))
    assert verdict.worst == f"{by} {largest}"
    assert not verdict.accepted


def test_a_slice_of_few_rides_does_not_decide(gate, champion):
    is_odd = gate.frame["trip_distance"].eq(0).to_numpy()
    minutes = np.where(is_odd, off_by(gate, 0.4), off_by(gate, 0.1))
    assert 0 < is_odd.sum() < 500
    assert judge(gate, challenger(minutes), champion).accepted


@pytest.mark.parametrize(
    ("costs", "reason"),
    [({"size_mb": 101}, "101.0 MB, more than 100"), ({"rows_per_second": 9}, "9 rides a second")],
)
def test_one_that_costs_too_much_is_refused(gate, champion, costs, reason):
    verdict = judge(gate, challenger(off_by(gate, 0.1), **costs), champion)
    assert not verdict.accepted
    assert reason in str(verdict)


def test_the_interval_comes_from_drawing_whole_days(gate, champion):
    found = judge(gate, challenger(off_by(gate, 0.2)), champion)
    days = [part for _, part in gate.frame.groupby(gate.frame["pickup_datetime"].dt.date)]
    draw = np.random.default_rng(1)
    drawn = [pd.concat([days[day] for day in draw.integers(len(days), size=len(days))])
             for _ in range(300)]  # fmt: skip
    found_by_hand = [
        root_mean_squared_error(rides["duration"], 1.2 * rides["duration"])
        - root_mean_squared_error(rides["duration"], 1.3 * rides["duration"])
        for rides in drawn
    ]
    assert np.quantile(found_by_hand, [0.025, 0.975]) == pytest.approx(
        [found.low, found.high], rel=0.02
    )


def test_the_same_question_has_the_same_answer(gate, champion):
    first, second = (judge(gate, challenger(off_by(gate, 0.2)), champion) for _ in range(2))
    assert first == second


def test_a_verdict_says_on_what_it_was_reached_and_for_which_files(gate, champion):
    verdict = judge(gate, challenger(off_by(gate, 0.2)), champion)
    assert (verdict.months, verdict.rows) == (("2021-03",), len(gate))
    assert (verdict.inputs, verdict.sha256) == (gate.sha256, "abc")


def test_a_verdict_is_read_as_it_was_written(gate, champion):
    verdict = judge(gate, challenger(off_by(gate, 0.2), rows_per_second=5000.0), champion)
    assert Verdict.from_json(verdict.to_json()) == verdict
    assert json.loads(verdict.to_json())["limits"]["gain"] == 0.01


def test_a_verdict_is_shown_without_what_differs_from_run_to_run(gate, champion):
    shown = [
        judge(gate, challenger(off_by(gate, 0.2), rows_per_second=speed), champion).table()
        for speed in (3000.0, 5000.0)
    ]
    pd.testing.assert_frame_equal(*shown)


@pytest.mark.parametrize("broken", [[np.nan, 1.0], [np.inf, 1.0], [1.0]])
def test_a_model_without_a_number_for_each_ride_is_refused(gate, champion, broken):
    minutes = np.resize(broken, len(gate) if len(broken) > 1 else 3)
    with pytest.raises(ModelError, match=r"'version 2' has .* predictions for .* rides"):
        judge(gate, challenger(minutes), champion)


def test_a_gate_of_a_few_days_is_refused(gate, champion):
    some = gate.frame["pickup_datetime"].dt.day.isin([9, 10, 11])
    short = replace(gate, frame=gate.frame[some])
    with pytest.raises(ModelError, match="are of 3 days, fewer than 7"):
        judge(short, challenger(off_by(short, 0.2)), challenger(off_by(short, 0.3)))


def test_median_answers_each_ride_from_other_days(gate):
    day = gate.frame["pickup_datetime"].dt.normalize()
    rides = gate.frame.assign(duration=gate.frame["duration"].mask(day.eq(day.min()), 60.0))
    changed, as_it_was = naive(replace(gate, frame=rides)), naive(gate)
    on_that_day = day.eq(day.min()).to_numpy()
    assert np.array_equal(changed[on_that_day], as_it_was[on_that_day])
    assert not np.array_equal(changed, as_it_was)
