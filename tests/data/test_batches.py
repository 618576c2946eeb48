"""Rides gathered from blocks into columns that are asked for at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxi_duration.data.batches import AT_ONCE, ColumnBuffer


@given(
    sizes=st.lists(st.integers(min_value=0, max_value=9), min_size=1, max_size=9),
    rows=st.integers(min_value=0, max_value=99),
)
def test_all_rides_are_there_in_their_order_however_many_were_expected(sizes, rows):
    miles = np.split(np.arange(float(sum(sizes))), np.cumsum(sizes)[:-1])
    found = ColumnBuffer(rows, ({"trip_distance": block} for block in miles)).columns()
    assert found["trip_distance"].tolist() == list(range(sum(sizes)))


@pytest.mark.parametrize("announced", [2**60, -1])
def test_a_file_may_announce_any_number_of_rides(announced):
    buffer = ColumnBuffer(announced)
    buffer.add({"trip_distance": np.ones(3)})
    assert buffer.columns()["trip_distance"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(("rows", "asked"), [(5, 5), (AT_ONCE, 2**24), (AT_ONCE + 1, 2**24)])
def test_memory_is_asked_for_once_up_to_a_limit(rows, asked):
    buffer = ColumnBuffer(rows)
    buffer.add({"zone": np.ones(3, dtype=np.int8)})
    assert len(buffer._columns["zone"]) == asked
