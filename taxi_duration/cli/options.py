"""Arguments and options that several commands take, each defined once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from taxi_duration.errors import check_folder
from taxi_duration.months import SERVICES

Decorator = Callable[[Callable], Callable]

months = click.argument("months", metavar="MONTHS")
model = click.option("--model", default="models:/taxi-duration@champion",
                     show_default=True, metavar="MODEL",
                     help="A registered model: address, version or alias.")  # fmt: skip
name = click.option("--name", default="taxi-duration", show_default=True,
                    help="Of the registered model.")  # fmt: skip
parameters = click.option("-p", "--parameter", "pairs", multiple=True, metavar="NAME=VALUE",
                          help="Any other parameter of a notebook; may be repeated.")  # fmt: skip


def service(default: str | None = "green") -> Decorator:
    """Return the option `--service`; without a default it is None."""
    kind = click.Choice(list(SERVICES))
    return click.option(
        "--service", type=kind, default=default, show_default=True, help="Kind of taxi."
    )


def source(default: str | None = "sample") -> Decorator:
    """Return the option `--source`; without a default it is None."""
    text = "'sample', 'tlc', a folder of TLC's parquet files, or s3://BUCKET/FOLDER."
    return click.option("--source", default=default, show_default=True, help=text)


def folder(
    *names: str, text: str, default: str | None = None, shown: bool | str = True
) -> Decorator:
    """Return an option that takes a folder; its help is `text`, with `shown` as its default."""
    kind = click.Path(path_type=Path)
    return click.option(
        *names, type=kind, default=default, show_default=shown, metavar="DIR", help=text,
        callback=lambda _context, _option, given: given and check_folder(given),
    )  # fmt: skip


notebooks_folder = folder(
    "--notebooks", "folder", text="Where the notebooks are.", shown="notebooks"
)
