"""Which model is used: choose, gate, promote, roll back, describe."""
