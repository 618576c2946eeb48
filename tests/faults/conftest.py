"""What the fault tests share: a disk that fails, and short roads to take over it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from taxi_duration.data.parquet import write_parquet
from taxi_duration.data.sample import make_month
from taxi_duration.months import GREEN, Month

HERE = Path(__file__).parent
FORKS = "ignore:This process:DeprecationWarning"  # that it has threads and forks


@pytest.fixture(scope="session")
def disk(tmp_path_factory):
    """A library that makes the disk fail, compiled; see `disk.c`."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler or sys.platform != "linux":
        pytest.skip("a failing disk needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("disk") / "disk.so"
    words = [compiler, "-shared", "-fPIC", "-o", library, HERE / "disk.c", "-ldl"]
    subprocess.run(words, check=True)
    return library


@pytest.fixture(scope="session")
def thin_months(tmp_path_factory):
    """A folder with three months of few rides."""
    folder = tmp_path_factory.mktemp("thin") / "months"
    for month in (Month(2021, number) for number in (1, 2, 3)):
        write_parquet(make_month(month, rows=600), folder / GREEN.file(month))
    return folder


@pytest.fixture
def take(disk, thin_months, migrated, tmp_path):
    """Take a road with faults; return what became of each (see `road`), the undisturbed first."""
    (tmp_path / "months").symlink_to(thin_months)
    shutil.copy(migrated, tmp_path / "migrated.db")

    def take(road, *faults):
        environment = os.environ | {"LD_PRELOAD": str(disk), "PYTHONWARNINGS": FORKS}
        words = [sys.executable, HERE / "road.py", tmp_path, road, *faults]
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return [json.loads(line) for line in done.stdout.splitlines()]

    return take
