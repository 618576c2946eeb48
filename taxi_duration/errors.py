"""The family of errors: each message says what happened, where, and what to do.

    TaxiDurationError              exit code
    ├── UsageError      (ValueError)    2    a name, parameter or value that is not taken
    ├── MonthError      (ValueError)    4    no such month or service, or months in the wrong order
    ├── SourceError     (OSError)       4    a file that is missing or damaged, or cannot be written
    ├── SchemaError     (ValueError)    4    a readable file or frame without needed columns or rows
    ├── NotebookError   (RuntimeError)  5    a notebook that cannot run, failed, or has faults
    ├── TrackingError   (RuntimeError)  6    a store that does not respond, or a run not recorded
    ├── ServerError     (RuntimeError)  6    a server that does not start, or has ended
    ├── ModelError      (ValueError)    7    no such model or run, or one that cannot be used
    └── EngineError     (RuntimeError)  8    Spark or a GPU that is not there, or failed

A bad row is not an error: it is counted with its reason (`taxi_duration.data.trips`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntEnum
from pathlib import Path
from typing import ClassVar, Self

LONGEST_NAME = 200  # bytes; a file system takes 255, and suffixes are added
SEPARATORS = "/\\:"
DEVICE = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # of Windows, whatever its suffix


class ExitCode(IntEnum):
    """The exit codes of the command, each with its meaning."""

    DONE = 0, "done"
    OUTPUT = 1, "what it prints finds no reader or no room; from `compare`: the notebooks differ"
    DIFFERENT = OUTPUT  # as diff has it
    WRONG_USE = 2, "wrong use: a command, option, name or parameter that is not taken"
    ALARM = 3, "from `monitor` and `month`: action is needed"
    DATA = 4, "data: a month, a file, its rides, or a folder that cannot be written"
    NOTEBOOK = 5, "a notebook that cannot run, failed, or has faults that `check` names"
    STORE = 6, "the store of runs, its database or disk; also a server that does not run"
    MODEL = 7, "a model or run: not found, not usable, rejected by the gate, or not reproduced"
    ENGINE = 8, "Spark, its Java or a GPU: not there, or failed"
    UNEXPECTED = 70, "an unexpected error; the line names the file with its traceback"
    INTERRUPTED = 130, "stopped by Ctrl-C"
    TERMINATED = 143, "stopped by SIGTERM"

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        """Return a code with its meaning."""
        made = int.__new__(cls, code)
        made._value_, made.meaning = code, meaning
        return made


class TaxiDurationError(Exception):
    """Any error that the user of `taxi_duration` can act on."""

    exit_code: ClassVar[ExitCode]  # of the command that it ends


class UsageError(TaxiDurationError, ValueError):
    """A name, parameter or value that is not taken."""

    exit_code = ExitCode.WRONG_USE


class MonthError(TaxiDurationError, ValueError):
    """A month or service that does not exist, or months in the wrong order."""

    exit_code = ExitCode.DATA


class SourceError(TaxiDurationError, OSError):
    """A file that is missing, unpublished or damaged, or cannot be written."""

    exit_code = ExitCode.DATA


class SchemaError(TaxiDurationError, ValueError):
    """A readable file or frame without the needed columns, types or rows."""

    exit_code = ExitCode.DATA


class NotebookError(TaxiDurationError, RuntimeError):
    """A notebook that cannot run, or a cell that failed."""

    exit_code = ExitCode.NOTEBOOK


class TrackingError(TaxiDurationError, RuntimeError):
    """A run that could not be recorded or read, or a store that does not respond."""

    exit_code = ExitCode.STORE


class ServerError(TaxiDurationError, RuntimeError):
    """A server that does not start, or has ended."""

    exit_code = ExitCode.STORE


class ModelError(TaxiDurationError, ValueError):
    """A model or run that does not exist, or cannot be fitted, loaded or promoted."""

    exit_code = ExitCode.MODEL


class EngineError(TaxiDurationError, RuntimeError):
    """Spark, its Java or a GPU that is not there, or failed."""

    exit_code = ExitCode.ENGINE


def nearest(word: str, options: Iterable[str]) -> str:
    """Return a sentence with the most similar option, if any, and all of them.

    Examples
    --------
    >>> nearest("ridg", ["linear", "ridge"])
    "Did you mean 'ridge'? Known: 'linear', 'ridge'."
    """
    options = list(options)
    close = get_close_matches(str(word), options, n=1)
    known = f"Known: {', '.join(map(repr, options))}."
    return f"Did you mean {close[0]!r}? {known}" if close else known


def printable(text: str) -> str:
    r"""Return a text on one line, with escapes for line ends and what else cannot be printed.

    Examples
    --------
    >>> printable("two\nlines of Žižek")
    'two\\nlines of Žižek'
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def without_password(text: str) -> str:
    """Mask the password in each address of a text.

    Examples
    --------
    >>> without_password("no answer from postgresql://ann:secret@db/mlflow")
    'no answer from postgresql://ann:***@db/mlflow'
    """
    # SQLAlchemy takes a slash in a password, requests an @
    return re.sub(r"(//[^/@:\s]*):[^@\s]*@(?:[^/@\s]*@)*", r"\1:***@", text)


def innermost_cause(text: str) -> str:
    r"""Return why a request failed, of the message in which urllib3 wraps it.

    Examples
    --------
    >>> innermost_cause(
    ...     "HTTPConnectionPool(host='x', port=9): Max retries exceeded with url: /a (Caused by "
    ...     "NameResolutionError(\"HTTPConnection(host='x', port=9): Failed to resolve 'x'\"))"
    ... )
    "Failed to resolve 'x'"
    """
    wrapped = re.search(
        r"\(Caused by \w+\((?:<[^>]*>, )?([\"'])(?:\w+\([^)]*\): )?(.*)\1\)\)", text
    )
    return wrapped[2] if wrapped else text


def check_name(name: str, *, without: str = "") -> str:
    r"""Return a name that can be printed, and as the name of a file leads nowhere else.

    Parameters
    ----------
    without : str
        Characters that it must not have beside `/`, `\` and `:`.
    """
    forbidden = SEPARATORS + without
    is_file = is_shown(name) and name[0] not in ".- " and name[-1] not in ". "
    if not is_file or set(name) & set(forbidden) or DEVICE.fullmatch(name):
        raise UsageError(
            f"Name {name!r} cannot be used. Take 1 to {LONGEST_NAME} letters, digits, spaces or "
            f"signs, none of {' '.join(forbidden)}, no dot, dash or space in front, no dot or "
            "space at the end, and no device of Windows."
        )
    return name


def check_folder(folder: Path) -> Path:
    """Return a folder, anywhere, each part of which can be printed and be a file's name."""
    for part in folder.parts:
        if not is_shown(part):
            raise UsageError(
                f"Folder {part!r} cannot be used. Take up to {LONGEST_NAME} characters that can be "
                "printed."
            )
    return folder


def is_shown(name: str) -> bool:
    """Return whether a name has some characters, not too many, which all can be printed."""
    return name.isprintable() and 0 < len(name.encode(errors="replace")) <= LONGEST_NAME
