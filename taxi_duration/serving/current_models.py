"""The models that answer at present: a new champion takes over once it is loaded and checked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import pandas as pd

from taxi_duration.data.rides import read_columns
from taxi_duration.errors import ModelError
from taxi_duration.registry.journal import CHAMPION
from taxi_duration.registry.loading import NAME, RegisteredModel, find_model
from taxi_duration.registry.promotion import CHALLENGER

QUOTE = f"{NAME}-quote"  # name of the model that predicts rides without distance
EVERY = 2.0  # seconds between two looks at the registry
EXAMPLE = {
    "pickup_datetime": "2021-03-01T08:00:00",
    "PULocationID": 74,
    "DOLocationID": 75,
    "trip_distance": 2.5,
}

logger = logging.getLogger(__name__)


class Models(NamedTuple):
    """What predicts rides; a request is answered by those of the moment when it came."""

    main: RegisteredModel
    quote: RegisteredModel | None  # predicts rides without distance, if `main` does not


class Current:
    """The models of an address, as `load` takes it; a thread may follow its alias."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.problems: dict[str, str] = {}  # by model, logged once
        self.models = Models(_checked(find_model(address)), None)
        self.refresh()

    def refresh(self) -> None:
        """Take over what the registry names now; whatever is wrong with it, the former stays."""
        main = self._newest("model", lambda: find_model(self.address), self.models.main)
        needs_quote = main.estimator.needs_distance
        quote = self._newest("quote", find_quote, self.models.quote) if needs_quote else None
        self.models = Models(main, quote)  # in one step: a request never sees half of a change

    def follow(self, stop: threading.Event) -> None:
        """Refresh every two seconds, until the event is set."""
        while not stop.wait(EVERY):
            self.refresh()

    def _newest(
        self,
        which: str,
        find: Callable[[], RegisteredModel | None],
        former: RegisteredModel | None,
    ) -> RegisteredModel | None:
        try:
            found = find()
            if (found and found.version) != (former and former.version):
                former = found and _checked(found)
                logger.info("The %s is now %s", which, former.address if former else "none")
            self.problems.pop(which, None)
        except Exception as problem:  # noqa: BLE001  the present version answers on
            reason, stays = str(problem), former.address if former else "none"
            if self.problems.get(which) != reason:
                self.problems[which] = reason
                logger.error("The %s stays %s: %s", which, stays, reason)  # noqa: TRY400
        return former


def find_quote() -> RegisteredModel | None:
    """Return the champion of `QUOTE`, else its challenger, if there is one."""
    for alias in (CHAMPION, CHALLENGER):
        with suppress(ModelError):
            return find_model(f"{QUOTE}@{alias}")
    return None


def _checked(model: RegisteredModel) -> RegisteredModel:
    """Load a model from verified files, and have it predict a ride."""
    found = model.estimator.predict_columns(read_columns(pd.DataFrame([EXAMPLE])))
    low, minutes, high = (found[name].item() for name in ("low", "duration", "high"))
    if not 0 <= low <= minutes <= high < np.inf:
        raise ModelError(
            f"{model.label} predicts {minutes!r} minutes between {low!r} and "
            f"{high!r} for a known ride. Promote another version."
        )
    return model
