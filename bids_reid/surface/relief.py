"""The relief of the skin where the face frame says that a face should be.

The scan is looked at straight from the front of the face frame, as a map of depths in squares of
the average head's size, next to the same map of the average head. A face has its nose, orbits and
lips in about the same places; what a tool cut is flat, or steps of voxels, or tissue that was
inside; what it blurred has the large forms but not the fine ones.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from bids_reid.records import FaceRelief
from bids_reid.surface.average import average_head
from bids_reid.surface.frame import CORE, ORIGIN_MM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.surface.frame import FaceFrame, FieldOfView

    Map = NDArray[np.float32]
    Mask = NDArray[np.bool_]
    Points = NDArray[np.float32]

SQUARE_MM = 2.0
LOW, HIGH = (-70.0, -112.0), (70.0, 64.0)
"""Corners of the maps across and up, in mm of the average head (`bids_reid.surface.average`)."""
BEHIND_MM = -60.0
"""Skin further back does not face the camera and is ignored."""
PART_MM = 6.0
"""Squares belong to the part of the face that has a point of the average within this distance."""
NEAR_MM = 8.0
"""Skin within this distance of the average's is in its place: twice the spread between people."""
BAND_MM = (2.0, 10.0)
"""Relief is what a difference of two Gaussians of these widths leaves: nose, orbits, lips."""
FINE_MM = (1.5, 4.0)
"""The same for lids, nostrils and the line of the mouth, which blurring takes first."""
SHIFT_MM = 6.0
"""Distance between parts of people's faces and the average's."""
FLAT_MM = 1.0
FLAT_PATCH_MM = 16.0
STEP_MM = 5.0
"""Neighbouring squares that differ by more than this, where the average's do not, are a step."""
MIN_SQUARES = 40
"""Fewer squares are not enough to measure the relief."""


class _Average(NamedTuple):
    """The average head's map, and which squares are which part of its face."""

    depth: Map
    part: NDArray[np.int8]

    @property
    def core(self) -> Mask:
        """Eyes, nose and mouth."""
        return np.isin(self.part, CORE)


class FaceDepths(NamedTuple):
    """Maps of what the front of the face frame shows, squares of `SQUARE_MM` across and up.

    Attributes
    ----------
    depth, average : (x, z) float32
        Of the foremost surface of the scan, and of the average's, mm of the average head.
    seen : (x, z) bool
        Whether the average's skin is inside the field of view.
    core : (x, z) bool
        Eyes, nose and mouth, in the field of view or not.
    """

    depth: Map
    average: Map
    seen: Mask
    core: Mask


def to_average(points: Points, frame: FaceFrame) -> Points:
    """Bring points of a scan (n, 3) to the average head's coordinates, mm."""
    axes = np.array([-frame.left, frame.forward, frame.up]) / frame.scale
    moved = (points - frame.origin.astype(np.float32)) @ axes.T.astype(np.float32)
    return np.asarray(moved + np.array(ORIGIN_MM, np.float32))


def to_scan(points: Points, frame: FaceFrame) -> Points:
    """Bring points of the average head (n, 3) to the scan, mm."""
    axes = np.array([-frame.left, frame.forward, frame.up]) * frame.scale
    away = (points - np.array(ORIGIN_MM, np.float32)) @ axes.astype(np.float32)
    return np.asarray(away + frame.origin.astype(np.float32))


def face_depths(
    points: Points, triangles: NDArray[np.int32], frame: FaceFrame, view: FieldOfView
) -> FaceDepths:
    """Look at a surface from the front.

    Parameters
    ----------
    points : (n, 3) float32
        Skin, RAS millimetres.
    triangles : (m, 3) int32
        Indices into ``points``.
    frame : FaceFrame
        Where the face is, or should be.
    view : FieldOfView
        Of the scan.
    """
    average = _average_map()
    depth = _depth_map(points, triangles, frame)
    return FaceDepths(depth, average.depth, _in_view(average, frame, view), average.core)


