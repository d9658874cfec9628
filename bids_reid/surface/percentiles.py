"""Percentiles of whole volumes near either end of their range.

Sorting out the few voxels beyond a value that a sample gives is some five times faster than
sorting all of them (`numpy.percentile`), needs no copy of the volume, and gives the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE = 50_000
"""Number of voxels that tell about where a percentile lies."""


def end_percentile(data: NDArray[np.float32], percent: float) -> float:
    """Percentile of ``data`` by linear interpolation; fast if ``percent`` is near 0 or 100."""
    flat = data.ravel(order='K')
    place = (flat.size - 1) * percent / 100
    first = int(place)
    sample = flat[:: 1 + flat.size // SAMPLE]
    # twice as far from the end as what is sought, so that it lies beyond
    about = 2 * percent if percent < 50 else 2 * percent - 100
    low, high = _ordered(flat, first, np.percentile(sample, about, method='nearest'))
    return low + (high - low) * (place - first)


def _ordered(flat: NDArray[np.float32], first: int, mark: np.float32) -> tuple[float, float]:
    """Return the values of ranks ``first`` and the next one; ``mark`` is one near to them."""
    last = min(first + 1, flat.size - 1)
    below = flat < mark
    n_below = int(np.count_nonzero(below))
    if last < n_below:
        part, before = flat[below], 0
    else:
        above = flat > mark
        before = flat.size - int(np.count_nonzero(above))
        if n_below <= first and last < before:
            return float(mark), float(mark)
        part, before = (flat[above], before) if before <= first else (flat, 0)
    ranks = [first - before, last - before]
    low, high = np.partition(part, ranks)[ranks]
    return float(low), float(high)
