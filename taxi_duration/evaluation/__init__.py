"""How good a model is, where, and why."""
