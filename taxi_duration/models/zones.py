"""Zones as codes, medians by code, and where the zones lie, learned from the trips alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse.csgraph import connected_components, shortest_path
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.manifold import ClassicalMDS

from taxi_duration.data.rides import (
    N_ZONES,
    UNKNOWN_ZONE,
    ZONES,
    Columns,
    as_array,
    is_plausible_distance,
)

DIMENSIONS = 3  # miles driven do not quite fit on a plane: bridges, one-way streets
SOUTH_TO_NORTH, WEST_TO_EAST = (14, 200), (75, 130)  # Bay Ridge, Riverdale; East Harlem, Jamaica


def zone_codes(zones: pd.Series | np.ndarray) -> np.ndarray:
    """Return zones as whole numbers 1 to 265, and 0 for any that TLC does not have.

    Examples
    --------
    >>> zone_codes(pd.Series([74.0, None, 9999, -1])).tolist()
    [74, 0, 0, 0]
    """
    numbers = as_array(zones)
    known = (numbers >= 1) & (numbers < N_ZONES)
    return np.where(known, numbers, 0).astype(np.int32)


def ride_zones(X: pd.DataFrame | Columns) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes of the pick-up and of the drop-off zones of rides."""
    pickup, dropoff = (zone_codes(X[name]) for name in ZONES)
    return pickup, dropoff


def ride_distance(X: pd.DataFrame | Columns) -> np.ndarray:
    """Return the distance of rides in miles, as floats."""
    return as_array(X["trip_distance"]).astype(float, copy=False)


def pair_codes(pickup: np.ndarray, dropoff: np.ndarray) -> np.ndarray:
    """Return one number for each pair of zone codes."""
    return pickup * N_ZONES + dropoff


def group_median(
    codes: np.ndarray, values: np.ndarray, *, size: int, at_least: int = 1
) -> np.ndarray:
    """Return the median of the values at each code from 0, missing where there are too few.

    Parameters
    ----------
    values : ndarray
        0 or more (miles, minutes); compared as float32.
    size : int
        Number of codes.
    at_least : int
        Values that a median needs.

    Examples
    --------
    >>> group_median(np.array([0, 0, 2]), np.array([1.0, 3.0, 5.0]), size=3).tolist()
    [2.0, nan, 5.0]
    """
    # bits of floats that are not negative sort as the floats do: one sort orders codes and values
    keys = codes.astype(np.int64) << 32
    keys |= values.astype(np.float32, copy=False).view(np.int32)
    keys.sort()
    count = np.bincount(codes, minlength=size)
    enough = count >= at_least
    first = (np.cumsum(count) - count)[enough]
    middle = [keys[first + (count[enough] + side) // 2].astype(np.int32) for side in (-1, 0)]
    medians = np.full(size, np.nan)
    medians[enough] = np.mean(np.stack(middle).view(np.float32), axis=0, dtype=float)
    return medians


class ZoneMap(TransformerMixin, BaseEstimator):
    """The zones' places in miles, such that distances on the map are distances driven.

    The median distance of each pair of zones makes a graph; shortest paths fill in the pairs that
    nobody rode; classical multidimensional scaling [1]_ finds coordinates for them. No duration
    is used, so the map may be fitted on the rides that the model is fitted on.

    Attributes
    ----------
    coordinates_ : ndarray of shape (266, 3)
        Miles, a row a zone; missing where no ride connects the zone to the others.

    References
    ----------
    .. [1] W. S. Torgerson, "Multidimensional scaling: I. Theory and method", Psychometrika 17
       (1952), pp. 401-419; as in Isomap, J. B. Tenenbaum et al., Science 290 (2000), pp. 2319-2323.

    Examples
    --------
    >>> from taxi_duration.data.trips import load_trips
    >>> zone_map = ZoneMap().fit(load_trips("2021-01").frame)
    >>> list(zone_map.places().columns)
    ['zone', 'east', 'north']
    """

    def fit(self, X: pd.DataFrame, y: object = None) -> ZoneMap:  # noqa: ARG002
        """Fit the map on rides: `PULocationID`, `DOLocationID`, `trip_distance`."""
        distances = _pair_distances(X)
        _, part = connected_components(distances, directed=False)
        zones = np.flatnonzero(part == np.bincount(part).argmax())
        self.coordinates_ = np.full((N_ZONES, DIMENSIONS), np.nan, dtype=np.float32)
        if len(zones) > DIMENSIONS:
            driven = shortest_path(distances[np.ix_(zones, zones)], directed=False)
            self.coordinates_[zones] = _scale(driven)
        return self

    def transform(self, X: pd.DataFrame | Columns) -> np.ndarray:
        """Return coordinates of both ends, the way east and north, and the straight line."""
        # axis by axis: what works column by column is faster
        pickup, dropoff = (np.take(self.coordinates_.T, zones, axis=1) for zones in ride_zones(X))
        way = (dropoff - pickup)[:2]
        return np.concatenate([pickup, dropoff, way, np.hypot(*way)[None]]).T

    def places(self) -> pd.DataFrame:
        """Return `zone`, and its place `east` and `north` in miles, turned with north up."""
        zones = np.flatnonzero(~np.isnan(self.coordinates_[:, 0]))
        plane = _north_up(self.coordinates_[:, :2])[zones]
        return pd.DataFrame({"zone": zones, "east": plane[:, 0], "north": plane[:, 1]})


def _pair_distances(X: pd.DataFrame) -> np.ndarray:
    """Return the median distance of each pair, both ways together; 0 where there is none."""
    (pickup, dropoff), distance = ride_zones(X), ride_distance(X)
    low, high = np.minimum(pickup, dropoff), np.maximum(pickup, dropoff)
    use = (low > 0) & (low < high) & (high < UNKNOWN_ZONE) & is_plausible_distance(distance)
    codes = pair_codes(low, high)[use]
    median = group_median(codes, distance[use], size=N_ZONES**2, at_least=2)
    one_way = np.nan_to_num(median).reshape(N_ZONES, N_ZONES)
    return one_way + one_way.T


def _scale(driven: np.ndarray) -> np.ndarray:
    """Return coordinates with these distances, the same on every machine."""
    scaling = ClassicalMDS(n_components=DIMENSIONS, metric="precomputed")
    with np.errstate(invalid="ignore"):  # an axis that the distances do not need
        coordinates = np.nan_to_num(scaling.fit_transform(driven))
    signs = np.sign((coordinates**3).sum(axis=0))  # which scaling leaves open
    return np.round(coordinates * np.where(signs == 0, 1, signs), 4)


def _north_up(plane: np.ndarray) -> np.ndarray:
    south, north = plane[list(SOUTH_TO_NORTH)]
    east, up = north - south
    length = np.hypot(east, up)
    if not length > 0:
        return plane
    turned = plane @ (np.array([[up, east], [-east, up]]) / length)
    west, east = turned[list(WEST_TO_EAST), 0]
    return turned * [-1 if west > east else 1, 1]
