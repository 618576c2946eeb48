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
RECORDED = ("02_train.ipynb", "03_tune.ipynb")  # later notebooks look back at what these record

notebooks_store, recorded = pytest.StashKey[str](), pytest.StashKey[bool]()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Keep what tests record away from the user's own runs."""
    store, notebooks = (
        f"sqlite:///{session.config._tmp_path_factory.mktemp(name) / 'mlflow.db'}"
        for name in ("store", "notebooks")
    )
    os.environ["MLFLOW_TRACKING_URI"] = store
    session.stash[notebooks_store] = notebooks


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Start nbval's kernels with one thread, and a store that holds what notebooks recorded."""
    if not isinstance(item, IPyNbCell):
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ONE_THREAD.items():
            patch.setenv(name, value)
        patch.setenv("MLFLOW_TRACKING_URI", item.session.stash[notebooks_store])
        _record_missing(item)
        return (yield)


def _record_missing(item: IPyNbCell) -> None:
    """Run what a later notebook looks back at, if this session does not check it before."""
    checked = {other.path.name for other in item.session.items if isinstance(other, IPyNbCell)}
    missing = [item.path.with_name(name) for name in RECORDED if name not in checked]
    if item.path.name > max(RECORDED) and not item.session.stash.get(recorded, False):
        from taxi_duration.notebooks import run_all

        item.session.stash[recorded] = True
        folder = item.config._tmp_path_factory.mktemp("recorded")
        list(run_all([path for path in missing if path.exists()], into=folder))


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
