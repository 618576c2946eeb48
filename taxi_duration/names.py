"""A name that a person gives: of results, a notebook or a registered model."""

from __future__ import annotations

from taxi_duration.errors import TaxiDurationError

__all__ = ["check_name"]

LONGEST = 200  # bytes; a file's name has 255, and some are left for what is added
SEPARATORS = "/\\:"


def check_name(name: str, error: type[TaxiDurationError], *, without: str = "") -> str:
    r"""Return the name, if it stays in its folder and can be printed.

    Parameters
    ----------
    error
        To be raised.
    without
        Characters that it must not have beside `/`, `\` and `:`.

    Examples
    --------
    >>> from taxi_duration.errors import ModelError
    >>> check_name("taxi-duration-quote", ModelError)
    'taxi-duration-quote'
    """
    forbidden = SEPARATORS + without
    is_good = name.isprintable() and 0 < len(name.encode(errors="replace")) <= LONGEST
    if not is_good or name[0] in ". " or set(name) & set(forbidden):
        raise error(
            f"Name {name!r} cannot be used. Take 1 to {LONGEST} letters, digits, spaces or signs, "
            f"none of {' '.join(forbidden)}, no dot or space in front."
        )
    return name
