"""Commands of `taxi-duration` on recorded models: register, promote, look back, reproduce."""

from __future__ import annotations

from pathlib import Path

import click

from taxi_duration.cli import options
from taxi_duration.errors import ExitCode, ModelError, TrackingError


@click.command()
@click.argument("run")
@options.name
def register(run: str, name: str) -> None:
    """Make a recorded run's model a version, as challenger.

    RUN is the run's id. The same run always has the same version.

    \b
    Examples:
      taxi-duration register 84577d913c124d7993c21a49770fecd8
      taxi-duration register 84577d913c124d7993c21a49770fecd8 --name taxi-duration-quote
    """
    from taxi_duration.registry import promotion

    version = promotion.register(run, name=name)
    click.echo(f"{version} of {version.name} is {' and '.join(version.aliases) or 'registered'}")


@click.command()
@click.argument("version")
@click.option("--gate", required=True, metavar="MONTHS",
              help="The newest month, or several, which chose nothing so far.")  # fmt: skip
@options.source()
@options.service()
@click.option("--why", required=True, help="For the journal.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@options.name
def promote(
    version: str, gate: str, source: str, service: str, why: str, dry_run: bool, name: str
) -> None:
    """Make a version champion, if the gate finds it better.

    VERSION is a number, an alias or a run's id. Better is an rmse of the gate's month that is
    lower by more than chance, no slice of the rides that got worse, and size and speed within
    limits. Else the champion stays, the reasons are printed, and the exit code is 7.

    \b
    Examples:
      taxi-duration promote challenger --gate 2021-03 --why "found by a search" --dry-run
      taxi-duration promote 3 --gate 2024-03 --source tlc --why "learned from 2024"
    """
    from taxi_duration.data.trips import load_trips
    from taxi_duration.registry import promotion
    from taxi_duration.registry.loading import find_model

    found = find_model(version, name=name)
    rides = load_trips(gate, service=service, source=source)
    verdict = promotion.promote(found, rides, why=why, name=found.name, dry_run=dry_run)
    reasons = "; ".join(verdict.reasons)
    if not verdict.accepted:
        raise ModelError(f"{found} of {found.name} does not become champion: {reasons}.")
    becomes = "would become" if dry_run else "is"
    click.echo(f"{found} of {found.name} {becomes} champion: {reasons}")


@click.command()
@click.option("--why", required=True, help="For the journal.")
@options.name
def rollback(why: str, name: str) -> None:
    """Make the former champion champion again.

    \b
    Example:
      taxi-duration rollback --why "predicts nights too short"
    """
    from taxi_duration.registry import promotion

    version = promotion.rollback(name=name, why=why)
    click.echo(f"{version} of {version.name} is champion again")


@click.command()
@click.argument("model", metavar="MODEL_OR_RUN")
@click.option("--source", metavar="DIR", help="Where its months are, if not where they came from.")
@click.pass_context
def reproduce(context: click.Context, model: str, source: str | None) -> None:
    """Train a recorded model again, and compare the two.

    Says "reproduced", or what differs: data, code, environment, figures; then the exit code is 7.
    MODEL_OR_RUN is a run's id, a version's number or an alias. Nothing is written to the store.

    \b
    Examples:
      taxi-duration reproduce champion
      taxi-duration reproduce 3 --source ~/tlc
    """
    from taxi_duration.notebooks import reproduction

    found = reproduction.reproduce(model, source=source)
    click.echo(found)
    if not found.reproduced:
        context.exit(ExitCode.MODEL)


@click.command()
@click.argument("model", default="taxi-duration")
def history(model: str) -> None:
    """Print each version of a model, and who promoted it.

    MODEL is the name in the registry, taxi-duration if none is given.

    \b
    Example:
      taxi-duration history
    """
    from taxi_duration.cli.display import format_history
    from taxi_duration.registry import promotion

    click.echo(format_history(promotion.history(name=model)))


@click.command()
@click.argument("model", default="champion")
@options.folder("--into", text="Where to write it.", default="cards")
def card(model: str, into: Path) -> None:
    """Write a model's card, in Markdown and as a page.

    It is attached to the version, too.
    MODEL is a version's number or address, an alias or a run's id; the champion if none is given.

    \b
    Examples:
      taxi-duration card
      taxi-duration card taxi-duration/3 --into /tmp
    """
    from taxi_duration.registry.card import attach_card, make_card

    made = make_card(model)
    for path in made.save(into):
        click.echo(path)
    try:
        attach_card(made)
    except TrackingError as problem:  # e.g. of a store that can only be read
        click.echo(f"taxi-duration: The card is not attached to its version. {problem}", err=True)


COMMANDS = (register, promote, rollback, reproduce, history, card)
