"""How alike a probe's keypoints are to those of each render of a scan.

Each keypoint of the probe is matched to the nearest of a render if the second nearest is clearly
further away (the ratio test of Lowe, IJCV 2004, section 7.1). A similarity transform must bring
matched keypoints together: every pair of the best matches proposes one, and the proposal with most
inliers counts (the consensus of Fischler & Bolles, 1981, with all samples in place of random ones,
so that there is no seed).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.records import Keypoints

Distance = Literal['hamming', 'euclidean']

RATIO = 0.8
"""Of the nearest to the second nearest distance: what Lowe took."""
TOLERANCE = 0.05
"""How far off an inlier may be, in sizes of the face box: a twentieth."""
LARGEST_TURN, LARGEST_ZOOM = np.deg2rad(30), 1.6
"""Both sides show an upright face whose box has one size."""
SHORTEST = 0.1
"""Two matches closer than this, in box sizes, say nothing of size and turn."""
PROPOSERS = 16
"""Matches that propose transforms: those with the clearest ratio."""
SMALLEST_CONSENSUS = 3
"""Two matches agree with a transform of their own."""
_FAR = np.float32(2**23)
"""Greater than any squared distance; whole numbers up to twice as much are exact in float32."""


@dataclass(frozen=True, slots=True)
class Searchable:
    """Keypoints of a scan, laid out for the comparison; see `searchable`.

    Attributes
    ----------
    rows
        Shape (n * m, d + 1): their products with a probe's rows are squared distances, less what
        depends on the probe alone.
    positions
        Shape (n, m): x + iy, with m places per render.
    """

    distance: Distance
    rows: NDArray[np.float32]
    positions: NDArray[np.complex64]

    def __len__(self) -> int:
        return len(self.positions)


def searchable(keypoints: Keypoints, distance: Distance) -> Searchable:
    """Lay out the keypoints of n renders once for many probes."""
    counts = np.diff(keypoints.offsets)
    n, m = len(counts), max(2, int(counts.max(initial=0)))
    render = np.repeat(np.arange(n), counts)
    place = np.arange(len(render)) - keypoints.offsets[render]
    numbers = as_numbers(keypoints.descriptors, distance)
    rows = np.zeros((n, m, numbers.shape[1] + 1), np.float32)
    rows[:, :, -1] = _FAR
    rows[render, place, :-1] = -2 * numbers
    rows[render, place, -1] = np.einsum('kd,kd->k', numbers, numbers)
    positions = np.zeros((n, m), np.complex64)
    positions[render, place] = _complex(keypoints.positions)
    return Searchable(distance, rows.reshape(n * m, numbers.shape[1] + 1), positions)


def keypoint_scores(probe: Keypoints, scan: Searchable) -> NDArray[np.float32]:
    """Score one probe against each render of a scan; higher is more alike.

    A score is the number of keypoints that agree with one transform (0 if fewer than 3) plus how
    clear their matches are, which is below 1 and tells equal numbers apart.

    Parameters
    ----------
    probe : Keypoints
        Of one image.
    scan : Searchable
        Of n renders, with the extractor's distance.

    Returns
    -------
    (n,) float32. Distances are whole numbers and exact, so that matches are the same whatever
    order a processor adds in.

    Raises
    ------
    ValueError
        The probe is not one image, or of another extractor.
    """
    if len(probe) != 1:
        raise ValueError(f'a probe is one image, not {len(probe)}')
    scores = np.zeros(len(scan), np.float32)
    if not len(probe.descriptors) or not len(scan):
        return scores
    matches = _matches(probe, scan)
    enough = matches.counts() >= SMALLEST_CONSENSUS
    if enough.any():
        scores[enough] = _consensus(matches.of(enough))
    return scores


@dataclass(frozen=True, slots=True)
class _Matches:
    """Matches of a probe with each render, (n, q), the clearest first.

    ``clearness`` is 0 for no match and up to 1; ``source`` and ``target`` are places x + iy.
    """

    clearness: NDArray[np.float32]
    source: NDArray[np.complex64]
    target: NDArray[np.complex64]

    def counts(self) -> NDArray[np.intp]:
        return np.count_nonzero(self.clearness, axis=1)

    def of(self, renders: NDArray[np.bool_]) -> _Matches:
        """Keep some renders, and no more columns than they have matches."""
        width = int(self.counts()[renders].max())
        return _Matches(
            self.clearness[renders, :width],
            self.source[renders, :width],
            self.target[renders, :width],
        )


def _matches(probe: Keypoints, scan: Searchable) -> _Matches:
    numbers = as_numbers(probe.descriptors, scan.distance)
    if scan.rows.shape[1] != numbers.shape[1] + 1:
        raise ValueError(f'descriptors of {numbers.shape[1]} and {scan.rows.shape[1] - 1} numbers')
    rows = np.column_stack([numbers, np.ones(len(numbers), np.float32)])
    n, m = scan.positions.shape
    squared = (rows @ scan.rows.T).reshape(len(rows), n, m)
    nearest = squared.argmin(axis=2)[:, :, None]
    first = np.take_along_axis(squared, nearest, axis=2)
    np.put_along_axis(squared, nearest, np.float32(np.inf), axis=2)
    second = squared.min(axis=2)
    sizes = np.einsum('qd,qd->q', numbers, numbers)[:, None]
    near, far = np.maximum(first[:, :, 0] + sizes, 0), second + sizes
    ratio = near / np.maximum(far, 1)
    if scan.distance == 'euclidean':
        ratio = np.sqrt(ratio)
    # a render with a single keypoint has no second nearest, and nothing to compare with
    clear = (ratio < RATIO) & (far < _FAR / 2)
    clearness = np.where(clear, 1 - ratio / np.float32(RATIO), 0).T
    chosen = _one_to_one(clearness, nearest[:, :, 0].T, m)
    order = np.argsort(-chosen, axis=1, kind='stable')
    target = np.take_along_axis(
        scan.positions, np.take_along_axis(nearest[:, :, 0].T, order, 1), 1
    )
    source = _complex(probe.positions)[order]
    return _Matches(np.take_along_axis(chosen, order, axis=1), source, target)


def _one_to_one(
    clearness: NDArray[np.float32], nearest: NDArray[np.intp], n_places: int
) -> NDArray[np.float32]:
    """Keep the clearest match (n, q) of each of a render's keypoints; 0 for the others."""
    n, _ = clearness.shape
    best = np.zeros((n, n_places), np.float32)
    render = np.arange(n)[:, None]
    np.maximum.at(best, (render, nearest), clearness)
    return np.where(clearness == best[render, nearest], clearness, 0)


