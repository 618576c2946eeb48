"""A month's file that can be read, and the many that cannot."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from taxi_duration.errors import SchemaError, SourceError
from taxi_duration.parquet import open_parquet, read_row_groups, sha256


def read(path, columns=("trip_distance",)):
    return pd.concat(read_row_groups(path, columns), ignore_index=True)


def test_only_the_columns_asked_for_are_read(january):
    columns = ["DOLocationID", "trip_distance"]
    assert list(read(january, columns).columns) == columns


def test_a_column_that_is_not_there_is_left_out(january):
    assert list(read(january, ["trip_distance", "nowhere"]).columns) == ["trip_distance"]


def test_a_file_is_read_one_row_group_at_a_time(raw, folder):
    raw.to_parquet(folder / "groups.parquet", engine="pyarrow", row_group_size=250)
    groups = list(read_row_groups(folder / "groups.parquet", ["trip_distance"]))
    assert [len(group) for group in groups] == [250, 250, 100]
    assert np.array_equal(pd.concat(groups)["trip_distance"], raw["trip_distance"])


def test_to_open_a_file_tells_how_many_rows_it_has(january, raw):
    with open_parquet(january) as file:
        assert file.count() == len(raw)


def test_the_digest_is_that_of_the_bytes(january):
    assert sha256(january) == hashlib.sha256(january.read_bytes()).hexdigest()


@pytest.mark.parametrize("content", [b"<html>Access denied</html>", b"", b"PAR"])
def test_a_file_that_is_not_parquet_is_refused(folder, content):
    (folder / "page.parquet").write_bytes(content)
    with pytest.raises(SourceError, match=r"page\.parquet is not a parquet file: it starts with"):
        read(folder / "page.parquet")


@pytest.mark.parametrize("left", [0.01, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_refused(january, left):
    whole = january.read_bytes()
    january.write_bytes(whole[: int(left * len(whole))])
    with pytest.raises(SourceError, match=r"cut off.* Delete it and fetch it again\."):
        read(january)


def test_a_file_with_a_damaged_footer_is_refused(january):
    whole = january.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    january.write_bytes(whole[:footer] + b"\xff" * (len(whole) - 8 - footer) + whole[-8:])
    with pytest.raises(SourceError, match=r"is damaged \(.+\)\. Delete it and fetch it again\."):
        read(january)


def test_a_file_with_a_damaged_middle_is_refused(january):
    whole = january.read_bytes()
    third = len(whole) // 3
    january.write_bytes(whole[:third] + b"\xff" * third + whole[2 * third :])
    with pytest.raises(SourceError, match=r"is damaged \(.+\)\. Delete it and fetch it again\."):
        read(january, ["lpep_pickup_datetime", "lpep_dropoff_datetime", "trip_distance"])


def test_a_file_on_a_disk_that_fails_is_refused(folder):
    (folder / "failing.parquet").symlink_to("/proc/self/mem")
    with pytest.raises(SourceError, match=r"failing\.parquet cannot be read \(.+\)"):
        read(folder / "failing.parquet")


def test_a_file_without_rows_is_refused(raw, folder):
    raw[:0].to_parquet(folder / "empty.parquet", engine="pyarrow")
    with pytest.raises(SchemaError, match=r"empty\.parquet has no rows\. Choose another month"):
        read(folder / "empty.parquet")
