"""A notebook as a stage of a pipeline: what its results depend on, and whether they are current."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from taxi_duration.data import files
from taxi_duration.data.source import open_month
from taxi_duration.data.trips import load_trips
from taxi_duration.errors import ModelError
from taxi_duration.months import Months
from taxi_duration.notebooks.discovery import MONTHS, code_digest
from taxi_duration.notebooks.runner import FAILED, Executed
from taxi_duration.registry.loading import find_model
from taxi_duration.registry.selection import candidates
from taxi_duration.tracking.provenance import environment, package_digest
from taxi_duration.tracking.stage_runs import finished_runs

NEEDS = {  # stages whose results a stage reads; any other notebook needs all before it
    "01_explore": (),
    "02_train": (),
    "03_tune": (),
    "04_select": ("02_train", "03_tune"),
    "05_score": ("04_select",),
    "06_monitor": ("05_score",),
}
PARTS = {  # of a fingerprint, and what its change means
    "code": "its code has changed",
    "parameters": "its parameters have changed",
    "inputs": "the files of its months have changed",
    "library": "the library has changed",
    "versions": "the versions of the libraries have changed",
    "stages": "a stage that it needs has changed",
    "store": "the store has other models for it",
}
NOT_RUN = "it has not run"
RECORD = ".stage.json"
PLACE = ("service", "source")

IsThere = Callable[[Mapping[str, object]], bool]
"""Whether what a stage with these parameters leaves elsewhere is still there."""


@dataclass(frozen=True)
class Stage:
    """A notebook of a pipeline."""

    notebook: Path
    given: dict[str, object]  # parameters
    parameters: dict[str, object]  # the given ones, and the defaults of the others
    into: Path  # folder of the pipeline's results
    needs: tuple[str, ...]  # names of the stages whose results it reads
    is_there: IsThere

    @property
    def name(self) -> str:
        """Of the notebook."""
        return self.notebook.stem

    @property
    def failed(self) -> Path:
        """The copy of a notebook that failed."""
        return self.into / f"{self.name}{FAILED}"

    @cached_property
    def inputs(self) -> dict[str, str]:
        """Digest of each file that it reads; the library's digest covers the sample."""
        if self.parameters.get("source", "sample") == "sample":
            return {}
        texts = [self.parameters[name] for name in MONTHS if self.parameters.get(name)]
        months = {month for text in texts for month in Months.parse(text)}
        found = (open_month(month, **self.place) for month in sorted(months))
        return {raw.file: raw.sha256 for raw in found}

    @property
    def place(self) -> dict[str, object]:
        """Where its months are: `service` and `source`, as far as it declares them."""
        return {name: self.parameters[name] for name in PLACE if name in self.parameters}

    @property
    def executions(self) -> list[str]:
        """Executions of the stages that it needs, on the same months: of this road's trainings."""
        records = filter(None, (read_record(self.into, need) for need in self.needs))
        return [each["attempt"] for each in records if self._is_of_same_rides(each)]

    def _is_of_same_rides(self, record: Mapping[str, dict]) -> bool:
        its = record["fingerprint"]["parameters"]
        return all(its.get(name) == self.parameters.get(name) for name in ("valid", *PLACE))

    @property
    def values(self) -> dict[str, object]:
        """What it runs with: the given parameters, and this road's executions if it asks."""
        asks = "executions" in self.parameters
        return ({"executions": self.executions} if asks else {}) | self.given

    def fingerprint(self) -> dict[str, object]:
        """Return all that its results depend on, under the names in `PARTS`."""
        return {
            "code": code_digest(self.notebook),
            "parameters": self.parameters,
            "inputs": self.inputs,
            "library": package_digest(),
            "versions": environment(),
            "stages": {need: self._digest_of(need) for need in self.needs},
            "store": _models(self),
        }

    def _digest_of(self, need: str) -> str | None:
        record = read_record(self.into, need)
        return record and digest(record["fingerprint"])

    def why_run(self, fingerprint: Mapping[str, object]) -> str:
        """Return why it has to run; empty if its results are there and nothing has changed."""
        record = read_record(self.into, self.name)
        if record is None:
            return NOT_RUN
        for part, text in PARTS.items():
            if record["fingerprint"].get(part) != fingerprint[part]:
                return text
        for name, was in record["files"].items():
            path = self.into / name
            if not path.is_file() or files.sha256(path) != was:
                return "its notebook or page is gone"
        if record["runs"] != finished_runs(record["attempt"]):
            return "runs that it recorded are gone"
        return "" if self.is_there(self.parameters) else "its predictions are gone"

    def write_record(self, done: Executed, fingerprint: Mapping[str, object]) -> None:
        """Write what is compared next time; only when all else is there."""
        record = {
            "fingerprint": fingerprint,
            "files": {path.name: files.sha256(path) for path in (done.path, done.page)},
            "attempt": done.attempt,
            "runs": finished_runs(done.attempt),
            "result": done.result,
            "seconds": round(done.seconds, 1),
            "finished": datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        with files.atomic_write(self.into / f"{self.name}{RECORD}") as fresh:
            fresh.write_text(json.dumps(record, indent=1), encoding="utf-8")


def read_record(into: Path, stage: str) -> dict[str, object] | None:
    """Return the record of the last execution of a stage; None if there is none to read."""
    return read_json(into / f"{stage}{RECORD}")


def read_json(path: Path) -> dict | None:
    """Return what a file holds; None if it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def digest(fingerprint: Mapping[str, object]) -> str:
    """Return the digest of a fingerprint, or of one that was read from its record."""
    return sha256(json.dumps(fingerprint).encode()).hexdigest()


def _models(stage: Stage) -> list[str]:
    """Return the models in the store by which the results of a stage may change."""
    address = str(stage.parameters.get("model", ""))
    try:
        if address.startswith("models:/"):
            model = find_model(address)
            return [f"{model.name}/{model.version}", model.sha256]
        if "executions" in stage.parameters:
            rides = load_trips(stage.parameters["valid"], **stage.place)
            return sorted(candidates(rides, executions=stage.values["executions"])["run_id"])
    except ModelError:  # there is none yet
        return []
    return []
