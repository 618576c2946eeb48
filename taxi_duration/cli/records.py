"""Commands of `taxi-duration` that look back: what was recorded, and whether it still holds."""

from __future__ import annotations

import click

__all__ = ["COMMANDS"]


@click.command()
@click.argument("model", metavar="MODEL_OR_RUN")
@click.option("--source", metavar="DIR", help="Where its months are, if not where they came from.")
@click.pass_context
def reproduce(context: click.Context, model: str, source: str | None) -> None:
    """Train a recorded model again from its record, and compare it with the original.

    Says "reproduced", or what differs: data, code, environment, figures; then the exit code is 1.
    MODEL_OR_RUN is a run's id, a version's number or an alias. Nothing is written to the store.

    \b
    Examples:
      taxi-duration reproduce champion
      taxi-duration reproduce 3 --source ~/tlc
    """  # noqa: D301
    from taxi_duration.notebooks.reproduction import reproduce

    found = reproduce(model, source=source)
    click.echo(found)
    if not found.reproduced:
        context.exit(1)


@click.command()
@click.argument("model", required=False)
def history(model: str | None) -> None:
    """Print each version of a registered model: its run, data and figures, and who promoted it.

    MODEL is the name in the registry, taxi-duration if none is given.

    \b
    Example:
      taxi-duration history
    """  # noqa: D301
    from taxi_duration.cli.display import format_history
    from taxi_duration.registry.loading import NAME
    from taxi_duration.registry.promotion import history as versions

    click.echo(format_history(versions(name=model or NAME)))


@click.command()
@click.argument("model", default="champion")
@click.option("--into", type=click.Path(), default="cards", show_default=True, metavar="DIR",
              help="Where to write it.")  # fmt: skip
def card(model: str, into: str) -> None:
    """Write a registered model's card, in Markdown and as a page, and attach it to the version.

    MODEL is a version's number or address, an alias or a run's id; the champion if none is given.

    \b
    Examples:
      taxi-duration card
      taxi-duration card taxi-duration/3 --into /tmp
    """  # noqa: D301
    from pathlib import Path

    from taxi_duration.registry.card import attach_card, make_card

    made = make_card(model)
    for path in made.save(Path(into)):
        click.echo(path)
    attach_card(made)


COMMANDS: tuple[click.Command, ...] = (reproduce, history, card)
