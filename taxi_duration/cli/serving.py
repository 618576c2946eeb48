"""Commands of `taxi-duration` that put a model to work, each alone, and a whole month's work."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from taxi_duration.cli import options, stages
from taxi_duration.errors import ExitCode
from taxi_duration.months import Month, Months

BESIDE_RUNS = "beside the recorded runs"


def _numbers(_context: click.Context, _option: click.Parameter, text: str) -> list[int]:
    try:
        return [int(each) for each in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is no list of numbers. Write 1,2,3.") from None


@click.command()
@options.months
@options.model
@options.service()
@options.source()
@options.folder("--into", text="Where predictions are kept.", shown=BESIDE_RUNS)
@click.option("--engine", type=click.Choice(["local", "spark"]), default="local",
              show_default=True, help="What predicts: this process, or Spark.")  # fmt: skip
@click.option("--device", default="cpu", show_default=True, help="What it predicts on: cpu, cuda.")
@click.option("--force", is_flag=True, help="Predict again what was predicted before.")
def score(months: str, model: str, into: Path | None, **how: object) -> None:
    """Predict every ride of a month, with a low and a high end.

    Rejected rows go aside, with their reasons. The same file is predicted by the same
    model only once.

    \b
    Examples:
      taxi-duration score 2021-03
      taxi-duration score 2021-01..2021-03 --source ~/tlc --model models:/taxi-duration/2
      taxi-duration score 2021-01..2021-12 --source s3://bucket/tlc --engine spark
    """
    from taxi_duration.data.display import progress_bar
    from taxi_duration.serving.batch import score_months

    with progress_bar(unit=" rides", unit_scale=True) as bar:

        def progress(month: Month, rows: int) -> None:
            bar.set_description(str(month), refresh=False)
            bar.n = rows
            bar.refresh()

        results = score_months(model, months, into=into, progress=progress, **how)
    for each in results:
        counts, known = each.manifest, "" if each.fresh else " (as before)"
        rejected = counts.rows - counts.predicted
        click.echo(f"{each.folder}  {counts.predicted:,} predicted, {rejected:,} rejected{known}")


@click.command()
@options.model
@click.option("--host", default="127.0.0.1", show_default=True, envvar="TAXI_DURATION_HOST",
              help="Address to listen on.")  # fmt: skip
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True,
              envvar="TAXI_DURATION_PORT")  # fmt: skip
@options.folder("--requests", text="Where predicted rides are logged.", shown=BESIDE_RUNS)
def serve(model: str, host: str, port: int, requests: Path | None) -> None:
    """Predict rides over HTTP, and on a page with a map.

    A new champion takes over within seconds, without a pause. A server that is killed is started
    again.

    \b
    Examples:
      taxi-duration serve
      taxi-duration serve --model models:/taxi-duration-quote@champion --port 8001
    """
    from taxi_duration.cli.display import warn_of_access
    from taxi_duration.serving import server_process

    warn_of_access(host)

    def announce(server: server_process.Server) -> None:
        what = f"{server.model.label} is served at {server.address}"
        click.echo(f"{what}; stop with Ctrl-C", err=True)

    server_process.keep_serving(model, announce, host=host, port=port, requests=requests)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(host: str, port: int) -> None:
    """Show the recorded runs in MLflow's pages, in a browser.

    If runs are recorded on a server, its own pages are opened.

    \b
    Example:
      taxi-duration ui
    """
    from taxi_duration.cli.display import open_page, warn_of_access
    from taxi_duration.serving import server_process
    from taxi_duration.tracking.store import find_runs
    from taxi_duration.tracking.store_address import store_uri

    if store_uri().startswith(("http://", "https://")):
        open_page(find_runs(store_uri()))
        return
    with server_process.show_runs(host=host, port=port) as server:
        warn_of_access(host)
        open_page(server.address)
        click.echo("Stop with Ctrl-C.", err=True)
        server_process.wait(server)


@click.command()
@click.argument("month")
@click.argument("dropoffs", type=click.Path(path_type=Path))
@options.model
@options.folder("--requests", text="Where predicted rides are logged.", shown=BESIDE_RUNS)
def collect(month: str, dropoffs: Path, model: str, requests: Path | None) -> None:
    """Make a scored month of what `serve` has predicted.

    DROPOFFS is a CSV with `request_id`, `row` (of the ride in its request) and `dropoff_datetime`.

    \b
    Example:
      taxi-duration collect 2021-03 dropoffs.csv
    """
    from taxi_duration.serving.request_log import collect as make

    made = make(model, month, dropoffs=dropoffs, requests=requests)
    counts, folder = made.manifest, made.folder.parents[1]
    click.echo(f"{made.folder}  {counts.predicted:,} of {counts.rows:,} rides were predicted")
    click.echo(f"Judge it: taxi-duration monitor {month} --predictions {folder}")


@click.command()
@options.months
@options.model
@options.service()
@options.source()
@options.folder("--predictions", text="Where scored months are kept.", shown=BESIDE_RUNS)
@options.folder("--into", text="Where the report goes.", default="runs/monitor")
def monitor(months: str, into: Path, **how: object) -> None:
    """Judge scored months against the training.

    The exit code is 3 when action is needed.

    The report is the notebook 06_monitor, kept with its page.

    \b
    Example:
      taxi-duration monitor 2021-02..2021-03 --source ~/tlc
    """
    from taxi_duration.notebooks.discovery import find_notebooks
    from taxi_duration.notebooks.runner import run

    Months.parse(months)  # before a kernel starts
    parameters = {"months": months} | {name: str(value) for name, value in how.items() if value}
    done = run(*find_notebooks(["06_monitor"]), parameters=parameters, into=into)
    click.echo(f"{done.result['verdict']}\nReport: {done.page}")
    if done.result["alarm"]:
        click.get_current_context().exit(ExitCode.ALARM)


@click.command()
@options.months
@click.option("--model", "name", default="xgboost", show_default=True, help="Kind of model.")
@options.service()
@options.source()
@click.option("--windows", default="1,2,3", show_default=True, metavar="N,N", callback=_numbers,
              help="How many months to train on.")  # fmt: skip
@click.option("--ahead", type=click.IntRange(min=1), default=3, show_default=True,
              help="How many months to test each model on.")  # fmt: skip
@options.folder("--into", text="Where table and figure go.", default="runs/backtest")
def backtest(
    months: str, name: str, service: str, source: str, windows: list[int], ahead: int, into: Path
) -> None:  # fmt: skip
    """Say how many months to train on.

    A model is trained on a window of months and tested on the next, and so on.

    A window pays if its error in the next month is lower, beyond chance, than that of the longest
    shorter one that pays; the interval comes from drawing whole days.

    \b
    Example:
      taxi-duration backtest 2021-01..2021-12 --source tlc --windows 1,3
    """
    from taxi_duration import plots
    from taxi_duration.data.files import atomic_write, check_writable
    from taxi_duration.data.trips import load_trips
    from taxi_duration.evaluation.backtest import backtest as test

    check_writable(into)  # before anything takes long
    trips = [load_trips(each, service=service, source=source) for each in Months.parse(months)]
    found = test(trips, model=name, windows=windows, ahead=ahead)
    compared = found.windows()
    tables = {"backtest": found.table.set_index("tested"), "windows": compared}
    for file, table in tables.items():
        with atomic_write(into / f"{file}.csv") as fresh:
            table.to_csv(fresh)
    picture = plots.backtest_error(found.table).save(into / "backtest.png")
    means = found.table.pivot_table("rmse", "window", "age").add_prefix("rmse at age ")
    for each in (means, compared.convert_dtypes()):
        table = each.rename_axis(columns=None).reset_index().round(3)
        click.echo(f"{table.to_string(index=False, na_rep='-')}\n")
    best = found.best_window
    click.echo(f"Train on {best} month{'s' if best > 1 else ''}.\n{picture}")


@click.command()
@click.argument("month", required=False)
@options.service(None)
@options.source(None)
@options.parameters
@click.option("--window", type=click.IntRange(1, 120), default=1, show_default=True,
              help="How many months to train on.")  # fmt: skip
@options.folder("--into", text="Where the folder month-MONTH is.", default="runs")
@options.notebooks_folder
@click.pass_context
def month(
    context: click.Context, month: str | None, pairs: tuple[str, ...], window: int, into: Path,
    folder: Path | None, **common: str | None,
) -> None:  # fmt: skip
    """Do a month's work: score, monitor, train, run the gate.

    The exit code is 3 on alarm.

    MONTH is that of the gate, by default three months ago: TLC needs two to publish one. The
    champion predicts it and is monitored on it; then models are trained on the months up to the
    second before it, chosen by the one before it, and the best becomes champion if the gate accepts
    it. Without a champion training comes first. Called again, nothing is done twice, and the result
    is the same.

    \b
    Examples:
      taxi-duration month 2021-04 --window 6
      taxi-duration month --source tlc --service yellow -p models=xgboost -p refit=true
    """
    from taxi_duration.cli.display import show_progress
    from taxi_duration.notebooks.discovery import find_notebooks
    from taxi_duration.notebooks.monthly_round import STAGES, month_parameters, run_month

    chosen = Month.parse(month) if month else _published()
    given = stages.parameters(common | month_parameters(chosen, window=window), pairs)
    paths = find_notebooks(STAGES, folder=folder)
    with show_progress() as progress:
        executed = run_month(chosen, paths, given, into=into / f"month-{chosen}",
                             is_there=stages.IS_THERE, progress=progress.start)  # fmt: skip
        results = stages.show(executed, paths, progress)
    monitored, gate = results["06_monitor"], results["04_select"]
    became = "is champion" if gate["accepted"] else "does not become champion"
    why = "; ".join(gate["reasons"])
    click.echo(f"\nMonitor: {monitored['verdict']}\nGate: {gate['challenger']} {became}: {why}")
    if monitored["alarm"]:
        context.exit(ExitCode.ALARM)


def _published() -> Month:
    """Return the newest month that TLC has surely published."""
    today = datetime.now().astimezone()
    return Month(today.year, today.month).previous().previous().previous()


COMMANDS = (score, serve, ui, collect, monitor, backtest, month)
