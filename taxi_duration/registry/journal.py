"""The journal of a model: who made which version champion, when, why and on what evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from taxi_duration.errors import ModelError
from taxi_duration.registry.gate import Verdict
from taxi_duration.registry.loading import check_model_name
from taxi_duration.tracking.provenance import developer
from taxi_duration.tracking.store import client, lock, store_errors
from taxi_duration.tracking.store_address import database_of, shown_uri, store_uri
from taxi_duration.tracking.store_lock import store_lock

if TYPE_CHECKING:
    from mlflow.entities.model_registry import RegisteredModel as MlflowModel

CHAMPION = "champion"
PREFIX = "journal/"  # of the tags that hold the entries


@dataclass(frozen=True)
class Entry:
    """One change of champion."""

    number: int  # from 1, in the order of writing
    kind: str  # "promote" or "rollback"
    version: str  # the new champion
    before: str | None  # the one before it, if any
    who: str  # the developer
    when: datetime  # UTC
    why: str
    verdict: Verdict | None = field(default=None, repr=False)  # None for a rollback

    def to_json(self) -> str:
        """Return all of it as text."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Entry:
        """Read what `to_json` wrote."""
        read = json.loads(text)
        verdict = read["verdict"] and Verdict.from_json(json.dumps(read["verdict"]))
        return cls(**read | {"when": datetime.fromisoformat(read["when"]), "verdict": verdict})


@contextmanager
def model_lock(name: str) -> Iterator[None]:
    """Let one process at a time change the model of that name.

    Holds among the processes of one computer; `shared_lock` among several that share a server.
    """
    with store_errors(f"Model {name!r} cannot be changed"), lock(f"model {name}"):
        yield


def shared_lock(name: str) -> AbstractContextManager[None]:
    """Return a lock in the store, within `model_lock`, for a step that takes seconds at most.

    A file that is a store needs none: the lock of `model_lock` lies beside it.
    """
    return nullcontext() if database_of(store_uri()) else store_lock(f"model {name}")


@contextmanager
def change_of(name: str, champion: str | None) -> Iterator[None]:
    """Let one process, on whatever computer, change a champion that is still the one it knows."""
    with shared_lock(name):
        found = champion_of(name)
        if found != champion:
            raise ModelError(
                f"The champion of {name!r} changed meanwhile: {_named(found)} instead of "
                f"{_named(champion)}. Run it again."
            )
        yield


def champion_of(name: str) -> str | None:
    """Return the version that is champion now, if any."""
    return _champion(_registered(name))


def read_journal(name: str) -> list[Entry]:
    """Return the changes of champion that took effect, in their order.

    An entry is written before the champion changes, so that no change is without one. It counts
    if the next entry found what it had made, or if that is champion now.
    """
    model = _registered(name)
    written = _written(model)
    found = [*(later.before for later in written[1:]), _champion(model)]
    return [entry for entry, after in zip(written, found, strict=False) if entry.version == after]


def write_entry(
    name: str, kind: str, version: str, *, why: str, verdict: Verdict | None = None
) -> None:
    """Write down a change of champion that is about to be made; call it within `change_of`."""
    model = _registered(name)
    entry = Entry(
        number=max((each.number for each in _written(model)), default=0) + 1,
        kind=kind,
        version=version,
        before=_champion(model),
        who=developer(),
        when=datetime.now(UTC),
        why=why,
        verdict=verdict,
    )
    with store_errors(f"The journal of model {name!r} cannot be written"):
        client().set_registered_model_tag(name, f"{PREFIX}{entry.number:06}", entry.to_json())


def former_champion(name: str) -> str:
    """Return the version that a rollback goes back to: the champion before the present one.

    Champions are a stack: a promotion puts a version on top, a rollback takes one away.
    """
    champions: list[str] = []
    for entry in read_journal(name):
        if entry.kind == "rollback":
            champions.pop()
        else:
            champions.append(entry.version)
    if len(champions) < 2:
        raise ModelError(f"Model {name!r} has no former champion to go back to. Promote another.")
    return champions[-2]


def _registered(name: str) -> MlflowModel:
    check_model_name(name)
    with store_errors("The registry cannot be read"):
        found = client().search_registered_models(f"name = '{name}'")
    if not found:
        raise ModelError(
            f"There is no registered model {name!r} in {shown_uri()}. Register one: "
            "taxi-duration register RUN."
        )
    return found[0]


def _named(version: str | None) -> str:
    return f"version {version}" if version else "none"


def _champion(model: MlflowModel) -> str | None:
    version = model.aliases.get(CHAMPION)
    return None if version is None else str(version)


def _written(model: MlflowModel) -> list[Entry]:
    """Return every entry, also those of changes that did not take effect."""
    tags = sorted(model.tags.items())
    return [Entry.from_json(text) for key, text in tags if key.startswith(PREFIX)]
