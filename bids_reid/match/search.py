"""How alike each probe is to each scan, computed fast and with a bound on the error.

One matrix product in float32 compares all probes with the renders of a few scans, and the best
render of each scan is taken while the product is still in the processor's cache. The gallery is
read once from one end to the other, so that memory does not grow with it.

The bound holds for every order of summation and with or without fused multiply-add: the computed
inner product of two vectors of length n is off by at most ``gamma(n) |x| |y|`` with
``gamma(n) = n u / (1 - n u)`` and ``u = 2^-24`` (N. J. Higham, Accuracy and Stability of Numerical
Algorithms, 2nd ed., SIAM 2002, section 3.1). It also covers the rounding of the exact score to
float32, so that two scores further apart than it are in the same order in
:func:`bids_reid.match.scores.probe_scores`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bids_reid.match.scores import (
    Gallery,
    Similarity,
    check_finite,
    check_probes,
    checked_template,
    unit_length,
)

TILE_ROWS, TILE_PROBES = 512, 1024
"""Renders and probes of one product: 2 MiB, about what a processor's second cache holds."""
_U = 2.0**-24
_TINY = 2.0**-100
"""More than all that numbers too small for float32 can add up to, for d below a million."""
_HUGE = 2.0**120
"""Squares up to this, and sums of them, are within the range of float32."""


@dataclass(frozen=True, slots=True)
class FastScores:
    """Scores of probes against scans, and how far they may be from the exact ones.

    Attributes
    ----------
    scores
        Shape (p, n_scans), higher is more alike; the column of a scan without features is NaN.
    slack
        Error of each scan's scores, (n_scans,): of the squared distance or of the cosine. Where
        it is infinite the scores say nothing; it is NaN for a scan without features.
    """

    similarity: Similarity
    scores: NDArray[np.float32]
    slack: NDArray[np.float32]

    @property
    def enrolled(self) -> NDArray[np.bool_]:
        """Whether each scan has features, (n_scans,)."""
        return ~np.isnan(self.slack)

    def radius(self, probe: int) -> NDArray[np.float32]:
        """How far each score of a probe may be from the exact one at most, (n_scans,).

        Roots are off by ``x - y = (x^2 - y^2) / (x + y)``, and by no more than the root of what
        the squares are off by. Both scores are rounded to float32, and so is what is computed
        here and with the result: 8 u covers it.
        """
        size, error = np.abs(self.scores[probe]), self.slack
        if self.similarity == 'euclidean':
            with np.errstate(divide='ignore', invalid='ignore'):
                error = np.fmin(error / size, np.sqrt(error))
        return error + np.float32(8 * _U) * (size + error)


def search(
    probes: NDArray[np.float32],
    gallery: Gallery,
    *,
    similarity: Similarity,
    tile_rows: int = TILE_ROWS,
    tile_probes: int = TILE_PROBES,
) -> FastScores:
    """Score every probe against every scan, each template read once and in order.

    Parameters
    ----------
    probes, gallery, similarity
        As for :func:`bids_reid.match.scores.probe_scores`.
    tile_rows, tile_probes
        Size of one product. Changes memory, speed and rounding, which stays within the bound.

    Raises
    ------
    ValueError
        If a shape, a value or the similarity is not as described.
    """
    check_probes(probes, similarity)
    # transposed, so that what a tile gives lies together
    scores = np.full((len(gallery), len(probes)), np.nan, np.float32)
    slack = np.full(len(gallery), np.nan, np.float32)
    if not len(probes):
        slack[[len(gallery[scan]) > 0 for scan in range(len(gallery))]] = 0
        return FastScores(similarity, scores.T, slack)
    blocks = [slice(first, first + tile_probes) for first in range(0, len(probes), tile_probes)]
    products = np.empty(0, np.float32)
    # numbers that overflow have an infinite slack
    with np.errstate(over='ignore', invalid='ignore'):
        comparison = _COMPARISONS[similarity](probes)
        columns = [np.ascontiguousarray(comparison.columns[:, block]) for block in blocks]
        for scans, rows, starts in _tiles(gallery, probes, tile_rows):
            rows, row_slack = comparison.prepare(rows)  # noqa: PLW2901
            if not np.isfinite(row_slack).all():
                for scan in scans:
                    check_finite(gallery[scan], scan)
            slack[scans] = np.maximum.reduceat(row_slack, starts) * (1 + 2 * _U)
            if len(products) < len(rows) * columns[0].shape[1]:
                products = np.empty(len(rows) * columns[0].shape[1], np.float32)
            for block, column in zip(blocks, columns, strict=True):
                shape = (len(rows), column.shape[1])
                product = products[: shape[0] * shape[1]].reshape(shape)
                np.matmul(rows, column, out=product)
                for scan, start, end in zip(scans, starts, [*starts[1:], None], strict=True):
                    np.maximum.reduce(product[start:end], axis=0, out=scores[scan, block])
            scores[scans] = comparison.scores(scores[scans])
    scores[np.isinf(slack)] = 0
    return FastScores(similarity, scores.T, slack)


