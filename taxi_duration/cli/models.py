"""Commands of `taxi-duration` that choose, promote and take back models."""

from __future__ import annotations

import click

from taxi_duration.errors import ModelError
from taxi_duration.months import SERVICES

__all__ = ["COMMANDS"]

named = click.option("--name", default="taxi-duration", show_default=True,
                     help="Of the registered model.")  # fmt: skip


@click.command()
@click.argument("run")
@named
def register(run: str, name: str) -> None:
    """Make the model of a recorded run a version of the registered model, as challenger.

    RUN is the run's id. The same run always has the same version.

    \b
    Examples:
      taxi-duration register 84577d913c124d7993c21a49770fecd8
      taxi-duration register 84577d913c124d7993c21a49770fecd8 --name taxi-duration-quote
    """  # noqa: D301
    from taxi_duration.registry.promotion import register as make_version

    version = make_version(run, name=name)
    click.echo(f"{version} of {version.name} is {' and '.join(version.aliases) or 'registered'}")


@click.command()
@click.argument("version")
@click.option("--gate", required=True, metavar="MONTH",
              help="The newest month, which has chosen nothing so far; it decides.")  # fmt: skip
@click.option("--source", default="sample", show_default=True,
              help="'sample', 'tlc' or a folder of TLC's parquet files.")  # fmt: skip
@click.option("--service", type=click.Choice(list(SERVICES)), default="green", show_default=True,
              help="Kind of taxi.")  # fmt: skip
@click.option("--why", required=True, help="For the journal.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@named
def promote(
    version: str, gate: str, source: str, service: str, why: str, dry_run: bool, name: str
) -> None:
    """Make a version champion, if it is better than the present one on the gate's month.

    VERSION is a number, an alias or a run's id. Better is an rmse that is lower by more than
    chance, no slice of the rides that got worse, and size and speed within limits. Else the
    champion stays, the reasons are printed, and the exit code is 1.

    \b
    Examples:
      taxi-duration promote challenger --gate 2021-03 --why "found by a search" --dry-run
      taxi-duration promote 3 --gate 2024-03 --source tlc --why "learned from 2024"
    """  # noqa: D301
    from taxi_duration.data.trips import load_trips
    from taxi_duration.registry.promotion import find_model
    from taxi_duration.registry.promotion import promote as ask_gate

    found = find_model(version, name=name)
    rides = load_trips(gate, service=service, source=source)
    verdict = ask_gate(found, rides, why=why, name=found.name, dry_run=dry_run)
    if not verdict.accepted:
        reasons = "; ".join(verdict.reasons)
        raise ModelError(f"{found} of {found.name} does not become champion: {reasons}.")
    becomes = "would become" if dry_run else "is"
    click.echo(f"{found} of {found.name} {becomes} champion: {'; '.join(verdict.reasons)}")


@click.command()
@click.option("--why", required=True, help="For the journal.")
@named
def rollback(why: str, name: str) -> None:
    """Make the former champion champion again.

    \b
    Example:
      taxi-duration rollback --why "predicts nights too short"
    """  # noqa: D301
    from taxi_duration.registry.promotion import rollback as go_back

    version = go_back(name=name, why=why)
    click.echo(f"{version} of {version.name} is champion again")


COMMANDS: tuple[click.Command, ...] = (register, promote, rollback)
