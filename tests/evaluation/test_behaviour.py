"""What a model has learned of a city, as sentences that a reader can check."""

import pandas as pd
import pytest

from taxi_duration.data.parquet import write_parquet
from taxi_duration.data.sample import make_month
from taxi_duration.data.trips import load_trips
from taxi_duration.evaluation.metrics import predict
from taxi_duration.models.catalog import MODELS
from taxi_duration.models.estimator import Estimator
from taxi_duration.models.intervals import calibrate
from taxi_duration.models.training import fit
from taxi_duration.months import GREEN, Month

LEARNING = {"learning_rate": 0.2, "n_estimators": 80, "max_depth": 7, "threads": 2}
MONDAY, SATURDAY = "2021-03-08", "2021-03-13"


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """A train month and a valid month of the size of TLC's own."""
    folder = tmp_path_factory.mktemp("city")
    for number in (1, 2):
        month = Month(2021, number)
        write_parquet(make_month(month, rows=75_000), folder / GREEN.file(month))
    return [load_trips(f"2021-0{number}", source=folder) for number in (1, 2)]


@pytest.fixture(scope="module")
def estimator(city):
    fitted = fit("xgboost", *city, **LEARNING)
    inputs = MODELS["xgboost"].inputs
    intervals = calibrate(predict(fitted, city[1]))
    return Estimator("xgboost", inputs, fitted.pipeline, intervals, fitted.level)


@pytest.fixture(scope="module")
def ways(city):
    """The 300 most frequent pairs of zones, each with its median distance."""
    known = city[0].frame.query("trip_distance > 0 and PULocationID != DOLocationID")
    pairs = known.groupby(["PULocationID", "DOLocationID"])["trip_distance"]
    often = pairs.agg(["size", "median"]).nlargest(300, "size")
    return often["median"].rename("trip_distance").reset_index()


@pytest.fixture(scope="module")
def minutes(estimator, ways):
    """Return the mean prediction of all ways at a moment, with columns changed."""

    def minutes(moment, **changed):
        return estimator.predict(ways.assign(pickup_datetime=moment, **changed))["duration"].mean()

    return minutes


def test_a_longer_ride_takes_longer(minutes, ways):
    moment = f"{MONDAY} 12:00"
    taken = [minutes(moment, trip_distance=k * ways["trip_distance"]) for k in (0.7, 1, 1.4, 2)]
    assert taken == sorted(taken)
    assert taken[-1] > 1.2 * taken[0]


def test_twice_the_way_does_not_take_twice_as_long(minutes, ways):
    moment = f"{MONDAY} 12:00"
    assert minutes(moment, trip_distance=2 * ways["trip_distance"]) < 2 * minutes(moment)


@pytest.mark.parametrize("rush", ["08:30", "17:00"])
def test_rush_hour_is_slower_than_night_on_the_same_way(minutes, rush):
    assert minutes(f"{MONDAY} {rush}") > 1.1 * minutes(f"{MONDAY} 03:00")


def test_most_ways_are_slower_in_rush_hour(estimator, ways):
    day, night = (
        estimator.predict(ways.assign(pickup_datetime=f"{MONDAY} {at}"))["duration"]
        for at in ("17:00", "03:00")
    )
    assert (day > night).mean() > 0.95


def test_the_morning_of_a_saturday_is_quicker_than_that_of_a_monday(minutes):
    assert minutes(f"{SATURDAY} 08:30") < minutes(f"{MONDAY} 08:30")


def test_a_minute_later_changes_hardly_anything(minutes):
    assert minutes(f"{MONDAY} 12:31") == pytest.approx(minutes(f"{MONDAY} 12:30"), rel=0.05)


def test_the_week_after_takes_as_long(minutes):
    assert minutes("2021-03-15 12:00") == minutes(f"{MONDAY} 12:00")


def test_the_way_back_takes_about_as_long(minutes, ways):
    back = {"PULocationID": ways["DOLocationID"], "DOLocationID": ways["PULocationID"]}
    there = minutes(f"{MONDAY} 12:00")
    assert minutes(f"{MONDAY} 12:00", **back) == pytest.approx(there, rel=0.15)


def test_a_ride_without_a_distance_on_the_meter_takes_about_as_long(minutes):
    there = minutes(f"{MONDAY} 12:00")
    assert minutes(f"{MONDAY} 12:00", trip_distance=0.0) == pytest.approx(there, rel=0.4)


def test_a_ride_between_zones_that_nobody_has_seen_takes_a_plausible_time(minutes):
    assert 5 < minutes(f"{MONDAY} 12:00", PULocationID=1, DOLocationID=2) < 60


def test_an_interval_holds_its_prediction(estimator, ways):
    found = estimator.predict(ways.assign(pickup_datetime=f"{MONDAY} 12:00"))
    assert found["duration"].between(found["low"], found["high"]).all()


def test_a_longer_ride_is_less_sure(estimator, ways):
    found = estimator.predict(ways.assign(pickup_datetime=f"{MONDAY} 12:00"))
    width = (found["high"] - found["low"]).groupby(pd.qcut(found["duration"], 3)).mean()
    assert width.is_monotonic_increasing
