"""Predict how many minutes a New York taxi ride will take."""

__version__ = "0.1.0"
