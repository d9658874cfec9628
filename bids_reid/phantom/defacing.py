"""De-facing and re-facing of synthetic scans by plain geometry: planes, another face.

The parametric head says where its brow, eyes, nose and brain lie, so a cut needs no registration.
What is random, such as the angle of a plane, takes a generator.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.phantom.anatomy import ASLEEP, anatomy
from bids_reid.phantom.scanner import grid_signal
from bids_reid.phantom.shapes import intersection, step
from bids_reid.phantom.tissues import brain_distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.phantom.identity import Identity
    from bids_reid.phantom.scanner import Scan
    from bids_reid.phantom.shapes import Array

    Random = np.random.Generator

CLEAR_MM = (3.0, 8.0)
"""A clean cut keeps so far from the brain, a deep one goes so far into it."""
DEEP_MM = (12.0, 25.0)
PLANE_DEGREES = (48.0, 62.0)
"""Between the direction of a plane's cut and straight down."""
_FACE_PLANE = ((0.0, -10.0, 22.0), (0.0, -80.0, -110.0))  # from the brow to below the ears


def cut_plane(scan: Scan, rng: Random, *, clear: tuple[float, float] = CLEAR_MM) -> Scan:
    """Zero in front of a plane that passes before the brain, from forehead to neck.

    ``clear`` holds the least and the largest distance between plane and brain, mm.
    """
    return zeroed(scan, before_brain_plane(scan, rng, rng.uniform(*clear)))


def cut_deep(scan: Scan, rng: Random) -> Scan:
    """Zero in front of a plane that passes through the frontal lobes."""
    return zeroed(scan, before_brain_plane(scan, rng, -rng.uniform(*DEEP_MM)))


def cut_shallow(scan: Scan, rng: Random) -> Scan:
    """Zero below the nose only: eyes and nose stay."""
    a = anatomy(scan.who, ASLEEP)
    _, _, z = coordinates(scan)
    below = z < a.base_z - rng.uniform(2.0, 5.0)
    return zeroed(scan, below & (before_face_plane(scan) > 0))


def reface(scan: Scan, other: Identity) -> Scan:
    """Somebody else's face in front, faded in over a centimetre; it has no noise."""
    to_head = scan.to_head @ scan.affine
    i, j, k = scan.data.shape
    theirs, _ = grid_signal(
        other, ASLEEP, scan.contrast, (i, j, k), to_head, voxel=voxel_edge(scan)
    )
    share = step(before_face_plane(scan), -10.0, 0.0)
    return replace(scan, data=cast(scan.data + share * (theirs - scan.data), scan))


def before_brain_plane(scan: Scan, rng: Random, clear: float) -> NDArray[np.bool_]:
    """What lies in front of a plane ``clear`` mm before the brain (Quickshear)."""
    angle = np.radians(rng.uniform(*PLANE_DEGREES))
    _, y, z = coordinates(scan)
    ahead = np.sin(angle) * y - np.cos(angle) * z
    return np.asarray(ahead > ahead[distance_to_brain(scan) < 0].max() + clear)


def before_face_plane(scan: Scan) -> Array:
    """Distance in front of a plane through brow and ears, below the brow; positive in the face."""
    (_, top_y, top_z), (_, low_y, low_z) = _FACE_PLANE
    length = float(np.hypot(top_y - low_y, top_z - low_z))
    _, y, z = coordinates(scan)
    ahead = ((y - top_y) * (top_z - low_z) - (z - top_z) * (top_y - low_y)) * (1 / length)
    return -intersection(-ahead, z - top_z, 1.0)


def distance_to_brain(scan: Scan) -> Array:
    """Distance of all voxels to the outside of the brain, mm; negative inside."""
    points = np.stack([axis.ravel() for axis in coordinates(scan)], axis=1)
    return brain_distance(points, anatomy(scan.who, ASLEEP)).reshape(scan.data.shape)


def coordinates(scan: Scan) -> tuple[Array, Array, Array]:
    """Head coordinates of all voxels."""
    matrix = (scan.to_head @ scan.affine).astype(np.float32)
    i, j, k = np.meshgrid(
        *(np.arange(n, dtype=np.float32) for n in scan.data.shape), indexing='ij', sparse=True
    )
    x, y, z = (row[0] * i + row[1] * j + row[2] * k + row[3] for row in matrix[:3])
    return x, y, z


def voxel_edge(scan: Scan) -> float:
    """Edge of a cube as large as a voxel, in head coordinates."""
    return float(abs(np.linalg.det((scan.to_head @ scan.affine)[:3, :3]))) ** (1 / 3)


def zeroed(scan: Scan, where: NDArray[np.bool_]) -> Scan:
    """Set to what tools write: 0, which is no air in CT."""
    data = scan.data.copy()
    data[where] = 0
    return replace(scan, data=data)


def cast(data: NDArray[np.floating], scan: Scan) -> Array | NDArray[np.int16]:
    """Values as the scan stores them."""
    if scan.data.dtype == np.int16:
        return np.rint(data).astype(np.int16)
    return data.astype(np.float32)
