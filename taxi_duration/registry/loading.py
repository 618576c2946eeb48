"""A registered model: found once, and loaded from verified files without running their code."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pandas as pd

from taxi_duration.data.display import html_table
from taxi_duration.data.files import staging_folder, tree_digest
from taxi_duration.errors import ModelError, check_name
from taxi_duration.models.estimator import Estimator
from taxi_duration.registry.gate import Verdict
from taxi_duration.tracking.runs import Record, copy_model, read_record
from taxi_duration.tracking.store import client, store_errors
from taxi_duration.tracking.store_address import shown_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

NAME = "taxi-duration"
DIGEST, VERDICT = "sha256", "verdict"  # tags of a version
ADDRESS = re.compile(
    r"(models:/)?(?P<name>[^/@:]+)(/(?P<version>\d+)|@(?P<alias>[\w-]+))", re.ASCII
)
RUN_ID = re.compile(r"[0-9a-f]{32}")
# What `taxi_duration.tracking.model` writes. Any other key could have MLflow run other code.
LOADER = {
    "flavors": ["python_function"],
    "loader_module": "mlflow.pyfunc.loaders.code_model",
    "code": "code",
    "model_code_path": "pyfunc_model.py",
    "artifacts": {
        "pipeline": "artifacts/pipeline.skops",
        "about": "artifacts/about.json",
    },
}
HARMLESS = {"cloudpickle_version", "env", "python_version", "streamable"}


@dataclass(frozen=True)
class RegisteredModel:
    """A version of a registered model, as the registry had it when it was found.

    Its `record` and its `estimator` are read when they are first used, and once.
    """

    name: str
    version: str
    run_id: str  # of the training
    sha256: str  # of its files
    aliases: tuple[str, ...]  # "champion", "challenger", both or none
    verdict: Verdict | None = field(repr=False)  # on these files; None if no gate has run
    created: pd.Timestamp  # UTC

    def __str__(self) -> str:
        return f"version {self.version}"

    def _repr_html_(self) -> str:
        rows = {
            "aliases": ", ".join(self.aliases) or "none",
            "registered": f"{self.created:%Y-%m-%d %H:%M} UTC",
            "run": self.run_id,
            "gate": self.verdict or "has not run",
        }
        return html_table(f"{self.name}, {self}", rows)

    @property
    def label(self) -> str:
        """Its name and version, `NAME/VERSION`."""
        return f"{self.name}/{self.version}"

    @property
    def address(self) -> str:
        """Its address for MLflow, `models:/NAME/VERSION`."""
        return f"models:/{self.label}"

    @cached_property
    def record(self) -> Record:
        """What the run of its training recorded."""
        return read_record(self.run_id)

    @cached_property
    def estimator(self) -> Estimator:
        """What predicts, loaded from verified files."""
        with self.files() as folder:
            return Estimator.load(folder / "artifacts")

    def predict(self, rides: pd.DataFrame) -> pd.DataFrame:
        """Return `duration`, `low` and `high` (minutes) of valid rides, a row each."""
        return self.estimator.predict(rides)

    def files(self) -> AbstractContextManager[Path]:
        """Copy its verified files to a temporary folder; see `verified_files`."""
        if self.sha256 != self.record.parameters.get("model_sha256"):
            raise ModelError(
                f"Version {self.name}/{self.version} carries another digest than its run "
                f"{self.run_id!r} recorded. Nothing of it was loaded; register the run again."
            )
        return verified_files(self.record, self.address)

    def check_files(self) -> None:
        """Raise `ModelError` if its files are not those that were recorded."""
        with self.files():
            pass


def find_model(model: str, *, name: str = NAME) -> RegisteredModel:
    """Find a registered model, as `load` takes it; an alias is resolved once, here.

    No file is read. An address without a name is one of the model of that `name`.
    """
    unknown = (
        f"There is no model {model!r} named {name!r} in {shown_uri()}. Choose one in the notebook "
        "04_select, register one (taxi-duration register RUN), or list them: taxi-duration history."
    )
    with store_errors(f"Model {model!r} cannot be found", unknown=unknown):
        return _registered_model(_look_up(client(), model, name))


def load(model: str = f"models:/{NAME}@champion") -> RegisteredModel:
    """Find a registered model, and load its estimator from verified files.

    Nothing is unpickled, and no code beside the model runs: loading needs this library. Where it
    is not installed, `mlflow.pyfunc.load_model` takes the same address.

    Parameters
    ----------
    model : str
        "3", "champion", "taxi-duration@champion", "models:/taxi-duration/3", or a run's id.

    Raises
    ------
    ModelError
        If there is no such version, or a byte of its files has changed.
    """
    found = find_model(model)
    _ = found.estimator  # now, rather than at the first prediction
    return found


def load_run(run_id: str) -> Estimator:
    """Load the model of a run, registered or not, from verified files."""
    with verified_files(read_record(run_id)) as folder:
        return Estimator.load(folder / "artifacts")


def set_tag(model: RegisteredModel, key: str, value: str) -> None:
    """Set a tag of a version; it replaces the former one of that key."""
    with store_errors(f"The {key} of {model} cannot be written"):
        client().set_model_version_tag(model.name, model.version, key, value)


def set_description(model: RegisteredModel, text: str) -> None:
    """Set the description of a version, which MLflow's page shows."""
    with store_errors(f"The description of {model} cannot be written"):
        client().update_model_version(model.name, model.version, text)


