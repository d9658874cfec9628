"""Did de-facing take some of the brain away? From the volume alone, without the original.

A whole head has scalp, skull and fluid between air and brain, 13 mm and more. Where the surface of
a scan lies deeper than that in the average head, above the base of the brain, and what is below
looks like the brain and is one piece with it, a tool cut through the brain.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from bids_reid.records import BrainCut
from bids_reid.surface.average import average_head
from bids_reid.surface.frame import BORDER_MM, ORIGIN_MM
from bids_reid.surface.grid import block_mean, gaussian
from bids_reid.surface.mesh import Mesh, vertex_areas
from bids_reid.surface.neighbours import eroded, grown
from bids_reid.surface.relief import to_average, to_scan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.surface.frame import FaceFrame, FieldOfView
    from bids_reid.surface.volume import Volume

GRID_MM = 1.6
SMOOTHING_MM = 1.2
CORE = ((0.0, -75.0, 42.0), (45.0, 55.0, 26.0))
"""Middle and half axes of what is brain in every head, in the average's coordinates, mm."""
LIKE_BRAIN = (0.6, 98.0)
"""Share of the core's median, and percentile of the core: brain lies between them."""
THIN_MM = 2.0
"""Bridges of brain-like tissue thinner than twice this are no brain."""
BOX = ((-80.0, -165.0, -35.0), (80.0, 20.0, 105.0))
"""Corners of a box that holds the brain, in the average's coordinates, mm."""
DEEP_MM = 9.0
"""A surface so deep in the average head is no skin of a whole head."""
BASE = (24.0, 0.3)
"""The brain's base: so high above the eyes, mm, and how much it rises per mm to the front."""
BELOW_MM = (1.5, 2.5, 3.5)
"""Brain is looked for in these depths below the surface: bone would be there otherwise."""
EMPTY_SHARE = 0.05
"""Tools leave at least this share of the voxels with one and the same value."""
MIN_DEEP_CM2 = 1.0
"""A smaller deep surface is not looked into."""


def brain_cut(
    volume: Volume,
    skin: Mesh,
    normals: NDArray[np.floating],
    frame: FaceFrame,
    view: FieldOfView,
) -> BrainCut:
    """Measure the area of cut brain.

    Parameters
    ----------
    volume : Volume
        The scan.
    skin : Mesh
        Its surface.
    normals : (n, 3) float
        Unit normals of its points.
    frame : FaceFrame
        Where its face is, or should be.
    view : FieldOfView
        Of the scan: where it ends, nothing was cut.
    """
    deep = _deep(skin.points, frame, view)
    if not deep.size:
        return BrainCut(0.0, 0.0)
    near = np.zeros(len(skin.points), np.bool_)
    near[deep] = True
    # triangles without a deep point add nothing to the area around one
    part = Mesh(skin.points, skin.triangles[near[skin.triangles].any(axis=1)])
    area = vertex_areas(part)[deep] / 100
    deep_cm2 = float(area.sum())
    if deep_cm2 < MIN_DEEP_CM2:
        return BrainCut(0.0, deep_cm2)
    points, inward = skin.points[deep], -normals[deep]
    cut = _emptied(volume, points - _beyond(volume) * inward)
    if not cut.any():
        return BrainCut(0.0, deep_cm2)
    brain, affine = _brain(volume, frame)
    below = [_at(brain, affine, points + step * inward) for step in BELOW_MM]
    cut &= np.mean(below, axis=0) > 0.5
    return BrainCut(float(area[cut].sum()), deep_cm2)


def _beyond(volume: Volume) -> float:
    """So far outside the surface, mm, no voxel is in part inside."""
    return 1.0 + 0.75 * float(volume.spacing.max())


