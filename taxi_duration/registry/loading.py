"""A registered model, loaded without running anything that lies beside it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pandas as pd

from taxi_duration.data.seal import check_digest
from taxi_duration.errors import ModelError
from taxi_duration.models.estimator import Estimator
from taxi_duration.models.intervals import Intervals
from taxi_duration.tracking.address import shown_uri
from taxi_duration.tracking.runs import Record, read_record
from taxi_duration.tracking.store import client, store_errors

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from sklearn.pipeline import Pipeline

__all__ = ["NAME", "Loaded", "check_files", "load", "load_run", "locate", "verified_files"]

NAME = "taxi-duration"
ADDRESS = re.compile(
    r"(models:/)?(?P<name>[^/@:]+)(/(?P<version>\d+)|@(?P<alias>[\w-]+))", re.ASCII
)
UNKNOWN = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}
# What `taxi_duration.tracking.model` writes. Any other key could have MLflow run other code.
LOADER = {
    "flavors": ["python_function"],
    "loader_module": "mlflow.pyfunc.loaders.code_model",
    "code": "code",
    "model_code_path": "pyfunc_model.py",
    "artifacts": {
        "pipeline": "artifacts/pipeline.skops",
        "intervals": "artifacts/intervals.json",
        "about": "artifacts/about.json",
    },
}
HARMLESS = {"cloudpickle_version", "env", "python_version", "streamable"}


@dataclass(frozen=True)
class Loaded:
    """A model whose files are those that were recorded.

    Attributes
    ----------
    estimator
        What answers.
    name, version
        In the registry; a run's own model has no version.
    record
        What the run of its training says.
    """

    estimator: Estimator = field(repr=False)
    name: str
    version: str | None
    record: Record

    @property
    def run_id(self) -> str:
        """Of the training."""
        return self.record.run_id

    @property
    def pipeline(self) -> Pipeline:
        """From rides to minutes, as scikit-learn has it."""
        return self.estimator.pipeline

    @property
    def intervals(self) -> Intervals:
        """How sure it is."""
        return self.estimator.intervals

    def predict(self, rides: pd.DataFrame) -> pd.DataFrame:
        """Return `duration`, `low` and `high` (minutes) for rides, a row each.

        Raises
        ------
        SchemaError
            If a ride is not valid.
        """
        return self.estimator.predict(rides)


def load(model: str = f"models:/{NAME}@champion") -> Loaded:
    """Load a registered model, after each of its files was compared with what was recorded.

    Nothing is unpickled, and no code is run that lies beside the model: it needs this library.
    Where the library is not installed, `mlflow.pyfunc.load_model` takes the same address.

    Parameters
    ----------
    model
        As `locate` takes it.

    Raises
    ------
    ModelError
        If there is no such version, or a byte of its files has changed.
    TrackingError
        If the store does not answer.
    """
    found = locate(model)
    record = read_record(found.run_id)
    name = f"{found.name}/{found.version}"
    if found.tags.get("sha256") != record.parameters.get("model_sha256"):
        raise ModelError(
            f"Version {name} carries another digest than its run {found.run_id!r} recorded. "
            "Nothing of it was loaded; register the run again."
        )
    address = f"models:/{found.name}/{found.version}"
    return _load(record, address, name=found.name, version=str(found.version))


def load_run(run_id: str) -> Loaded:
    """Load the model of a run, registered or not; raises as `load`."""
    record = read_record(run_id)
    return _load(record, f"models:/{record.model_id}", name=f"run {run_id}", version=None)


def locate(model: str, *, name: str = NAME) -> ModelVersion:
    """Find a version; an alias is resolved once, here.

    Parameters
    ----------
    model
        "3", "champion", "taxi-duration@champion" or "models:/taxi-duration/3".
    name
        Where the text names none.

    Raises
    ------
    ModelError
        If there is no such version.
    TrackingError
        If the store does not answer.
    """
    store = client()
    from mlflow.exceptions import MlflowException

    found = ADDRESS.fullmatch(model)
    version = found["version"] if found else model if model.isdecimal() else None
    alias = found["alias"] if found else model
    name = found["name"] if found else name
    with store_errors(f"Model {model!r} cannot be found"):
        try:
            if version is None:
                version = store.get_model_version_by_alias(name, alias).version
            return store.get_model_version(name, str(version))
        except MlflowException as problem:
            if problem.error_code in UNKNOWN:
                raise ModelError(
                    f"There is no model {model!r} named {name!r} in {shown_uri()}. Choose one "
                    "in the notebook 04_select, register one (taxi-duration register RUN), or look "
                    "at them: taxi-duration history."
                ) from problem
            raise


@contextmanager
def verified_files(record: Record, address: str) -> Iterator[Path]:
    """Copy a model's files to a folder of ours for a while, if they are those of the run.

    Raises
    ------
    ModelError
        If a byte has changed since the run, or MLflow would load them in another way than ours.
    """
    uri = client().tracking_uri
    import mlflow

    expected = record.parameters.get("model_sha256")
    if not expected:
        raise ModelError(f"Run {record.run_id!r} has no model with a digest. Train again.")
    with TemporaryDirectory() as folder:
        with store_errors(f"The files of model {address!r} cannot be read"):
            mlflow.artifacts.download_artifacts(
                artifact_uri=address, dst_path=folder, tracking_uri=uri
            )
        for compiled in list(Path(folder).rglob("__pycache__")):
            shutil.rmtree(compiled)  # no seal covers what Python itself leaves beside code
        check_digest(Path(folder), expected, name=repr(address))
        _check_loader(Path(folder), address)
        yield Path(folder)


def check_files(record: Record, address: str) -> None:
    """Refuse a model whose files are not those of its run; raises as `verified_files`."""
    with verified_files(record, address):
        pass


def _load(record: Record, address: str, *, name: str, version: str | None) -> Loaded:
    with verified_files(record, address) as folder:
        return Loaded(Estimator.load(folder / "artifacts"), name, version, record)


def _check_loader(folder: Path, address: str) -> None:
    """Refuse an MLmodel by which MLflow would run other code than the model's own."""
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
