"""Did de-facing take some of the brain away? From the volume alone, without the original.

A whole head has scalp, skull and fluid between air and brain, 13 mm and more. Where the surface of
a scan lies deeper than that in the average head, above the base of the brain, and what is below
looks like the brain and is one piece with it, a tool cut through the brain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bids_reid.surface.average import average_head
from bids_reid.surface.frame import ORIGIN_MM
from bids_reid.surface.grid import block_mean, gaussian
from bids_reid.surface.mesh import Mesh, vertex_normals
from bids_reid.surface.relief import to_average

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.surface.frame import FaceFrame
    from bids_reid.surface.skin import Skin
    from bids_reid.surface.volume import Volume

GRID_MM = 1.6
SMOOTHING_MM = 1.2
CORE = ((0.0, -75.0, 42.0), (45.0, 55.0, 26.0))
"""Middle and half axes of what is brain in every head, in the average's coordinates, mm."""
LIKE_BRAIN = (8.0, 92.0)
"""Percentiles of the core's intensities between which a voxel looks like brain."""
THIN_MM = 2.5
"""Bridges of brain-like tissue thinner than twice this are no brain."""
DEEP_MM = 9.0
"""A surface so deep in the average head is no skin of a whole head."""
BASE = (14.0, 0.44)
"""The brain's base: so high above the eyes, mm, and how much it rises per mm to the front."""
BELOW_MM = (3.0, 5.0, 7.0)
"""Brain is looked for in these depths below the surface."""


@dataclass(frozen=True, slots=True)
class BrainCut:
    """How much of the surface is cut brain.

    ``cut_cm2`` is the area of the surface below which there is brain; ``deep_cm2`` that which lies
    deeper in the average head than skin can, above the brain's base, whatever is below.
    """

    cut_cm2: float
    deep_cm2: float


def brain_cut(volume: Volume, skin: Skin, frame: FaceFrame) -> BrainCut:
    """Measure the area of cut brain.

    Parameters
    ----------
    volume : Volume
        The scan.
    skin : Skin
        Its surface.
    frame : FaceFrame
        Where its face is, or should be.
    """
    deep = _deep(skin, frame)
    if not deep.any():
        return BrainCut(0.0, 0.0)
    mesh = Mesh(skin.points, skin.triangles)
    area = _areas(mesh)
    brain, affine = _brain(volume, frame)
    inward = -vertex_normals(mesh)[deep]
    below = np.array(
        [_at(brain, affine, skin.points[deep] + step * inward) for step in BELOW_MM]
    ).mean(axis=0)
    cut = below > 0.5
    return BrainCut(float(area[deep][cut].sum()) / 100, float(area[deep].sum()) / 100)


def _deep(skin: Skin, frame: FaceFrame) -> NDArray[np.bool_]:
    """Points of the surface that lie where the average head has its brain or the bone around."""
    moved = to_average(skin.points, frame)
    distance, _, valid = average_head().distance(moved)
    return np.asarray(valid & (distance < -DEEP_MM) & above_base(moved))


def above_base(points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Whether points (n, 3) of the average head's coordinates lie above the brain's base."""
    height, rise = BASE
    # the floor falls from the orbits' roof to the neck in three steps: a line along them
    return np.asarray(points[:, 2] > height + rise * np.maximum(points[:, 1], -90.0))


def _areas(mesh: Mesh) -> NDArray[np.float64]:
    """Area of the surface around each point, square millimetres."""
    a, b, c = (mesh.points[mesh.triangles[:, corner]].astype(float) for corner in range(3))
    third = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    return np.bincount(
        mesh.triangles.ravel(), np.repeat(third, 3), minlength=len(mesh.points)
    )


def _brain(
    volume: Volume, frame: FaceFrame
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """What looks like brain and is one piece with it: 0 or 1 on a coarse grid, and its affine."""
    factor = np.maximum(np.round(GRID_MM / volume.spacing), 1).astype(np.intp)
    data = block_mean(volume.data, factor)
    affine = volume.affine @ np.diag([*factor, 1.0])
    affine[:3, 3] += volume.affine[:3, :3] @ ((factor - 1) / 2)
    cell = volume.spacing * factor
    data = gaussian(data, SMOOTHING_MM / cell)
    core = _core(data.shape, affine, frame)
    if core.sum() < 100:
        return np.zeros(data.shape, np.float32), affine
    low, high = np.percentile(data[core], LIKE_BRAIN)
    like = (data >= low) & (data <= high)
    times = int(max(1, round(THIN_MM / float(cell.mean()))))
    thick = ndimage.binary_erosion(like, iterations=times)
    labels, count = ndimage.label(thick)
    if count == 0:
        return np.zeros(data.shape, np.float32), affine
    largest = np.bincount(labels[core], minlength=count + 1)
    largest[0] = 0
    brain = ndimage.binary_dilation(labels == largest.argmax(), iterations=times + 1, mask=like)
    # cerebrospinal fluid in the folds counts as brain
    return ndimage.binary_closing(brain, iterations=1).astype(np.float32), affine


def _core(
    shape: tuple[int, ...], affine: NDArray[np.float64], frame: FaceFrame
) -> NDArray[np.bool_]:
    """Cells that are brain in every head."""
    axes = np.array([-frame.left, frame.forward, frame.up]) / frame.scale
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing='ij'), axis=-1)
    matrix = axes @ affine[:3, :3]
    where = index @ matrix.T + axes @ (affine[:3, 3] - frame.origin) + np.array(ORIGIN_MM)
    middle, half = CORE
    return np.asarray((((where - middle) / half) ** 2).sum(axis=-1) < 1)


def _at(
    values: NDArray[np.float32], affine: NDArray[np.float64], points: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Interpolate at points of the scan; 0 outside."""
    inverse = np.linalg.inv(affine)
    place = points @ inverse[:3, :3].T + inverse[:3, 3]
    return np.asarray(ndimage.map_coordinates(values, place.T, order=1))