def face_relief(depths: FaceDepths) -> FaceRelief:
    """Compare the relief of a surface with that of the average face.

    The scan does not miss what is outside its field of view.
    """
    average, depth, seen = _average_map(), depths.depth, depths.seen
    core = average.core & seen
    in_view = float(core.sum() / average.core.sum())
    if core.sum() < MIN_SQUARES:
        return FaceRelief(in_view)
    eyes, nose, mouth = [_near(depth, average, core & (average.part == number)) for number in CORE]
    around = seen & ndimage.binary_dilation(average.core, iterations=4) & (average.part >= 0)
    relief = _relief(depth, seen, BAND_MM)
    correlation = _best_match(relief, _relief(average.depth, seen, BAND_MM), around)
    fine, fine_average = (_relief(a, seen, FINE_MM) for a in (depth, average.depth))
    return FaceRelief(
        in_view,
        eyes=eyes,
        nose=nose,
        mouth=mouth,
        correlation=correlation,
        gain=_spread(fine, core) / max(_spread(fine_average, core), 1e-6),
        symmetry=_correlation(relief, relief[::-1], around & around[::-1]),
        flat=_flat(depth, core),
        steps=_steps(depth, average.depth, around),
    )


@cache
def _average_map() -> _Average:
    """Depth and parts of the average head, once per process."""
    head = average_head()
    x, z = _axes()
    y = np.arange(BEHIND_MM, 66.0, 1.0).astype(np.float32)
    grid = np.stack(np.meshgrid(x, y, z, indexing='ij'), axis=-1)
    distance, _, _ = head.distance(grid.reshape(-1, 3))
    distance = distance.reshape(grid.shape[:3])
    inside = distance < 0
    last = np.where(inside.any(axis=1), len(y) - 1 - inside[:, ::-1].argmax(axis=1), -1)
    column = np.clip(last, 0, len(y) - 2)[:, None]
    here, ahead = (np.take_along_axis(distance, column + n, axis=1)[:, 0] for n in (0, 1))
    depth = y[column[:, 0]] + here / np.minimum(here - ahead, -1e-6)
    depth = np.where(last < 0, BEHIND_MM, depth).astype(np.float32)
    across = np.stack(np.meshgrid(x, z, indexing='ij'), axis=-1)
    gap, nearest = cKDTree(head.face[:, [0, 2]]).query(
        across.reshape(-1, 2), distance_upper_bound=PART_MM
    )
    part = np.append(head.face_part, -1)[nearest].astype(np.int8)
    part[~np.isfinite(gap)] = -1
    return _Average(depth, part.reshape(depth.shape))


def _axes() -> list[NDArray[np.float32]]:
    """Middles of the squares across and up."""
    return [
        np.arange(low + SQUARE_MM / 2, high, SQUARE_MM).astype(np.float32)
        for low, high in zip(LOW, HIGH, strict=True)
    ]


def _in_view(average: _Average, frame: FaceFrame, view: FieldOfView) -> Mask:
    """Squares at which the average's skin is inside the field of view."""
    x, z = np.meshgrid(*_axes(), indexing='ij')
    there = np.stack([x, average.depth, z], axis=-1).reshape(-1, 3)
    return view.holds(to_scan(there, frame), margin=SQUARE_MM).reshape(x.shape)