@contextmanager
def verified_files(record: Record, address: str | None = None) -> Iterator[Path]:
    """Copy a model's files to a temporary folder, if they are those that its run recorded.

    It is an error if a byte has changed, or if they would have MLflow run other code. Messages name
    the model by its address, e.g. "models:/taxi-duration/3".
    """
    address = address or f"models:/{record.model_id}"
    expected = record.parameters.get("model_sha256")
    if not expected:
        raise ModelError(f"Run {record.run_id!r} has no model with a digest. Train again.")
    with staging_folder(prefix="taxi-model-") as folder:
        with store_errors(f"The files of model {address!r} cannot be read"):
            copy_model(record.model_id, folder)
        for compiled in list(folder.rglob("__pycache__")):
            shutil.rmtree(compiled)  # the digest leaves out what Python itself writes beside code
        found = tree_digest(folder)
        if found != expected:
            raise ModelError(
                f"The files of model {address!r} are not those that were recorded: digest "
                f"{found[:12]}, not {expected[:12]}. Register a model whose files are complete."
            )
        _check_loader(folder, address)
        yield folder


def check_model_name(name: str) -> str:
    """Return a name that breaks no address or filter of MLflow; else raise `UsageError`."""
    return check_name(name, without="@'\"")


def _look_up(store: MlflowClient, model: str, name: str) -> ModelVersion:
    check_model_name(name)
    found = ADDRESS.fullmatch(model)
    if found:
        name, version, alias = check_model_name(found["name"]), found["version"], found["alias"]
    elif RUN_ID.fullmatch(model):
        versions = store.search_model_versions(f"name = '{name}' and run_id = '{model}'")
        version, alias = next((each.version for each in versions), None), model
    else:
        version, alias = model if model.isdecimal() else None, model
    if version is None:
        return store.get_model_version_by_alias(name, alias)
    return store.get_model_version(name, str(version))  # a search result has no aliases


def _registered_model(found: ModelVersion) -> RegisteredModel:
    digest = found.tags.get(DIGEST, "")
    verdict = Verdict.from_json(found.tags[VERDICT]) if VERDICT in found.tags else None
    return RegisteredModel(
        name=found.name,
        version=str(found.version),
        run_id=found.run_id,
        sha256=digest,
        aliases=tuple(sorted(found.aliases)),
        verdict=verdict if verdict and verdict.sha256 == digest else None,
        created=pd.Timestamp(found.creation_timestamp, unit="ms"),
    )


def _check_loader(folder: Path, address: str) -> None:
    """Reject an MLmodel by which MLflow would run other code than the model's own."""
    from mlflow.models import Model

    flavors = Model.load(str(folder)).flavors
    flavor = dict(flavors.get("python_function", {}))
    files = {name: each["path"] for name, each in (flavor.get("artifacts") or {}).items()}
    code = PurePosixPath(str(flavor.get("model_code_path"))).name  # MLflow takes only the name
    found = flavor | {"flavors": [*flavors], "artifacts": files, "model_code_path": code}
    for key in sorted({*LOADER, *found} - HARMLESS):
        if found.get(key) != LOADER.get(key):
            raise ModelError(
                f"The MLmodel of {address!r} says {key} {found.get(key)!r}, not "
                f"{LOADER.get(key)!r}: MLflow would run other code. Nothing of it was loaded."
            )
