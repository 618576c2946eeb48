"""Commands of `taxi-duration` that look back: what was recorded, and whether it still holds."""

from __future__ import annotations

import click

__all__ = ["COMMANDS"]

COMMANDS: tuple[click.Command, ...] = ()
