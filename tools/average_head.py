"""The average head, to which skin is fitted: ``python tools/average_head.py TARGET``.

Writes the file that :mod:`bids_reid.surface.average` reads, from the synthetic person whose every
number is the mean, with the eyes shut. The face frame needs no more of a head than its distance
field on a coarse grid, some points of its skin, and which of them are the face.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.phantom.anatomy import ASLEEP, anatomy
from bids_reid.phantom.head_shape import head_mesh
from bids_reid.phantom.identity import average_person
from bids_reid.surface.average import PARTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOW = (0.0, -204.0, -126.0)
HIGH = (108.0, 66.0, 138.0)
"""Corners of the right half of the field in head coordinates, mm; the left half mirrors it."""
SPACING = 3.0
FINENESS = 10.0
"""Distances are stored as signed roots: 10 |d|^(1/2), to 0.1 mm at 1 mm and to 160 mm at most."""
FACE_CELL = 5.2
HEAD_CELL = 14.0
"""One point of the face and of the whole head is kept per cube with such an edge, mm."""


def average_head() -> dict[str, NDArray[np.generic]]:
    """Make the content of the file.

    Returns
    -------
    dict
        field : (i, j, k) int8, ``sign(d) FINENESS |d|^(1/2)`` of the signed distance d (mm,
        negative inside) on the grid from ``low`` on, every ``spacing`` mm; x from the midline to
        the right. face, face_normals : (n, 3) float32, skin from the hairline to the chin and
        its outward unit normals. face_part : (n,) int8, index into
        `bids_reid.surface.average.PARTS`.
        head : (m, 3) float32, skin of the whole head without the lower neck.
    """
    points, triangles = head_mesh(average_person(), ASLEEP, spacing=1.5)
    normals = _normals(points, triangles)
    face = _one_per_cell(points, FACE_CELL, _is_face(points, normals))
    head = _one_per_cell(points, HEAD_CELL, points[:, 2] > LOW[2])
    return {
        'field': _field(points, normals),
        'low': np.array(LOW, np.float32),
        'spacing': np.array(SPACING, np.float32),
        'fineness': np.array(FINENESS, np.float32),
        'face': points[face].round(2),
        'face_normals': normals[face].round(3),
        'face_part': _parts(points[face]),
        'head': points[head].round(2),
    }


def _field(points: NDArray[np.float32], normals: NDArray[np.float32]) -> NDArray[np.int8]:
    """Distance to the nearest point of the skin, negative where it is seen from behind."""
    from scipy.spatial import cKDTree

    axes = [
        np.arange(low, high + 0.1, SPACING).astype(np.float32)
        for low, high in zip(LOW, HIGH, strict=True)
    ]
    grid = np.stack(np.meshgrid(*axes, indexing='ij'), axis=-1)
    distance, nearest = cKDTree(points).query(grid.reshape(-1, 3), workers=1)
    away = grid.reshape(-1, 3) - points[nearest]
    along = (away * normals[nearest]).sum(axis=1)
    # close to the skin the distance from its plane is nearer the truth than that from its points
    signed = np.where(distance < 2 * SPACING, along, np.copysign(distance, along))
    root = np.copysign(FINENESS * np.sqrt(np.abs(signed)), signed)
    return root.round().clip(-127, 127).astype(np.int8).reshape(grid.shape[:-1])


def _normals(points: NDArray[np.float32], triangles: NDArray[np.int64]) -> NDArray[np.float32]:
    """Outward unit normals of the vertices: sums over their triangles, by area."""
    a, b, c = np.moveaxis(points[triangles], 1, 0)
    across = np.cross(b - a, c - a)
    total = np.zeros(points.shape)
    for corner in triangles.T:
        for axis in range(3):
            total[:, axis] += np.bincount(corner, across[:, axis], len(points))
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return (total / np.maximum(length, 1e-12)).astype(np.float32)


def _is_face(points: NDArray[np.float32], normals: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Skin from the hairline to the chin that can be seen from the front or obliquely."""
    x, y, z = points.T
    a = anatomy(average_person(), ASLEEP)
    return (np.abs(x) < 66) & (y > -40) & (z < 62) & (z > a.chin_z - 1) & (normals[:, 1] > 0.1)


def _parts(points: NDArray[np.float32]) -> NDArray[np.int8]:
    """Part of the face that each point belongs to, by boxes around the landmarks."""
    a = anatomy(average_person(), ASLEEP)
    x, z = np.abs(points[:, 0]), points[:, 2]
    part = np.zeros(len(points), np.int8)
    part[z > a.brow_z + 6] = PARTS.index('forehead')
    part[(np.abs(x - a.eye_x) < 20) & (np.abs(z) < 14)] = PARTS.index('eyes')
    part[(x < 19) & (z < 6) & (z >= a.base_z - 3)] = PARTS.index('nose')
    lips = (x < a.mouth_half + 3) & (np.abs(z - a.mouth_z) < 17) & (z < a.base_z - 3)
    part[lips] = PARTS.index('mouth')
    part[(x < 25) & (z < a.mouth_z - 17)] = PARTS.index('chin')
    return part


def _one_per_cell(
    points: NDArray[np.float32], edge: float, where: NDArray[np.bool_]
) -> NDArray[np.intp]:
    """Indices of the point nearest to the middle of each cube that holds any."""
    index = np.flatnonzero(where)
    cell = np.floor(points[index] / edge)
    off = np.linalg.norm(points[index] - (cell + 0.5) * edge, axis=1)
    order = np.argsort(off, kind='stable')
    _, first = np.unique(cell[order], axis=0, return_index=True)
    return np.sort(index[order[first]])


def main(target: Path) -> None:
    """Write the average head to ``target``."""
    content = average_head()
    np.savez_compressed(target, **content)  # type: ignore[arg-type]


if __name__ == '__main__':
    main(Path(sys.argv[1]))
