"""A month of TLC, of the sample or of a folder becomes valid rides."""
