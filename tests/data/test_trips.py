"""Raw rows to rides of 1 to 60 minutes, whatever their types, and the rest counted by reason."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_duration.data.parquet import BLOCK, write_parquet
from taxi_duration.data.rides import read_rides, rejections
from taxi_duration.data.sample import make_month
from taxi_duration.data.source import SAMPLE_ROWS, open_month
from taxi_duration.data.trips import LEFT_OUT, ODD, Split, load_rides, load_split, load_trips
from taxi_duration.errors import MonthError, SchemaError, SourceError
from taxi_duration.months import GREEN, SERVICES, YELLOW, Month, Months

JANUARY = Month(2021, 1)
SECONDS = st.integers(-90_000, 90_000) | st.sampled_from([-1, 0, 59, 60, 61, 3599, 3600, 3601])
RIDES = st.tuples(
    st.none() | st.integers(-90_000, 40 * 86_400),
    st.none() | SECONDS,
    st.integers(0, 300),
    st.integers(0, 300),
    st.none() | st.floats(-10, 300_000),
)
MONTHS = st.tuples(st.just((0, 600, 74, 41, 1.5)), st.lists(RIDES, max_size=30)).map(
    lambda rows: make_rides([rows[0], *rows[1]])
)


def make_rides(rows):
    """Make a frame as `Trips` has it: pick-up and duration in seconds, one ride kept at least."""
    columns = ["pickup", "lasting", "PULocationID", "DOLocationID", "trip_distance"]
    rows = pd.DataFrame(rows, columns=columns)
    pickup, lasting = (
        pd.to_timedelta(rows[name].astype(float), "s") for name in ("pickup", "lasting")
    )
    rides = rows[columns[2:]].astype({"trip_distance": float})
    start = pd.Timestamp(JANUARY.start) + pickup
    times = {"pickup_datetime": start, "dropoff_datetime": start + lasting}
    duration = (times["dropoff_datetime"] - start).dt.total_seconds() / 60
    return rides.assign(**times, duration=duration)


def load(rides):
    """Write rides as TLC does, and load them."""
    tlcs = {ours: tlcs for tlcs, ours in GREEN.columns.items()}
    with TemporaryDirectory() as folder:
        write_parquet(rides.rename(columns=tlcs), Path(folder, GREEN.file(JANUARY)))
        return load_trips(JANUARY, source=folder)


@given(MONTHS)
def test_kept_and_left_out_are_all(rides):
    trips = load(rides)
    assert len(trips) + trips.left_out.sum() == len(rides)


@given(MONTHS)
def test_rides_are_kept_by_their_duration_alone(rides):
    kept = rides[rides["duration"].between(1, 60)]
    columns = ["pickup_datetime", "dropoff_datetime", "trip_distance", "duration"]
    expected = kept[columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(load(rides).frame[columns], expected, check_dtype=False)


@given(MONTHS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rides, random):
    order = random.sample(range(len(rides)), len(rides))
    one, other = load(rides), load(rides.iloc[order])
    assert one.left_out.to_dict() == other.left_out.to_dict()
    assert one.odd.to_dict() == other.odd.to_dict()
    columns = list(rides.columns)
    in_order = [trips.frame.sort_values(columns, ignore_index=True) for trips in (one, other)]
    pd.testing.assert_frame_equal(*in_order)


@given(MONTHS)
def test_kept_rides_that_are_loaded_again_are_all_kept_as_they_are(rides):
    once = load(rides)
    twice = load(once.frame)
    pd.testing.assert_frame_equal(twice.frame, once.frame)
    assert twice.odd.to_dict() == once.odd.to_dict()
    assert twice.left_out.sum() == 0


@pytest.mark.parametrize(
    ("pickup", "lasting", "reason"),
    [
        (None, 600, "no pick-up or drop-off time"),
        (0, None, "no pick-up or drop-off time"),
        (0, -1, "drop-off before pick-up"),
        (0, 0, "under 1 minute"),
        (0, 59, "under 1 minute"),
        (0, 3601, "over 60 minutes"),
        (0, 86_399, "over 60 minutes"),
    ],
)
def test_a_row_is_left_out_for_one_reason(pickup, lasting, reason):
    trips = load(make_rides([(0, 600, 74, 41, 1.5), (pickup, lasting, 74, 41, 1.5)]))
    assert trips.left_out.to_dict() == {**dict.fromkeys(LEFT_OUT, 0), reason: 1}


@pytest.mark.parametrize("seconds", [60, 3600])
def test_a_ride_of_exactly_1_or_60_minutes_is_kept(seconds):
    assert len(load(make_rides([(0, seconds, 74, 41, 1.5)]))) == 1


@pytest.mark.parametrize(
    ("ride", "reason"),
    [
        ((0, 600, 74, 41, None), "distance missing or infinite"),
        ((0, 600, 74, 41, 0.0), "distance 0 or less"),
        ((0, 600, 74, 41, -3.0), "distance 0 or less"),
        ((0, 600, 74, 41, 60.1), "distance over 60 miles"),
        ((0, 600, 264, 41, 1.5), "zone unknown (264, 265)"),
        ((0, 600, 74, 265, 1.5), "zone unknown (264, 265)"),
        ((0, 600, 0, 41, 1.5), "zone not one of 1 to 265"),
        ((0, 600, 74, 266, 1.5), "zone not one of 1 to 265"),
        ((-1, 600, 74, 41, 1.5), "pick-up outside the month"),
        ((31 * 86_400, 600, 74, 41, 1.5), "pick-up outside the month"),
    ],
)
def test_an_odd_ride_is_kept_and_counted(ride, reason):
    trips = load(make_rides([ride]))
    assert len(trips) == 1
    assert trips.odd.to_dict() == {**dict.fromkeys(ODD, 0), reason: 1}


def test_a_ride_can_be_odd_in_several_ways():
    trips = load(make_rides([(-1, 600, 264, 41, 0.0)]))
    assert trips.odd.sum() == 3


def test_a_month_with_no_kept_ride_is_rejected():
    with pytest.raises(SchemaError) as error:
        load(make_rides([(0, 30, 74, 41, 1.5), (0, 4000, 74, 41, 1.5)]))
    assert str(error.value) == (
        "None of the 2 rows of green_tripdata_2021-01.parquet is a ride of 1 to 60 minutes. "
        "Look at its pick-up and drop-off times, or choose another month."
    )


IDS = {"whole": "int64", "small": "int32", "floats": "float64"}
UNITS = ["us", "ns"]


@pytest.fixture(params=SERVICES.values(), ids=SERVICES)
def service(request):
    return request.param


@pytest.fixture(params=IDS)
def ids(request):
    return IDS[request.param]


@pytest.fixture(params=UNITS)
def unit(request):
    return request.param


@pytest.fixture
def any_kind(raw, folder, service, ids, unit):
    """The same month as any year or service would have written it."""
    spelling = dict(zip(GREEN.columns, service.columns, strict=True))
    times = dict.fromkeys(list(service.columns)[:2], f"datetime64[{unit}]")
    zones = dict.fromkeys(["PULocationID", "DOLocationID"], ids)
    frame = raw.rename(columns=spelling).astype(times | zones)
    frame.to_parquet(folder / service.file(JANUARY), engine="pyarrow")
    return folder


def test_all_kinds_of_files_read_alike(any_kind, service, january):
    found = load_trips("2021-01", service=service, source=any_kind)
    expected = load_trips("2021-01", source=january.parent)
    pd.testing.assert_frame_equal(found.frame, expected.frame)
    assert found.left_out.to_dict() == expected.left_out.to_dict()


def test_the_columns_and_types_are_those_that_are_promised(january, folder):
    times, zones = "datetime64[us]", "int32"
    assert load_trips("2021-01", source=folder).frame.dtypes.astype(str).to_dict() == {
        "pickup_datetime": times,
        "dropoff_datetime": times,
        "PULocationID": zones,
        "DOLocationID": zones,
        "trip_distance": "float64",
        "duration": "float64",
    }


@pytest.fixture
def write(raw, folder):
    """Write January, changed, and return its folder."""

    def write(**changed):
        raw.assign(**changed).to_parquet(folder / GREEN.file(JANUARY), engine="pyarrow")
        return folder

    return write


def test_a_missing_zone_is_the_unknown_zone(raw, write):
    folder = write(PULocationID=raw["PULocationID"].astype(float).where(raw.index != 0))
    rides = load_rides("2021-01", source=folder)
    assert rides["PULocationID"].tolist() == [264, *raw["PULocationID"][1:]]


@pytest.mark.parametrize("zone", [2**32 + 74, 74.7, np.inf, -np.inf, 0, -1, 266])
def test_a_number_that_is_no_zone_is_counted_and_never_taken_for_one(write, zone):
    trips = load_trips("2021-01", source=write(PULocationID=zone))
    assert trips.odd["zone not one of 1 to 265"] == len(trips)
    assert trips.frame["PULocationID"].unique().tolist() == [0]


@pytest.mark.parametrize("zone", [2**32 + 74, 74.7, np.inf, -1, 266])
def test_training_and_batch_agree_on_what_a_zone_is(write, zone):
    (block,) = open_month("2021-01", source=write(DOLocationID=zone)).blocks()
    reasons = rejections(read_rides(pd.DataFrame(block)))
    assert set(reasons) >= {"DOLocationID is not one of TLC's zones 1 to 265"}


@pytest.mark.parametrize("miles", [np.inf, -np.inf, np.nan])
def test_a_distance_that_is_not_finite_is_missing(write, miles):
    trips = load_trips("2021-01", source=write(trip_distance=miles))
    assert trips.odd["distance missing or infinite"] == len(trips)
    assert trips.frame["trip_distance"].isna().all()


def test_a_column_without_any_value_is_one_of_missing_values(write):
    trips = load_trips("2021-01", source=write(trip_distance=None))
    assert trips.odd["distance missing or infinite"] == len(trips)


@pytest.mark.parametrize("zone", ["America/New_York", "UTC"])
def test_times_with_a_zone_are_read_on_new_yorks_clock(raw, write, january, zone):
    expected = load_trips("2021-01", source=january.parent).frame
    columns = ("lpep_pickup_datetime", "lpep_dropoff_datetime")
    zoned = {name: raw[name].dt.tz_localize("America/New_York") for name in columns}
    folder = write(**{name: times.dt.tz_convert(zone) for name, times in zoned.items()})
    pd.testing.assert_frame_equal(load_trips("2021-01", source=folder).frame, expected)


def test_a_month_saved_with_arrows_types_reads_alike(raw, folder, january):
    expected = load_trips("2021-01", source=folder).frame
    raw.convert_dtypes(dtype_backend="pyarrow").to_parquet(january, engine="pyarrow")
    pd.testing.assert_frame_equal(load_trips("2021-01", source=folder).frame, expected)


def test_a_column_that_is_there_twice_is_named(raw, folder, january):
    table = pa.Table.from_pandas(raw, preserve_index=False)
    pq.write_table(table.append_column("trip_distance", table["trip_distance"]), january)
    with pytest.raises(SchemaError, match="column 'trip_distance' is there 2 times"):
        load_trips("2021-01", source=folder)


def test_both_engines_give_the_same_rides(january, folder):
    found, expected = (
        load_trips("2021-01", source=folder, engine=engine) for engine in ("fastparquet", "pyarrow")
    )
    pd.testing.assert_frame_equal(found.frame, expected.frame)


def test_rides_are_gathered_from_all_blocks(raw, folder, january):
    once, times = load_trips("2021-01", source=folder), BLOCK // len(raw) + 1
    pd.concat([raw] * times).to_parquet(january, engine="pyarrow")
    found = load_trips("2021-01", source=folder)
    expected = pd.concat([once.frame] * times, ignore_index=True)
    pd.testing.assert_frame_equal(found.frame, expected)
    assert found.left_out.equals(times * once.left_out)
    assert found.odd.equals(times * once.odd)


def test_missing_values_are_rows_and_not_errors(raw, write):
    pickup = raw["lpep_pickup_datetime"].where(raw.index != 0)
    folder = write(lpep_pickup_datetime=pickup, trip_distance=np.nan)
    trips = load_trips("2021-01", source=folder)
    assert trips.left_out["no pick-up or drop-off time"] == 1
    assert trips.odd["distance missing or infinite"] == len(trips)


def test_columns_known_only_after_the_ride_are_not_read(write):
    with_them = load_trips("2021-01", source=write(RatecodeID=5.0, fare_amount=99.0))
    without = load_trips("2021-01", source=write())
    pd.testing.assert_frame_equal(with_them.frame, without.frame)


def test_where_a_month_came_from_stays_with_it(january, folder):
    trips = load_trips("2021-01", source=folder)
    assert (trips.months, trips.service) == ((JANUARY,), GREEN)
    assert list(trips.sha256) == [january.name]


def test_load_rides_returns_all_rows_with_the_reasons_to_leave_them_out(january, folder, raw):
    rides, trips = load_rides("2021-01", source=folder), load_trips("2021-01", source=folder)
    assert len(rides) == len(raw)
    assert rides["left_out"].value_counts().to_dict() == trips.left_out.to_dict()
    assert rides["left_out"].isna().sum() == len(trips)


@pytest.mark.parametrize("column", GREEN.columns)
def test_a_missing_column_is_named(raw, folder, column):
    raw.drop(columns=column).to_parquet(folder / GREEN.file(JANUARY), engine="pyarrow")
    with pytest.raises(SchemaError) as error:
        load_trips("2021-01", source=folder)
    assert str(error.value) == (
        "green_tripdata_2021-01.parquet does not hold green taxi trips: "
        f"column {column!r} is missing. Choose another file or service."
    )


@pytest.mark.parametrize(
    ("column", "wrong", "message"),
    [
        ("trip_distance", "2.5", "column 'trip_distance' has type large_string, not numbers"),
        ("trip_distance", True, "column 'trip_distance' has type bool, not numbers"),
        ("PULocationID", "Astoria", "column 'PULocationID' has type large_string, not numbers"),
        (
            "lpep_pickup_datetime",
            "noon",
            "'lpep_pickup_datetime' has type large_string, not datetimes",
        ),
        ("lpep_dropoff_datetime", 12, "'lpep_dropoff_datetime' has type int64, not datetimes"),
    ],
)
def test_a_column_of_the_wrong_type_is_named(write, column, wrong, message):
    with pytest.raises(SchemaError) as error:
        load_trips("2021-01", source=write(**{column: wrong}))
    assert message in str(error.value)


def test_all_that_is_wrong_is_listed_at_once(raw, folder):
    wrong = raw.drop(columns="DOLocationID").assign(trip_distance="far")
    wrong.to_parquet(folder / GREEN.file(JANUARY), engine="pyarrow")
    with pytest.raises(SchemaError) as error:
        load_trips("2021-01", source=folder)
    assert "column 'DOLocationID' is missing; column 'trip_distance' has" in str(error.value)


def test_a_yellow_file_under_a_green_name_is_rejected(raw, folder):
    yellow = raw.rename(columns=dict(zip(GREEN.columns, YELLOW.columns, strict=True)))
    yellow.to_parquet(folder / GREEN.file(JANUARY), engine="pyarrow")
    with pytest.raises(SchemaError, match="column 'lpep_pickup_datetime' is missing"):
        load_trips("2021-01", source=folder)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"months": "2021-13"}, "Month '2021-13' does not exist"),
        ({"months": "2021-01", "service": "purple"}, "Service 'purple' is unknown"),
    ],
)
def test_an_unknown_month_or_service_is_rejected(asked, message):
    with pytest.raises(MonthError, match=message):
        load_trips(**asked)


def test_a_month_that_the_folder_does_not_have_is_rejected(january, folder):
    with pytest.raises(SourceError, match=r"has no green_tripdata_2021-02\.parquet"):
        load_trips("2021-02", source=folder)


@pytest.mark.parametrize("months", [("2021-02", "2021-01", "2021-03"), ("2021-01", "2021-02") * 2])
def test_months_out_of_order_are_rejected_before_any_is_read(months, tmp_path):
    with pytest.raises(MonthError, match=r"Choose months in the order train, valid, test\."):
        load_split(*months[:3], source=tmp_path / "nowhere")


@pytest.mark.parametrize("month", ["2021-01", "2020-12"])
def test_a_month_before_the_train_month_is_rejected(month, tmp_path):
    with pytest.raises(MonthError, match=f"valid month {month} does not come after"):
        load_trips(month, source=tmp_path / "nowhere", after="2021-01")


def test_a_split_counts_the_rows_of_each_part_that_were_kept_and_left_out():
    split = load_split("2021-01", "2021-02", "2021-03")
    rows = split.rows()
    assert list(rows.columns) == ["kept", *LEFT_OUT]
    assert rows["kept"].to_dict() == {name: len(trips) for name, trips in split._asdict().items()}


def test_a_split_and_all_its_rows_are_of_the_service_and_source_asked_for(tmp_path):
    months = [Month(2021, number) for number in (1, 2, 3)]
    for month in months:
        rows = make_month(month, rows=200, service=YELLOW)
        rows.to_parquet(tmp_path / YELLOW.file(month), engine="pyarrow")
    split = load_split(*months, service="yellow", source=tmp_path)
    assert [part.service for part in split] == [YELLOW] * 3
    assert [list(part.sha256) for part in split] == [[YELLOW.file(month)] for month in months]
    assert len(load_rides(months[0], service="yellow", source=tmp_path)) == 200


def test_two_months_together_keep_their_provenance(split):
    both = split.train + split.valid
    assert (both.service, both.source) == (GREEN, "sample")
    assert both.frame.index.equals(pd.RangeIndex(len(both)))
    assert len(both) == len(split.train) + len(split.valid)
    assert both.months == (JANUARY, JANUARY.next())
    assert both.sha256 == {**split.train.sha256, **split.valid.sha256}
    assert (both.left_out == split.train.left_out + split.valid.left_out).all()


@pytest.fixture(scope="module")
def several():
    """The sample's rides of months with a gap, asked for out of their order."""
    return load_trips("2021-01,2020-10..2020-11")


