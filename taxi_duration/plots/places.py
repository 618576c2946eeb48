"""The learned map of the zones, with the rides on it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patheffects import withStroke

from taxi_duration.plots.picture import Picture, complete, sheet
from taxi_duration.plots.style import CONTRAST, INK, RIDES, look

__all__ = ["zone_map"]

LANDMARKS = {  # TLC's zones that a reader may know
    7: "Astoria",
    14: "Bay Ridge",
    55: "Coney Island",
    74: "East Harlem",
    92: "Flushing",
    130: "Jamaica",
    132: "JFK Airport",
    181: "Park Slope",
    200: "Riverdale",
}


@look()
def zone_map(coordinates: pd.DataFrame, *, rides: pd.DataFrame, pairs: int = 300) -> Picture:
    """Draw the zones where the trips put them, and the flow of rides between them.

    Parameters
    ----------
    coordinates : pandas.DataFrame
        Columns `zone` (TLC's number), `east` and `north` (miles), as `ZoneMap.places` gives them.
    rides : pandas.DataFrame
        Columns `PULocationID` and `DOLocationID`.
    pairs : int
        How many of the busiest pairs of zones get a line.

    Raises
    ------
    SchemaError
        If a column or every row is missing.
    """
    places = complete(coordinates, "zone", "east", "north").set_index("zone")
    ends = complete(rides, "PULocationID", "DOLocationID")
    ends = ends[ends.isin(places.index).all(axis="columns")]
    figure, (axes,) = sheet(width=7.2, height=7.4, title="The map that the trips drew")
    _draw_flow(axes, places, flow=_busiest_pairs(ends, pairs))
    pickups = ends["PULocationID"].value_counts().reindex(places.index, fill_value=0)
    sizes = 8 + 300 * pickups / max(pickups.max(), 1)
    axes.scatter(
        places["east"], places["north"], s=sizes, color=RIDES, edgecolor="white", lw=0.6, zorder=2
    )
    _name_landmarks(axes, places)
    _frame_most(axes, places.loc[ends.melt()["value"]])
    axes.set(xlabel="east (miles)", ylabel="north (miles)", aspect="equal")
    alt = (
        "Map of the taxi zones learned from the distances of trips, in miles east and north: "
        "dots grow with the pick-ups in a zone, lines with the rides between two zones."
    )
    return Picture(figure, alt)


def _busiest_pairs(ends: pd.DataFrame, pairs: int) -> pd.Series:
    """Count rides between two different zones, both directions together."""
    both = np.sort(ends.to_numpy(), axis=1)
    between = pd.DataFrame(both[both[:, 0] != both[:, 1]], columns=["one", "other"])
    return between.value_counts().head(pairs)


def _draw_flow(axes: Axes, places: pd.DataFrame, *, flow: pd.Series) -> None:
    one, other = (places.loc[flow.index.get_level_values(end)] for end in ("one", "other"))
    lines = np.stack([one.to_numpy(), other.to_numpy()], axis=1)
    widths = 7 * np.sqrt(flow / flow.max())
    axes.add_collection(
        LineCollection(lines, linewidths=widths, color=CONTRAST, alpha=0.55, capstyle="round")
    )


def _name_landmarks(axes: Axes, places: pd.DataFrame) -> None:
    halo = [withStroke(linewidth=3, foreground="white")]
    for zone in places.index.intersection(list(LANDMARKS)):
        axes.annotate(
            LANDMARKS[zone], places.loc[zone], (7, 4), textcoords="offset points",
            color=INK, fontsize=10, path_effects=halo, zorder=4,
        )  # fmt: skip


def _frame_most(axes: Axes, visited: pd.DataFrame) -> None:
    """Leave far places that hardly any ride touches out of the frame."""
    low, high = visited.quantile(0.002), visited.quantile(0.998)
    axes.set(xlim=(low["east"] - 1, high["east"] + 1), ylim=(low["north"] - 1, high["north"] + 1))
