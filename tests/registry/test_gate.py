"""Who passes the gate: the better one, beyond chance, in every part, within the limits."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import root_mean_squared_error

from taxi_duration.errors import ModelError
from taxi_duration.evaluation.metrics import SLICES
from taxi_duration.registry.gate import Candidate, Limits, Verdict, baseline, judge


@pytest.fixture(scope="module")
def gate(months):
    return months.test


def off_by(gate, share, *, where=None):
    """Return minutes that are wrong by a share of each ride's duration."""
    minutes = gate.frame["duration"].to_numpy()
    return minutes * (1 + np.where(True if where is None else where, share, 0.3))


@pytest.fixture(scope="module")
def champion(gate):
    return Candidate("version 1", off_by(gate, 0.3))


def challenger(minutes, **costs):
    return Candidate("version 2", minutes, sha256="abc", **costs)


def test_a_better_challenger_is_accepted(gate, champion):
    verdict = judge(gate, challenger(off_by(gate, 0.2)), champion)
    assert verdict.accepted
    assert str(verdict).startswith("accepted: its rmse of ")
    assert verdict.high < 0


@pytest.mark.parametrize("share", [0.3, 0.31, 0.2995])
def test_one_that_is_equal_worse_or_hardly_better_is_rejected(gate, champion, share):
    verdict = judge(gate, challenger(off_by(gate, share)), champion)
    assert not verdict.accepted
    assert "of version 1 by 1%" in str(verdict)


def test_one_that_is_better_on_a_single_day_only_is_rejected(gate, champion):
    day = gate.frame["pickup_datetime"].dt.day.eq(9)
    verdict = judge(gate, challenger(off_by(gate, 0.0, where=day)), champion)
    assert verdict.challenger_rmse < 0.99 * verdict.champion_rmse
    assert not verdict.accepted
    assert "may be chance" in str(verdict)


@pytest.mark.parametrize("by", ["distance", "hour", "part"])
def test_one_that_is_worse_in_a_large_slice_is_rejected(gate, champion, by):
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
def test_one_that_costs_too_much_is_rejected(gate, champion, costs, reason):
    verdict = judge(gate, challenger(off_by(gate, 0.1), **costs), champion)
    assert not verdict.accepted
    assert reason in str(verdict)


@pytest.fixture(scope="module")
def week(gate):
    """A gate of 7 days, each with 3 rides of 20 minutes; two are short, one is long."""
    begun = pd.Timestamp("2021-03-01 08:00") + pd.to_timedelta(np.repeat(range(7), 3), "D")
    rides = pd.DataFrame(
        {
            "pickup_datetime": begun,
            "PULocationID": 1,
            "DOLocationID": 2,
            "trip_distance": [0.5, 0.5, 7.0] * 7,
            "duration": 20.0,
        }
    )
    return replace(gate, frame=rides)


def judged(week, new, old, *, rides=1):
    """Judge models that are wrong by so many minutes on the short and on the long rides."""
    errors = [20.0 + np.array([short, short, long] * 7) for short, long in (new, old)]
    one, other = (Candidate(name, minutes) for name, minutes in zip("ab", errors, strict=True))
    return judge(week, one, other, limits=Limits(rides=rides))


def test_the_figures_are_those_worked_out_by_hand(week):
    found = judged(week, new=(1.0, -2.0), old=(2.0, 4.0))
    rmse, before = np.sqrt(2.0), np.sqrt(8.0)
    assert (found.challenger_rmse, found.champion_rmse) == pytest.approx((rmse, before))
    assert (found.difference, found.low, found.high) == pytest.approx([rmse - before] * 3)
    assert found.rows == 21


@pytest.mark.parametrize(
    ("new", "worst", "change", "rides"),
    [
        ((1.0, 3.0), "distance 5-10", -0.25, 7),
        ((2.0, 6.0), "distance 5-10", 0.5, 7),
        ((3.0, 1.0), "distance 0-1", 0.5, 14),
    ],
)
def test_the_worst_slice_is_that_whose_rmse_grew_by_the_largest_share(
    week, new, worst, change, rides
):
    found = judged(week, new, old=(2.0, 4.0))
    assert (found.worst, found.worst_rides) == (worst, rides)
    assert found.worst_change == pytest.approx(change)


@pytest.mark.parametrize(
    ("rides", "worst"),
    [(7, "distance 5-10"), (8, "hour 8"), (21, "hour 8")],
)
def test_a_slice_of_exactly_enough_rides_is_judged(week, rides, worst):
    found = judged(week, new=(2.0, 6.0), old=(2.0, 4.0), rides=rides)
    assert found.worst == worst


def test_the_verdict_follows_the_limits_that_were_given(week):
    exact, other = (Candidate("any", np.full(21, minutes), size_mb=1) for minutes in (20, 25))
    limits = Limits(rides=1, size_mb=0.5)
    verdict = judge(week, exact, other, limits=limits)
    assert (verdict.limits, verdict.accepted) == (limits, False)
    assert judge(week, exact, other).accepted


def test_without_a_slice_of_enough_rides_none_is_worse(week):
    found = judged(week, new=(2.0, 6.0), old=(2.0, 4.0), rides=22)
    assert (found.worst, found.worst_change, found.worst_rides) == ("none", -1.0, 0)


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


def test_the_verdict_is_the_same_each_time(gate, champion):
    first, second = (judge(gate, challenger(off_by(gate, 0.2)), champion) for _ in range(2))
    assert first == second


