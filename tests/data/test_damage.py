"""A damaged month is rejected in one line, or still holds exactly its rides."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from damage import CHANGES, DAMAGES, JANUARY, KINDS, outcome

from taxi_duration.data.parquet import write_parquet
from taxi_duration.data.source import open_month
from taxi_duration.months import GREEN

EACH, SOAKED = 20, 200  # files of a kind
SECONDS = 0.5  # for each, with ample room; a damaged page once had a reader turn in circles


def as_tlc_does(raw, path):
    """With gzip, whose own checksums stand in for those of the pages."""
    pq.write_table(pa.Table.from_pandas(raw), path, compression="gzip")


WAYS = {
    "gzip": (as_tlc_does, "pyarrow"),
    "checksums": (write_parquet, "pyarrow"),
    "gzip by fastparquet": (as_tlc_does, "fastparquet"),
}


NUMBERS = [EACH, pytest.param(SOAKED, marks=pytest.mark.soak)]


@pytest.fixture(scope="module", params=NUMBERS)
def number(request):
    return request.param * len(KINDS)


@pytest.fixture(scope="module", params=WAYS)
def outcomes(request, number, raw, tmp_path_factory):
    """Kind and outcome of many damages of a month, and the outcome of the sound one."""
    folder = tmp_path_factory.mktemp("damaged")
    sound, month = folder / "sound.parquet", folder / GREEN.file(JANUARY)
    write, engine = WAYS[request.param]
    write(raw, sound)
    month.write_bytes(sound.read_bytes())
    expected = outcome(folder, engine)
    words = [Path(__file__).parents[1] / "damage.py", folder, sound, engine, str(number)]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS * number,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    return [(kind, came) for _, kind, came in lines], expected


def test_none_of_them_ends_the_process(outcomes, number):
    found, _ = outcomes
    assert len(found) == number


def names(functions):
    return [each.__name__ for each in functions]


@pytest.mark.parametrize("kind", names(DAMAGES))
def test_each_is_rejected_in_one_line_or_read_exactly(outcomes, kind):
    found, expected = outcomes
    others = {came for each, came in found if each == kind and came != expected}
    assert [came for came in others if not came.startswith("rejected ")] == []


@pytest.mark.parametrize("kind", names(CHANGES))
def test_a_file_with_other_columns_is_rejected_in_one_line_or_no_ride_is_invented(outcomes, kind):
    found, _ = outcomes
    others = [came for each, came in found if each == kind and not came.startswith("rejected ")]
    assert [came for came in others if not came.startswith("kept ")] == []


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_some_of_each_kind_are_noticed(outcomes, kind):
    found, _ = outcomes
    assert any(came.startswith("rejected ") for each, came in found if each == kind)


def test_a_small_file_of_many_rows_is_read_in_little_memory(folder):
    rows = 5_000_000
    moment = pa.array([0], pa.timestamp("us"))
    columns = dict.fromkeys(list(GREEN.columns)[:2], moment)
    columns |= dict.fromkeys(list(GREEN.columns)[2:], pa.array([74.0]))
    same = pa.array([0] * rows, pa.int32())
    table = pa.table({name: pa.DictionaryArray.from_arrays(same, each).dictionary_decode()
                      for name, each in columns.items()})  # fmt: skip
    pq.write_table(table, folder / GREEN.file(JANUARY))
    assert (folder / GREEN.file(JANUARY)).stat().st_size < 10**6
    del table
    before = pa.total_allocated_bytes()
    held = [
        pa.total_allocated_bytes() - before for _ in open_month(JANUARY, source=folder).blocks()
    ]
    assert 0 < max(held) < 8 * rows  # one column alone would be as much
