"""Scores of several extractors for the same pairs become one.

Each extractor has a scale of its own, so its scores are standardised first, by the mean and the
spread of all of them: nearly all are non-mated, and no label is used (sum rule after
z-normalisation; Jain, Nandakumar & Ross, Pattern Recognition 38:2270-2285, 2005). Then they are
averaged with weights: an extractor counts more if its best scan for a photograph stands further
above the second, which needs no label either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

POWER = 3
"""Of the mean distance from the best score to the second, as the weight of an extractor.

Powers 1, 2 and 3, and equal weights, do alike: 253, 253, 251 and 253 of 270 photographs of
phantoms, 488, 488, 494 and 487 of 546 of others (``benchmarks/results/attacks.tsv``). The third
takes most weight from an extractor that knows nothing.
"""


def fused_scores(matrices: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Average the standardised scores of several extractors, each with its weight.

    Parameters
    ----------
    matrices : sequence of (p, n) float32
        Scores of the same probes against the same scans; NaN where there is none.

    Returns
    -------
    (p, n) float32
        Of the extractors that have a score; NaN where none has.
    """
    standardised = np.stack([_standardised(one) for one in matrices])
    weights = np.array([_distinction(one) for one in standardised]) ** POWER
    if not weights.any():
        weights[:] = 1
    known = np.isfinite(standardised)
    total = np.tensordot(weights, np.where(known, standardised, 0), axes=1)
    shares = np.tensordot(weights, known.astype(np.float64), axes=1)
    fused = np.full(total.shape, np.nan)
    np.divide(total, shares, out=fused, where=shares > 0)
    return fused.astype(np.float32)


def _standardised(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    exact = scores.astype(np.float64)
    known = exact[np.isfinite(exact)]
    if not len(known):
        return exact
    spread = float(known.std())
    return np.asarray((exact - known.mean()) / (spread if spread > 0 else 1.0))


def _distinction(scores: NDArray[np.float64]) -> float:
    """Mean distance from the best to the second best score of a probe; 0 if nobody has two."""
    ordered = np.sort(np.where(np.isfinite(scores), scores, -np.inf), axis=1)
    if ordered.shape[1] < 2:
        return 0.0
    best, second = ordered[:, -1], ordered[:, -2]
    both = np.isfinite(second)
    return float((best[both] - second[both]).mean()) if both.any() else 0.0
