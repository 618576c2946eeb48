"""What the commands that run stages share: parameters, and a line for each stage."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from taxi_duration.errors import NotebookError, UsageError
from taxi_duration.months import Months, Service
from taxi_duration.notebooks.credentials import reject_credentials

if TYPE_CHECKING:
    from taxi_duration.cli.display import NotebookBar
    from taxi_duration.notebooks.runner import Executed


def parameters(common: Mapping[str, str | None], pairs: Iterable[str]) -> dict[str, str]:
    """Return the parameters of options and of `-p`; each may be given once."""
    given = {name: value for name, value in common.items() if value is not None}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        reject_credentials(*((name, value) if equals else ("-p", pair)), UsageError)
        if not equals or name in given:
            reason = "is given twice" if equals else "has no '='"
            raise click.BadParameter(f"{pair!r} {reason}. Write NAME=VALUE.", param_hint="-p")
        given[name] = value
    return given


def show(
    executed: Iterable[Executed], paths: Sequence[Path], progress: NotebookBar
) -> dict[str, dict[str, object]]:
    """Print a line for each stage as it ends; return what each displayed as JSON, by its name."""
    from taxi_duration.notebooks.stage import NOT_RUN

    width, results = max(len(path.stem) for path in paths), {}
    try:
        for done in executed:
            progress.close()
            took = "skipped " if done.skipped else f"{done.seconds:6.1f} s"
            why = f"  ({done.reason})" if done.reason != NOT_RUN else ""
            click.echo(f"{done.name:{width}}  {took}  {done.page}{why}")
            results[done.name] = done.result
    except NotebookError as failure:
        typed = [word for word in click.get_current_context().obj if word != "--force"]
        again = shlex.join(["taxi-duration", *typed])
        raise NotebookError(f"{failure} Once corrected, go on with: {again}") from failure
    return results


def dry_run(paths: Sequence[Path], given: Mapping[str, str], into: Path) -> Iterator[str]:
    """Return a line for each stage: name, digest of what it depends on, and why it would run."""
    from taxi_duration.notebooks.pipeline import make_stages
    from taxi_duration.notebooks.stage import digest

    for stage in make_stages(paths, given, into=into, is_there=IS_THERE):
        fingerprint = stage.fingerprint()
        reason = stage.why_run(fingerprint) or "nothing has changed"
        yield f"{stage.name}  {digest(fingerprint)}  {reason}"


def are_predicted(values: Mapping[str, object]) -> bool:
    """Return whether the months that 05_score predicts with these parameters are there."""
    from taxi_duration.serving.month_results import MonthResult, month_folder, predictions_folder

    months = values["months"] or f"{values['valid']},{values['test']}"
    folder, service = predictions_folder(values["into"]), Service.parse(values["service"])
    wanted = (month_folder(folder, month, service) for month in Months.parse(months))
    return all(MonthResult.find(each) for each in wanted)


IS_THERE = {"05_score": are_predicted}
