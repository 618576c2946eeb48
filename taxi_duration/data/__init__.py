"""A month of TLC, of the sample or of a folder becomes valid rides."""

from taxi_duration.data.parquet import read_parquet, write_parquet
from taxi_duration.data.sample import make_month
from taxi_duration.data.source import open_month
from taxi_duration.data.stream import stream_trips
from taxi_duration.data.trips import Split, Trips, load_rides, load_split, load_trips
from taxi_duration.data.zone_names import zone_names
from taxi_duration.months import Months

__all__ = [
    "Months", "Split", "Trips", "load_rides", "load_split", "load_trips", "make_month",
    "open_month", "read_parquet", "stream_trips", "write_parquet", "zone_names",
]  # fmt: skip
