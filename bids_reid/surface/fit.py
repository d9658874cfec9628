"""Fit the skin of a scan to the average head: rotation, position and size.

Robust least squares of the distances of skin points from the average head (Gauss-Newton with the
weights of Geman and McClure, whose width shrinks), from many starts at once. Distances are taken
one way, from the scan to the average, so that what the field of view leaves out pulls nothing.
Which start was right is decided both ways: a skull alone is nearly a ball, and only asking where
the average's face is in the scan tells front from back.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from scipy.spatial import cKDTree

    from bids_reid.surface.average import AverageHead

    Points = NDArray[np.float32]

TILT = 22.0
"""Degrees between starts; the fit finds its way from about 30."""
COARSE_POINTS = 350
MIDDLE_POINTS = 900
COARSE_WIDTHS = (30.0, 30.0, 30.0, 20.0, 20.0, 20.0, 12.0, 12.0, 8.0, 8.0)
MIDDLE_WIDTHS = (10.0, 8.0, 6.0, 5.0)
FINE_WIDTHS = (5.0, 4.0, 4.0, 4.0, 4.0, 4.0)
"""Distance in mm at which a point's weight is a quarter, one number per iteration.

So many iterations and points that tilts of 25 degrees about all axes end within 0.2 degrees.
"""
KEPT = 3
"""Starts that are still followed after the coarse stage."""
SCALES = (0.6, 1.2)
"""Sizes of a head in parts of the average: from infants to large men."""
SCALE_SPREAD = 0.1
SCALE_SHARE = 0.02
"""The size is drawn to the average's with the weight of this share of the points."""
FIRM_SHARE = 0.2
"""The same, where something that touches the head (a cushion) would make it too large."""
FACE_WEIGHT = 4.0
FACE_FRONT_MM = -40.0
"""Points further in front than this in the average head count `FACE_WEIGHT` times."""
SCORE_MM = 6.0
LOST_MM = 15.0
"""Beyond this, how far the nearest skin is makes no difference."""
OUTSIDE_LOSS = 0.5
"""What a point costs that cannot be compared; a good one costs 0 and a bad one 1."""
_HEAD_MM = 170.0
_LARGEST_STEP = (0.3, 25.0, 0.1)
"""Radians, millimetres and parts of the size."""


class Similarity(NamedTuple):
    """B transforms from the scan to the average head: ``y = size rotation x + shift``.

    ``rotation`` (B, 3, 3), ``shift`` (B, 3) in mm, ``size`` (B,): of the average over the scan.
    """

    rotation: NDArray[np.float64]
    shift: NDArray[np.float64]
    size: NDArray[np.float64]

    def take(self, which: NDArray[np.intp]) -> Similarity:
        """Some of the transforms."""
        return Similarity(self.rotation[which], self.shift[which], self.size[which])

    def to_average(self, points: Points) -> Points:
        """Bring points of the scan (n, 3) to the average head, (B, n, 3)."""
        matrix = (self.size[:, None, None] * self.rotation).transpose(0, 2, 1)
        moved: Points = points @ matrix.astype(np.float32)
        return moved + self.shift[:, None].astype(np.float32)

    def to_scan(self, points: Points) -> Points:
        """Bring points of the average head (n, 3) to the scan, (B, n, 3)."""
        away = points - self.shift[:, None].astype(np.float32)
        moved: Points = away @ (self.rotation / self.size[:, None, None]).astype(np.float32)
        return moved


class Target(NamedTuple):
    """What a scan is compared with and by: see `fit_head`."""

    average: AverageHead
    in_view: Callable[[Points], NDArray[np.bool_]]
    tree: cKDTree


