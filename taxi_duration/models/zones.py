"""Zones as codes, medians by code, and where the zones lie, learned from the trips alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.sparse.csgraph import connected_components, shortest_path
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.manifold import ClassicalMDS
from threadpoolctl import threadpool_limits

from taxi_duration.data.batches import in_batches, in_threads, n_rides
from taxi_duration.data.rides import (
    LAST_ZONE,
    N_ZONES,
    UNKNOWN_ZONE,
    ZONES,
    Columns,
    as_array,
    as_columns,
    is_plausible_distance,
)

NOWHERE = [0, UNKNOWN_ZONE, LAST_ZONE]
DIMENSIONS = 3  # miles driven do not quite fit on a plane: bridges, one-way streets
OFF_THE_MAP = np.array(6 * [-100] + [0, 0, -100], dtype=np.float32)  # miles, by column
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
    return tuple(zone_codes(X[name]) for name in ZONES)


def ride_distance(X: pd.DataFrame | Columns) -> np.ndarray:
    """Return the distance of rides in miles, as floats."""
    return as_array(X["trip_distance"]).astype(float, copy=False)


def pair_codes(pickup: np.ndarray, dropoff: np.ndarray) -> np.ndarray:
    """Return one number for each pair of zone codes."""
    return pickup * N_ZONES + dropoff


def group_median(codes: np.ndarray, values: np.ndarray, *, size: int) -> np.ndarray:
    """Return the median of the values at each code, 0 up to `size`; missing where there is none.

    The values must not be negative. They are compared as float32.

    Examples
    --------
    >>> group_median(np.array([0, 0, 2]), np.array([1.0, 3.0, 5.0]), size=3).tolist()
    [2.0, nan, 5.0]
    """
    keys = _sort_keys(codes, values)
    keys.sort()
    return _medians(keys, size=size)


class PairDistances:
    """The distances of rides, sorted by pair of zones, for the medians to be looked up.

    Distances that no ride can have are left out.

    Examples
    --------
    >>> rides = {"PULocationID": [1, 1, 2], "DOLocationID": [2, 2, 1], "trip_distance": [1, 3, 9]}
    >>> found = PairDistances([{name: np.array(each) for name, each in rides.items()}])
    >>> found.one_way()[[1, 2], [2, 1]].tolist(), found.both_ways()[[1, 2], [2, 1]].tolist()
    ([2.0, 9.0], [3.0, 3.0])
    """

    def __init__(self, batches: Iterable[Columns]) -> None:
        parts = list(in_threads(_distance_keys, batches))
        self.rides = sum(rides for rides, _, _ in parts)
        # one sort serves both directions: which of them is a ride's is the last bit of its key
        none = np.empty(0, dtype=np.int64)
        keys = [np.concatenate([none, *(part[number] for part in parts)]) for number in (1, 2)]
        del parts
        list(in_threads(np.ndarray.sort, keys))
        self._by_pair, self._by_pickup = keys

    def one_way(self) -> np.ndarray:
        """Return the median of each pair, shape (266, 266); missing where nobody rode."""
        there, back = (_pairs(self._by_pair[self._by_pair & 1 == way] >> 1) for way in (0, 1))
        return np.where(np.isnan(there), back.T, there)

    def both_ways(self) -> np.ndarray:
        """Return the same of both directions together, missing where they have but one ride."""
        either = _pairs(self._by_pair >> 1, at_least=2)
        return np.where(np.isnan(either), either.T, either)

    def by_pickup(self) -> np.ndarray:
        """Return the median of each pick-up zone; that of all rides where nobody was picked up."""
        medians = _medians(self._by_pickup, size=N_ZONES)
        miles = _values(self._by_pickup)
        return np.where(np.isnan(medians), np.median(miles) if len(miles) else 0.0, medians)


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
        return self.fit_distances(PairDistances(in_batches([as_columns(X)])))

    def fit_distances(self, distances: PairDistances) -> ZoneMap:
        """Fit the map on the distances of rides."""
        miles = np.nan_to_num(distances.both_ways())  # 0 where there is no way
        miles[NOWHERE], miles[:, NOWHERE] = 0, 0
        np.fill_diagonal(miles, 0)
        _, part = connected_components(miles, directed=False)
        zones = np.flatnonzero(part == np.bincount(part).argmax())
        self.coordinates_ = np.full((N_ZONES, DIMENSIONS), np.nan, dtype=np.float32)
        if len(zones) > DIMENSIONS:
            driven = shortest_path(miles[np.ix_(zones, zones)], directed=False)
            self.coordinates_[zones] = _scale(driven)
        return self

    def transform(self, X: pd.DataFrame | Columns) -> np.ndarray:
        """Return coordinates of both ends, the way east and north, and the straight line.

        Where a zone is not on the map, they are far off, as nothing else is. Trees would take
        missing values, too, but at twice the time and memory.
        """
        # axis by axis: what works column by column is faster
        pickup, dropoff = (np.take(self.coordinates_.T, zones, axis=1) for zones in ride_zones(X))
        way = (dropoff - pickup)[:2]
        found = np.concatenate([pickup, dropoff, way, np.hypot(*way)[None]])
        np.copyto(found, OFF_THE_MAP[:, None], where=np.isnan(found))
        return found.T

    def places(self) -> pd.DataFrame:
        """Return `zone`, and its place `east` and `north` in miles, turned with north up."""
        zones = np.flatnonzero(~np.isnan(self.coordinates_[:, 0]))
        plane = _north_up(self.coordinates_[:, :2])[zones]
        return pd.DataFrame({"zone": zones, "east": plane[:, 0], "north": plane[:, 1]})


def _distance_keys(rides: Columns) -> tuple[int, np.ndarray, np.ndarray]:
    """Return the number of rides, and keys that sort their distances by pair and by pick-up."""
    miles = ride_distance(rides).astype(np.float32)
    good = np.flatnonzero(is_plausible_distance(miles))
    (pickup, dropoff), miles = (zones[good] for zones in ride_zones(rides)), miles[good]
    low, high = np.minimum(pickup, dropoff), np.maximum(pickup, dropoff)
    by_pair = _sort_keys(pair_codes(low, high), miles) << 1
    by_pair |= pickup > dropoff
    return n_rides(rides), by_pair, _sort_keys(pickup, miles)


def _sort_keys(codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return whole numbers in the order of the codes, and of the values at each code."""
    # bits of floats that are not negative sort as the floats do
    keys = codes.astype(np.int64) << 32
    keys |= values.astype(np.float32, copy=False).view(np.int32)
    return keys


def _values(keys: np.ndarray) -> np.ndarray:
    return keys.astype(np.int32).view(np.float32)


def _medians(keys: np.ndarray, *, size: int, at_least: int = 1) -> np.ndarray:
    """Return the median value at each code, missing where there are too few; keys are sorted."""
    ends = np.searchsorted(keys, np.arange(size + 1) << 32)
    first, count = ends[:-1], np.diff(ends)
    enough = count >= at_least
    middle = [_values(keys[first[enough] + (count[enough] + side) // 2]) for side in (-1, 0)]
    medians = np.full(size, np.nan)
    medians[enough] = np.mean(middle, axis=0, dtype=float)
    return medians


def _pairs(keys: np.ndarray, *, at_least: int = 1) -> np.ndarray:
    return _medians(keys, size=N_ZONES**2, at_least=at_least).reshape(N_ZONES, N_ZONES)


def _scale(driven: np.ndarray) -> np.ndarray:
    """Return coordinates with these distances, the same on every machine."""
    scaling = ClassicalMDS(n_components=DIMENSIONS, metric="precomputed")
    # so small a matrix makes the threads of linear algebra wait for each other, and they spin
    with threadpool_limits(1), np.errstate(invalid="ignore"):  # an axis may not be needed
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
