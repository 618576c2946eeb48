"""Commands of `taxi-duration` that choose, promote and take back models."""

from __future__ import annotations

import click

__all__ = ["COMMANDS"]

COMMANDS: tuple[click.Command, ...] = ()
