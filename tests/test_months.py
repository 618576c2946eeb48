"""What a month is, what a service is, and in which order months may be used."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_duration.errors import MonthError, TaxiDurationError
from taxi_duration.months import GREEN, SERVICES, YELLOW, Month, Months, Service, check_order

months = st.builds(Month, st.integers(2009, 2099), st.integers(1, 12))


@given(months)
def test_a_month_is_read_as_it_is_written(month):
    assert Month.parse(str(month)) == month


@given(months, months)
def test_months_sort_in_time_and_so_do_their_names(one, other):
    assert (one < other) == (one.start < other.start) == (str(one) < str(other))


@given(st.builds(Month, st.integers(2009, 2099), st.integers(1, 12)))
def test_the_next_month_begins_31_days_later_at_most(month):
    assert 28 <= (month.next().start - month.start).days <= 31
    assert month.next().start.day == 1
    assert month.next().previous() == month


def test_a_month_that_was_read_before_is_taken_as_it_is():
    assert Month.parse(Month(2021, 3)) == Month(2021, 3)


@pytest.mark.parametrize(
    "text",
    ["2021-13", "2021-00", "2021-3", "202103", "2021-03-01", "2021/03", " 2021-03", "2021-03\n",
     "", "march", "2008-12", "2100-01", "٢٠٢١-٠٣", None, 202103, 2021.03],
)  # fmt: skip
def test_a_month_that_does_not_exist_is_rejected(text):
    with pytest.raises(MonthError) as error:
        Month.parse(text)
    how = "Write it as YYYY-MM, e.g. '2021-03', from 2009-01 to 2099-12."
    assert str(error.value) == f"Month {text!r} does not exist. {how}"


some_months = st.sets(months, min_size=1, max_size=12).map(Months)
near = st.integers(0, 30).map(lambda number: Month(2021 + number // 12, number % 12 + 1))
near_months = st.sets(near, min_size=1).map(Months)


@given(some_months | near_months)
def test_months_are_read_as_they_are_written(some):
    assert Months.parse(str(some)) == some


@given(near_months, st.randoms(use_true_random=False))
def test_the_order_in_which_months_are_written_makes_no_difference(some, random):
    words = list(map(str, some))
    random.shuffle(words)
    assert str(Months.parse(",".join(words))) == str(some)


@given(near_months)
def test_months_that_follow_one_another_are_written_as_one_range(some):
    ranges = [Months.parse(part) for part in str(some).split(",")]
    assert all(early[-1].next() < late[0] for early, late in pairwise(ranges))


@given(near_months)
def test_a_month_that_is_named_twice_is_rejected(some):
    with pytest.raises(MonthError, match=f"Month '{some[0]}' is named twice. Name each month once"):
        Months.parse(f"{some},{some[0]}")


@given(months, st.integers(0, 40))
def test_a_range_has_every_month_from_first_to_last(first, further):
    expected = [first]
    while further and str(expected[-1]) != "2099-12":
        expected.append(expected[-1].next())
        further -= 1
    assert list(Months.parse(f"{first}..{expected[-1]}")) == expected


@pytest.mark.parametrize("text", ["2021-03", "2021-03..2021-03", Month(2021, 3)])
def test_one_month_is_written_as_a_month(text):
    assert str(Months.parse(text)) == "2021-03"


def test_months_that_were_read_before_are_taken_as_they_are():
    some = Months.parse("2021-01,2021-03")
    assert Months.parse(some) is some
    assert str(some + Months.parse("2021-02")) == "2021-01..2021-03"


def test_months_may_be_written_with_a_space_after_the_comma():
    assert str(Months.parse("2021-01, 2021-03")) == "2021-01,2021-03"


@pytest.mark.parametrize(
    "text",
    ["2021-13..2022-01", "2021-01..2021-13", "..2021-01", "2021-01..", "", "2021", ",", "2021-01,",
     "2021-01;2021-02", "2021-01..2021-02..2021-03", "2021-03\n", None, 202103],
)  # fmt: skip
def test_months_that_do_not_exist_are_rejected(text):
    with pytest.raises(MonthError, match=r"does not exist\. Write it as YYYY-MM"):
        Months.parse(text)


def test_no_month_at_all_is_rejected():
    with pytest.raises(MonthError, match="No month is named"):
        Months([])


def test_a_range_that_ends_before_it_begins_is_rejected():
    with pytest.raises(MonthError) as error:
        Months.parse("2020-01,2021-03..2021-01")
    expected = "Months '2021-03..2021-01' end before they begin. Write them as 2021-01..2021-03."
    assert str(error.value) == expected


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_a_service_is_found_by_its_name(service):
    assert Service.parse(service.name) is service
    assert Service.parse(service) is service


def test_an_unknown_service_is_rejected_and_the_nearest_one_offered():
    with pytest.raises(MonthError) as error:
        Service.parse("gren")
    expected = "Service 'gren' is unknown. Did you mean 'green'? Known: 'green', 'yellow'."
    assert str(error.value) == expected


def test_each_service_spells_its_files_and_columns_as_tlc_does():
    assert YELLOW.file(Month(2024, 3)) == "yellow_tripdata_2024-03.parquet"
    assert list(GREEN.columns)[:2] == ["lpep_pickup_datetime", "lpep_dropoff_datetime"]
    assert list(YELLOW.columns)[:2] == ["tpep_pickup_datetime", "tpep_dropoff_datetime"]


@pytest.mark.parametrize(
    "ordered",
    [
        {"train": Month(2021, 1), "valid": Month(2021, 2), "test": Month(2021, 3)},
        {"train": Month(2020, 11), "valid": Month(2020, 12), "test": Month(2021, 1)},
        {"train": Month(2020, 2), "test": Month(2021, 1)},
        {"test": Month(2021, 1)},
        {},
    ],
)
def test_months_in_order_may_be_used(ordered):
    check_order(**ordered)


def test_a_missing_month_does_not_hide_a_wrong_order():
    with pytest.raises(MonthError, match="test month 2021-01 does not come after the train month"):
        check_order(train=Month(2021, 2), test=Month(2021, 1))


@pytest.mark.parametrize(
    ("train", "valid", "test", "message"),
    [
        (2, 1, 3, "The valid month 2021-01 does not come after the train month 2021-02."),
        (1, 2, 1, "The test month 2021-01 does not come after the valid month 2021-02."),
        (1, 1, 3, "The valid month 2021-01 does not come after the train month 2021-01."),
        (1, 2, 2, "The test month 2021-02 does not come after the valid month 2021-02."),
    ],
)
def test_months_in_another_order_are_rejected(train, valid, test, message):
    with pytest.raises(MonthError) as error:
        check_order(Month(2021, train), Month(2021, valid), Month(2021, test))
    assert str(error.value) == f"{message} Choose months in the order train, valid, test."


@pytest.mark.parametrize(
    ("train", "valid", "message"),
    [
        ("2020-07..2021-01", "2021-01..2021-02", "months 2021-01..2021-02 do not come after"),
        ("2020-12,2021-02", "2021-01", "month 2021-01 does not come after"),
    ],
)
def test_every_month_of_a_part_comes_after_all_of_the_part_before(train, valid, message):
    check_order(train, "2021-03..2021-04", "2021-05")
    with pytest.raises(MonthError, match=f"The valid {message} the train months {train}"):
        check_order(train, valid)


def test_an_error_is_caught_by_the_family_and_by_its_usual_name():
    assert issubclass(MonthError, TaxiDurationError)
    assert issubclass(MonthError, ValueError)