def _emptied(volume: Volume, points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether points (n, 3) lie where a tool wrote one value; all do if none is found.

    What is left of bone and fluid is as dark as air, and the surface passes below it: only that
    it is not exactly empty tells it from the brain's surface laid bare.
    """
    sparse = volume.data[::2, ::2, ::2]
    values, counts = np.unique(sparse, return_counts=True)
    place = np.round(apply_affine(np.linalg.inv(volume.affine), points)).astype(np.intp)
    place = np.clip(place, 0, np.array(volume.data.shape) - 1)
    if counts.max() < EMPTY_SHARE * sparse.size:
        return np.ones(len(points), np.bool_)
    return np.asarray(volume.data[tuple(place.T)] == values[counts.argmax()])


def _deep(points: NDArray[np.float32], frame: FaceFrame, view: FieldOfView) -> NDArray[np.intp]:
    """Numbers of the points that lie where the average head has its brain or the bone around."""
    moved = to_average(points, frame)
    may_be = np.flatnonzero(above_base(moved) & view.holds(points, margin=BORDER_MM))
    distance, _, valid = average_head().distance(moved[may_be])
    return may_be[valid & (distance < -DEEP_MM)]


def above_base(points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether points (n, 3) of the average head's coordinates lie above the brain's base."""
    height, rise = BASE
    # the floor falls from the orbits' roof to the neck in three steps: a line along them
    return np.asarray(points[:, 2] > height + rise * np.maximum(points[:, 1], -90.0))


def _brain(volume: Volume, frame: FaceFrame) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """What looks like brain and is one piece with it, on a coarse grid, and its affine."""
    factor = np.maximum(np.round(GRID_MM / volume.spacing), 1).astype(np.intp)
    box = _box(volume, frame)
    data = np.ascontiguousarray(volume.data[box])
    data = block_mean(data, factor) if (factor > 1).any() else data
    first = np.array([part.start for part in box]) + (factor - 1) / 2
    affine = volume.affine @ np.diag([*factor, 1.0])
    affine[:3, 3] = apply_affine(volume.affine, first)
    cell = volume.spacing * factor
    data = gaussian(data, SMOOTHING_MM / cell)
    core = _core(data.shape, affine, frame)
    share, percentile = LIKE_BRAIN
    if not core.any():
        return np.zeros(data.shape, np.bool_), affine
    air, middle, high = float(data.min()), *np.percentile(data[core], [50, percentile])
    like = (data >= air + share * (middle - air)) & (data <= high)
    times = int(max(1, round(THIN_MM / float(cell.mean()))))
    labels, count = ndimage.label(eroded(like, times))
    sizes = np.bincount(labels[core], minlength=count + 1)
    sizes[0] = 0
    if not sizes.any():
        return np.zeros(data.shape, np.bool_), affine
    return grown(labels == sizes.argmax(), times + 1, like), affine


def _box(volume: Volume, frame: FaceFrame) -> tuple[slice, ...]:
    """Voxels of the box around the brain; all of an axis if it lies outside."""
    corners = np.array(list(product(*zip(*BOX, strict=True))), np.float32)
    place = apply_affine(np.linalg.inv(volume.affine), to_scan(corners, frame))
    sides = []
    for low, high, n in zip(place.min(axis=0), place.max(axis=0), volume.data.shape, strict=True):
        start, stop = max(int(low), 0), min(int(high) + 1, n)
        sides.append(slice(start, stop) if start < stop else slice(0, n))
    return tuple(sides)


def _core(
    shape: tuple[int, ...], affine: NDArray[np.float64], frame: FaceFrame
) -> NDArray[np.bool_]:
    """Cells that are brain in every head."""
    axes = np.array([-frame.left, frame.forward, frame.up]) / frame.scale
    matrix, start = axes @ affine[:3, :3], axes @ (affine[:3, 3] - frame.origin) + ORIGIN_MM
    middle, half = np.array(CORE)
    # the box around the ellipsoid is a small part of the grid
    inverse = np.linalg.inv(matrix)
    centre, reach = inverse @ (middle - start), np.sqrt(((inverse * half) ** 2).sum(axis=1))
    low = np.clip(np.floor(centre - reach), 0, shape).astype(np.intp)
    high = np.clip(np.ceil(centre + reach) + 1, low, shape).astype(np.intp)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    i, j, k = np.ogrid[box]
    inside = np.zeros(tuple(high - low))
    for row, at, centre_mm, width in zip(matrix, start, middle, half, strict=True):
        inside += ((row[0] * i + row[1] * j + row[2] * k + (at - centre_mm)) / width) ** 2
    core = np.zeros(shape, np.bool_)
    core[box] = inside < 1
    return core


def _at(
    mask: NDArray[np.bool_], affine: NDArray[np.float64], points: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Interpolate at points of the scan, from 0 to 1; 0 outside."""
    place = apply_affine(np.linalg.inv(affine), points)
    return np.asarray(ndimage.map_coordinates(mask, place.T, np.float32, order=1))
