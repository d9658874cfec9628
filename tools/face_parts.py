"""The parts of the average head's face, and pictures of it: ``python tools/face_parts.py TARGET``.

Writes the file that :mod:`bids_reid.surface.parts` reads: points of the skin of the synthetic
person whose every number is the mean, with the part of the face that each belongs to.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.phantom import features
from bids_reid.phantom.anatomy import ASLEEP, anatomy
from bids_reid.phantom.head_shape import head_mesh
from bids_reid.phantom.identity import average_person
from bids_reid.surface.mesh import Mesh, vertex_normals
from bids_reid.surface.parts import PARTS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.float32]
    Numbers = NDArray[np.int8]

CELL_MM = 4.0
"""One point is kept per cube with such an edge."""
EAR_MM = np.float32(1.5)
"""So near to the shell of an ear, skin belongs to it."""
FLOOR_MM = -120.0
"""Skin below the chin is neck."""
BACK_MM = -115.0
TOP_MM = 64.0
"""Skin behind the ears and above the hairline tells nobody apart."""


def face_parts() -> dict[str, NDArray[np.generic]]:
    """Make the content of the file.

    Returns
    -------
    dict
        points, normals : (n, 3) float32, skin of the front half and the ears in head coordinates,
        mm, and its outward unit normals. part : (n,) int8, index into
        `bids_reid.surface.parts.PARTS`, -1 for skin of none of them.
    """
    points, triangles = head_mesh(average_person(), ASLEEP, spacing=1.5)
    normals = vertex_normals(Mesh(points, triangles.astype(np.int32)))
    _, y, z = points.T
    kept = _one_per_cell(points, (z > FLOOR_MM) & (z < TOP_MM) & (y > BACK_MM))
    points, normals = points[kept], normals[kept]
    return {
        'points': points.round(2).astype(np.float32),
        'normals': normals.round(3).astype(np.float32),
        'part': _parts(points, normals),
    }


def _parts(points: Points, normals: Points) -> Numbers:
    """Part that each point belongs to, by boxes around the landmarks."""
    a = anatomy(average_person(), ASLEEP)
    x, y, z = points.T
    side, front = np.abs(x), normals[:, 1] > 0.1
    part = np.full(len(points), -1, np.int8)

    def mark(name: str, where: NDArray[np.bool_]) -> None:
        for half, on in (('', True), ('right ', x > 0), ('left ', x < 0)):
            if f'{half}{name}' in PARTS:
                part[where & on] = PARTS.index(f'{half}{name}')

    cheek = (side > 18) & (side < 62) & (z < -14) & (z > a.mouth_z - 5) & (y > -45)
    mark('cheek', front & cheek)
    # its lower edge with the root of the nose: above it, common tools leave the forehead
    mark('brow', front & (side < 48) & (z > 3) & (z < a.brow_z - 3.5) & (y > -25))
    mark('eye', front & (np.abs(side - a.eye_x) < 19) & (z > -12) & (z < 6))
    # the sides of the nose face sideways
    mark('nose', (y > -10) & (side < 18) & (z < 3) & (z > a.base_z - 3))
    below = a.base_z - 3
    mark('mouth', front & (side < a.mouth_half + 3) & (np.abs(z - a.mouth_z) < 16) & (z < below))
    mark('chin', front & (side < 27) & (z < a.mouth_z - 16) & (z > a.chin_z - 1) & (y > -20))
    mark('ear', features.add_ears(np.full(len(side), EAR_MM + 1), side, y, z, a) < EAR_MM)
    return part


def _one_per_cell(points: Points, where: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Indices of the point nearest to the middle of each cube that holds any."""
    index = np.flatnonzero(where)
    cell = np.floor(points[index] / CELL_MM)
    off = np.linalg.norm(points[index] - (cell + 0.5) * CELL_MM, axis=1)
    order = np.argsort(off, kind='stable')
    _, first = np.unique(cell[order], axis=0, return_index=True)
    return np.sort(index[order[first]])


def main(target: Path) -> None:
    """Write the parts to ``target``."""
    content = face_parts()
    np.savez_compressed(target, **content)  # type: ignore[arg-type]


if __name__ == '__main__':
    main(Path(sys.argv[1]))