def test_rides_of_several_months_are_those_of_each_one_after_the_other(several):
    each = [load_trips(month) for month in ("2020-10", "2020-11", "2021-01")]
    expected = pd.concat([trips.frame for trips in each], ignore_index=True)
    pd.testing.assert_frame_equal(several.frame, expected)
    pd.testing.assert_frame_equal(several.counts, pd.concat([trips.counts for trips in each]))
    assert several.odd.equals(sum(trips.odd for trips in each))
    assert list(several.sha256.items()) == [pair for trips in each for pair in trips.sha256.items()]


def test_rows_are_counted_by_month_and_reason(several):
    counts = several.counts
    assert list(counts.index) == list(map(str, several.months))
    assert (counts[["kept", *LEFT_OUT]].sum(axis="columns") == SAMPLE_ROWS).all()
    assert (counts["under 1 minute"] > 0).all()


def test_a_split_counts_the_rows_of_each_month_of_a_part(several):
    rows = Split(several, *(load_trips(month) for month in ("2021-02", "2021-03"))).rows()
    train = ["train 2020-10", "train 2020-11", "train 2021-01"]
    assert list(rows.index) == [*train, "valid", "test"]
    assert rows.loc[train].to_numpy().tolist() == several.counts[rows.columns].to_numpy().tolist()


