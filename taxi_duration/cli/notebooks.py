"""Commands for any notebooks: check, compare, new."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from pathlib import Path

import click

from taxi_duration.cli import options
from taxi_duration.errors import ExitCode, NotebookError, UsageError

path = click.Path(path_type=Path)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


@click.command()
@click.argument("files", nargs=-1, required=True, type=path, metavar="FILE...")
@click.option("--run/--no-run", default=True, show_default=True,
              help="Run each twice in a fresh kernel, which finds hidden state.")  # fmt: skip
@click.option("--timeout", type=click.IntRange(min=1), default=300, show_default=True,
              metavar="SECONDS", help="How long a cell may take.")  # fmt: skip
@as_json
def check(files: tuple[Path, ...], run: bool, timeout: int, as_json: bool) -> None:
    """Print each fault of notebooks, and what to do.

    Cells are counted from 1, those of text too. Nothing is written.

    \b
    Examples:
      taxi-duration check eda.ipynb
      taxi-duration check --no-run notebooks/*.ipynb
    """
    from taxi_duration.notebooks.check import find_faults

    faults = [fault for file in files for fault in find_faults(file, run=run, timeout=timeout)]
    if as_json:
        rows = [{"file": str(each.path), "cell": each.cell, "fault": each.text} for each in faults]
        click.echo(json.dumps(rows, indent=2))
    else:
        click.echo("".join(f"{fault}\n" for fault in faults), nl=False)
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        paths = {each.path for each in faults}
        where = str(*paths) if len(paths) == 1 else f"{len(paths)} of {len(files)} notebooks"
        raise NotebookError(f"{count} in {where}.")


@click.command()
@click.argument("first", type=path)
@click.argument("second", type=path)
@as_json
def compare(first: Path, second: Path, as_json: bool) -> ExitCode:
    """Print what differs between two executed notebooks.

    The exit code is 1 if anything does.
    Parameters, code, printed lines and tables stand side by side; pictures are compared by their
    pixels.

    \b
    Example:
      taxi-duration compare runs/march/02_train.ipynb runs/april/02_train.ipynb
    """
    from taxi_duration.notebooks.comparison import compare_notebooks

    compared = compare_notebooks(first, second)
    if as_json:
        click.echo(json.dumps(asdict(compared), indent=2))
    elif compared:
        click.echo(compared)
    return ExitCode.DIFFERENT if compared else ExitCode.DONE


@click.command()
@click.argument("name", required=False)
@options.folder("--into", text="Where to write the notebook.", default="notebooks")
@options.folder("--project", text="Make a folder with our notebooks, a Makefile and CI instead.")
def new(name: str | None, into: Path, project: Path | None) -> None:
    """Write a notebook to begin with, or a project.

    The notebook has a title, parameters, imports, a short story and a result, and passes
    `taxi-duration check`. Nothing is overwritten.

    \b
    Examples:
      taxi-duration new 07_night_rides
      taxi-duration new --project taxis
    """
    from taxi_duration.notebooks.starter import start_notebook, start_project

    if (name is None) == (project is None):
        raise UsageError("Give either the NAME of a notebook, or --project FOLDER.")
    if project:
        click.echo("\n".join(map(str, start_project(project))))
        click.echo(f"Go on with: cd {shlex.quote(str(project))} && make run")
        return
    path = start_notebook(name, into)
    where = shlex.quote(str(path))
    click.echo(f"""{path}
Go on with
  jupyter lab {where}
  taxi-duration check {where}
  pytest --nbval --nbval-current-env --nbval-pictures {where}""")


COMMANDS = (check, compare, new)
