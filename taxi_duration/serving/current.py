"""The models that answer at present: a new champion takes over once it is loaded and checked."""

from __future__ import annotations

import logging
import threading
from typing import NamedTuple

import numpy as np

from taxi_duration.errors import ModelError
from taxi_duration.registry.journal import CHAMPION
from taxi_duration.registry.loading import NAME, RegisteredModel, find_model
from taxi_duration.registry.promotion import CHALLENGER

QUOTE = f"{NAME}-quote"  # name of the model that predicts rides without distance
EVERY = 2.0  # seconds between two looks at the registry
KNOWN_RIDE = {
    "pickup_datetime": np.array(["2021-03-01T08:00"], dtype="datetime64[us]"),
    "PULocationID": np.array([74.0]),
    "DOLocationID": np.array([75.0]),
    "trip_distance": np.array([2.5]),
}

logger = logging.getLogger(__name__)


class Models(NamedTuple):
    """What predicts rides; a request is answered by those of the moment when it came."""

    main: RegisteredModel
    quote: RegisteredModel | None  # predicts rides without distance, if `main` does not


class Current:
    """The models of an address, and a thread that follows its alias.

    Parameters
    ----------
    address : str
        As `taxi_duration.registry.load` takes it. What an alias names may change; a version never.

    Raises
    ------
    ModelError
        If there is no such model, or its files are not those that were recorded.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.problems: dict[str, str] = {}  # by model, logged once
        main = _checked(find_model(address))
        self.models = Models(main, None)
        self.refresh()

    def refresh(self) -> None:
        """Take over what the registry names now; whatever is wrong with it, the former stays."""
        main = self._newest("model", [self.address], self.models.main)
        aliases = [f"{QUOTE}@{alias}" for alias in (CHAMPION, CHALLENGER)]
        needs_quote = main.estimator.needs_distance
        quote = self._newest("quote", aliases, self.models.quote) if needs_quote else None
        self.models = Models(main, quote)  # in one step: a request never sees half of a change

    def follow(self, stop: threading.Event) -> None:
        """Refresh every two seconds, until the event is set."""
        while not stop.wait(EVERY):
            self.refresh()

    def _newest(
        self, which: str, addresses: list[str], former: RegisteredModel | None
    ) -> RegisteredModel | None:
        try:
            found = _find_first(addresses)
            if (found and found.version) != (former and former.version):
                former = found and _checked(found)
                logger.info("The %s is now %s", which, former.address if former else "none")
            self.problems.pop(which, None)
        except Exception as problem:  # noqa: BLE001  the present version answers on
            self._report(which, former, problem)
        return former

    def _report(self, which: str, former: RegisteredModel | None, problem: Exception) -> None:
        reason = str(problem)
        if self.problems.get(which) != reason:
            self.problems[which] = reason
            stays = former.address if former else "none"
            logger.error("The %s stays %s: %s", which, stays, reason)


def _find_first(addresses: list[str]) -> RegisteredModel | None:
    """Return the model of the first address that there is; of a single one, or an error."""
    for address in addresses:
        try:
            return find_model(address)
        except ModelError:
            if len(addresses) == 1:
                raise
    return None


def _checked(model: RegisteredModel) -> RegisteredModel:
    """Load a model from verified files, and have it predict a ride."""
    found = model.estimator.predict_columns(KNOWN_RIDE)
    low, minutes, high = (found[name].item() for name in ("low", "duration", "high"))
    if not 0 <= low <= minutes <= high < np.inf:
        raise ModelError(
            f"{model.name}/{model.version} predicts {minutes!r} minutes between {low!r} and "
            f"{high!r} for a known ride. Promote another version."
        )
    return model
