"""What a search for a model's parameters may try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import exp
from types import MappingProxyType
from typing import Literal, NamedTuple

import pandas as pd

from taxi_duration.errors import ModelError, nearest

DISTRIBUTIONS = {"whole": "whole numbers", "even": "evenly", "log": "evenly by the logarithm"}


class Range(NamedTuple):
    """The values that a parameter may take, ends included, and how they are drawn."""

    low: float
    high: float
    drawn: Literal["whole", "even", "log"]


@dataclass(frozen=True)
class Space:
    """What a search may try."""

    about: str  # one line for a person who chooses
    ranges: Mapping[str, Range]  # of the parameters that are searched
    fixed: Mapping[str, float] = field(default_factory=dict)  # of all trials
    finish: Mapping[str, float] = field(default_factory=dict)  # of the last training
    patience: int = 50  # rounds without a better valid month, after which a trial stops


SPACES: Mapping[str, Space] = MappingProxyType(
    {
        "ours": Space(
            "large steps to search, small ones to finish",
            {
                "max_depth": Range(5, 14, "whole"),
                "min_child_weight": Range(3, 200, "log"),
                "subsample": Range(0.6, 1, "even"),
                "colsample_bytree": Range(0.4, 1, "even"),
                "colsample_bynode": Range(0.2, 1, "even"),
                "reg_lambda": Range(1, 2000, "log"),
                "reg_alpha": Range(0.1, 30, "log"),
            },
            fixed={"learning_rate": 0.2},
            finish={"learning_rate": 0.05, "n_estimators": 4000},
            patience=20,
        ),
        "notes": Space(
            "the course notes' own",
            {
                "max_depth": Range(4, 100, "whole"),
                "learning_rate": Range(exp(-3), exp(0), "log"),
                "reg_alpha": Range(exp(-5), exp(-1), "log"),
                "reg_lambda": Range(exp(-6), exp(-1), "log"),
                "min_child_weight": Range(exp(-1), exp(3), "log"),
            },
        ),
    }
)


def find_space(space: str | Space) -> Space:
    """Return a space by its name in `SPACES`; a space of your own as it is."""
    if isinstance(space, Space):
        return space
    if space not in SPACES:
        raise ModelError(f"Space {space!r} is unknown. {nearest(space, SPACES)}")
    return SPACES[space]


def describe_space(space: str | Space) -> pd.DataFrame:
    """Return what may be tried: `parameter`, `low`, `high` and how it is `drawn`.

    Examples
    --------
    >>> describe_space("notes")["parameter"].tolist()
    ['max_depth', 'learning_rate', 'reg_alpha', 'reg_lambda', 'min_child_weight']
    """
    return pd.DataFrame(
        {"parameter": name, "low": low, "high": high, "drawn": DISTRIBUTIONS[drawn]}
        for name, (low, high, drawn) in find_space(space).ranges.items()
    )
