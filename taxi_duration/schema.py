"""What TLC's files have to hold: the columns and their types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from taxi_duration.errors import SchemaError
from taxi_duration.months import Service
from taxi_duration.source import RawMonth

if TYPE_CHECKING:
    import pandera.errors
    import pandera.pandas as pa

__all__ = ["check"]


def check(raw: RawMonth) -> None:
    """Look at the columns and their types, which differ from year to year within limits.

    Raises
    ------
    SchemaError
        If a column is missing, or a time is no datetime, or another column holds no numbers.
    """
    import pandera.errors

    try:  # the columns' types need no rows
        _schema(raw.service).validate(raw.frame.head(0), lazy=True)
    except pandera.errors.SchemaErrors as problem:
        raise SchemaError(
            f"{raw.file} does not hold {raw.service.name} taxi trips: "
            f"{'; '.join(_complaints(problem, raw.frame))}. Choose another file or service."
        ) from problem


def _complaints(problem: pandera.errors.SchemaErrors, frame: pd.DataFrame) -> list[str]:
    cases = problem.failure_cases.drop_duplicates(["column", "check"])
    return [
        f"column {case.failure_case!r} is missing"
        if case.check == "column_in_dataframe"
        else f"column {case.column!r} has type {frame[case.column].dtype}, not {case.check}"
        for case in cases.itertuples()
    ]


def _schema(service: Service) -> pa.DataFrameSchema:
    import pandera.pandas as pa

    def column(name: str) -> pa.Column:
        is_time = name in (service.pickup, service.dropoff)
        right = pd.api.types.is_datetime64_dtype if is_time else pd.api.types.is_numeric_dtype
        check = pa.Check(right, name="datetimes" if is_time else "numbers")
        return pa.Column(checks=check, nullable=True)

    return pa.DataFrameSchema({name: column(name) for name in service.columns})
