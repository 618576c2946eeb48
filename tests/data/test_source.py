"""A month's raw rows: from the sample, from TLC, from a folder."""

import pandas as pd
import pytest
from tlc import Answer

from taxi_duration.data.files import sha256
from taxi_duration.data.parquet import write_parquet
from taxi_duration.data.source import SAMPLE_ROWS, open_month
from taxi_duration.errors import SchemaError, SourceError
from taxi_duration.months import GREEN, YELLOW, Month

JANUARY = Month(2021, 1)


def read(raw):
    """All rows of a month."""
    return pd.concat([pd.DataFrame(block) for block in raw.blocks()], ignore_index=True)


def test_the_sample_needs_nothing_but_the_month():
    raw = open_month("2021-01")
    assert (len(read(raw)), raw.month, raw.service) == (SAMPLE_ROWS, JANUARY, GREEN)


def test_the_sample_is_the_same_each_time_and_so_is_its_digest():
    once, again = open_month(JANUARY), open_month(JANUARY)
    pd.testing.assert_frame_equal(read(once), read(again))
    assert once.sha256 == again.sha256


def test_another_sample_month_has_another_digest():
    assert open_month(JANUARY).sha256 != open_month(JANUARY.next()).sha256


def test_a_folder_is_read_and_its_file_named(january, folder, raw):
    found = open_month(JANUARY, source=folder)
    expected = raw[list(GREEN.columns)].rename(columns=GREEN.columns)
    pd.testing.assert_frame_equal(read(found), expected)
    assert (found.file, found.sha256) == (january.name, sha256(january))


def test_a_damaged_file_has_a_digest_too(january, folder):
    january.write_bytes(january.read_bytes()[:-100])
    assert open_month(JANUARY, source=folder).sha256 == sha256(january)


def test_a_month_comes_from_tlc_by_way_of_the_cache(tlc, folder, month_bytes, monkeypatch):
    tlc.gives(GREEN.file(JANUARY), Answer(month_bytes))
    monkeypatch.setenv("TAXI_DURATION_TLC_URL", tlc.url)
    monkeypatch.setenv("TAXI_DURATION_CACHE", str(folder))
    from_tlc, from_folder = (open_month(JANUARY, source=where) for where in ("tlc", folder))
    pd.testing.assert_frame_equal(read(from_tlc), read(from_folder))
    assert from_tlc.sha256 == from_folder.sha256
    assert (from_tlc.source, from_folder.source) == ("tlc", str(folder))


def test_a_folder_is_remembered_by_its_absolute_path(january, folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert open_month(JANUARY, source=".").source == str(folder)


@pytest.mark.parametrize("where", ["tlc", "folder"])
def test_a_month_that_is_not_the_one_recorded_is_rejected_wherever_it_is_read(
    january, folder, raw, monkeypatch, where
):
    monkeypatch.setenv("TAXI_DURATION_CACHE", str(folder))
    (folder / "SHA256SUMS").write_text(f"{sha256(january)}  {january.name}\n")
    write_parquet(raw[:-1], january)
    with pytest.raises(SourceError, match=r"is not what was downloaded: .*Delete it and fetch it"):
        read(open_month(JANUARY, source=folder if where == "folder" else where))


def test_a_month_of_which_nothing_is_recorded_may_pass(january, folder, raw):
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  another.parquet\n")
    assert len(read(open_month(JANUARY, source=folder))) == len(raw)


def test_a_month_is_hashed_once_however_often_it_is_read(january, folder):
    found = open_month(JANUARY, source=folder)
    read(found)
    january.unlink()
    assert len(found.sha256) == 64


def test_a_month_comes_in_blocks_of_as_many_rows_as_asked_for(january, folder):
    blocks = open_month(JANUARY, source=folder).blocks(rows=250)
    assert [len(block["trip_distance"]) for block in blocks] == [250, 250, 100]


def test_a_sample_month_comes_in_one_block():
    (block,) = open_month(JANUARY).blocks()
    assert len(block["trip_distance"]) == SAMPLE_ROWS


def test_a_folder_that_is_not_there_is_rejected_and_the_ways_named(tmp_path):
    nowhere = tmp_path / "nowhere"
    with pytest.raises(SourceError) as error:
        open_month(JANUARY, source=nowhere)
    assert str(error.value) == (
        f"There is no folder {str(nowhere)!r}. Name one that holds TLC's files, "
        'or "tlc" to download them, or "sample".'
    )


def test_a_missing_file_is_rejected_and_those_that_are_there_named(january, folder):
    with pytest.raises(SourceError) as error:
        open_month("2021-02", source=folder)
    assert str(error.value) == (
        f"{str(folder)!r} has no green_tripdata_2021-02.parquet; it has {january.name}. "
        f"Download it: taxi-duration fetch 2021-02 --service green --cache {folder}"
    )


def test_a_folder_with_the_other_service_only_is_rejected(january, folder):
    with pytest.raises(SourceError, match=r"has no yellow_.*; it has no such month\. Download it"):
        open_month(JANUARY, service=YELLOW, source=folder)


def test_a_month_without_rows_is_rejected(raw, folder):
    raw[:0].to_parquet(folder / GREEN.file(JANUARY), engine="pyarrow")
    with pytest.raises(SchemaError, match="has no rows"):
        read(open_month(JANUARY, source=folder))


def test_a_damaged_file_is_rejected(january, folder):
    january.write_bytes(january.read_bytes()[:-4])
    with pytest.raises(SourceError, match=r"is cut off.* Delete it and fetch it again"):
        read(open_month(JANUARY, source=folder))
