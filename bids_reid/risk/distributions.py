"""How the scores of mated and of non-mated comparisons are distributed.

Each photograph is compared with each participant of the gallery, as in
`bids_reid.risk.verification`. The scores are counted in bins of equal width, the same for both
kinds. The edges of the bins are round numbers, so that they read well in a table.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bids_reid.records import AttackKey
from bids_reid.risk.identification import Searches, probes

FEW_BINS, MOST_BINS = 12, 40
"""All scores lie in so many bins at most, give or take one at the edge: fewer mated scores are
counted in fewer bins."""
Comparison = Literal['mated', 'nonmated']
KINDS: tuple[Comparison, ...] = get_args(Comparison)


@dataclass(frozen=True, slots=True)
class DistributionRow:
    """A row of ``group_distributions.tsv``; fields are its columns.

    The bin holds scores from ``bin_low``, included, to ``bin_high``, excluded.
    """

    condition: str
    modality: str
    extractor: str
    decision: str
    comparison: Comparison
    bin_low: float
    bin_high: float
    n: int


def distribution_rows(searches: Searches, attack: AttackKey) -> list[DistributionRow]:
    """Count the scores of mated and of non-mated comparisons in bins.

    Parameters
    ----------
    searches
        Photographs and scans of one group.
    attack
        What the rows are about.

    Returns
    -------
    A row per kind and bin, ascending. Empty bins before the first score and after the last of a
    kind are left out. No rows if nothing could be compared, or all scores are the same.
    """
    n_mated, low, high = _extent(searches)
    if not low < high:
        return []
    most_bins = min(max(FEW_BINS, 3 * math.sqrt(n_mated)), MOST_BINS)
    width = round_width((high - low) / most_bins)
    first = math.floor(low / width)
    n_bins = math.floor(high / width) - first + 1
    counts = np.zeros((len(KINDS), n_bins), np.int64)
    for both in _compared(searches):
        for kind, scores in enumerate(both):
            places = np.floor(scores / width).astype(np.int64) - first
            counts[kind] += np.bincount(np.clip(places, 0, n_bins - 1), minlength=n_bins)
    rows = []
    for comparison, numbers in zip(KINDS, counts, strict=True):
        filled = np.flatnonzero(numbers)
        rows += [
            DistributionRow(
                **asdict(attack),
                comparison=comparison,
                bin_low=_edge(first + place, width),
                bin_high=_edge(first + place + 1, width),
                n=int(numbers[place]),
            )
            for place in (range(filled[0], filled[-1] + 1) if len(filled) else ())
        ]
    return rows


def round_width(width: float) -> float:
    """Return the next larger number of the form 1, 2 or 5 times a power of ten.

    >>> round_width(0.013), round_width(0.021), round_width(0.5), round_width(7.0)
    (0.02, 0.05, 0.5, 10.0)
    """
    power = math.floor(math.log10(width))
    for digit in (1, 2, 5, 10):
        rounded = float(f'{digit}e{power}')
        if rounded >= width * (1 - 1e-9):
            return rounded
    return float(f'1e{power + 1}')


def _edge(number: int, width: float) -> float:
    """Return an edge without the digits that products of floating-point numbers leave."""
    return float(f'{number * width:.12g}')


def _extent(searches: Searches) -> tuple[int, float, float]:
    """Return the number of mated scores, and the lowest and highest score of all comparisons."""
    n_mated, low, high = 0, math.inf, -math.inf
    for mated, nonmated in _compared(searches):
        n_mated += len(mated)
        for scores in (mated, nonmated):
            low = min(low, float(scores.min(initial=math.inf)))
            high = max(high, float(scores.max(initial=-math.inf)))
    return n_mated, low, high


def _compared(
    searches: Searches,
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the finite scores of each photograph: the mated one, (1,), and the others, (n,)."""
    for probe in probes(searches):
        if probe.status == 'ok':
            both = np.array([probe.mated]), probe.nonmated.astype(np.float64)
            mated, nonmated = (scores[np.isfinite(scores)] for scores in both)
            yield mated, nonmated
