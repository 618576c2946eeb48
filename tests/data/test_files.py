"""Files: parquet read in blocks, anything written whole or not at all, digests."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from taxi_duration.data.files import (
    atomic_write,
    parquet_writer,
    read_blocks,
    read_parquet,
    read_schema,
    sha256,
    staging_folder,
    tree_digest,
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


def test_the_digest_is_that_of_the_bytes(january):
    assert sha256(january) == hashlib.sha256(january.read_bytes()).hexdigest()


def test_nothing_is_left_of_a_file_whose_writing_fails(folder):
    with pytest.raises(SourceError), atomic_write(folder / "card.md") as fresh:
        (fresh.write_text("half"), (folder / "nowhere").read_text())
    assert list(folder.iterdir()) == []


def test_a_file_stays_as_it_was_until_the_new_one_is_whole(folder):
    (folder / "card.md").write_text("old")
    with atomic_write(folder / "card.md") as fresh:
        fresh.write_text("new")
        assert (folder / "card.md").read_text() == "old"
    assert (folder / "card.md").read_text() == "new"


def test_a_folder_replaces_the_former_one_as_a_whole(folder):
    for name in ("first", "second"):
        with atomic_write(folder / "month") as fresh:
            fresh.mkdir()
            (fresh / name).touch()
    assert [path.name for path in folder.iterdir()] == ["month"]
    assert [path.name for path in (folder / "month").iterdir()] == ["second"]


def test_a_file_does_not_replace_a_folder(folder):
    (folder / "month").mkdir()
    (folder / "month" / "kept").touch()
    with pytest.raises(SourceError, match="Cannot write"), atomic_write(folder / "month") as fresh:
        fresh.write_text("a file")
    assert [path.name for path in (folder / "month").iterdir()] == ["kept"]


def test_a_folder_that_cannot_be_written_is_named(raw, read_only):
    with pytest.raises(SourceError) as error:
        write_parquet(raw, read_only / "month.parquet")
    assert str(error.value).startswith(f"Cannot write {str(read_only / 'month.parquet')!r}: ")


def test_a_disk_that_is_full_leaves_nothing(raw, folder, full_disk):
    with full_disk(), pytest.raises(SourceError, match=r"Cannot write .*: File too large\. Make"):
        write_parquet(raw, folder / "month.parquet")
    assert list(folder.iterdir()) == []


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


@pytest.fixture
def tree(tmp_path):
    """A folder with two files, one of them deeper."""
    for name in ("MLmodel", "artifacts/pipeline.skops"):
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"bytes")
    return tmp_path / "tree"


CHANGES = {
    "a byte": lambda tree: (tree / "artifacts" / "pipeline.skops").write_bytes(b"bytez"),
    "a name": lambda tree: (tree / "MLmodel").rename(tree / "MLModel"),
    "a new file": lambda tree: (tree / "code.py").touch(),
    "a missing file": lambda tree: (tree / "MLmodel").unlink(),
    "bytes moved": lambda tree: [
        (tree / name).write_bytes(content)
        for name, content in {"MLmodel": b"", "artifacts/pipeline.skops": b"bytesbytes"}.items()
    ],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_changes_in_a_folder_changes_its_digest(tree, change):
    before = tree_digest(tree)
    change(tree)
    assert tree_digest(tree) != before


def test_what_mlflow_and_python_write_beside_a_model_does_not_change_its_digest(tree):
    before = tree_digest(tree)
    (tree / "registered_model_meta").write_text("name: m")
    (tree / "__pycache__").mkdir()
    (tree / "__pycache__" / "code.pyc").touch()
    assert tree_digest(tree) == before


def test_a_digest_of_some_files_ignores_the_others(tree):
    before = tree_digest(tree, "*.skops")
    (tree / "MLmodel").unlink()
    assert tree_digest(tree, "*.skops") == before
    assert tree_digest(tree, "*.py") != before


STAGING = """
import sys, time
from pathlib import Path
from taxi_duration.data.files import staging_folder

with staging_folder(Path(sys.argv[1]), prefix="month-") as folder:
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def staging(folder):
    """A process with a staging folder that has not changed for long, and that folder."""
    words = [sys.executable, "-c", STAGING, folder]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        staged = Path(process.stdout.readline().strip())
        os.utime(staged, (0, 0))
        yield process, staged
        process.kill()


def test_the_staging_folder_of_a_killed_process_is_removed_by_the_next(staging, folder):
    process, staged = staging
    process.kill()
    process.wait()
    assert staged.exists()
    with staging_folder(folder, prefix="month-"):
        assert not staged.exists()


def test_the_staging_folder_of_a_living_process_stays(staging, folder):
    with staging_folder(folder, prefix="month-"):
        assert staging[1].exists()


@pytest.mark.parametrize("name", ["month-2021", "other-abcdefgh", "month-ABCDEFGH"])
def test_a_folder_that_is_not_one_of_ours_stays(folder, name):
    (folder / name).mkdir()
    os.utime(folder / name, (0, 0))
    with staging_folder(folder, prefix="month-"):
        assert (folder / name).exists()


def test_fastparquet_is_not_given_numbers_of_half_precision(folder):
    path = folder / "half.parquet"
    pq.write_table(pa.table({"x": np.array([74], "float16")}), path)
    assert next(read_blocks(path, ["x"]))["x"].tolist() == [74]
    with pytest.raises(SourceError, match=r"'x' has type halffloat. Take engine 'pyarrow'"):
        list(read_blocks(path, ["x"], engine="fastparquet"))
