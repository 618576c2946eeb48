"""What the benchmarks share: their months, processes of their own, tables and promises."""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from taxi_duration.data import Split
    from taxi_duration.models import Fitted

MONTHS = ("2021-01", "2021-02", "2021-03")
WARM_UP = 1000  # rows; imports and first calls are not counted


@contextmanager
def green_months(folder: str | None, *months: str, seed: int = 0) -> Iterator[str]:
    """Give the folder that holds TLC's green months, or one with full-size sample months."""
    from taxi_duration.data import make_month, write_parquet
    from taxi_duration.months import GREEN, Month

    with tempfile.TemporaryDirectory() as made:
        for month in () if folder else map(Month.parse, months):
            write_parquet(make_month(month, seed=seed), Path(made, GREEN.file(month)))
        yield folder or made


def load_months(folder: str | None, *, seed: int = 0) -> Split:
    """Return the train, valid and test month, from `green_months`."""
    from taxi_duration.data import load_split

    with green_months(folder, *MONTHS, seed=seed) as source:
        return load_split(*MONTHS, source=source)


def rmse_by_part(fitted: Fitted, split: Split) -> pd.Series:
    """Return the error in minutes on the train, valid and test month."""
    from taxi_duration.evaluation import score_parts

    return score_parts(fitted, split).set_index("part")["rmse"]


def in_own_process(function: Callable[..., Any], *arguments: object) -> Any:
    """Return what the function returns in a fresh process, which inherits no memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *arguments).result()


def run_in_turn(
    run: Callable[..., dict[str, float]], ways: Iterable[str], *arguments: object, repeat: int
) -> dict[str, list[dict[str, float]]]:
    """Return the figures of each way, run in turn and each time in a process of its own."""
    figures = {way: [] for way in ways}
    for _ in range(repeat):
        for way in figures:
            figures[way].append(in_own_process(run, way, *arguments))
    return figures


def usage(seconds: float) -> dict[str, float]:
    """Return the seconds with the peak memory of this process."""
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "gigabytes": kilobytes / 1e6}


def print_table(*rows: Iterable[str]) -> None:
    """Print rows in Markdown, the first as the header."""
    header, *body = (f"| {' | '.join(row)} |" for row in rows)
    print(header, "|---" * (header.count(" | ") + 1) + "|", *body, sep="\n")


def ratios(reference: list[dict[str, float]], runs: list[dict[str, float]]) -> list[float]:
    """Return how many times faster a way was than the reference in the same round, lowest first."""
    pairs = zip(reference, runs, strict=True)
    return sorted(one["seconds"] / other["seconds"] for one, other in pairs)


def spread(values: list[float]) -> str:
    """Return the median with the lowest and the highest, e.g. `9.8 (9.1-10.4)`."""
    return f"{median(values):.3g} ({min(values):.3g}-{max(values):.3g})"


def record(name: str, figures: object) -> None:
    """Write a benchmark's figures into the JSON file that `BENCHMARK_RESULTS` names, if any."""
    if not (named := os.environ.get("BENCHMARK_RESULTS")):
        return
    path = Path(named)
    results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    machine = {
        "processor": processor(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip
    results[name] = {"machine": machine, "figures": figures}
    path.write_text(f"{json.dumps(results, indent=1)}\n", encoding="utf-8")


def processor() -> str:
    """Return the processor's name."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    named = (line.partition(": ")[2] for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def report(missed: Iterable[str]) -> int:
    """Print a sentence for each promised figure that was missed; return the exit code."""
    sentences = list(missed)
    for sentence in sentences:
        print(sentence, file=sys.stderr)
    return int(bool(sentences))
