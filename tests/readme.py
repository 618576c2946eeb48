"""The commands of the README and of the documents, and what each of them prints."""

import re
import shlex
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
from tlc import ZONES, Answer, Tlc

from taxi_duration.cli.main import main
from taxi_duration.data.zone_names import FILE

ROOT = Path(__file__).parents[1]
GUIDES = (
    "start",
    "your-own",
    "tools",
    "batch",
    "champion",
    "service",
    "command",
    "results",
    "questions",
)
PAGES = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in GUIDES)]
READ = "\n".join(path.read_text() for path in PAGES)
BLOCKS = re.findall(r"^ *```(?:sh|bash|console)\n(.*?)^ *```", READ, re.MULTILINE | re.DOTALL)
LINES = [line.strip().removeprefix("$ ") for block in BLOCKS for line in block.splitlines()]
IN_PROSE = re.findall(r"`((?:make|taxi-duration|python) [^`\n]+)`", READ)
TYPED = [shlex.join(shlex.split(line, comments=True)) for line in LINES + IN_PROSE]
COMMANDS = [command for command in dict.fromkeys(TYPED) if command]

NOT_RUN = {
    "make run": "set-up, then `taxi-duration run`",
    "make .venv/ready": "sets up the environment that runs this",
    "make test": "set-up, then these tests",
    "make test-bounds": "an environment of its own",
    "make coverage": "these tests, measured",
    "make mutants": "takes hours",
    "make soak": "takes an hour",
    "make notebooks": "overwrites the notebooks",
    "make docs": "tested in extras/test_docs.py",
    "make pictures": "overwrites the pictures",
    "make audit": "asks a server; tested in test_audit.py",
    "make bench": "takes minutes",
    "make clean": "removes the environment that runs this",
    "make lab": "a server",
    "make ui": "a server",
    "taxi-duration ui": "a server; tested in tracking/test_mlflow_pages.py",
    "python benchmarks/": "takes minutes; tested in test_benchmarks.py",
    "python docs/ablation.py": "takes minutes; tested in models/test_ablation.py",
    "taxi-duration register RUN": "a run's id; tested in cli/test_registry.py",
    "taxi-duration reproduce champion": "trains again; tested in cli/test_records.py",
    "taxi-duration check": "tested in notebooks/test_check.py",
    "taxi-duration new": "tested in notebooks/test_starter.py",
    "taxi-duration compare": "tested in notebooks/test_comparison.py",
    "pytest --nbval": "what these tests do",
    "taxi-duration score": "tested in cli/test_serving.py",
    "taxi-duration monitor": "tested in cli/test_serving.py",
    "taxi-duration backtest": "tested in cli/test_serving.py",
    "taxi-duration collect": "needs a log; tested in serving/test_app.py",
    "taxi-duration month": "tested in cli/test_month.py",
    "taxi-duration rollback": "needs two champions; tested in cli/test_registry.py",
    "taxi-duration serve": "a server; tested in serving/test_server_process.py",
    "curl": "a request to that server; serving/test_server_process.py sends the same",
    "taxi-duration run --source FOLDER": "real months, which have tests of their own",
}
RUN = [command for command in COMMANDS if not command.startswith(tuple(NOT_RUN))]


class Ended(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


class Reader(NamedTuple):
    """The folder in which one command was typed after the other, and how each ended."""

    folder: Path
    store: str
    ended: dict[str, Ended]


def type_all(folder, store, month_bytes):
    """Type each command that a reader is told, except those of `NOT_RUN`."""
    with Tlc() as server, pytest.MonkeyPatch.context() as patch, chdir(folder):
        server.gives("green_tripdata_2024-01.parquet", Answer(month_bytes))
        server.gives(FILE, Answer(ZONES))
        patch.setenv("TAXI_DURATION_TLC_URL", server.url)
        patch.setenv("TAXI_DURATION_CACHE", "cache")
        return Reader(folder, store, {command: _type(command) for command in RUN})


def _type(command):
    """Run a command here: an interpreter for each would take longer than what they do."""
    program, *words = shlex.split(command)
    assert program == "taxi-duration"
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = main(words)
    return Ended(code, out.getvalue(), err.getvalue())