@pytest.mark.parametrize("months", ["2021-01", "2020-11,2021-01", "2020-10..2020-11,2021-01"])
def test_the_latest_months_are_as_if_loaded_alone(several, months):
    found, expected = several.latest(len(Months.parse(months))), load_trips(months)
    pd.testing.assert_frame_equal(found.frame, expected.frame)
    pd.testing.assert_frame_equal(found.counts, expected.counts)
    assert (found.months, found.sha256) == (expected.months, expected.sha256)


@pytest.mark.parametrize("months", [0, 4])
def test_more_or_fewer_months_than_there_are_cannot_be_taken(several, months):
    with pytest.raises(MonthError, match=f"2020-10..2020-11,2021-01 has no {months} months. Take"):
        several.latest(months)


def test_all_rows_of_several_months_are_loaded():
    assert len(load_rides("2021-01..2021-02")) == 2 * SAMPLE_ROWS


def test_a_month_that_is_missing_is_named_before_any_is_read(january, folder):
    january.write_bytes(b"not read")
    with pytest.raises(SourceError, match=r"has no green_tripdata_2021-02\.parquet"):
        load_trips("2021-01..2021-02", source=folder)


def test_a_month_without_a_ride_is_named_among_others(raw, january, folder):
    at_once = raw.assign(lpep_dropoff_datetime=raw["lpep_pickup_datetime"])
    at_once.to_parquet(folder / GREEN.file(Month(2021, 2)), engine="pyarrow")
    with pytest.raises(SchemaError, match=r"None of the 600 rows of green_tripdata_2021-02"):
        load_trips("2021-01..2021-02", source=folder)


def test_a_split_is_three_months_by_name(split):
    assert Split._fields == ("train", "valid", "test")
    assert split.valid.months == Months([Month(2021, 2)])