def _tiles(
    gallery: Gallery, probes: NDArray[np.float32], n_rows: int
) -> Iterator[tuple[list[int], NDArray[np.float32], list[int]]]:
    """Yield a few enrolled scans, their renders below each other, where each starts.

    The rows have one more column, to be filled, and are overwritten by the next ones.
    """
    rows = np.empty((0, 0), np.float32)
    scans: list[int] = []
    starts: list[int] = []
    end = 0
    for scan in range(len(gallery)):
        part = checked_template(gallery, scan, probes)
        if not len(part):
            continue
        if scans and end + len(part) > n_rows:
            yield scans, rows[:end], starts
            scans, starts, end = [], [], 0
        if end + len(part) > len(rows):
            rows = np.empty((max(n_rows, len(part)), part.shape[1] + 1), np.float32)
        scans.append(scan)
        starts.append(end)
        rows[end : end + len(part), :-1] = part
        end += len(part)
    if scans:
        yield scans, rows[:end], starts


class _Comparison(Protocol):
    """A similarity as a matrix product: what is multiplied, and what its largest values mean."""

    columns: NDArray[np.float32]
    """Shape (k, p)."""

    def prepare(
        self, rows: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Turn features with one more column (v, d + 1), in place, into rows (v, k).

        Also returns the slack of each, infinite wherever a value is not finite.
        """
        ...

    def scores(self, largest: NDArray[np.float32]) -> NDArray[np.float32]:
        """Turn the largest product of each scan and probe (n, p) into its score."""
        ...


class _Euclidean:
    """``|a - b|^2 = |a|^2 - 2 (a.b - |b|^2 / 2)``, the bracket being one product.

    Both sides are shifted alike first, which changes no distance and keeps the numbers small.

    With alpha = |a| (of the longest probe) and beta = |b| after the shift, the square is off by
    2 gamma(d + 1) alpha beta from the product, by gamma(2 d + 1) beta^2 from |b|^2 computed and
    added, and by less than 5 u (alpha + beta)^2 from the rounding of the shift (2), of |a|^2 (1)
    and of the last difference (1).
    """

    def __init__(self, probes: NDArray[np.float32]) -> None:
        mean = probes.sum(axis=0, dtype=np.float64) / max(1, len(probes))
        self._origin = mean.astype(np.float32)
        shifted = probes - self._origin
        sizes = np.square(shifted, dtype=np.float64).sum(axis=1)
        self._alpha = float(np.sqrt(sizes.max(initial=0)))
        self._sizes = sizes.astype(np.float32)
        self.columns = np.vstack([shifted.T, np.ones(len(probes), np.float32)])

    def prepare(
        self, rows: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        features, d = rows[:, :-1], rows.shape[1] - 1
        features -= self._origin
        sizes = np.einsum('vd,vd->v', features, features)
        rows[:, -1] = sizes * np.float32(-0.5)
        beta = np.sqrt(sizes.astype(np.float64) * (1 + _gamma(2 * d)) + _TINY)
        both = self._alpha + beta
        slack = (_gamma(2 * d + 2) * beta + 5 * _U * both) * both + _TINY
        return rows, np.where(both**2 < _HUGE, slack, np.inf)

    def scores(self, largest: NDArray[np.float32]) -> NDArray[np.float32]:
        squared = self._sizes - 2 * largest
        return -np.sqrt(np.maximum(squared, 0, out=squared), out=squared)


class _Cosine:
    """The inner product of vectors of unit length.

    Lengths are off by gamma(d + 4) at most, the product by gamma(d); a dozen more units of u
    cover the probes' rounding and numbers too small for float32.
    """

    def __init__(self, probes: NDArray[np.float32]) -> None:
        unit = unit_length(probes.astype(np.float64)).astype(np.float32)
        self.columns = np.ascontiguousarray(unit.T)

    def prepare(
        self, rows: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        features = rows[:, :-1]
        sizes = np.einsum('vd,vd->v', features, features)
        usual = (sizes > 2.0**-80) & (sizes < _HUGE)
        slack = np.full(len(features), _gamma(2 * features.shape[1] + 16) + _TINY)
        slack[~usual & features.any(axis=1)] = np.inf
        features *= (1 / np.sqrt(np.where(usual, sizes, 1)))[:, None]
        return features, slack

    def scores(self, largest: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.clip(largest, -1, 1)


_COMPARISONS: dict[Similarity, type[_Euclidean] | type[_Cosine]] = {
    'euclidean': _Euclidean,
    'cosine': _Cosine,
}


def _gamma(n: int) -> float:
    return n * _U / (1 - n * _U)
