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
"""Exponent of the mean distance from the best to the second score, which gives the weight of an
extractor.

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
    scales = [_scale(one) for one in matrices]
    margins = [_margin(one) / spread for one, (_, spread) in zip(matrices, scales, strict=True)]
    weights = np.array(margins) ** POWER
    if not weights.any():
        weights[:] = 1
    fused = np.full(matrices[0].shape, np.nan, np.float32)
    # row after row: copies of all scores may not fit into memory
    for number, row in enumerate(fused):
        some = np.stack(
            [
                (one[number].astype(np.float64) - mean) / spread
                for one, (mean, spread) in zip(matrices, scales, strict=True)
            ]
        )
        known = np.isfinite(some)
        shares = weights @ known
        np.divide(weights @ np.where(known, some, 0), shares, out=row, where=shares > 0)
    return fused


def _scale(scores: NDArray[np.float32]) -> tuple[float, float]:
    """Mean and spread of all scores; a spread of 1 where they do not differ."""
    known = scores[np.isfinite(scores)]
    if not len(known):
        return 0.0, 1.0
    spread = float(known.std(dtype=np.float64))
    return float(known.mean(dtype=np.float64)), spread if spread > 0 else 1.0


def _margin(scores: NDArray[np.float32]) -> float:
    """Mean distance from the best to the second best score of a probe; 0 if nobody has two."""
    margins = []
    for row in scores:
        known = row[np.isfinite(row)]
        if len(known) > 1:
            second, best = np.partition(known, -2)[-2:].astype(np.float64)
            margins.append(best - second)
    return float(np.mean(margins)) if margins else 0.0
