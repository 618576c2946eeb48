"""Files: anything written whole or not at all, staging folders, digests."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from taxi_duration.data.files import (
    atomic_write,
    sha256,
    staging_folder,
    system_reason,
    tree_digest,
)
from taxi_duration.data.parquet import write_parquet
from taxi_duration.errors import SourceError


def test_the_digest_is_that_of_the_bytes(january):
    assert sha256(january) == hashlib.sha256(january.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (OSError(28, "in other words"), "No space left on device"),
        (OSError("The server has closed the connection"), "The server has closed the connection"),
    ],
)
def test_an_error_has_the_words_of_the_system_or_of_who_raised_it(problem, reason):
    assert system_reason(problem) == reason


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
