"""The command `taxi-duration`: words to calls, errors to one line and an exit code."""

from __future__ import annotations

import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile

import click

from taxi_duration import __version__
from taxi_duration.cli import notebooks, options, registry, serving, stages
from taxi_duration.cli.signals import Interruption, interruptible
from taxi_duration.errors import ExitCode, TaxiDurationError, check_name, printable
from taxi_duration.months import Months, Service


def main(words: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code, one of `taxi_duration.errors.ExitCode`."""
    # threads that spin while they wait make a fit several times slower on a machine that is busy
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # it logs the end of a stopped notebook
    with interruptible(exits=words is None) as interruption:
        code = _run(sys.argv[1:] if words is None else words, interruption)
    if not interruption:
        return code
    return interruption.exit() if words is None else interruption.code


def _run(words: Sequence[str], interruption: Interruption) -> int:
    try:
        _check(words)
        return cli.main(words, "taxi-duration", standalone_mode=False, obj=words) or ExitCode.DONE
    except click.ClickException as problem:
        problem.message = printable(problem.message)
        problem.show()
        return problem.exit_code
    except click.Abort:
        return ExitCode.INTERRUPTED
    except Exception as problem:  # noqa: BLE001
        if interruption:  # it is only what became of it
            return interruption.code
        code, text = _explain(problem)
        click.echo(f"taxi-duration: {printable(text)}", err=True)
        return code


def _check(words: Sequence[str]) -> None:
    """Reject text that can name no file or model, before a library fails on it."""
    for word in words:
        if "\0" in word or word.encode(errors="replace").decode() != word:
            raise click.UsageError(f"{word!r} is not text in UTF-8. Write it otherwise.")


def _explain(problem: Exception) -> tuple[ExitCode, str]:
    match problem:
        case TaxiDurationError():
            return problem.exit_code, str(problem)
        case OSError() if _is_of_output(problem):
            return ExitCode.OUTPUT, f"Cannot write to stdout: {problem.strerror}."
        case OSError(filename=str() | Path() as place):
            text = f"Cannot use {str(place)!r}: {problem.strerror}. Name another file or folder."
            return ExitCode.DATA, text
    return ExitCode.UNEXPECTED, _keep_traceback(problem)


def _is_of_output(problem: OSError) -> bool:
    """Return whether stdout cannot be written; then drop what it still holds."""
    *_, (last, _) = traceback.walk_tb(problem.__traceback__)
    if last.f_code is not click.echo.__code__:
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else it fails again at exit
    return True


def _keep_traceback(problem: Exception) -> str:
    """Write the traceback to a temporary file, and return a sentence that names it."""
    text = "".join(traceback.format_exception(problem))
    reason = f"Unexpected error: {type(problem).__name__}: {problem}"
    try:
        with NamedTemporaryFile(
            "w", prefix="taxi-duration-", suffix=".log", delete=False,
            encoding="utf-8", errors="backslashreplace",
        ) as file:  # fmt: skip
            file.write(text)
    except OSError as lost:
        return f"{reason}; its traceback cannot be kept ({lost.strerror}). Please report it."
    return f"{reason}; the traceback is in {file.name}. Please report it."


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Predict how many minutes a New York taxi ride will take, in notebooks that run as jobs.

    \b
    Examples:
      taxi-duration run                            all notebooks, on the sample months
      taxi-duration run --source tlc --train 2024-01 --valid 2024-02 --test 2024-03
      taxi-duration inspect 02_train               the parameters of that notebook
      taxi-duration fetch 2024-01..2024-03         download months from TLC
      taxi-duration run --help                     more on one command
    """


@cli.command()
@click.argument("notebooks", nargs=-1, metavar="[NOTEBOOK]...")
@options.source(None)
@options.service(None)
@click.option("--train", metavar="MONTHS",
              help="To learn from: a month, 2023-07..2024-01, or several with commas.")  # fmt: skip
@click.option("--valid", metavar="MONTHS", help="To choose by; after those.")
@click.option("--test", metavar="MONTHS", help="To judge on, at the end; after these.")
@options.parameters
@click.option("--name", default="latest", show_default=True, help="Name of the results' folder.")
@options.folder("--into", text="Where that folder is.", default="runs")
@click.option("--timeout", type=click.IntRange(min=1), metavar="SECONDS",
              help="How long a cell may take.  [default: no limit]")  # fmt: skip
@click.option("--stage-timeout", type=click.IntRange(min=1), metavar="SECONDS",
              help="How long a notebook may take.  [default: no limit]")  # fmt: skip
@click.option("--from", "first", metavar="NOTEBOOK",
              help="Run this notebook and all after it, changed or not.")  # fmt: skip
@click.option("--force", is_flag=True, help="Run also what has not changed.")
@click.option("--code", is_flag=True, help="Show the code in the pages, too.")
@click.option("--dry-run", is_flag=True,
              help="Only say what would run, why, and a digest of what it needs.")  # fmt: skip
@options.notebooks_folder
def run(
    notebooks: tuple[str, ...], pairs: tuple[str, ...], name: str, into: Path,
    folder: Path | None, timeout: int | None, stage_timeout: int | None, first: str | None,
    force: bool, code: bool, dry_run: bool, **common: str | None,
) -> None:  # fmt: skip
    """Run notebooks, all or those named.

    Each is kept with its page in runs/NAME.
    Options that are not given stay as the notebooks have them. A parameter goes to each notebook
    that declares it; one that only notebooks beside them declare is accepted, too. Before anything
    starts, all are checked. A notebook is skipped while nothing that its results depend on has
    changed; after a failure the same command goes on from there.

    \b
    Examples:
      taxi-duration run
      taxi-duration run 02_train -p models=linear,xgboost --name two-models
      taxi-duration run --source ~/tlc --service yellow --train 2024-01 --name yellow
    """
    from taxi_duration.cli.display import show_progress, summary
    from taxi_duration.notebooks.discovery import find_notebooks
    from taxi_duration.notebooks.pipeline import run_all

    check_name(name)
    parameters = stages.parameters(common, pairs)
    paths = find_notebooks(notebooks, folder=folder)
    if dry_run:
        click.echo("\n".join(stages.dry_run(paths, parameters, into / name)))
        return
    with show_progress() as progress:
        executed = run_all(paths, parameters=parameters, into=into / name, force=force,
                           first=first, is_there=stages.IS_THERE, timeout=timeout,
                           stage_timeout=stage_timeout, code=code,
                           progress=progress.start)  # fmt: skip
        results = stages.show(executed, paths, progress)
    click.echo(f"\n{summary(results)}")


@cli.command()
@click.argument("name", default="latest")
@options.folder("--into", text="Where the results' folder is.", default="runs")
def status(name: str, into: Path) -> None:
    """Print which notebooks of a run are up to date, and why not.

    \b
    Example:
      taxi-duration status
    """
    from taxi_duration.notebooks import pipeline

    table = pipeline.status(into / check_name(name), is_there=stages.IS_THERE)
    click.echo(table.to_string(index=False, na_rep=""))


@cli.command()
@click.argument("months", nargs=-1, required=True, metavar="MONTH|zones...")
@options.service()
@options.folder("--cache", text="Where to keep them; else TAXI_DURATION_CACHE or the user's cache.")
@click.option("--base-url", metavar="URL", help="A mirror of TLC's folder of trips.")
@click.option("--again", is_flag=True, help="Ask TLC even for months that are there already.")
@click.option("--insecure", is_flag=True, help="Download over http, too.")
def fetch(months: tuple[str, ...], service: str, **how: object) -> None:
    """Download months from TLC, or the names of its zones.

    A file is downloaded once; where it is, is printed.

    \b
    Examples:
      taxi-duration fetch 2024-01
      taxi-duration fetch 2024-01..2024-03 --service yellow --cache ~/tlc
      taxi-duration fetch zones
    """
    from taxi_duration.data.download import fetch_month
    from taxi_duration.data.zone_names import fetch_zones

    kind, named = Service.parse(service), [word for word in months if word != "zones"]
    known = Months.parse(",".join(named)) if named else ()
    wanted = [partial(fetch_month, month, service=kind) for month in known]
    for fetch_one in [*wanted, *([fetch_zones] if "zones" in months else [])]:
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("always", UserWarning)
            path = fetch_one(progress=True, **how)
        for note in notes:
            click.echo(f"taxi-duration: {note.message}", err=True)
        click.echo(path)


@cli.command()
@click.argument("months", nargs=-1, required=True, metavar="MONTH...")
@options.service()
@click.option("--rows", type=click.IntRange(1, 20_000_000), default=75_000, show_default=True,
              help="Rides a month.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Another one, other rides.")
@options.folder("--into", text="Where to write them.", default=".")
def sample(months: tuple[str, ...], service: str, rows: int, seed: int, into: Path) -> None:
    """Write made-up months, as files shaped like TLC's.

    \b
    Examples:
      taxi-duration sample 2021-01
      taxi-duration sample 2021-01..2021-03 --rows 3000000 --service yellow --into /tmp/tlc
    """
    from taxi_duration.data.parquet import write_parquet
    from taxi_duration.data.sample import make_month

    kind = Service.parse(service)
    for month in Months.parse(",".join(months)):
        frame = make_month(month, service=kind, rows=rows, seed=seed)
        click.echo(write_parquet(frame, into / kind.file(month)))


@cli.command()
@click.argument("notebooks", nargs=-1, metavar="[NOTEBOOK]...")
@options.notebooks_folder
def inspect(notebooks: tuple[str, ...], folder: Path | None) -> None:
    """Print what can be set in notebooks, all or those named.

    Each parameter is printed with its type, default and meaning.

    \b
    Examples:
      taxi-duration inspect
      taxi-duration inspect 02_train
    """
    from taxi_duration.notebooks.discovery import find_notebooks
    from taxi_duration.notebooks.discovery import inspect as declared

    for path in find_notebooks(notebooks, folder=folder):
        if len(notebooks) != 1:
            click.secho(path.stem, bold=True)
        for each in declared(path):
            click.echo(f"{each.name}: {each.annotation} = {each.default!r}")
            click.echo(f"    {each.help}")


@cli.command()
def store() -> None:
    """Print the address of the store in which runs are recorded."""
    from taxi_duration.tracking.store_address import store_uri

    click.echo(store_uri())


for command in (*notebooks.COMMANDS, *registry.COMMANDS, *serving.COMMANDS):
    cli.add_command(command)


if __name__ == "__main__":
    sys.exit(main())