def _depth_map(points: Points, triangles: NDArray[np.int32], frame: FaceFrame) -> Map:
    """Foremost surface in every square; `BEHIND_MM` where there is none."""
    moved = to_average(points, frame)
    x, y, z = moved.T
    near = (y > BEHIND_MM) & (np.abs(x) < HIGH[0] + 8) & (z > LOW[1] - 8) & (z < HIGH[1] + 8)
    a, b, c = (moved[corner] for corner in triangles[near[triangles].all(axis=1)].T)
    # coarse triangles are wider than a square
    ends = [(a + c) / 2, (b + a) / 2, (c + b) / 2]
    every = np.concatenate([moved[near], *ends, *((a + end) / 2 for end in ends)])
    n, m = (len(axis) for axis in _axes())
    across, up = (
        np.floor((every[:, axis] - low) / SQUARE_MM).astype(np.intp)
        for axis, low in ((0, np.float64(LOW[0])), (2, np.float64(LOW[1])))
    )
    inside = (across >= 0) & (across < n) & (up >= 0) & (up < m)
    flat = np.full(n * m, BEHIND_MM, np.float32)
    np.maximum.at(flat, (across * m + up)[inside], every[inside, 1])
    depth = flat.reshape(n, m)
    # squares between the points of a coarse mesh
    holes = depth == BEHIND_MM
    around = ndimage.median_filter(depth, 3)
    return np.where(holes, around, depth).astype(np.float32)


def _near(depth: Map, average: _Average, part: Mask) -> float | None:
    """Share of a part's squares where the skin is where it should be."""
    if part.sum() < MIN_SQUARES / 4:
        return None
    return float((np.abs(depth - average.depth)[part] < NEAR_MM).mean())


def _relief(depth: Map, seen: Mask, band: tuple[float, float]) -> Map:
    """Difference of two Gaussians (sigma in mm), over what is in view only."""
    fine, coarse = (_smooth(depth, seen, sigma / SQUARE_MM) for sigma in band)
    return np.asarray(fine - coarse, np.float32)


def _smooth(values: Map, where: Mask, sigma: float) -> Map:
    """Gaussian mean over ``where``."""
    weight = ndimage.gaussian_filter(where.astype(np.float32), sigma)
    total = ndimage.gaussian_filter(np.where(where, values, 0), sigma)
    return np.asarray(total / np.maximum(weight, 1e-3), np.float32)


def _best_match(relief: Map, average: Map, where: Mask) -> float:
    """Highest correlation over shifts of the average."""
    reach = int(SHIFT_MM / SQUARE_MM)
    shifts = product((-1, 0, 1), range(-reach, reach + 1))
    return max(
        _correlation(relief, np.roll(average, shift, axis=(0, 1)), where) for shift in shifts
    )


def _correlation(one: Map, other: Map, where: Mask) -> float:
    if where.sum() < MIN_SQUARES:
        return 0.0
    a, b = one[where] - one[where].mean(), other[where] - other[where].mean()
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-6))


def _spread(values: Map, where: Mask) -> float:
    """Standard deviation by the median: a few deep holes do not matter."""
    inner = values[where]
    return 1.4826 * float(np.median(np.abs(inner - np.median(inner))))


def _flat(depth: Map, where: Mask) -> float:
    """Largest share of the squares in ``where`` on a plane through a patch of them."""
    squares = np.argwhere(where)
    here = np.column_stack([squares * SQUARE_MM, np.ones(len(squares))])
    values = depth[where].astype(float)
    tree = cKDTree(here[:, :2])
    share = 0.0
    for centre in here[:: max(1, len(here) // 60), :2]:
        patch = tree.query_ball_point(centre, FLAT_PATCH_MM)
        plane, *_ = np.linalg.lstsq(here[patch], values[patch], rcond=None)
        tilt = np.sqrt(1 + plane[0] ** 2 + plane[1] ** 2)
        share = max(share, float((np.abs(here @ plane - values) < FLAT_MM * tilt).mean()))
    return share


def _steps(depth: Map, average: Map, where: Mask) -> float:
    """Share of pairs of neighbours with a step that the average does not have."""
    n_steps = n_pairs = 0
    for axis in (0, 1):
        here, smooth = (np.abs(np.diff(a, axis=axis)) for a in (depth, average))
        a, b = np.moveaxis(where, axis, 0)[1:], np.moveaxis(where, axis, 0)[:-1]
        both = np.moveaxis(a & b, 0, axis)
        n_steps += int(((here - smooth > STEP_MM) & both).sum())
        n_pairs += int(both.sum())
    return n_steps / max(n_pairs, 1)
