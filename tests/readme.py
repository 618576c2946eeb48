"""The commands that README tells a reader to type, and a reader who types them."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tlc import Answer, Tlc

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
LINES = [line.removeprefix("$ ") for block in BLOCKS for line in block.splitlines()]
IN_PROSE = re.findall(r"`((?:make|taxi-duration|python) [^`\n]+)`", README)
TYPED = [shlex.join(shlex.split(line, comments=True)) for line in LINES + IN_PROSE]
COMMANDS = [command for command in dict.fromkeys(TYPED) if command]

NOT_RUN = {
    "make run": "set-up, then `taxi-duration run`",
    "make test": "set-up, then these tests",
    "make notebooks": "overwrites the notebooks",
    "make bench": "takes minutes",
    "make clean": "removes the environment that runs this",
    "make lab": "a server",
    "make ui": "a server",
    "python benchmarks/": "takes minutes; tested in test_benchmarks.py",
    "taxi-duration register RUN": "a run's id; tested in test_model_commands.py",
    "taxi-duration reproduce champion": "trains again; tested in test_record_commands.py",
    "taxi-duration score": "tested in test_work_commands.py",
    "taxi-duration monitor": "tested in test_work_commands.py",
    "taxi-duration backtest": "tested in test_work_commands.py",
    "taxi-duration rollback": "needs two champions; tested in test_model_commands.py",
    "taxi-duration serve": "a server; tested in test_serving.py",
    "curl": "asks that server; test_serving.py asks the same",
    "taxi-duration run --source FOLDER": "real months, which have tests of their own",
}
RUN = [command for command in COMMANDS if not command.startswith(tuple(NOT_RUN))]


class Reader(NamedTuple):
    """The folder of a reader who typed one command after the other, and how each ended."""

    folder: Path
    store: str
    ended: dict[str, subprocess.CompletedProcess]


def type_all(folder, store, month_bytes):
    """Type each command that README has, those excepted that are `NOT_RUN`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with Tlc() as server:
        server.gives("green_tripdata_2024-01.parquet", Answer(month_bytes))
        places = {"PATH": path, "TAXI_DURATION_TLC_URL": server.url, "TAXI_DURATION_CACHE": "cache"}
        ended = {
            command: subprocess.run(
                shlex.split(command), cwd=folder, env=os.environ | places,
                capture_output=True, text=True,
            )
            for command in RUN
        }  # fmt: skip
    return Reader(folder, store, ended)
