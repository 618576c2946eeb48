"""What tests of notebooks and of documents need: a store for runs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from nbval.plugin import IPyNbCell
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

# notebooks that are broken on purpose, and a file that is MLflow's to import
collect_ignore = ["tests/broken_notebooks", "taxi_duration/tracking/pyfunc_model.py"]
collect_ignore_glob = ["docs/*.py"]  # scripts; some need a browser
if not find_spec("prefect"):  # `make test-extras` has an environment with it
    collect_ignore.append("tests/extras")

pytest_collect_file = Sybil(
    [PythonCodeBlockParser(), SkipParser()], patterns=["README.md", "docs/*.md"]
).pytest()

# Committed outputs are made with all processors, and checked with one: that changes nothing.
ONE_THREAD = {"LOKY_MAX_CPU_COUNT": "1", "OMP_NUM_THREADS": "1"}
RECORDED = tuple(  # later notebooks look back at what these leave
    f"{name}.ipynb" for name in ("02_train", "03_tune", "04_select", "05_score")
)

notebooks_store, recorded = pytest.StashKey[str](), pytest.StashKey[set[str]]()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Keep what tests record away from the user's own runs; hear Ctrl-C, in the background too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
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
    done = item.session.stash.setdefault(recorded, checked)
    needed = [name for name in RECORDED if name < item.path.name and name not in done]
    missing = [item.path.with_name(name) for name in needed]
    if any(path.exists() for path in missing):
        from taxi_duration.notebooks.pipeline import run_all

        done.update(needed)
        folder = item.config._tmp_path_factory.mktemp("recorded")
        list(run_all([path for path in missing if path.exists()], into=folder))
