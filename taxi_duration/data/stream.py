"""The rides of months that are read again whenever they are needed, and are never all held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from taxi_duration.data.batches import ColumnBuffer, n_rides
from taxi_duration.data.rides import Columns
from taxi_duration.data.source import RawMonth, open_month
from taxi_duration.data.trips import Trips, count_rows, read_month
from taxi_duration.errors import SourceError
from taxi_duration.months import Month, Months


@dataclass(frozen=True)
class TripStream:
    """The rides of one month or more, to train a boosted model on more than memory holds.

    It stands in the place of `Trips`; what needs all rides at once reads them into memory.
    """

    raws: tuple[RawMonth, ...]
    counts: pd.DataFrame = field(repr=False)  # as `Trips.counts`

    def __len__(self) -> int:
        return int(self.counts["kept"].sum())

    @property
    def months(self) -> Months:
        """The months, in their order."""
        return Months(raw.month for raw in self.raws)

    def blocks(self) -> Iterator[Columns]:
        """Read the rides, and yield them as arrays by the name of their column."""
        for raw, kept in zip(self.raws, self.counts["kept"], strict=True):
            left = int(kept)
            for part in read_month(raw):
                left -= n_rides(part.rides)
                yield part.rides
            if left:
                raise SourceError(f"{raw.file} was changed while it was in use. Start again.")

    def hold(self) -> Trips:
        """Read the rides into memory."""
        frame = pd.DataFrame(ColumnBuffer(len(self), self.blocks()).columns(), copy=False)
        sha256 = {raw.file: raw.sha256 for raw in self.raws}
        first = self.raws[0]
        return Trips(frame, self.months, first.service, self.counts, sha256, first.source)

    @property
    def frame(self) -> pd.DataFrame:
        """All rides, as `Trips.frame`; read anew, and held no longer than by the caller."""
        return self.hold().frame

    def __add__(self, other: Trips) -> Trips:
        return self.hold() + other


def stream_trips(
    months: str | Month | Months, *, service: str = "green", source: str | Path = "sample"
) -> TripStream:
    """Count the rides of months that last 1 to 60 minutes, to be read whenever they are needed.

    Takes and raises what `taxi_duration.data.trips.load_trips` does.

    Examples
    --------
    >>> stream = stream_trips("2021-01..2021-02")
    >>> len(stream) == sum(len(block["duration"]) for block in stream.blocks())
    True
    """
    raws = [open_month(each, service=service, source=source) for each in Months.parse(months)]
    counts = [count_rows(raw) for raw in raws]
    return TripStream(tuple(raws), pd.DataFrame(counts))
