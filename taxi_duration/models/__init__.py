"""Rides become minutes, with an interval."""
