"""What tests of orchestrators need: the command on the path, and a store."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def deployed():
    """Import a file of `deploy/`."""

    def deployed(name):
        spec = importlib.util.spec_from_file_location(name, ROOT / "deploy" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return deployed


@pytest.fixture(scope="module", autouse=True)
def folder(new_store, tmp_path_factory):
    """An empty folder with a store, in which the command runs as one types it."""
    folder = tmp_path_factory.mktemp("deployed")
    with pytest.MonkeyPatch.context() as patch, new_store(folder):
        patch.chdir(folder)
        patch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        yield folder
