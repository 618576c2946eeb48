"""What TLC's files have to hold: the columns and their types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from taxi_duration.errors import SchemaError
from taxi_duration.months import Service

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["check"]


def check(schema: pa.Schema, service: Service, file: str) -> None:
    """Look at the columns and their types, which differ from year to year within limits.

    Parameters
    ----------
    file
        Name of the file, for the message.

    Raises
    ------
    SchemaError
        If a column is missing or there twice, or a time is no datetime, or another column holds
        no numbers; all that is wrong at once.
    """
    wrong = [_problem(schema, name, service) for name in service.columns]
    if any(wrong):
        raise SchemaError(
            f"{file} does not hold {service.name} taxi trips: "
            f"{'; '.join(filter(None, wrong))}. Choose another file or service."
        )


def _problem(schema: pa.Schema, name: str, service: Service) -> str | None:
    found = [field.type for field in schema if field.name == name]
    if not found:
        return f"column {name!r} is missing"
    if len(found) > 1:
        return f"column {name!r} is there {len(found)} times"
    wanted = "datetimes" if name in (service.pickup, service.dropoff) else "numbers"
    return (
        None if _holds(found[0], wanted) else f"column {name!r} has type {found[0]}, not {wanted}"
    )


def _holds(kind: pa.DataType, wanted: str) -> bool:
    """Whether values of an Arrow type are datetimes, or numbers; a column may be all missing."""
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_null(kind):
        return True
    if wanted == "datetimes":
        return pa.types.is_timestamp(kind)
    return any(
        is_(kind) for is_ in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    )
