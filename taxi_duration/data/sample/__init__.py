"""A believable month without a network: TLC-shaped rides from a small, calibrated world."""

from taxi_duration.data.sample.month import make_month

__all__ = ["make_month"]
