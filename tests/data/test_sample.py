"""What a made month is like."""

from importlib.resources import files

import numpy as np
import pandas as pd
import pytest
from fastparquet import ParquetFile
from hypothesis import given, settings
from hypothesis import strategies as st

from taxi_duration.data.sample import make_month
from taxi_duration.errors import MonthError
from taxi_duration.months import GREEN, YELLOW, Month

JANUARY, FEBRUARY, MARCH = (Month(2021, number) for number in (1, 2, 3))
TABLES = sorted(
    (files("taxi_duration.data.sample") / "tables").iterdir(), key=lambda table: table.name
)


@pytest.fixture(scope="module")
def month():
    """March 2021 in full size."""
    return make_month(MARCH)


@pytest.fixture(scope="module")
def minutes(month):
    return (month[GREEN.dropoff] - month[GREEN.pickup]).dt.total_seconds() / 60


@pytest.fixture(scope="module")
def kept(month, minutes):
    """The rides that a model is trained on."""
    return month.assign(minutes=minutes)[minutes.between(1, 60)]


def test_a_made_month_has_the_columns_and_types_of_a_real_one(real, month):
    with (real / GREEN.file(MARCH)).open("rb") as file:
        theirs = ParquetFile(file).to_pandas()
    other = [GREEN.pickup, GREEN.dropoff, "store_and_fwd_flag"]  # a reader's choice
    assert list(month) == list(theirs)
    assert month.dtypes.drop(other).equals(theirs.dtypes.drop(other))


def test_times_are_in_microseconds_as_in_the_files_of_tlc(month):
    assert month[[GREEN.pickup, GREEN.dropoff]].dtypes.eq("datetime64[us]").all()


def test_a_yellow_month_has_yellow_columns():
    month = make_month(MARCH, service=YELLOW, rows=10)
    assert {"tpep_pickup_datetime", "airport_fee"} <= set(month.columns)


def test_a_known_month_has_its_real_size(month):
    assert len(month) == 83_827


@pytest.mark.parametrize("unknown", [Month(2009, 1), Month(2024, 2), Month(2030, 7)])
def test_any_other_month_has_a_size_and_rides_of_its_own(unknown):
    month = make_month(unknown)
    inside = month[GREEN.pickup].between(unknown.start, unknown.next().start)
    assert 50_000 < len(month) < 100_000
    assert inside.mean() > 0.999


@settings(max_examples=15)
@given(rows=st.integers(0, 300), seed=st.integers(0, 2**32))
def test_a_month_has_as_many_rows_as_asked_for(rows, seed):
    month = make_month(JANUARY, rows=rows, seed=seed)
    assert month.shape == (rows, 20)


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32), number=st.integers(1, 12))
def test_the_same_seed_makes_the_same_month(seed, number):
    one, two = (make_month(Month(2022, number), rows=50, seed=seed) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"month": Month(2021, 2)},
        {"service": YELLOW},
    ],
)
def test_another_seed_month_or_service_makes_other_rides(other):
    zones = ["PULocationID", "DOLocationID"]
    one, two = (
        make_month(**({"month": JANUARY, "rows": 500} | changed))[zones] for changed in ({}, other)
    )
    assert not one.equals(two)


def test_a_month_never_changes():
    """If you mean to change the world, change these numbers: saved notebooks change with them."""
    month = make_month(JANUARY, rows=5000)
    assert month["PULocationID"].sum() == 552_332
    miles = month["trip_distance"]
    assert miles[miles < 60].sum() == pytest.approx(22_556.86)


def test_the_dispatch_feed_lacks_columns_and_seconds(month):
    dispatch = month[month["RatecodeID"].isna()]
    assert 0.46 < len(dispatch) / len(month) < 0.50
    assert dispatch[["passenger_count", "trip_type", "store_and_fwd_flag"]].isna().all(axis=None)
    assert dispatch[GREEN.pickup].dt.second.eq(0).all()


@pytest.mark.parametrize(
    ("least", "most"),
    [(-60, 0), (0, 1), (60, 120), (120, 1380), (1380, 1440)],
)
def test_some_rides_last_as_long_as_no_ride_should(minutes, least, most):
    assert (minutes.ge(least) & minutes.lt(most)).sum() >= 3


def test_some_distances_are_zero_and_some_are_of_another_world(month):
    assert month["trip_distance"].eq(0).mean() > 0.02
    assert month["trip_distance"].max() > 60_000


def test_some_clocks_are_wrong(month):
    years = month[GREEN.pickup].dt.year
    assert set(years) == {2009, 2021}
    assert month[GREEN.pickup].between("2021-02-28", "2021-03-01").any()


def test_some_rides_begin_or_end_in_no_zone(month):
    nowhere = {264, 265}
    assert nowhere <= set(month["PULocationID"])
    assert nowhere <= set(month["DOLocationID"])


def test_minutes_are_spread_as_in_the_real_month(kept):
    levels = [0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
    real = np.array([4.0, 8.7, 14.5, 24.0, 43.8, 55.0])
    np.testing.assert_allclose(kept["minutes"].quantile(levels), real, rtol=0.05)


def test_as_many_rides_are_kept_as_of_the_real_month(kept):
    assert len(kept) == pytest.approx(80_372, rel=0.01)


def test_distance_is_missing_as_often_as_in_the_real_month(kept):
    assert kept["trip_distance"].eq(0).mean() == pytest.approx(0.022, abs=0.002)


def test_as_many_rides_take_a_new_pair_of_zones_as_in_the_real_month(kept):
    ends = ["PULocationID", "DOLocationID"]
    before = make_month(JANUARY)[ends]
    seen = pd.MultiIndex.from_frame(before).unique()
    assert 1 - pd.MultiIndex.from_frame(kept[ends]).isin(seen).mean() == pytest.approx(
        0.09, abs=0.01
    )


def test_months_share_one_world(kept):
    ends = ["PULocationID", "DOLocationID"]
    other = make_month(JANUARY)
    one, two = (
        frame[frame["trip_distance"].between(0.1, 60)].groupby(ends)["trip_distance"]
        for frame in (kept, other)
    )
    busy = (one.size() > 100) & (two.size() > 100)
    assert one.median()[busy].corr(two.median()[busy]) > 0.98


def test_money_adds_up(month):
    parts = [
        "fare_amount", "extra", "mta_tax", "tip_amount", "tolls_amount", "improvement_surcharge",
        "congestion_surcharge",
    ]  # fmt: skip
    np.testing.assert_allclose(month["total_amount"], month[parts].sum(axis=1), atol=0.006)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_published_figure_summarizes_ten_rides_or_more(table):
    with table.open() as file:
        assert pd.read_csv(file)["rides"].min() >= 10


def test_the_figures_are_small():
    assert sum(len(table.read_bytes()) for table in TABLES) < 300_000


@pytest.mark.parametrize("wrong", [{"rows": -1}, {"seed": -1}])
def test_less_than_nothing_is_rejected(wrong):
    with pytest.raises(MonthError, match="-1"):
        make_month(JANUARY, **wrong)
