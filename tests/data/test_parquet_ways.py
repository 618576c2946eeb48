"""A month is the same month in whichever way parquet holds it, or is rejected by name."""

from datetime import datetime

import numpy as np
import pyarrow as pa
import pytest
from parquet_ways import COLUMNS, ways

from taxi_duration.data.rides import NEW_YORK, in_new_york
from taxi_duration.data.sample import make_month
from taxi_duration.data.source import open_month
from taxi_duration.data.trips import load_trips
from taxi_duration.errors import SourceError
from taxi_duration.months import GREEN, Month

JANUARY = Month(2021, 1)
WAYS = {name: (change, write) for name, change, write in ways()}


@pytest.fixture(scope="module")
def table():
    rows = make_month(JANUARY, rows=600)
    return pa.Table.from_pandas(rows[list(COLUMNS)], preserve_index=False)


@pytest.fixture
def written(request, table, folder):
    """The month, written in the way that is asked for, and its values as Python's own."""
    change, write = WAYS[request.param]
    changed = change(table)
    write(changed, folder / GREEN.file(JANUARY))
    return folder, {name: [plain(each) for each in changed[name].to_pylist()] for name in COLUMNS}


def plain(value):
    """A value as TLC means it: a time on New York's clock, a number, or missing."""
    if isinstance(value, datetime):
        local = value.astimezone(NEW_YORK) if value.tzinfo else value
        return np.datetime64(local.replace(tzinfo=None), "us")
    return None if value is None else float(value)


def differences(folder, values, **how):
    """The columns of which a value is not read as it was written."""
    blocks = list(open_month(JANUARY, source=folder).blocks(**how))
    for tlcs, ours in GREEN.columns.items():
        found = np.concatenate([np.asarray(settled(block[ours])) for block in blocks])
        expected = np.array(values[tlcs], dtype=found.dtype)  # None is NaT, or NaN
        if not np.array_equal(found, expected, equal_nan=True):
            yield tlcs


def settled(column):
    return in_new_york(column) if column.dtype.kind == "M" else column.astype(float)


@pytest.mark.parametrize("written", WAYS, indirect=True)
def test_each_value_is_read_as_it_was_written(written):
    assert list(differences(*written)) == []


@pytest.mark.parametrize("written", WAYS, indirect=True)
def test_fastparquet_reads_the_same_or_rejects_by_name(written):
    try:
        assert list(differences(*written, engine="fastparquet")) == []
    except SourceError as error:
        assert "cannot be read by engine 'fastparquet'" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "written", ["arrow dictionary v1.0 whole", "polars us None"], indirect=True
)
def test_fastparquet_reads_a_month_as_tlc_writes_it(written):
    folder, _ = written
    blocks = open_month(JANUARY, source=folder).blocks(engine="fastparquet")
    assert sum(len(block["trip_distance"]) for block in blocks) == 600


@pytest.mark.parametrize("written", ["arrow delta v2.0 whole", "duckdb zoned"], indirect=True)
def test_the_rides_kept_are_those_of_the_plain_file(written, table, tmp_path):
    change, write = WAYS["arrow plain v1.0 whole"]
    write(change(table), tmp_path / GREEN.file(JANUARY))
    found, expected = (load_trips(JANUARY, source=where) for where in (written[0], tmp_path))
    assert found.frame.equals(expected.frame)
