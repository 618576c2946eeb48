"""A month's raw rows: from the sample, from TLC, from a folder."""

import pandas as pd
import pytest
from tlc import Answer

from taxi_duration.errors import SchemaError, SourceError
from taxi_duration.months import GREEN, YELLOW, Month
from taxi_duration.parquet import sha256
from taxi_duration.source import SAMPLE_ROWS, digest_month, iter_month, read_month

JANUARY = Month(2021, 1)


def test_the_sample_needs_nothing_but_the_month():
    raw = read_month(JANUARY)
    assert (len(raw.frame), raw.month, raw.service) == (SAMPLE_ROWS, JANUARY, GREEN)


def test_the_sample_is_the_same_each_time_and_so_is_its_digest():
    once, again = read_month(JANUARY), read_month(JANUARY)
    pd.testing.assert_frame_equal(once.frame, again.frame)
    assert once.sha256 == again.sha256


def test_another_sample_month_has_another_digest():
    assert read_month(JANUARY).sha256 != read_month(JANUARY.next()).sha256


def test_a_folder_is_read_and_its_file_named(january, folder, raw):
    found = read_month(JANUARY, source=folder)
    expected = raw[list(GREEN.columns)]
    pd.testing.assert_frame_equal(found.frame, expected)
    assert (found.file, found.sha256) == (january.name, sha256(january))


@pytest.mark.parametrize("where", ["sample", "folder"])
def test_a_digest_is_that_of_the_month_that_is_read(january, folder, where):
    source = folder if where == "folder" else where
    found = read_month(JANUARY, source=source)
    assert digest_month(JANUARY, source=source) == {found.file: found.sha256}


def test_a_damaged_file_has_a_digest_too(january, folder):
    january.write_bytes(january.read_bytes()[:-100])
    assert digest_month(JANUARY, source=folder) == {january.name: sha256(january)}


def test_only_the_columns_asked_for_come_back(january, folder):
    found = read_month(JANUARY, source=folder, columns=["trip_distance"])
    assert list(found.frame.columns) == ["trip_distance"]


def test_a_month_comes_from_tlc_by_way_of_the_cache(tlc, folder, month_bytes, monkeypatch):
    tlc.gives(GREEN.file(JANUARY), Answer(month_bytes))
    monkeypatch.setenv("TAXI_DURATION_TLC_URL", tlc.url)
    monkeypatch.setenv("TAXI_DURATION_CACHE", str(folder))
    from_tlc, from_folder = (read_month(JANUARY, source=where) for where in ("tlc", folder))
    pd.testing.assert_frame_equal(from_tlc.frame, from_folder.frame)
    assert from_tlc.sha256 == from_folder.sha256


def test_a_month_can_be_read_part_by_part(raw, folder):
    raw.to_parquet(folder / GREEN.file(JANUARY), engine="pyarrow", row_group_size=250)
    parts = list(iter_month(JANUARY, source=folder))
    assert [len(part) for part in parts] == [250, 250, 100]
    whole = read_month(JANUARY, source=folder).frame
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)


def test_a_sample_month_comes_in_one_part():
    (part,) = iter_month(JANUARY, source="sample")
    pd.testing.assert_frame_equal(part, read_month(JANUARY).frame)


def test_a_folder_that_is_not_there_is_refused_and_the_ways_named(tmp_path):
    nowhere = tmp_path / "nowhere"
    with pytest.raises(SourceError) as refusal:
        read_month(JANUARY, source=nowhere)
    assert str(refusal.value) == (
        f"There is no folder {str(nowhere)!r}. Name one that holds TLC's files, "
        'or "tlc" to download them, or "sample".'
    )


def test_a_missing_file_is_refused_and_those_that_are_there_named(january, folder):
    with pytest.raises(SourceError) as refusal:
        read_month(Month(2021, 2), source=folder)
    assert str(refusal.value) == (
        f"{str(folder)!r} has no green_tripdata_2021-02.parquet; it has {january.name}. "
        f"Download it: taxi-duration fetch 2021-02 --service green --cache {folder}"
    )


def test_a_folder_with_the_other_service_only_is_refused(january, folder):
    with pytest.raises(SourceError, match=r"has no yellow_.*; it has no such month\. Download it"):
        read_month(JANUARY, service=YELLOW, source=folder)


def test_a_month_without_rows_is_refused(raw, folder):
    raw[:0].to_parquet(folder / GREEN.file(JANUARY), engine="pyarrow")
    with pytest.raises(SchemaError, match="has no rows"):
        read_month(JANUARY, source=folder)


@pytest.mark.parametrize("read", [read_month, lambda *a, **k: list(iter_month(*a, **k))])
def test_a_damaged_file_is_refused_whichever_way_it_is_read(january, folder, read):
    january.write_bytes(january.read_bytes()[:-4])
    with pytest.raises(SourceError, match=r"is cut off.* Delete it and fetch it again"):
        read(JANUARY, source=folder)
