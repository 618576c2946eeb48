"""Boosted trees as plain arrays: for a few rides they are walked sooner than by XGBoost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import xgboost

FIELDS = ("left_children", "right_children", "split_indices", "split_conditions")


class FlatTrees:
    """The trees of a booster, all walked at once; the predictions are XGBoost's, bit by bit.

    Before its first row XGBoost visits every node of every tree, to learn how deep they are. That
    takes longer than the walk of a few rows. The booster has to be fitted on squared error, to
    numbers none of which is missing.
    """

    def __init__(self, booster: xgboost.Booster) -> None:
        learner = json.loads(booster.save_raw("json"))["learner"]
        base = json.loads(learner["learner_model_param"]["base_score"])
        mean = dict(zip(FIELDS, ([-1], [-1], [0], base), strict=True))  # a tree of one leaf
        trees = [mean, *learner["gradient_booster"]["model"]["trees"]]
        left, right, feature, value = (
            np.concatenate([np.array(tree[name]) for tree in trees]) for name in FIELDS
        )
        sizes = [len(tree["left_children"]) for tree in trees]
        self._roots = np.cumsum([0, *sizes[:-1]])
        start, is_leaf = np.repeat(self._roots, sizes), left < 0
        ways = [np.where(is_leaf, np.arange(len(left)), each + start) for each in (left, right)]
        self._next = np.stack(ways, axis=1).ravel()  # node to the left and to the right of each
        self._feature, self._value = feature, value.astype(np.float32)  # a leaf's is its minutes
        self._depth = _depth(self._roots, is_leaf, self._next.reshape(-1, 2))

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return a prediction for each row of features, as float32."""
        rows, width = features.shape
        values, row = features.ravel(), width * np.arange(rows)[:, None]
        nodes = np.tile(self._roots, (rows, 1))
        for _ in range(self._depth):
            is_right = values.take(self._feature.take(nodes) + row) >= self._value.take(nodes)
            nodes = self._next.take(2 * nodes + is_right)
        # one after the other, as XGBoost adds them: another order would change the last bit
        return np.cumsum(self._value.take(nodes), axis=1)[:, -1]


def _depth(nodes: np.ndarray, is_leaf: np.ndarray, ways: np.ndarray) -> int:
    """Return the most steps from one of the nodes to a leaf."""
    depth = 0
    while len(nodes := nodes[~is_leaf[nodes]]):
        nodes, depth = ways[nodes].ravel(), depth + 1
    return depth