def fit_head(
    skin: Points,
    target: Target,
    rotations: NDArray[np.float64],
    *,
    size_share: float = SCALE_SHARE,
) -> Similarity:
    """Fit skin points to the average head.

    Parameters
    ----------
    skin : (n, 3) float32
        Points spread evenly over the skin, millimetres; not over the ends of the field of view.
    target : Target
        The average head; whether points of the scan are in the field of view; and a tree of the
        skin's points.
    rotations : (B, 3, 3) float64
        From the scan to the average head, to start from.
    size_share : float
        How firmly the size is held to the average's: see `SCALE_SHARE`.

    Returns
    -------
    Similarity
        The best one only.
    """
    average = target.average
    few, some = _thinned(skin, COARSE_POINTS), _thinned(skin, MIDDLE_POINTS)
    fits = start_at(few, average, rotations)
    fits = _improved(fits, few, average, COARSE_WIDTHS, size_share)
    best = np.argsort(losses(fits, few, target, every=4), kind='stable')[:KEPT]
    fits = _improved(fits.take(best), some, average, MIDDLE_WIDTHS, size_share, FACE_WEIGHT)
    best = np.argsort(losses(fits, some, target), kind='stable')[:1]
    return _improved(fits.take(best), skin, average, FINE_WIDTHS, size_share, FACE_WEIGHT)


def losses(
    fits: Similarity, skin: Points, target: Target, *, every: int = 2
) -> NDArray[np.float64]:
    """Mean robust loss of each transform (B,), from 0 to 3.

    The sum of three means of ``r^2 / (r^2 + SCORE_MM^2)``: over the distances r of the skin from
    the average head, and over those from the skin of the average's head (one point of ``every``)
    and face (one of four times that).
    """
    average = target.average
    moved = fits.to_average(skin)
    distance, _, valid = average.distance(moved.reshape(-1, 3))
    total = _mean_loss(distance, valid, fits.size)
    for points in (average.head[::every], average.face[:: 4 * every]):
        there = fits.to_scan(points).reshape(-1, 3)
        gap, _ = target.tree.query(there, distance_upper_bound=LOST_MM)
        gap = np.minimum(gap, LOST_MM) * np.repeat(fits.size, len(points))
        total += _mean_loss(gap, target.in_view(there), fits.size)
    return total


