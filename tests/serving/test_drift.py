"""How far rides are from those learned from: by hand on few values, and the rules for all."""

from math import log

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_duration.serving.drift import DRIFT_COLUMNS, drift, stability_index

NUMBERS = st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=30)


def values(**counts):
    """A column of categories, so many of each."""
    return pd.Series(list(counts)).repeat(list(counts.values()))


def index(*pairs):
    """The index worked out from the share now and then of each bin."""
    return pytest.approx(sum((now - then) * log(now / then) for now, then in pairs))


def test_nothing_has_drifted_from_itself(rides):
    predicted = rides.assign(predicted=rides["duration"])
    found = drift(predicted, predicted)
    assert found["column"].tolist() == list(DRIFT_COLUMNS.values())
    assert found["psi"].abs().max() == 0
    assert found["shift"].abs().max() == 0
    assert found["column"][found["shift"].notna()].tolist() == ["distance", "predicted minutes"]


@given(NUMBERS, NUMBERS, st.booleans())
def test_the_index_is_a_number_from_0_on_whatever_is_compared(now, then, numeric):
    now, then = (pd.Series(values, dtype=float) for values in (now, then))
    assert stability_index(now, then, numeric=numeric) >= 0


@pytest.mark.parametrize(
    ("now", "then", "expected"),
    [
        ({"a": 3, "b": 1}, {"a": 1, "b": 1}, index((0.75, 0.5), (0.25, 0.5))),
        ({"a": 1}, {"a": 1, "b": 1}, index((1, 0.5), (1e-4, 0.5))),
        ({"a": 1, "new": 1}, {"a": 1}, index((0.5, 1), (0.5, 1e-4))),
    ],
    ids=["other shares", "gone", "new"],
)
def test_the_index_of_categories_is_that_worked_out_by_hand(now, then, expected):
    assert stability_index(values(**now), values(**then), numeric=False) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [(4, 0), (5, index((0.010, 0.005), (1e-4, 0.005)))],
    ids=["0.4 % is rare", "0.5 % is not"],
)
def test_rare_categories_are_counted_together(rows, expected):
    then = values(often=1000 - 2 * rows, one=rows, other=rows)
    now = values(often=1000 - 2 * rows, one=2 * rows)
    assert stability_index(now, then, numeric=False) == expected


def test_numbers_are_counted_in_tenths_of_the_reference():
    then = pd.Series(np.arange(1.0, 1001.0))
    upper = then[then > 900]
    expected = index((1, 0.1), *[(1e-4, 0.1)] * 9)
    assert stability_index(upper, then, numeric=True) == expected


def test_a_number_at_an_edge_belongs_below_it():
    expected = index((1, 2 / 11), *[(1e-4, 1 / 11)] * 9)
    assert stability_index(pd.Series([1.0]), pd.Series(range(11)), numeric=True) == expected


def test_missing_numbers_have_a_bin_of_their_own():
    then, now = pd.Series(np.arange(20.0)), pd.Series([np.nan])
    expected = index((1, 1e-4), *[(1e-4, 0.1)] * 10)
    assert stability_index(now, then, numeric=True) == expected


def drift_of(now, then, *, column="trip_distance"):
    """The row of a column, of which alone the values are given."""

    def rides(given):
        constant = dict.fromkeys(
            ["PULocationID", "DOLocationID", "trip_distance", "predicted"], 1.0
        )
        when = {"pickup_datetime": pd.Timestamp("2021-04-05 08:00")}
        return pd.DataFrame(when | constant | {column: given})

    return drift(rides(now), rides(then)).set_index("column")


@pytest.mark.parametrize(
    ("column", "moved"),
    [
        ("trip_distance", ["distance"]),
        ("pickup_datetime", ["hour of pick-up", "weekday of pick-up"]),
        ("PULocationID", ["pick-up zone"]),
        ("DOLocationID", ["drop-off zone"]),
        ("predicted", ["predicted minutes"]),
    ],
)
def test_what_has_drifted_is_the_column_that_has(column, moved):
    pair = {"pickup_datetime": pd.to_datetime(["2021-04-05 08:00", "2021-04-06 09:00"])}.get(
        column, [1.0, 2.0]
    )
    psi = drift_of([pair[1]], [pair[0], pair[0]], column=column)["psi"]
    assert psi[psi > 0].index.tolist() == moved


@pytest.mark.parametrize("column", ["trip_distance", "predicted"])
def test_distance_and_prediction_are_counted_in_tenths(column):
    then = np.arange(20.0)
    assert drift_of(then + 0.05, then, column=column)["psi"].max() == 0


@pytest.mark.parametrize("outlier", ["high now", "low now", "high then", "neither"])
def test_the_shift_counts_standard_deviations_and_an_outlier_as_the_edge(outlier):
    pairs = [0.0, 2.0] * 500
    now = [2.0] * 999 + [{"high now": 1e6, "low now": -1e6}.get(outlier, 2.0)]
    then = [*pairs[:-1], 1e6 if outlier == "high then" else 2.0]
    shift = drift_of(now, then)["shift"]["distance"]
    expected = 0.998 if outlier == "low now" else 1
    assert shift == pytest.approx(expected / pd.Series(pairs).std())


@pytest.mark.parametrize(
    ("now", "then"), [([np.nan], [1.0, 2.0]), ([1.0, 2.0], [1.0, 1.0]), ([1.0], [np.nan, np.nan])]
)
def test_without_values_or_spread_there_is_no_shift(now, then):
    assert np.isnan(drift_of(now, then)["shift"]["distance"])


def test_a_missing_distance_does_not_count_for_the_shift():
    found = drift_of([0.5, np.nan], [0.0, 0.5, np.nan])["shift"]["distance"]
    assert found == pytest.approx(1 / np.sqrt(2))
