"""Who made which version champion, when, why and on what evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from taxi_duration.errors import ModelError
from taxi_duration.registry.verdict import Verdict
from taxi_duration.tracking.address import shown_uri
from taxi_duration.tracking.provenance import developer
from taxi_duration.tracking.store import client, lock, store_errors

if TYPE_CHECKING:
    from mlflow.entities.model_registry import RegisteredModel

__all__ = ["CHAMPION", "Entry", "alone", "champion_of", "entries", "on_day", "previous", "write"]

CHAMPION = "champion"
PREFIX = "journal/"


@dataclass(frozen=True)
class Entry:
    """One change of champion.

    Attributes
    ----------
    number
        From 1, in the order of writing.
    kind
        "promote" or "rollback".
    version, before
        The champion that it made, and the one that it found; None if there was none.
    who, when, why
        The developer, the moment (UTC), and what they said.
    verdict
        The evidence; None for a rollback.
    """

    number: int
    kind: str
    version: str
    before: str | None
    who: str
    when: datetime
    why: str
    verdict: Verdict | None = field(default=None, repr=False)


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Let one process at a time change the model of that name.

    Holds among the processes of one computer, not among several that share a server.

    Raises
    ------
    TrackingError
        If another process does not come to an end.
    """
    with store_errors(f"Model {name!r} cannot be changed"), lock(f"model {name}"):
        yield


def champion_of(name: str) -> str | None:
    """Return the version that is champion now, if any."""
    return _champion(_registered(name))


def entries(name: str) -> list[Entry]:
    """Return the changes of champion that took effect, in their order.

    An entry is written before the champion changes, so that no change is without one. It counts
    if the next entry found what it had made, or if that is champion now.

    Raises
    ------
    ModelError
        If the store has no model of that name.
    TrackingError
        If it does not answer.
    """
    model = _registered(name)
    written = _written(model)
    now = [*(later.before for later in written[1:]), _champion(model)]
    return [entry for entry, found in zip(written, now, strict=False) if entry.version == found]


def write(name: str, kind: str, version: str, *, why: str, verdict: Verdict | None = None) -> None:
    """Write down a change of champion that is about to be made; call it within `alone`."""
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
        client().set_registered_model_tag(
            name, f"{PREFIX}{entry.number:06}", json.dumps(asdict(entry), default=str)
        )


def previous(name: str) -> str:
    """Return the version that was champion before the present one: what a rollback goes back to.

    A promotion puts a version on top of those before, a rollback takes one away.

    Raises
    ------
    ModelError
        If there was none.
    """
    pile: list[str] = []
    for entry in entries(name):
        if entry.kind == "rollback":
            pile.pop()
        else:
            pile.append(entry.version)
    if len(pile) < 2:
        raise ModelError(f"Model {name!r} has no former champion to go back to. Promote another.")
    return pile[-2]


def on_day(name: str, day: str | date) -> str | None:
    """Return the version that was champion when that day (UTC) ended, if any.

    Raises
    ------
    ModelError
        If the text is no day.
    """
    try:
        wanted = date.fromisoformat(str(day))
    except ValueError as problem:
        raise ModelError(f"Day {day!r} does not exist. Write it as YYYY-MM-DD.") from problem
    until = [entry.version for entry in entries(name) if entry.when.date() <= wanted]
    return until[-1] if until else None


def _registered(name: str) -> RegisteredModel:
    with store_errors("The registry cannot be read"):
        found = client().search_registered_models(f"name = '{name}'")
    if not found:
        raise ModelError(
            f"There is no registered model {name!r} in {shown_uri()}. Register one: "
            "taxi-duration register RUN."
        )
    return found[0]


def _champion(model: RegisteredModel) -> str | None:
    version = model.aliases.get(CHAMPION)
    return None if version is None else str(version)


def _written(model: RegisteredModel) -> list[Entry]:
    texts = {key: text for key, text in model.tags.items() if key.startswith(PREFIX)}
    return [_read(texts[key]) for key in sorted(texts)]


def _read(text: str) -> Entry:
    read = json.loads(text)
    verdict = read["verdict"] and Verdict.from_json(json.dumps(read["verdict"]))
    return Entry(**(read | {"when": datetime.fromisoformat(read["when"]), "verdict": verdict}))
