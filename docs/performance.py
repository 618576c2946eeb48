"""Draw docs/performance.png, and write the tables of docs/performance.md, from the benchmarks.

python docs/performance.py [benchmarks/results.json]
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

DOCS = Path(__file__).parent
RESULTS = DOCS.parent / "benchmarks" / "results.json"
PAGE, PICTURE = DOCS / "performance.md", DOCS / "performance.png"
MARKS = re.compile(r"(?<=<!-- figures -->\n).*?(?=<!-- end of figures -->)", re.DOTALL)
GIGABYTES = 4  # within which the largest training has to stay
CASES = {
    "reference": "the course notes' recipe",
    "polars": "polars: kept rides",
    "duckdb": "DuckDB: kept rides",
    "trips": "ours: kept rides",
    "rows": "ours: with clock, pair and repaired distance",
    "matrix": "ours: all 18 features to train on",
}


def tables(results: dict[str, Any]) -> str:
    """Return the figures in Markdown, a table for each benchmark that was run."""
    parts = [
        f"{makers(results[name]['figures'])}\n\n{machine(results[name]['machine'])}\n"
        for name, makers in TABLES.items()
        if name in results
    ]
    return "\n" + "\n".join(parts) + "\n"


def machine(about: dict[str, Any]) -> str:
    """Return what it was measured on, and beside how much else."""
    load = f"{about['load']} processes waiting or running when it ended"
    return f"*{about['processor']}, {about['cores']} cores; {load}.*"


def speed_table(found: dict[str, Any]) -> str:
    """Return speed and memory from a file to features."""
    header = (
        f"from a file of {found['rows'] / 1e6:g} M rows",
        "rows/s",
        "times the recipe",
        "memory",
    )
    rows = (
        (CASES[way], f"{each['rows a second'] / 1e6:.2f} M", spread(each["times"]),
         f"{each['gigabytes']:.2f} GB")
        for way, each in found["ways"].items()
    )  # fmt: skip
    return "\n".join(markdown(header, rows))


def scoring_table(found: dict[str, Any]) -> str:
    """Return speed and memory of scoring."""
    speed = {way: f"{each / 1e6:.2f} M" for way, each in found["rows a second"].items()}
    header = (
        f"scoring {found['rows'] / 1e6:g} M rows",
        "rows/s",
        "share of XGBoost's speed",
        "memory",
    )
    rows = (
        ("XGBoost's prediction of the ready matrix", speed["boost"], "1", ""),
        ("ours: file to file, checked, with intervals", speed["score"], spread(found["share"]),
         f"{found['gigabytes']:.2f} GB"),
    )  # fmt: skip
    return "\n".join(markdown(header, rows))


def growth_table(found: list[dict[str, float]]) -> str:
    """Return time and memory by rows."""
    header = (
        "rows",
        "training",
        "of it a million rows",
        "memory",
        "scoring",
        "a million rows",
        "memory",
    )
    rows = ((f"{each['rows'] / 1e6:g} M", *cells(each, "train"), *cells(each, "score"))
            for each in found)  # fmt: skip
    return "\n".join(markdown(header, rows))


def training_table(found: dict[str, dict[str, float]]) -> str:
    """Return error and time of fits on one green month."""
    header = "fitted on a green month", "rmse on the next", "rounds", "seconds"
    rows = ((name, f"{each['valid']:.3f}", str(each["rounds"]), f"{each['seconds']:.1f}")
            for name, each in found.items())  # fmt: skip
    return "\n".join(markdown(header, rows))


def serving_table(found: dict[str, Any]) -> str:
    """Return the time that one ride takes in the library, over HTTP and under load."""
    header = (
        "one ride",
        "requests",
        "half within",
        "99 % within",
        "time, as a share of the row below",
    )
    shares = {f"/{name}": f"{found[name]:.2f}" for name in ("predict", "invocations")}
    rows = [
        (way, f"{each['requests']:,}", f"{each['p50']:.1f} ms", f"{each['p99']:.1f} ms",
         shares.get(way, ""))
        for way, each in found["ways"].items()
    ]  # fmt: skip
    table = "\n".join(markdown(header, rows))
    return f"{table}\n\nRequests that failed under load: {found['failed']:,}."


TABLES = {
    "training": training_table,
    "speed": speed_table,
    "scoring": scoring_table,
    "growth": growth_table,
    "serving": serving_table,
}


def cells(found: dict[str, float], what: str) -> tuple[str, str, str]:
    """Return seconds, seconds a million rows, and memory."""
    seconds, memory = found[f"{what} seconds"], found[f"{what} gigabytes"]
    return f"{seconds:.0f} s", f"{seconds / found['rows'] * 1e6:.1f} s", f"{memory:.2f} GB"


def spread(values: list[float]) -> str:
    """Return the median with the lowest and the highest."""
    return f"{median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def markdown(*parts: Iterable[Any]) -> Iterator[str]:
    """Yield the lines of a table."""
    header, rows = parts
    yield f"| {' | '.join(header)} |"
    yield "|---" * len(header) + "|"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def draw(results: dict[str, Any]) -> None:
    """Draw speed, and time and memory by rows."""
    import matplotlib.pyplot as plt

    figure, (speed, time, memory) = plt.subplots(1, 3, figsize=(13, 3.6), layout="constrained")
    ways = results["speed"]["figures"]["ways"]
    times = [median(each["times"]) for each in ways.values()]
    bars = speed.barh([CASES[way] for way in ways], times)
    speed.bar_label(bars, fmt=" %.3g")
    speed.set(
        xscale="log", xlabel="times the recipe's speed", title="From file to rides and features"
    )
    speed.set_xlim(right=4 * max(times))  # room for the labels
    speed.invert_yaxis()
    grown = results["growth"]["figures"]
    rows = [each["rows"] for each in grown]
    for what, label in (("train", "training"), ("score", "scoring")):
        seconds = [each[f"{what} seconds"] / each["rows"] * 1e6 for each in grown]
        time.plot(rows, seconds, marker="o", label=label)
        memory.plot(rows, [each[f"{what} gigabytes"] for each in grown], marker="o", label=label)
    time.set(xscale="log", xlabel="rows", ylabel="seconds a million rows", title="Time", ylim=0)
    memory.axhline(GIGABYTES, color="grey", linestyle=":")
    memory.set(xscale="log", xlabel="rows", ylabel="GB at most", title="Memory", ylim=0)
    time.legend()
    figure.savefig(PICTURE, dpi=110)


if __name__ == "__main__":
    results = json.loads(Path(*sys.argv[1:] or [RESULTS]).read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(MARKS.sub(lambda _: tables(results), text), encoding="utf-8")
    draw(results)
