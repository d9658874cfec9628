"""Isolated tissue in front of a face: a tool may leave a nose on its own.

The skin of a head is one closed surface, and everything beside it is taken for strays. Where a
face should be, that may be a part of one.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage
from scipy.spatial import cKDTree

from bids_reid.surface.grid import gaussian
from bids_reid.surface.mesh import Mesh, contour
from bids_reid.surface.parts import PARTS, face_parts
from bids_reid.surface.relief import to_scan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.surface.frame import FaceFrame
    from bids_reid.surface.volume import Volume

AROUND_MM = 15.0
"""Margin around the frame's face in which the face may lie."""
SMOOTHING_MM = 1.0
BELOW_MM, BEYOND_MM = 3.0, 4.0
"""Depth below the skin at which tissue brightness is read, and distance beyond it for air."""
SMALLEST_ML = 0.5
"""Smaller islands are noise, or a voxel or two of something else."""
N_POINTS = 5000
N_ASKED = 200
"""Number of points of the skin, and of voxels of an island, that decide whether the island is
outside."""
MOST = 0.5


def islands(
    volume: Volume, skin: Mesh, normals: NDArray[np.floating], frame: FaceFrame
) -> Mesh | None:
    """Find tissue in front of the skin that is not one piece with the head.

    Parameters
    ----------
    volume : Volume
        The scan.
    skin : Mesh
        Its surface.
    normals : (n, 3) float
        Unit normals of its points.
    frame : FaceFrame
        Where the face is, or should be.

    Returns
    -------
    Its surface, RAS millimetres; ``None`` if there is none.
    """
    box = _box(volume, frame)
    if box is None:
        return None
    sparse = slice(None, None, max(1, len(skin.points) // N_POINTS))
    points, normals = skin.points[sparse], normals[sparse]
    tissue = np.median(_at(volume, points - BELOW_MM * normals))
    air = np.median(_at(volume, points + BEYOND_MM * normals))
    if not tissue > air:
        return None
    smooth = gaussian(volume.data[box], SMOOTHING_MM / volume.spacing)
    labels, count = ndimage.label(smooth > (tissue + air) / 2)
    affine = volume.affine.copy()
    affine[:3, 3] = apply_affine(volume.affine, [side.start for side in box])
    sizes = np.bincount(labels.ravel(), minlength=count + 1) * np.prod(volume.spacing) / 1000
    alone = sizes >= SMALLEST_ML
    alone[_labels_at(labels, affine, points - BELOW_MM * normals)] = False
    alone[0] = False
    for label in np.flatnonzero(alone):
        places = apply_affine(affine, np.argwhere(labels == label))
        alone[label] = _outside(places[:: max(1, len(places) // N_ASKED)], points, normals)
    if not alone.any():
        return None
    bright = ((smooth - air) / (tissue - air)).clip(0, 1).astype(np.float32)
    # what is not the island is air: nothing of the head shows in its surface
    found = [
        contour(np.where(ndimage.binary_dilation(labels == label), bright, 0), affine)
        for label in np.flatnonzero(alone)
    ]
    return reduce(joined, found)


def _outside(
    places: NDArray[np.floating], points: NDArray[np.floating], normals: NDArray[np.floating]
) -> bool:
    """Whether most places (n, 3) are outside of the skin: the brain is an island in its skull."""
    _, nearest = cKDTree(points).query(places)
    return bool((((places - points[nearest]) * normals[nearest]).sum(axis=1) > 0).mean() > MOST)


def joined(skin: Mesh, other: Mesh) -> Mesh:
    """Put two surfaces together."""
    triangles = np.concatenate([skin.triangles, other.triangles + np.int32(len(skin.points))])
    return Mesh(np.concatenate([skin.points, other.points]), triangles.astype(np.int32))


def _box(volume: Volume, frame: FaceFrame) -> tuple[slice, ...] | None:
    """Voxels around the face; ``None`` if they are outside of the volume."""
    face = face_parts()
    front = ~np.isin(face.part, [-1, *(PARTS.index(f'{side} ear') for side in ('left', 'right'))])
    place = apply_affine(np.linalg.inv(volume.affine), to_scan(face.points[front], frame))
    margin = AROUND_MM / volume.spacing
    low = np.maximum(np.floor(place.min(axis=0) - margin), 0).astype(int)
    high = np.minimum(np.ceil(place.max(axis=0) + margin) + 1, volume.data.shape).astype(int)
    if (high - low < 2).any():
        return None
    return tuple(slice(int(start), int(stop)) for start, stop in zip(low, high, strict=True))


def _at(volume: Volume, points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Brightness of the nearest voxels to points (n, 3), RAS millimetres."""
    place = np.round(apply_affine(np.linalg.inv(volume.affine), points)).astype(np.intp)
    place = place.clip(0, np.array(volume.data.shape) - 1)
    return np.asarray(volume.data[tuple(place.T)])


def _labels_at(
    labels: NDArray[np.int32], affine: NDArray[np.float64], points: NDArray[np.floating]
) -> NDArray[np.intp]:
    """Labels of the voxels at points (n, 3), RAS millimetres; of those in the box only."""
    place = np.round(apply_affine(np.linalg.inv(affine), points)).astype(np.intp)
    inside = ((place >= 0) & (place < labels.shape)).all(axis=1)
    return np.unique(labels[tuple(place[inside].T)]).astype(np.intp)
