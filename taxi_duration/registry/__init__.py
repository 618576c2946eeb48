"""Which model is used: choose, gate, promote, roll back, describe."""

from taxi_duration.registry.loading import load
from taxi_duration.registry.promotion import history, promote, register, rollback
from taxi_duration.registry.selection import candidates, select_best, with_throughput

__all__ = [
    "candidates",
    "history",
    "load",
    "promote",
    "register",
    "rollback",
    "select_best",
    "with_throughput",
]
