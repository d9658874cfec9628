"""What is left of each part of a face, known from where the part lay before it was de-faced.

The points of the average face (`bids_reid.surface.parts`) are put on the skin of the intact head:
on a phantom's true skin, after they were moved to the person's own landmarks; on the skin that was
found in any other scan, through the frame that was fitted to it. A point is left if what lies
`DEPTHS_MM` below it is as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from bids_reid.phantom.anatomy import ASLEEP, Anatomy, anatomy
from bids_reid.phantom.head_shape import head_sdf
from bids_reid.phantom.identity import average_person
from bids_reid.phantom.sampling import move
from bids_reid.surface.frame import FieldOfView
from bids_reid.surface.mesh import Mesh, vertex_normals
from bids_reid.surface.parts import PARTS, face_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from bids_reid.phantom.scanner import Scan
    from bids_reid.surface.frame import FoundFrame
    from bids_reid.surface.skin import Skin

    Points = NDArray[np.float32]

IDENTIFYING = ('brow', 'left eye', 'right eye', 'nose', 'mouth', 'chin')
"""Parts that decide what is left of a face; cheeks and ears do not."""
DEPTHS_MM = (1.0, 2.0, 3.0, 4.0)
MIN_UNCHANGED = 0.75
"""A point is left if so many of the voxels below it are as they were."""
NONE_SHARE, WHOLE_SHARE = 0.4, 0.667
"""Up to which share a part is removed, and from which on it is left: common tools leave the outer
corners of the eyes, or the upper half of the brow's edge."""
MIN_SEEN = 0.3
"""A part with less of it in the image is taken for outside."""
REACH_MM = 14.0
"""So far from where a point should be, skin is looked for along its normal."""
SNAP_MM = 10.0


class PartPoints(NamedTuple):
    """Skin of a head that was not de-faced yet.

    ``points`` (n, 3) float32 lie in the scanner, mm, ``normals`` (n, 3) point outwards; ``part``
    (n,) are indices into `bids_reid.surface.parts.PARTS`.
    """

    points: Points
    normals: Points
    part: NDArray[np.int8]


class Shares(NamedTuple):
    """Of each part by name: the share of it that is left (None: outside), and that is in view."""

    left: dict[str, float | None]
    seen: dict[str, float]


# --- where the parts lie


def phantom_points(scan: Scan) -> PartPoints:
    """Put the average's points on a phantom's true skin, around its own landmarks."""
    parts = face_parts()
    named = parts.part >= 0
    points = _to_landmarks(parts.points[named], anatomy(scan.who, ASLEEP))
    points = _onto_skin(points, parts.normals[named], scan)
    to_world = np.linalg.inv(scan.to_head)
    turned = _slopes(points, scan) @ (to_world[:3, :3] / scan.scale).T
    return PartPoints(move(points, to_world), turned.astype(np.float32), parts.part[named])


def fitted_points(skin: Skin, found: FoundFrame) -> PartPoints:
    """Bring the average's points to an intact scan by its frame, and onto its skin."""
    parts = face_parts()
    named = parts.part >= 0
    points = found.fit.to_scan(parts.points[named])[0]
    normals = (parts.normals[named] @ found.fit.rotation[0]).astype(np.float32)
    gap, nearest = cKDTree(skin.points).query(points, distance_upper_bound=SNAP_MM)
    close = np.isfinite(gap)
    points[close] = skin.points[nearest[close]]
    normals[close] = vertex_normals(Mesh(skin.points, skin.triangles))[nearest[close]]
    return PartPoints(points, normals, parts.part[named])


def _to_landmarks(points: Points, own: Anatomy) -> Points:
    """Stretch points of the average face between its landmarks to those of another."""
    average = anatomy(average_person(), ASLEEP)
    x, y, z = points.T
    # beyond the chin nothing is stretched
    below = z + (own.chin_z - average.chin_z)
    moved_z = np.where(z < average.chin_z, below, np.interp(z, _heights(average), _heights(own)))
    moved_x = np.sign(x) * np.interp(np.abs(x), _widths(average), _widths(own))
    moved_y = np.interp(y, _depths(average), _depths(own))
    return np.stack([moved_x, moved_y, moved_z], axis=1).astype(np.float32)


def _heights(a: Anatomy) -> NDArray[np.float64]:
    return np.array([a.chin_z, a.mouth_z, a.base_z, 0.0, a.brow_z, a.brow_z + 40.0])