def _mean_loss(
    distance: NDArray[np.floating], valid: NDArray[np.bool_], size: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean loss of the distances (mm of the average head) of each transform, (B,)."""
    squared = (distance.reshape(len(size), -1) / size[:, None]) ** 2
    loss = squared / (squared + SCORE_MM**2)
    return np.where(valid.reshape(loss.shape), loss, OUTSIDE_LOSS).mean(axis=1)


def tilted() -> NDArray[np.float64]:
    """Rotations to start from for a head that lies as the header says, about."""
    corners = list(product((-1, 1), repeat=3))
    single = [sign * axis for axis in np.eye(3) for sign in (-1, 1)]
    # heads are nodded and turned by more than they are tilted to the side
    vectors = np.radians(TILT) * np.array([np.zeros(3), *single, *corners])
    return _turn(vectors * [1.0, 0.8, 1.0])


def axis_orientations() -> NDArray[np.float64]:
    """Return the 24 rotations that permute the axes, for heads whose header is wrong."""
    return np.asarray(Rotation.create_group('O').as_matrix().round())


def _thinned(points: Points, number: int) -> Points:
    """Take about ``number`` of the points, evenly."""
    return points[:: max(1, len(points) // number)]


def start_at(points: Points, average: AverageHead, rotations: NDArray[np.float64]) -> Similarity:
    """Put the head's box where the average's lies when it is turned likewise."""
    here = head_box(points)
    # rows times a rotation: its inverse, from the average to the scan
    shifts = [turn @ (head_box(average.head @ turn) - here) for turn in rotations]
    return Similarity(rotations, np.array(shifts), np.ones(len(rotations)))


def head_box(points: NDArray[np.floating], stray: float = 0.5) -> NDArray[np.float64]:
    """Middle of the head across and along, and the height of its top, (3,), by scanner axes.

    The ``stray`` highest percent of points may be anything.
    """
    heights = np.sort(points[:, 2])
    top = heights[round((1 - stray / 100) * (len(heights) - 1))]
    head = np.sort(points[points[:, 2] > top - _HEAD_MM, :2], axis=0)
    low, high = head[round(0.02 * (len(head) - 1))], head[round(0.98 * (len(head) - 1))]
    return np.array([*(low + high) / 2, top], float)


def _improved(
    fits: Similarity,
    points: Points,
    average: AverageHead,
    widths: Sequence[float],
    size_share: float,
    face_weight: float = 1.0,
) -> Similarity:
    """Take one Gauss-Newton step per width."""
    for width in widths:
        fits = _step(fits, points, average, width, size_share, face_weight)
    return fits


def _step(
    fits: Similarity,
    points: Points,
    average: AverageHead,
    width: float,
    size_share: float,
    face_weight: float,
) -> Similarity:
    """One step: a small turn about the weighted middle, a shift, and a change of the size."""
    moved = fits.to_average(points)
    size = fits.size.astype(np.float32)[:, None]
    distance, normal, valid = average.distance(moved.reshape(-1, 3))
    distance = distance.reshape(moved.shape[:2]) / size
    normal = normal.reshape(moved.shape)
    weight = valid.reshape(distance.shape) / (1 + (distance / np.float32(width)) ** 2) ** 2
    weight *= np.where(moved[..., 1] > FACE_FRONT_MM, np.float32(face_weight), np.float32(1))
    total = np.maximum(weight.sum(axis=1), 1)
    middle = (weight[:, None] @ moved)[:, 0] / total[:, None]
    arm = moved - middle[:, None]
    (ax, ay, az), (nx, ny, nz) = np.moveaxis(arm, 2, 0), np.moveaxis(normal, 2, 0)
    turning = (ay * nz - az * ny, az * nx - ax * nz, ax * ny - ay * nx)
    columns = [*turning, nx, ny, nz, ax * nx + ay * ny + az * nz]
    # derivatives in mm of the scan, as the distances are
    jacobian = np.stack(columns, axis=1) / size[:, None]
    weighted = jacobian * weight[:, None]
    normal_matrix = (weighted @ jacobian.transpose(0, 2, 1)).astype(float)
    gradient = (weighted @ distance[..., None])[..., 0].astype(float)
    prior = size_share * total * (width / SCALE_SPREAD) ** 2
    normal_matrix[:, 6, 6] += prior
    gradient[:, 6] += prior * np.log(fits.size)
    # where nothing is near, the step is short
    normal_matrix += np.diag([1.0, 1.0, 1.0, 1e-3, 1e-3, 1e-3, 1.0]) * total[:, None, None]
    step = -np.linalg.solve(normal_matrix, gradient[..., None])[..., 0]
    return moved_by(fits, middle.astype(float), step)


def moved_by(
    fits: Similarity, middle: NDArray[np.float64], step: NDArray[np.float64]
) -> Similarity:
    """Turn, shift and resize (step, (B, 7)) the average's side of the transforms."""
    radians, millimetres, part = _LARGEST_STEP
    turn = _turn(step[:, :3].clip(-radians, radians))
    smallest, largest = SCALES
    size = (fits.size * np.exp(step[:, 6].clip(-part, part))).clip(1 / largest, 1 / smallest)
    arm = (turn @ (fits.shift - middle)[..., None])[..., 0] * (size / fits.size)[:, None]
    shift = arm + middle + step[:, 3:6].clip(-millimetres, millimetres)
    return Similarity(turn @ fits.rotation, shift, size)


def _turn(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotations by vectors (B, 3), radians: Rodrigues' formula, (B, 3, 3).

    scipy's differ in the last bit, which would move every frame by as much.
    """
    angle = np.linalg.norm(vectors, axis=1)[:, None, None]
    x, y, z = (vectors / np.maximum(angle[:, 0], 1e-12)).T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    turn: NDArray[np.float64] = np.eye(3) + np.sin(angle) * cross
    return turn + (1 - np.cos(angle)) * (cross @ cross)
