"""How alike a probe's keypoints are to those of each render of a scan.

Each keypoint of a render is matched to the nearest of the probe if the second nearest is clearly
further away (the ratio test of Lowe, IJCV 2004, section 7.1). OpenCV looks for the similarity
transform that most matches agree with (the random samples of Fischler & Bolles, 1981).

The nearest are looked for in one matrix product for all renders. With OpenCV's ``BFMatcher`` a
comparison would take as long for ORB's bits, but three times as long for SIFT's numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.records import Keypoints

Distance = Literal['hamming', 'euclidean']

RATIO = 0.8
"""Largest ratio of the nearest to the second nearest distance, as in Lowe's paper."""
TOLERANCE = 0.05
"""Largest error of an inlier, in sizes of the face box: a twentieth."""
LARGEST_TURN, LARGEST_ZOOM = np.deg2rad(30), 1.6
"""Both sides show an upright face whose box has one size."""
SMALLEST_CONSENSUS = 3
"""Any two matches agree with some transform, so more are needed."""
CONFIDENCE = 0.999
"""Probability that at least one sample holds only inliers.

OpenCV draws as many samples as that takes.
"""


@dataclass(frozen=True, slots=True)
class Searchable:
    """Keypoints of n renders, laid out for the comparison; see `searchable`.

    Attributes
    ----------
    numbers
        Shape (k, d): descriptors as numbers, see `as_numbers`.
    squares
        Shape (k,): the squared length of each.
    render
        Shape (k,): which render each is of, ascending.
    positions
        Shape (k, 2).
    """

    distance: Distance
    n: int
    numbers: NDArray[np.float32]
    squares: NDArray[np.float32]
    render: NDArray[np.intp]
    positions: NDArray[np.float32]

    def __len__(self) -> int:
        return self.n


def searchable(keypoints: Keypoints, distance: Distance) -> Searchable:
    """Lay out the keypoints of n renders once for many probes."""
    numbers = as_numbers(keypoints.descriptors, distance)
    render = np.repeat(np.arange(len(keypoints)), np.diff(keypoints.offsets))
    squares = np.einsum('kd,kd->k', numbers, numbers)
    return Searchable(distance, len(keypoints), numbers, squares, render, keypoints.positions)


def keypoint_scores(probe: Keypoints, scan: Searchable) -> NDArray[np.float32]:
    """Score one probe against each render of a scan; higher is more alike.

    A score is the number of inliers, keypoints that agree with one transform (0 if fewer than 3),
    plus how clear their matches are, which is below 1 and tells equal numbers apart.

    Parameters
    ----------
    probe : Keypoints
        Of one image.
    scan : Searchable
        Of n renders, with the extractor's distance.

    Returns
    -------
    (n,) float32. Distances are whole numbers and exact, so that matches are the same whatever
    order a processor adds in, and OpenCV draws its samples from the same seed in each call.

    Raises
    ------
    ValueError
        The probe is not one image, or of another extractor.
    """
    if len(probe) != 1:
        raise ValueError(f'a probe is one image, not {len(probe)}')
    scores = np.zeros(len(scan), np.float32)
    # with a single keypoint there is no second nearest, and nothing to compare with
    if len(probe.descriptors) < 2 or not len(scan.numbers):
        return scores
    matches = _matches(probe, scan)
    bounds = np.searchsorted(matches.render, np.arange(len(scan) + 1))
    for render in np.flatnonzero(np.diff(bounds) >= SMALLEST_CONSENSUS):
        some = slice(bounds[render], bounds[render + 1])
        scores[render] = _consensus(
            matches.source[some], matches.target[some], matches.clearness[some]
        )
    return scores


@dataclass(frozen=True, slots=True)
class _Matches:
    """Matches of a probe with all renders, (m,), render after render.

    ``clearness`` is above 0 and up to 1; ``source`` and ``target`` are places (m, 2) in the probe
    and in the render.
    """

    render: NDArray[np.intp]
    clearness: NDArray[np.float32]
    source: NDArray[np.float32]
    target: NDArray[np.float32]


def _matches(probe: Keypoints, scan: Searchable) -> _Matches:
    nearest, near, far = _two_nearest(as_numbers(probe.descriptors, scan.distance), scan)
    limit = np.float32(RATIO) * far
    matched = np.flatnonzero(near < limit)
    clearness = 1 - near[matched] / limit[matched]
    # one to one: the clearest match of each of the probe's keypoints with each render
    order = np.argsort(-clearness, kind='stable')
    pair = scan.render[matched] * len(probe.descriptors) + nearest[matched]
    kept = order[np.unique(pair[order], return_index=True)[1]]
    chosen = matched[kept]
    return _Matches(
        scan.render[chosen],
        clearness[kept],
        probe.positions[nearest[chosen]],
        scan.positions[chosen],
    )


def _two_nearest(
    numbers: NDArray[np.float32], scan: Searchable
) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]:
    """Which of a probe's descriptors (q, d) is nearest to each of a scan's.

    Returns
    -------
    Its number, its distance and that of the second nearest, each (k,).
    """
    if numbers.shape[1] != scan.numbers.shape[1]:
        raise ValueError(f'descriptors of {numbers.shape[1]} and {scan.numbers.shape[1]} numbers')
    squared = scan.numbers @ (-2 * numbers.T)
    squared += np.einsum('qd,qd->q', numbers, numbers)
    squared += scan.squares[:, None]
    nearest = squared.argmin(axis=1)
    every = np.arange(len(squared))
    near = squared[every, nearest]
    squared[every, nearest] = np.inf
    far = squared.min(axis=1)
    return (
        (nearest, near, far)
        if scan.distance == 'hamming'
        else (nearest, np.sqrt(near), np.sqrt(far))
    )


def _consensus(
    source: NDArray[np.float32], target: NDArray[np.float32], clearness: NDArray[np.float32]
) -> float:
    """Count the inliers of the best transform of some matches, and add their mean clearness."""
    transform, inlier = cv2.estimateAffinePartial2D(
        source,
        target,
        method=cv2.RANSAC,
        ransacReprojThreshold=TOLERANCE,
        confidence=CONFIDENCE,
        # it changes the transform, not the inliers
        refineIters=0,
    )
    count = int(np.count_nonzero(inlier))
    if transform is None or count < SMALLEST_CONSENSUS:
        return 0.0
    turn = np.arctan2(transform[1, 0], transform[0, 0])
    zoom = np.hypot(transform[1, 0], transform[0, 0])
    if abs(turn) > LARGEST_TURN or not 1 / LARGEST_ZOOM < zoom < LARGEST_ZOOM:
        return 0.0
    # 1 would be the next number
    return count + min(float(clearness[inlier[:, 0] > 0].mean()), 0.999)


def as_numbers(descriptors: NDArray[np.uint8], distance: Distance) -> NDArray[np.float32]:
    """Numbers whose squared Euclidean distance is the distance, or its square.

    Bits become 0 and 1, which differ by 1 where the bits do: that is the Hamming distance.
    """
    if distance == 'hamming':
        return np.unpackbits(descriptors, axis=1).astype(np.float32)
    return descriptors.astype(np.float32)
