"""What a training depends on: the code, the libraries, the developer, and its months."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from taxi_duration.data.files import temporary_folder, tree_digest
from taxi_duration.data.trips import Split, Trips
from taxi_duration.tracking.mlflow_pages import NOTE, note

PACKAGE = Path(__file__).parents[1]
CHECKOUT = PACKAGE.parent
CODE = {".py", ".ipynb", ".toml", ".cfg"}
OF_MLFLOW = re.compile(r"(m-)?[0-9a-f]{32}")  # folders of a run and of a logged model
LIBRARIES = (
    "numpy", "scipy", "pandas", "pyarrow", "fastparquet", "scikit-learn", "xgboost", "skops",
    "mlflow",
)  # fmt: skip


class Code(NamedTuple):
    """A git commit, and as a patch what the checkout has beyond it."""

    commit: str | None  # None where the package does not lie in a git checkout
    patch: str = ""  # changed files and new code; bytes that are not UTF-8 are escaped


@dataclass(frozen=True)
class Provenance:
    """What a training depends on beside its months; collected once for all its runs."""

    code: Code
    package_sha256: str
    environment: dict[str, str] = field(repr=False)
    developer: str

    def tags(self, split: Split, notebook: str | None) -> dict[str, str]:
        """Return the tags of a run: who trains, on what, with which code, from which notebook."""
        commit = self.code.commit
        return {
            "developer": self.developer,
            "service": split.train.service.name,
            "source": split.train.source,
            "tree": "changed" if self.code.patch else "clean",
            NOTE: note(split),
            "mlflow.source.name": notebook or Path(sys.argv[0]).name,
            "mlflow.source.type": "NOTEBOOK" if notebook else "LOCAL",
            **({"mlflow.source.git.commit": commit} if commit else {}),
        }

    def log_inputs(self, split: Split) -> None:
        """Log what the active run starts from; digests are parameters: nothing overwrites them."""
        import mlflow

        files = {f"sha256/{name}": each for trips in split for name, each in trips.sha256.items()}
        mlflow.log_params(months_of(split) | files | {"code_sha256": self.package_sha256})
        texts = {
            "environment.json": json.dumps(self.environment, indent=2),
            "rows.csv": split.rows().to_csv(),
        }
        log_texts(texts | ({"code.patch": self.code.patch} if self.code.patch else {}))
        for part, trips in split._asdict().items():
            for name, digest in trips.sha256.items():
                _log_dataset(name, digest, trips, part)


def collect_provenance() -> Provenance:
    """Return the provenance of a training that starts now."""
    return Provenance(code_state(), package_digest(), environment(), developer())


def months_of(split: Split) -> dict[str, str]:
    """Return the months of each part, as text."""
    return {part: str(trips.months) for part, trips in split._asdict().items()}


def log_texts(texts: Mapping[str, str]) -> None:
    """Log texts to the active run, as files of these names.

    MLflow's `log_text` would leave a temporary folder if it is killed.
    """
    import mlflow

    with temporary_folder() as folder:
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        mlflow.log_artifacts(str(folder))


def _log_dataset(name: str, digest: str, trips: Trips, part: str) -> None:
    """Log a month's file as a dataset; others of MLflow's kinds read rows for seconds."""
    import mlflow
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset

    about = {"file": name, "service": trips.service.name, "source": trips.source}
    dataset = MetaDataset(CodeDatasetSource(about), name=name, digest=digest[:36])
    try:
        mlflow.log_input(dataset, context=part)
    except mlflow.MlflowException as problem:  # it looks for it, then creates it: so may another
        if "unique" not in str(problem).lower():  # SQLite and PostgreSQL both call it so
            raise
        mlflow.log_input(dataset, context=part)


def code_state(folder: Path = CHECKOUT) -> Code:
    """Return the commit and patch of the checkout that holds the folder."""
    try:
        commit = _git(folder, "rev-parse", "HEAD").strip()
    except (OSError, subprocess.CalledProcessError):
        return Code(None)
    objects = _git(folder, "rev-parse", "--path-format=absolute", "--git-path", "objects").strip()
    with temporary_folder() as scratch:
        aside = {  # so that the user's index and objects stay as they are
            "GIT_INDEX_FILE": f"{scratch}/index",
            "GIT_OBJECT_DIRECTORY": str(scratch),
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
    """Return whether a new file is somebody's code, not what this library or MLflow wrote.

    Runs and models keep copies of code, and executed notebooks lie beside their page.
    """
    if any(map(OF_MLFLOW.fullmatch, path.parts)):
        return False
    if path.suffix == ".ipynb":
        is_ours = path.name.endswith(".failed.ipynb") or path.with_suffix(".html").exists()
        return not (is_ours and b'"papermill"' in path.read_bytes())
    return path.suffix in CODE or PACKAGE in path.parents


def package_digest() -> str:
    """Return one digest of this library's own files: the same digest, the same code."""
    return tree_digest(PACKAGE, "*.py", "*.csv")


def environment() -> dict[str, str]:
    """Return what figures depend on beside data and code: machine, Python, libraries.

    Examples
    --------
    >>> list(environment())[:4]
    ['computer', 'machine', 'python', 'numpy']
    """
    return {
        "computer": platform.node(),
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def developer() -> str:
    """Return git's user name here, else the login name; "unknown" without either."""
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