def _widths(a: Anatomy) -> NDArray[np.float64]:
    return np.array([0.0, a.eye_x, a.cheek_x, 0.5 * a.who.cranium_width, 100.0])


def _depths(a: Anatomy) -> NDArray[np.float64]:
    return np.array([-100.0, -40.0, a.front, a.front + 40.0])


def _onto_skin(points: Points, normals: Points, scan: Scan) -> Points:
    """Move points in head coordinates along their normals to where the true skin is nearest."""
    along = np.arange(-REACH_MM, REACH_MM + 0.1, 0.5, dtype=np.float32)
    many = points[:, None] + along[:, None] * normals[:, None]
    distance = head_sdf(many.reshape(-1, 3), scan.who, ASLEEP).reshape(len(points), -1)
    # of several crossings the one that is the least way off
    best = np.argmin(np.abs(distance) + 0.05 * np.abs(along), axis=1)
    return np.take_along_axis(many, best[:, None, None], axis=1)[:, 0]


def _slopes(points: Points, scan: Scan) -> Points:
    """Unit gradient of the distance to the true skin."""
    by = 0.5 * np.eye(3, dtype=np.float32)
    slope = np.stack(
        [
            head_sdf(points + step, scan.who, ASLEEP) - head_sdf(points - step, scan.who, ASLEEP)
            for step in by
        ],
        axis=1,
    )
    return slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-6)


# --- what is left of them


def shares(
    parts: PartPoints,
    removed: NDArray[np.bool_],
    affine: NDArray[np.float64],
    view: FieldOfView,
) -> Shares:
    """Count the points of each part that are left.

    Parameters
    ----------
    removed : (i, j, k) bool
        Which voxels a tool replaced, on the grid of ``affine``.
    view : FieldOfView
        What is shown after it; may be less than that grid.
    """
    gone = np.stack([_at(removed, affine, below) for below in _below(parts)])
    return _by_part(parts, (~gone).mean(axis=0) >= MIN_UNCHANGED, view.holds(parts.points))


def shares_by_comparison(
    parts: PartPoints,
    intact: tuple[NDArray[np.generic], NDArray[np.float64]],
    after: tuple[NDArray[np.generic], NDArray[np.float64]],
    *,
    tolerance: float = 0.5,
) -> Shares:
    """Count the points of each part below which two images show the same.

    Parameters
    ----------
    intact, after : array and (4, 4) affine
        They may have other fields of view, but on one grid.
    tolerance : float
        So much may storage change a voxel.
    """
    view = FieldOfView(after[1], after[0].shape)
    below = _below(parts)
    difference = np.stack(
        [
            np.abs(_at(intact[0], intact[1], one).astype(float) - _at(after[0], after[1], one))
            for one in below
        ]
    )
    left = (difference <= tolerance).mean(axis=0) >= MIN_UNCHANGED
    return _by_part(parts, left, view.holds(parts.points))


def what_is_left(left: Mapping[str, float | None], *, own: bool = True) -> str:
    """Name what is left: ``face``, ``part`` or ``none`` of one's own, or somebody ``other``'s."""
    if not own:
        return 'other'
    known = [share for name in IDENTIFYING if (share := left[name]) is not None]
    if all(share <= NONE_SHARE for share in known):
        return 'none'
    return 'face' if all(share >= WHOLE_SHARE for share in known) else 'part'


def _below(parts: PartPoints) -> list[Points]:
    return [parts.points - np.float32(depth) * parts.normals for depth in DEPTHS_MM]


def _at(
    data: NDArray[np.generic], affine: NDArray[np.float64], points: Points
) -> NDArray[np.generic]:
    """Values of the voxels that points lie in, those of the border beyond it."""
    voxel = np.rint(move(points, np.linalg.inv(affine))).astype(np.intp)
    i, j, k = voxel.clip(0, np.array(data.shape) - 1).T
    return data[i, j, k]


def _by_part(parts: PartPoints, left: NDArray[np.bool_], seen: NDArray[np.bool_]) -> Shares:
    by_name: dict[str, float | None] = {}
    in_view = {}
    for number, name in enumerate(PARTS):
        where = parts.part == number
        in_view[name] = round(float(seen[where].mean()), 3)
        shown = where & seen
        outside = in_view[name] < MIN_SEEN
        by_name[name] = None if outside else round(float(left[shown].mean()), 3)
    return Shares(by_name, in_view)
