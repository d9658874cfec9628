"""Scores of several extractors for the same pairs become one.

Each extractor has a scale of its own, so its scores are standardised first, by the mean and the
spread of all of them: nearly all are non-mated, and no label is used. Then they are averaged
(sum rule after z-normalisation; Jain, Nandakumar & Ross, Pattern Recognition 38:2270-2285, 2005).
All extractors count alike. Weights chosen on phantoms were no better on others
(``benchmarks/results/attacks.tsv``).
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def fused_scores(matrices: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Average the standardised scores of several extractors.

    Parameters
    ----------
    matrices : sequence of (p, n) float32
        Scores of the same probes against the same scans; NaN where there is none.

    Returns
    -------
    (p, n) float32
        Mean of those that are there; NaN where there is none of any extractor.
    """
    standardised = np.stack([_standardised(one) for one in matrices])
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Mean of empty slice', RuntimeWarning)
        return np.nanmean(standardised, axis=0).astype(np.float32)


def _standardised(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    exact = scores.astype(np.float64)
    known = exact[np.isfinite(exact)]
    if not len(known):
        return exact
    spread = float(known.std())
    return np.asarray((exact - known.mean()) / (spread if spread > 0 else 1.0))
