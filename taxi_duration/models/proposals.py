"""Which parameters to try next, given how well others did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log
from typing import TYPE_CHECKING

import numpy as np

from taxi_duration.models.spaces import Range, Space

if TYPE_CHECKING:
    from hyperopt import Trials
    from hyperopt.base import Domain
    from hyperopt.pyll import Apply

__all__ = ["propose"]

BLIND = 10  # proposals drawn at random, before there is something to learn from
DIGITS = 3  # significant ones of a drawn value: nobody can read more, no model feel it

Tried = tuple[Mapping[str, float], float]


def propose(space: Space, past: Sequence[Tried], *, number: int, seed: int) -> dict[str, float]:
    """Return the parameters of a trial.

    Parameters
    ----------
    past
        Parameters and error of the trials that it may know of, in their order.
    number, seed
        Of the trial and of its search: its random state follows from both.

    Examples
    --------
    >>> from taxi_duration.models.spaces import find_space
    >>> propose(find_space("notes"), [], number=0, seed=0)["max_depth"] in range(4, 101)
    True
    """
    from hyperopt import tpe
    from hyperopt.base import Domain

    domain = Domain(None, {name: _expression(name, each) for name, each in space.ranges.items()})
    state = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    (proposal,) = tpe.suggest(
        [number], domain, _as_trials(past, domain), state, n_startup_jobs=BLIND, verbose=False
    )
    drawn = proposal["misc"]["vals"]
    return {name: _tidy(drawn[name][0], each) for name, each in space.ranges.items()}


def _expression(name: str, values: Range) -> Apply:
    from hyperopt import hp

    if values.drawn == "whole":
        return hp.quniform(name, values.low, values.high, 1)
    if values.drawn == "even":
        return hp.uniform(name, values.low, values.high)
    return hp.loguniform(name, log(values.low), log(values.high))


def _tidy(drawn: float, values: Range) -> float:
    if values.drawn == "whole":
        return int(drawn)
    return float(min(max(float(f"{drawn:.{DIGITS}g}"), values.low), values.high))


def _as_trials(past: Sequence[Tried], domain: Domain) -> Trials:
    """Spell the past as hyperopt does."""
    from hyperopt import Trials
    from hyperopt.base import JOB_STATE_DONE

    trials = Trials()
    for number, (parameters, error) in enumerate(past):
        where = {"tid": number, "cmd": domain.cmd, "workdir": domain.workdir}
        drawn = {
            "idxs": {name: [number] for name in parameters},
            "vals": {name: [float(value)] for name, value in parameters.items()},
        }
        result = {"loss": error, "status": "ok"}
        (document,) = trials.new_trial_docs([number], [None], [result], [where | drawn])
        trials.insert_trial_doc(document | {"state": JOB_STATE_DONE})
    trials.refresh()
    return trials
