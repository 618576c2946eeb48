"""What tests of notebooks and of documents need: a store for runs, and an eye for pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from nbval.plugin import IPyNbCell
from pictures import difference, drawn, save
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

# notebooks that are broken on purpose, and a file that is MLflow's to import
collect_ignore = ["tests/notebooks", "taxi_duration/served.py"]

pytest_collect_file = Sybil([PythonCodeBlockParser()], patterns=["README.md"]).pytest()

# Committed outputs are made with all processors, and checked with one: that changes nothing.
ONE_THREAD = {"LOKY_MAX_CPU_COUNT": "1", "OMP_NUM_THREADS": "1"}


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Keep what tests record away from the user's own runs."""
    folder = session.config._tmp_path_factory.mktemp("store")
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder / 'mlflow.db'}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Start nbval's kernels with one thread."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ONE_THREAD.items() if isinstance(item, IPyNbCell) else ():
            patch.setenv(name, value)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Compare a cell's pictures, at which nbval does not look."""
    yield
    if isinstance(item, IPyNbCell) and item.options["check"]:
        committed, fresh = drawn(item.cell.outputs), drawn(item.test_outputs)
        if found := difference(committed, fresh):
            folder = item.config._tmp_path_factory.mktemp("pictures")
            save(folder, committed=committed, fresh=fresh)
            item.raise_cell_error(f"{found}. See {folder}")
