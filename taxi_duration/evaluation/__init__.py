"""How good a model is, where, and why."""

from taxi_duration.evaluation.backtest import backtest, choose_window
from taxi_duration.evaluation.explanation import can_explain, explain, influence
from taxi_duration.evaluation.metrics import (
    compare,
    coverage,
    importance,
    predict,
    score,
    score_by,
    score_parts,
)

__all__ = [
    "backtest", "can_explain", "choose_window", "compare", "coverage", "explain", "importance",
    "influence", "predict", "score", "score_by", "score_parts",
]  # fmt: skip
