"""The family of errors: each message says what happened, where, and what to do.

    TaxiDurationError
    ├── MonthError      (ValueError)    no such month or service, or months in the wrong order
    ├── SourceError     (OSError)       a file that is missing or damaged, or cannot be written
    ├── SchemaError     (ValueError)    a readable file or frame without the needed columns or rows
    ├── ModelError      (ValueError)    an unknown model, or one that cannot be fitted or loaded
    ├── TrackingError   (RuntimeError)  a run that could not be recorded or read
    └── NotebookError   (RuntimeError)  a notebook that was rejected, or failed

A bad row is not an error: it is counted with its reason (`taxi_duration.data.trips`).
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import IntEnum

LONGEST_NAME = 200  # bytes; a file system takes 255, and suffixes are added
SEPARATORS = "/\\:"


class ExitCode(IntEnum):
    """The exit codes of the command.

    Attributes
    ----------
    FAILED
        One of the errors below, in one line; also a model that is not promoted or reproduced.
    WRONG_USE
        An unknown command or option, or a value that it does not take.
    ALARM
        From `monitor` and `month`: a person has to act.
    UNEXPECTED
        Any other error (EX_SOFTWARE of sysexits.h); its traceback is in a file.
    INTERRUPTED, TERMINATED
        128 and the number of the signal.
    """

    DONE = 0
    FAILED = 1
    WRONG_USE = 2
    ALARM = 3
    UNEXPECTED = 70
    INTERRUPTED = 130
    TERMINATED = 143


class TaxiDurationError(Exception):
    """Any error that the user of `taxi_duration` can act on."""


class MonthError(TaxiDurationError, ValueError):
    """A month or service that does not exist, or months in the wrong order."""


class SourceError(TaxiDurationError, OSError):
    """A file that is missing, unpublished or damaged, or cannot be written."""


class SchemaError(TaxiDurationError, ValueError):
    """A readable file or frame without the needed columns, types or rows."""


class ModelError(TaxiDurationError, ValueError):
    """An unknown model or parameter, or a model that cannot be fitted or loaded."""


class TrackingError(TaxiDurationError, RuntimeError):
    """A run that could not be recorded or read, or a store that does not respond."""


class NotebookError(TaxiDurationError, RuntimeError):
    """A notebook that was rejected before it ran, or a cell that failed."""


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


def check_name(name: str, error: type[TaxiDurationError], *, without: str = "") -> str:
    r"""Return a name that can be printed and is safe as the name of a file; else raise `error`.

    Parameters
    ----------
    without : str
        Characters that it must not have beside `/`, `\` and `:`.

    Examples
    --------
    >>> check_name("taxi-duration-quote", ModelError)
    'taxi-duration-quote'
    """
    forbidden = SEPARATORS + without
    is_good = name.isprintable() and 0 < len(name.encode(errors="replace")) <= LONGEST_NAME
    if not is_good or name[0] in ". " or set(name) & set(forbidden):
        raise error(
            f"Name {name!r} cannot be used. Take 1 to {LONGEST_NAME} letters, digits, spaces or "
            f"signs, none of {' '.join(forbidden)}, no dot or space in front."
        )
    return name
