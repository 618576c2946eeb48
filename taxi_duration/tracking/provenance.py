"""What a training rests on beside its data: the code, the libraries, the person."""

from __future__ import annotations

import getpass
import os
import platform
import re
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from taxi_duration.data.files import tree_digest

__all__ = [
    "CHECKOUT",
    "LIBRARIES",
    "Code",
    "code_state",
    "developer",
    "environment",
    "package_digest",
]

PACKAGE = Path(__file__).parents[1]
CHECKOUT = PACKAGE.parent
CODE = {".py", ".ipynb", ".toml", ".cfg"}
OF_MLFLOW = re.compile(r"(m-)?[0-9a-f]{32}")  # folders of a run and of a logged model
LIBRARIES = (
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "fastparquet",
    "scikit-learn",
    "xgboost",
    "skops",
    "mlflow",
)


@dataclass(frozen=True)
class Code:
    """A git commit, and as a patch what the checkout has beyond it.

    Attributes
    ----------
    commit
        Its hash; None where the package does not lie in a git checkout.
    patch
        Changed files, and new ones that are code and not ignored by git; empty if the tree is
        clean. Bytes that are no UTF-8 are written as escapes.
    """

    commit: str | None
    patch: str = ""


def code_state(folder: Path = CHECKOUT) -> Code:
    """Return the commit and patch of the checkout that holds the folder."""
    try:
        commit = _git(folder, "rev-parse", "HEAD").strip()
    except (OSError, subprocess.CalledProcessError):
        return Code(None)
    objects = _git(folder, "rev-parse", "--path-format=absolute", "--git-path", "objects").strip()
    with tempfile.TemporaryDirectory() as scratch:
        aside = {  # so that the user's own index and objects stay as they are
            "GIT_INDEX_FILE": f"{scratch}/index",
            "GIT_OBJECT_DIRECTORY": scratch,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects,
        }
        top = Path(_git(folder, "rev-parse", "--show-toplevel").strip())
        _git(top, "read-tree", "HEAD", **aside)
        _git(top, "add", "--update", **aside)
        new = _git(top, "ls-files", "--others", "--exclude-standard", "-z", **aside).split("\0")
        code = "\0".join(path for path in new if _is_code(top / path))
        _git(top, "update-index", "--add", "--remove", "-z", "--stdin", given=code, **aside)
        patch = _git(top, "diff-index", "--cached", "--binary", "-p", "HEAD", **aside)
        return Code(commit, os.fsencode(patch).decode(errors="backslashreplace"))


def _is_code(path: Path) -> bool:
    """Say whether a new file may be a person's code: the tool writes stores, tables and pages.

    Runs and models keep copies of code, and executed notebooks lie beside their page.
    """
    if any(map(OF_MLFLOW.fullmatch, path.parts)) or _is_executed(path):
        return False
    return path.suffix in CODE or PACKAGE in path.parents


def _is_executed(notebook: Path) -> bool:
    if notebook.suffix != ".ipynb":
        return False
    is_ours = notebook.name.endswith(".failed.ipynb") or notebook.with_suffix(".html").exists()
    return is_ours and b'"papermill"' in notebook.read_bytes()


def package_digest() -> str:
    """Return one digest for this library's own files: the same digest, the same code."""
    return tree_digest(PACKAGE, "*.py", "*.csv")


def environment() -> dict[str, str]:
    """Return what a model's numbers depend on beside data and code: machine, Python, libraries.

    Examples
    --------
    >>> list(environment())[:4]
    ['computer', 'machine', 'python', 'numpy']
    """
    return {
        "computer": platform.node(),
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: _version(name) for name in LIBRARIES},
    }


def developer() -> str:
    """Return who trains: git's user name here, else the login name; "unknown" without either."""
    with suppress(OSError, subprocess.CalledProcessError):
        return _git(CHECKOUT, "config", "user.name").strip()
    with suppress(OSError, KeyError, ImportError):  # in a container, a user may have no name
        return getpass.getuser()
    return "unknown"


def _git(folder: Path, *words: str, given: str = "", **environment: str) -> str:
    done = subprocess.run(  # noqa: S603
        ["git", "-C", str(folder), *words],  # noqa: S607
        env={**os.environ, **environment},
        input=os.fsencode(given),
        capture_output=True,
        check=True,
    )
    return os.fsdecode(done.stdout)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
