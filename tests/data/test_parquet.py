"""Parquet: read in blocks of rows by one of two engines, written with page checksums."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_duration.data.parquet import (
    parquet_writer,
    read_blocks,
    read_parquet,
    read_schema,
    write_parquet,
)
from taxi_duration.errors import SourceError
from taxi_duration.months import GREEN

ZONES_AND_MILES = ["DOLocationID", "trip_distance"]
READERS = [lambda path: list(read_blocks(path, ["trip_distance"])), read_parquet, read_schema]


@pytest.fixture(params=READERS, ids=["blocks", "whole", "schema"])
def read(request):
    return request.param


@pytest.fixture
def rows(raw):
    """The columns that this project reads."""
    return raw[list(GREEN.columns)]


def lengths(path, **how):
    return [len(block["trip_distance"]) for block in read_blocks(path, ["trip_distance"], **how)]


@pytest.mark.parametrize("engine", ["pyarrow", "fastparquet"])
def test_only_the_columns_asked_for_are_read(january, engine):
    (block,) = read_blocks(january, ZONES_AND_MILES, engine=engine)
    assert list(block) == ZONES_AND_MILES


def test_blocks_have_the_rows_asked_for_whatever_the_row_groups(raw, folder):
    raw.to_parquet(folder / "groups.parquet", engine="pyarrow", row_group_size=7)
    assert lengths(folder / "groups.parquet", rows=250) == [250, 250, 100]


def test_a_block_by_fastparquet_has_no_more_rows_than_asked_for(raw, folder):
    raw.to_parquet(folder / "groups.parquet", engine="pyarrow", row_group_size=300)
    found = lengths(folder / "groups.parquet", rows=250, engine="fastparquet")
    assert found == [250, 50, 250, 50]


def test_blocks_put_together_are_the_column(january, raw):
    blocks = read_blocks(january, ["trip_distance"], rows=250)
    whole = np.concatenate([block["trip_distance"] for block in blocks])
    assert np.array_equal(whole, raw["trip_distance"])


def test_an_unknown_engine_is_rejected_and_the_known_ones_named(january):
    with pytest.raises(SourceError, match=r"Engine 'arrow' is unknown\..*'pyarrow', 'fastparquet'"):
        next(read_blocks(january, ["trip_distance"], engine="arrow"))


def test_a_written_frame_is_read_as_it_was(rows, folder):
    path = write_parquet(rows, folder / "new" / "month.parquet")
    pd.testing.assert_frame_equal(read_parquet(path), rows)


def test_a_path_that_looks_like_an_address_is_a_path(rows, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_parquet(rows, Path("s3:", "bucket", "month.parquet"))
    assert lengths(path) == [len(rows)]


def test_frames_written_one_after_the_other_are_row_groups(rows, folder):
    with parquet_writer(folder / "month.parquet") as write:
        write(rows[:250])
        write(rows[250:])
    pd.testing.assert_frame_equal(read_parquet(folder / "month.parquet"), rows)
    assert pq.ParquetFile(folder / "month.parquet").num_row_groups == 2


def test_what_is_written_carries_checksums_that_are_verified(raw, folder):
    path = write_parquet(raw, folder / "month.parquet")
    column = pq.ParquetFile(path).metadata.row_group(0).column(8)
    assert column.path_in_schema == "trip_distance"
    content = bytearray(path.read_bytes())
    content[column.dictionary_page_offset + column.total_compressed_size - 1] ^= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"is damaged \(OSError: .*CRC.*\)\. Delete it and fetch"):
        list(read_blocks(path, ["trip_distance"]))


@pytest.mark.parametrize("content", [b"<html>Access denied</html>", b"", b"PAR"])
def test_a_file_that_is_not_parquet_is_rejected(folder, content, read):
    (folder / "page.parquet").write_bytes(content)
    with pytest.raises(SourceError, match=r"page\.parquet is not a parquet file: it starts with"):
        read(folder / "page.parquet")


@pytest.mark.parametrize("left", [0.01, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_rejected(january, left, read):
    whole = january.read_bytes()
    january.write_bytes(whole[: int(left * len(whole))])
    with pytest.raises(SourceError, match=r"cut off.* Delete it and fetch it again\."):
        read(january)


def test_a_file_with_a_damaged_footer_is_rejected(january, read):
    whole = january.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    january.write_bytes(whole[:footer] + b"\xff" * (len(whole) - 8 - footer) + whole[-8:])
    with pytest.raises(SourceError, match=r"is damaged \(.+\)\. Delete it and fetch it again\."):
        read(january)


def test_a_file_with_a_damaged_middle_is_rejected(january):
    whole = january.read_bytes()
    third = len(whole) // 3
    january.write_bytes(whole[:third] + b"\xff" * third + whole[2 * third :])
    with pytest.raises(SourceError, match=r"is damaged \(.+\)\. Delete it and fetch it again\."):
        list(read_blocks(january, ["lpep_pickup_datetime", "trip_distance"]))


def test_a_file_on_a_disk_that_fails_is_not_called_damaged(folder, read):
    (folder / "failing.parquet").symlink_to("/proc/self/mem")
    with pytest.raises(SourceError, match=r"failing\.parquet cannot be read \(.+\)\. Check its"):
        read(folder / "failing.parquet")


def test_a_column_that_is_not_there_is_not_called_damage(january):
    with pytest.raises(SourceError, match=r"cannot be read by engine 'fastparquet' \(ValueError"):
        list(read_blocks(january, ["nowhere"], engine="fastparquet"))


@pytest.mark.parametrize(
    ("column", "how", "message"),
    [
        ("PULocationID", {"column_encoding": {"PULocationID": "DELTA_BINARY_PACKED"}},
         "column 'PULocationID' has encoding DELTA_BINARY_PACKED"),
        ("trip_distance", {"column_encoding": {"trip_distance": "BYTE_STREAM_SPLIT"}},
         "column 'trip_distance' has encoding BYTE_STREAM_SPLIT"),
    ],
)  # fmt: skip
def test_fastparquet_rejects_by_name_what_it_would_misread(raw, folder, column, how, message):
    table = pa.Table.from_pandas(raw)
    pq.write_table(table, folder / "new.parquet", use_dictionary=False, **how)
    with pytest.raises(SourceError) as error:
        list(read_blocks(folder / "new.parquet", [column], engine="fastparquet"))
    assert str(error.value) == (
        f"{folder / 'new.parquet'} cannot be read by engine 'fastparquet': {message}. "
        "Take engine 'pyarrow'."
    )


def test_fastparquet_is_not_given_numbers_of_half_precision(folder):
    path = folder / "half.parquet"
    pq.write_table(pa.table({"x": np.array([74], "float16")}), path)
    assert next(read_blocks(path, ["x"]))["x"].tolist() == [74]
    with pytest.raises(SourceError, match=r"'x' has type halffloat. Take engine 'pyarrow'"):
        list(read_blocks(path, ["x"], engine="fastparquet"))
