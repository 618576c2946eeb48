"""What JupyterLab shows of our values: a small table, with nothing in it that could be markup."""

from dataclasses import replace

import pandas as pd
import pytest

from taxi_duration.registry.gate import Verdict
from taxi_duration.registry.loading import RegisteredModel

HOSTILE = "<script>alert(1)</script>"
VERDICT = Verdict(
    accepted=True, reasons=(f"its rmse is lower than that of {HOSTILE}",), challenger="version 2",
    champion=HOSTILE, sha256="", challenger_rmse=5.0, champion_rmse=6.0, difference=-1.0,
    low=-1.2, high=-0.8, worst="hour 3", worst_change=-0.1, worst_rides=600, size_mb=1.0,
    rows_per_second=1e5, months=("2021-03",), rows=5000, inputs={},
)  # fmt: skip
MODEL = RegisteredModel(
    HOSTILE, "2", "4f" * 16, "", ("champion",), VERDICT, pd.Timestamp("2026-01-02 03:04")
)


@pytest.fixture(params=["trips", "fitted", "verdict", "model"])
def shown(request, split, fit_quickly):
    """What is shown of a value, and of what it has to tell."""
    hostile = replace(split.train, source=HOSTILE)
    fitted = replace(fit_quickly("xgboost"), name=HOSTILE)
    value, said = {
        "trips": (hostile, ["green taxis, 2021-01", f"{len(hostile):,}", "over 60 minutes"]),
        "fitted": (fitted, ["max_depth", "2021-01..2021-02", f"{fitted.level:.3f}"]),
        "verdict": (VERDICT, ["version 2 at the gate, 2021-03", "accepted", "-1.00"]),
        "model": (MODEL, ["version 2", "champion", "2026-01-02 03:04 UTC", "accepted: its rmse"]),
    }[request.param]
    return value._repr_html_(), said


def test_a_value_is_shown_as_a_small_table(shown):
    html, said = shown
    assert html.count("<table") == 1
    assert [each for each in said if each not in html] == []
    assert html.count("<tr") < 25


def test_what_it_holds_is_text(shown):
    html, _ = shown
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
