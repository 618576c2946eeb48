"""What the gate says of figures: which it accepts, which it refuses, and in which words."""

import json

import numpy as np
import pandas as pd
import pytest

from taxi_duration.registry.verdict import Limits, Verdict

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
def test_a_challenger_beyond_a_limit_is_refused_for_that(figures, reason):
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
