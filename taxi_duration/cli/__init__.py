"""The command `taxi-duration`."""