def _consensus(matches: _Matches) -> NDArray[np.float32]:
    """Count the inliers of the best transform for each render, and add their mean clearness."""
    width = min(PROPOSERS, matches.clearness.shape[1])
    one, other = np.triu_indices(width, 1)
    z, w = matches.source, matches.target
    step = z[:, other] - z[:, one]
    usable = (matches.clearness[:, other] > 0) & (np.abs(step) > SHORTEST)
    turn = (w[:, other] - w[:, one]) / np.where(usable, step, 1)
    size = np.abs(turn)
    usable &= (size < LARGEST_ZOOM) & (size > 1 / LARGEST_ZOOM)
    usable &= np.abs(np.angle(turn)) < LARGEST_TURN
    render, proposal = np.nonzero(usable)
    turn = turn[render, proposal, None]
    start = one[proposal]
    shift = w[render, start, None] - turn * z[render, start, None]
    off = turn * z[render] + shift - w[render]
    inlier = (off.real**2 + off.imag**2 < TOLERANCE**2) & (matches.clearness[render] > 0)
    counts = inlier.sum(axis=1)
    clear = np.where(inlier, matches.clearness[render], 0).sum(axis=1) / np.maximum(counts, 1)
    # 1 would be the next number; two matches agree with themselves
    values = np.where(counts >= SMALLEST_CONSENSUS, counts + np.minimum(clear, 0.999), 0)
    scores = np.zeros(len(z), np.float32)
    np.maximum.at(scores, render, values.astype(np.float32))
    return scores


def as_numbers(descriptors: NDArray[np.uint8], distance: Distance) -> NDArray[np.float32]:
    """Numbers whose squared Euclidean distance is the distance, or its square.

    Bits become 0 and 1, which differ by 1 where the bits do: that is the Hamming distance.
    """
    if distance == 'hamming':
        return np.unpackbits(descriptors, axis=1).astype(np.float32)
    return descriptors.astype(np.float32)


def _complex(positions: NDArray[np.float32]) -> NDArray[np.complex64]:
    return np.asarray(positions[:, 0] + 1j * positions[:, 1], np.complex64)
