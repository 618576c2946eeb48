"""The process that a run belongs to; a run that outlives its process is closed as KILLED."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from taxi_duration.tracking.store_address import local_folder

if TYPE_CHECKING:
    import mlflow

BOOT, MACHINE = Path("/proc/sys/kernel/random/boot_id"), Path("/etc/machine-id")  # on Linux
NAMESPACE = Path("/proc/self/ns/pid")
TAG = "owner_"  # begins the names of the tags
UNFINISHED = ".artifact.uploading.*"  # what MLflow calls a file while it copies it
TOLERANCE = 2.0  # seconds; psutil adds times that are rounded


@dataclass(frozen=True)
class Owner:
    """A process, so described that no other one can be taken for it."""

    host: str  # name of the computer, and a digest of its machine id
    boot: str  # id of the computer's present boot; empty where the system gives none
    namespace: str  # of process ids: a container has its own
    pid: int
    started: float  # seconds from the boot; unlike a time of day they do not move with the clock

    @classmethod
    def this(cls) -> Owner:
        """Return this process."""
        return _process(os.getpid())

    @classmethod
    def of(cls, tags: Mapping[str, str]) -> Owner:
        """Return the owner that the tags of a run describe."""
        kinds = {"pid": int, "started": float}
        found = {name: tags[f"{TAG}{name}"] for name in cls.__dataclass_fields__}
        return cls(**{name: kinds.get(name, str)(each) for name, each in found.items()})

    @property
    def tags(self) -> dict[str, str]:
        """Tags for the runs of the process."""
        return {f"{TAG}{name}": str(each) for name, each in asdict(self).items()}

    def is_gone(self) -> bool:
        """Return whether the process has certainly ended; another computer's never has."""
        here = Owner.this()
        if self.host != here.host:
            return False
        if self.boot != here.boot:
            return True
        if self.namespace != here.namespace:  # its processes cannot be seen from here
            return False
        try:
            process = psutil.Process(self.pid)
            is_zombie = process.status() == psutil.STATUS_ZOMBIE
            return is_zombie or abs(_started(process) - self.started) > TOLERANCE
        except psutil.NoSuchProcess:
            return True


@contextmanager
def owned_run(run_id: str | None = None, **how: object) -> Iterator[mlflow.ActiveRun]:
    """Start a run of this process, or go on with one, until the end of the block.

    Takes what `mlflow.start_run` does. An error closes it as FAILED, an interruption as KILLED.
    """
    import mlflow

    tags = {**how.pop("tags", {}), **Owner.this().tags}
    with mlflow.start_run(run_id, tags=tags, **how) as run:
        try:
            yield run
        except Exception:
            raise
        except BaseException:
            mlflow.end_run("KILLED")
            raise


def close_abandoned_runs(store: mlflow.MlflowClient, *, ours: bool = False) -> list[str]:
    """Close as KILLED the runs in a store whose process is gone, and return their ids.

    Files of theirs that MLflow has not copied to the end are removed. `ours` says to close those of
    this process too, as it is about to end.
    """
    here = Owner.this()
    running = store.search_runs(
        [each.experiment_id for each in store.search_experiments()],
        f"attributes.status = 'RUNNING' AND tags.{TAG}host = '{here.host}'",
    )
    owners = {run.info.run_id: Owner.of(run.data.tags) for run in running}
    closed = [run for run, each in owners.items() if each.is_gone() or (ours and each == here)]
    for run_id in closed:
        _remove_unfinished(store, run_id)
        store.set_terminated(run_id, "KILLED")
    return closed


def _remove_unfinished(store: mlflow.MlflowClient, run_id: str) -> None:
    info = store.get_run(run_id).info
    models = store.search_logged_models([info.experiment_id], f"source_run_id = '{run_id}'")
    for uri in (info.artifact_uri, *(each.artifact_location for each in models)):
        if folder := local_folder(uri):
            for path in folder.rglob(UNFINISHED):
                path.unlink(missing_ok=True)


@cache
def _process(pid: int) -> Owner:
    """Return a process of this computer; cached by its id, since a fork has another."""
    machine = sha256(_read(MACHINE).encode()).hexdigest()[:8]  # the id itself is confidential
    return Owner(
        host=f"{platform.node()} {machine}",
        boot=_read(BOOT),
        namespace=str(NAMESPACE.readlink()) if NAMESPACE.is_symlink() else "",
        pid=pid,
        started=round(_started(psutil.Process(pid)), 2),
    )


def _started(process: psutil.Process) -> float:
    return process.create_time() - psutil.boot_time()


def _read(path: Path) -> str:
    return path.read_text(encoding="ascii").strip() if path.is_file() else ""
