"""Notebooks as checked batch jobs with pages, and reproduction of what they trained."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from taxi_duration.notebooks.discovery import inspect
    from taxi_duration.notebooks.reproduction import reproduce
    from taxi_duration.notebooks.runner import run

__all__ = ["inspect", "reproduce", "run"]

FILES = {"inspect": "discovery", "reproduce": "reproduction", "run": "runner"}


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import a name when it is used, so that checking a notebook loads no model."""
    if name not in FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{FILES[name]}"), name)
