"""An explorer of rides: what such a ride took, and what a model predicts for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from taxi_duration.errors import TaxiDurationError
from taxi_duration.plots import style
from taxi_duration.plots.style import Picture, complete_rows, subplots, theme

if TYPE_CHECKING:
    from ipywidgets import Widget

MIN_RIDES = 20  # fewer show no distribution
EDGES = np.arange(0, 62, 2)  # minutes
ENDS = ["PULocationID", "DOLocationID"]
MINUTES = ("duration", "low", "high")

Predict = Callable[[pd.DataFrame], object]


@dataclass(frozen=True)
class Ride:
    """A ride to ask about: zones by TLC's number, weekday from 0 for Monday, hour of pick-up."""

    pickup: int
    dropoff: int
    weekday: int
    hour: int


def explorer(
    rides: pd.DataFrame, *, predict: Predict | None = None, names: Mapping[int, str] | None = None
) -> Explorer:
    """Choose a ride, and see how long such rides took and what is predicted.

    With a person at a live kernel it has lists to choose from; elsewhere it is a picture of the
    busiest pair.

    Parameters
    ----------
    rides : pandas.DataFrame
        Columns `pickup_datetime`, `PULocationID`, `DOLocationID`, `trip_distance` (miles) and
        `duration` (minutes).
    predict : callable
        Takes a frame of one ride; returns its minutes, or a frame with `duration` and, for an
        interval, `low` and `high`, as `RegisteredModel.predict` does.
    names : mapping
        Of zones by number, as `taxi_duration.data.zone_names` returns them.
    """
    known = complete_rows(rides, "pickup_datetime", *ENDS, "duration")
    return Explorer(known.assign(trip_distance=rides["trip_distance"]), predict, names or {})


