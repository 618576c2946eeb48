"""Chance with the shape of real months: quantiles, tabulated over normal scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

__all__ = ["calmer", "draw", "tabulate"]

SCORES = np.linspace(-3.5, 3.5, 141)
SHARES = np.exp(-(SCORES**2) / 2) / np.exp(-(SCORES**2) / 2).sum()
USUAL = 3.0  # scores beyond which a ride is a rare one, and only its noise explains it


def tabulate(quantiles: pd.DataFrame, *, bands: int) -> np.ndarray:
    """Return a row a band: its quantiles at `SCORES`, carried on straight beyond the last one."""
    values = quantiles.set_index("band").drop(columns=["feed", "rides"])
    score = ndtri(values.columns.astype(float).to_numpy())
    table = np.zeros((bands, len(SCORES)))
    for band, row in values.iterrows():
        known = row.notna().to_numpy()
        table[band] = _carried_on(score[known], row.to_numpy()[known])
    return table


def draw(table: np.ndarray, band: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one value for each ride from the distribution of its band."""
    score = np.clip(rng.standard_normal(len(band)), SCORES[0], SCORES[-1] - 1e-9)
    place = (score - SCORES[0]) / (SCORES[1] - SCORES[0])
    left = place.astype(np.int64)
    part = place - left
    return table[band, left] * (1 - part) + table[band, left + 1] * part


def calmer(table: np.ndarray, *, share: float, without: float) -> np.ndarray:
    """Take what habits explain (sd `without`, and all but a `share`) out of the usual noise.

    Rare delays stay as long as they are: no habit explains them.
    """
    variance = (table**2 * SHARES).sum(axis=1) - (table * SHARES).sum(axis=1) ** 2
    left = share * np.sqrt(1 - without**2 / variance)
    usual = 1.2 * np.exp(-((SCORES / USUAL) ** 2))
    return table * (1 - (1 - left[:, None]) * usual)


def _carried_on(score: np.ndarray, value: np.ndarray) -> np.ndarray:
    first, last = np.diff(value)[[0, -1]] / np.diff(score)[[0, -1]]
    curve = np.interp(SCORES, score, value)
    return (
        curve + first * np.minimum(SCORES - score[0], 0) + last * np.maximum(SCORES - score[-1], 0)
    )