def test_a_verdict_says_on_what_it_was_reached_and_for_which_files(gate, champion):
    verdict = judge(gate, challenger(off_by(gate, 0.2)), champion)
    assert (verdict.challenger, verdict.champion) == ("version 2", "version 1")
    assert (verdict.months, verdict.rows) == (("2021-03",), len(gate))
    assert (verdict.inputs, verdict.sha256) == (gate.sha256, "abc")


@pytest.mark.parametrize("broken", [[np.nan, 1.0], [np.inf, 1.0], [1.0]])
def test_a_model_without_a_number_for_each_ride_is_rejected(gate, champion, broken):
    minutes = np.resize(broken, len(gate) if len(broken) > 1 else 3)
    with pytest.raises(ModelError, match=r"'version 2' has .* predictions for .* rides"):
        judge(gate, challenger(minutes), champion)


def test_a_gate_of_a_few_days_is_rejected(gate, champion):
    some = gate.frame["pickup_datetime"].dt.day.isin([9, 10, 11])
    short = replace(gate, frame=gate.frame[some])
    with pytest.raises(ModelError, match="are of 3 days, fewer than 7"):
        judge(short, challenger(off_by(short, 0.2)), challenger(off_by(short, 0.3)))


def test_median_predicts_each_ride_from_other_days(gate):
    day = gate.frame["pickup_datetime"].dt.normalize()
    rides = gate.frame.assign(duration=gate.frame["duration"].mask(day.eq(day.min()), 60.0))
    changed, as_it_was = baseline(replace(gate, frame=rides)).minutes, baseline(gate).minutes
    on_that_day = day.eq(day.min()).to_numpy()
    assert np.array_equal(changed[on_that_day], as_it_was[on_that_day])
    assert not np.array_equal(changed, as_it_was)


FIGURES = {
    "challenger": "version 2", "champion": "version 1", "sha256": "abc",
    "challenger_rmse": 3.0, "champion_rmse": 4.0, "difference": -1.0, "low": -2.0, "high": -0.5,
    "worst": "hour 8", "worst_change": 0.125, "worst_rides": 1500,
    "size_mb": 64.0, "rows_per_second": 512.0,
    "months": ("2021-03",), "rows": 9000, "inputs": {},
    "limits": Limits(gain=0.25, harm=0.125, size_mb=64.0, rows_per_second=512.0),
}  # fmt: skip


def test_a_challenger_at_its_limits_is_accepted():
    verdict = Verdict.of(**FIGURES)
    assert verdict.accepted
    assert str(verdict) == (
        "accepted: its rmse of 3.000 is 25.0% lower than the 4.000 of version 1, "
        "-1.000 with a 95 % interval from -2.000 to -0.500"
    )


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"challenger_rmse": 3.01},
         "its rmse of 3.010 is not lower than the 4.000 of version 1 by 25%"),
        ({"high": 0.0},
         "the difference may be chance, -1.000 with a 95 % interval from -2.000 to +0.000"),
        ({"worst_change": 0.13}, "hour 8 is worse by 13.0% on 1,500 rides, more than 12%"),
        ({"size_mb": 64.1}, "it takes 64.1 MB, more than 64"),
        ({"rows_per_second": 511.0}, "it predicts 511 rides a second, fewer than 512"),
    ],
)  # fmt: skip
def test_a_challenger_beyond_a_limit_is_rejected_for_that(figures, reason):
    verdict = Verdict.of(**(FIGURES | figures))
    assert (verdict.accepted, verdict.reasons) == (False, (reason,))


@pytest.mark.parametrize(
    "figure", ["challenger_rmse", "high", "worst_change", "size_mb", "rows_per_second"]
)
def test_a_figure_that_is_no_number_is_an_objection(figure):
    assert not Verdict.of(**(FIGURES | {figure: np.nan})).accepted


def test_all_objections_are_said():
    poor = {"challenger_rmse": 4.0, "worst_change": 1.0, "size_mb": 99.0, "rows_per_second": 1.0}
    verdict = Verdict.of(**(FIGURES | poor))
    assert len(verdict.reasons) == 4
    assert str(verdict) == f"rejected: {'; '.join(verdict.reasons)}"


def test_a_verdict_is_shown_in_words():
    shown = Verdict.of(**FIGURES).table()["gate"].to_dict()
    assert shown == {
        "champion so far": "version 1",
        "champion's rmse": "4.00",
        "challenger's rmse": "3.00",
        "difference": "-1.00, between -2.00 and -0.50",
        "worst slice": "hour 8, +12.5% on 1,500 rides",
        "verdict": "accepted",
    }
    rejected = Verdict.of(**(FIGURES | {"high": 1.0}))
    assert rejected.table()["gate"]["verdict"] == "rejected"
    assert str(rejected).startswith("rejected: the difference may be chance")


def test_the_usual_limits_are_those_that_are_documented():
    usual = Limits()
    assert (usual.gain, usual.harm, usual.rides) == (0.01, 0.03, 500)
    assert (usual.size_mb, usual.rows_per_second) == (100, 2000)


def test_a_verdict_is_read_as_it_was_written():
    verdict = Verdict.of(**FIGURES)
    assert Verdict.from_json(verdict.to_json()) == verdict


def test_a_verdict_is_written_in_the_order_of_its_names():
    written = json.loads(Verdict.of(**FIGURES).to_json())
    assert list(written) == sorted(written)
    assert written["limits"]["gain"] == 0.25


def test_a_verdict_is_shown_without_what_differs_from_run_to_run():
    one, other = (Verdict.of(**(FIGURES | {"rows_per_second": each})) for each in (600.0, 999.0))
    pd.testing.assert_frame_equal(one.table(), other.table())