@dataclass(frozen=True, repr=False)
class Explorer:
    """What `explorer` returns; the last value of a cell shows it."""

    rides: pd.DataFrame
    predict: Predict | None
    names: Mapping[int, str]

    def __repr__(self) -> str:
        return f"Explorer of {len(self.rides):,} rides"

    def first(self) -> Ride:
        """Return a ride of the busiest pair of two zones, at its busiest time."""
        between = self.rides[self.rides[ENDS[0]] != self.rides[ENDS[1]]]
        between = self.rides if between.empty else between
        pickup, dropoff = between.value_counts(ENDS).index[0]
        pair = between[(between[ENDS] == [pickup, dropoff]).all(axis="columns")]
        time = pair["pickup_datetime"].dt
        weekday, hour = time.day_of_week.mode()[0], time.hour.mode()[0]
        return Ride(int(pickup), int(dropoff), int(weekday), int(hour))

    def such_rides(self, ride: Ride) -> tuple[str, pd.Series]:
        """Return which rides are most like it, and their minutes; the first 20 or more."""
        time = self.rides["pickup_datetime"].dt
        is_pair = self._is_pair(ride)
        hours_apart = (time.hour - ride.hour).abs()
        is_hour = np.minimum(hours_apart, 24 - hours_apart) <= 1
        is_day = (time.day_of_week >= 5) == (ride.weekday >= 5)
        days = "weekends" if ride.weekday >= 5 else "Monday to Friday"
        widening = {
            f"this pair, {days}, within an hour": is_pair & is_day & is_hour,
            "this pair at any time": is_pair,
            "from this zone": self.rides[ENDS[0]] == ride.pickup,
        }
        for which, chosen in widening.items():
            if chosen.sum() >= MIN_RIDES:
                return which, self.rides["duration"][chosen]
        return "all rides", self.rides["duration"]

    def predicted(self, ride: Ride) -> dict[str, float]:
        """Return `duration`, and `low` and `high` if they are predicted, in minutes."""
        if self.predict is None:
            return {}
        found = self.predict(self._frame(ride))
        if not isinstance(found, pd.DataFrame):
            found = pd.DataFrame({"duration": np.ravel(found)})
        return {name: float(found[name].iloc[0]) for name in found if name in MINUTES}

    @theme()
    def picture(self, ride: Ride) -> Picture:
        """Draw the minutes of such rides, and what is predicted."""
        (which, minutes), predicted = self.such_rides(ride), self.predicted(ride)
        pair = f"{self._name(ride.pickup)} to {self._name(ride.dropoff)}"
        time = f"{style.WEEKDAYS[ride.weekday]} {ride.hour:02d}:00"
        figure, (axes,) = subplots(title=f"Zone {pair}, {time}")
        axes.hist(minutes, EDGES, color=style.NAVY, label=which)
        if "low" in predicted:
            band = {"color": style.ORANGE, "alpha": 0.2, "label": "interval"}
            axes.axvspan(predicted["low"], predicted["high"], **band)
        if predicted:
            line = {"color": style.ORANGE, "linewidth": 2.4, "label": "predicted"}
            axes.axvline(predicted["duration"], **line)
        axes.set(xlabel="duration (minutes)", xlim=(0, 60))
        style.count_rides(axes)
        axes.legend()
        alt = (
            "Histogram of the durations of rides like the one that was chosen, in minutes, with a "
            "line and a band for what is predicted, if anything is."
        )
        return Picture(figure, alt)

    def text(self, ride: Ride) -> str:
        """Return in words what the picture shows."""
        which, minutes = self.such_rides(ride)
        found = f"{len(minutes):,} rides ({which}): median {minutes.median():.1f} minutes"
        predicted = self.predicted(ride)
        if predicted:
            found += f"; predicted {predicted['duration']:.1f}"
        if "low" in predicted:
            found += f", interval {predicted['low']:.1f} to {predicted['high']:.1f}"
        return f"{found}."

    def widget(self) -> Widget:
        """Return lists to choose a ride from, over its picture."""
        import ipywidgets

        lists = {name: ipywidgets.Dropdown(description=name, options=options, value=value)
                 for name, options, value in self._lists()}  # fmt: skip
        picture, words = ipywidgets.Image(width=800), ipywidgets.HTML()

        def show(_change: object = None) -> None:
            ride = Ride(**{name: each.value for name, each in lists.items()})
            try:
                picture.value = self.picture(ride)._render(".png")
                words.value = escape(self.text(ride))
            except TaxiDurationError as problem:
                words.value = escape(str(problem))

        for each in lists.values():
            each.observe(show, "value")
        show()
        return ipywidgets.VBox([ipywidgets.HBox([*lists.values()]), words, picture])

    def _lists(self) -> list[tuple[str, list[tuple[str, int]], int]]:
        first = asdict(self.first())
        zones = {name: [(self._name(zone), zone) for zone in sorted(map(int, set(self.rides[end])))]
                 for name, end in zip(first, ENDS, strict=False)}  # fmt: skip
        days = [(day, number) for number, day in enumerate(style.WEEKDAYS)]
        hours = [(f"{hour:02d}:00", hour) for hour in range(24)]
        options = zones | {"weekday": days, "hour": hours}
        return [(name, options[name], value) for name, value in first.items()]

    def _frame(self, ride: Ride) -> pd.DataFrame:
        """Return the ride as a frame, in the week of the first one, with its usual distance."""
        monday = self.rides["pickup_datetime"].min().to_period("W").start_time
        row = {
            "pickup_datetime": monday + pd.Timedelta(days=ride.weekday, hours=ride.hour),
            "PULocationID": ride.pickup,
            "DOLocationID": ride.dropoff,
            "trip_distance": self.rides["trip_distance"][self._is_pair(ride)].median(),
        }
        return pd.DataFrame([row])

    def _is_pair(self, ride: Ride) -> pd.Series:
        return (self.rides[ENDS] == [ride.pickup, ride.dropoff]).all(axis="columns")

    def _name(self, zone: int) -> str:
        return f"{zone} {self.names[zone]}" if zone in self.names else str(zone)

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = self.picture(self.first())._repr_mimebundle_()
        if _is_watched():
            data |= self.widget()._repr_mimebundle_()
        return data, metadata


def _is_watched() -> bool:
    """Return whether a person runs this cell: batch jobs and tests cannot answer a question."""
    from IPython import get_ipython

    return bool(getattr(getattr(get_ipython(), "kernel", None), "_allow_stdin", False))
