"""The learned map of the zones, with the rides on it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from taxi_duration.plots.picture import Picture, complete, sheet
from taxi_duration.plots.style import CONTRAST, INK, MUTED, RIDES, look

__all__ = ["zone_map"]

HEIGHT = 7.4  # inches
LINE = 0.035  # of the height, from one name to the next
LEADER = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.8, "zorder": 1.5}

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
    low, high = _frame(places.loc[ends.melt()["value"]])
    east, north = high - low
    width = np.clip(2 + HEIGHT * east / north, 5, 10)
    figure, (axes,) = sheet(width=width, height=HEIGHT, title="The map that the trips drew")
    _draw_flow(axes, places, flow=_busiest_pairs(ends, pairs))
    pickups = ends["PULocationID"].value_counts().reindex(places.index, fill_value=0)
    sizes = 8 + 300 * pickups / max(pickups.max(), 1)
    axes.scatter(
        places["east"], places["north"], s=sizes, color=RIDES, edgecolor="white", lw=0.6, zorder=2
    )
    axes.set(xlim=(low["east"], high["east"]), ylim=(low["north"], high["north"]))
    axes.set(xlabel="east (miles)", ylabel="north (miles)", aspect="equal")
    _name_landmarks(axes, places)
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
    """Write the names beside the map, from north to south, where they cover no dot."""
    low, high = axes.get_ylim()
    known = places.loc[places.index.intersection(list(LANDMARKS))]
    beside = np.inf
    for zone, (east, north) in known.sort_values("north", ascending=False).iterrows():
        beside = min((north - low) / (high - low), beside - LINE)
        axes.annotate(
            LANDMARKS[zone], (east, north), (1.02, beside), textcoords="axes fraction",
            va="center", color=INK, fontsize=10, arrowprops=LEADER,
        )  # fmt: skip


def _frame(visited: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the corners of the map; far places that hardly any ride touches are left out."""
    return visited.quantile(0.002) - 1, visited.quantile(0.998) + 1
