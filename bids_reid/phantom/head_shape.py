"""The head of a synthetic person as a signed distance function, and as a mesh.

Head coordinates as in :mod:`bids_reid.phantom.anatomy`: RAS millimetres, origin between the eyes.
Ellipsoids and rods are melted together (:mod:`bids_reid.phantom.shapes`); the mouth, the eyes and
the nose come from :mod:`bids_reid.phantom.features`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bids_reid.phantom import features
from bids_reid.phantom.anatomy import Anatomy, Expression, anatomy
from bids_reid.phantom.sampling import move, sample
from bids_reid.phantom.shapes import bump, capsule, ellipsoid, step, union

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.phantom.identity import Identity
    from bids_reid.phantom.shapes import Array

CHUNK = 1 << 14  # points at a time: the arrays of one chunk stay in the processor's cache


def head_sdf(
    points: NDArray[np.floating],
    identity: Identity,
    expression: Expression,
    *,
    shoulders: bool = False,
) -> Array:
    """Signed distance to the skin.

    Parameters
    ----------
    points
        (n, 3), head coordinates in mm.
    shoulders
        Add a trunk below the neck, for photographs.

    Returns
    -------
    (n,) float32, mm, negative inside. Within a few millimetres of the skin it is a distance to
    first order (less steep in creases, where shapes blend); deeper it only says how deep roughly.
    """
    face = anatomy(identity, expression)
    coordinates = np.ascontiguousarray(np.asarray(points, np.float32).T)
    out = np.empty(coordinates.shape[1], np.float32)
    for start in range(0, len(out), CHUNK):
        part = slice(start, start + CHUNK)
        x, y, z = coordinates[:, part]
        out[part] = _distance(x, y, z, face, shoulders)
    return out


def head_mesh(
    identity: Identity,
    expression: Expression,
    *,
    spacing: float = 1.5,
    to_world: NDArray[np.floating] | None = None,
) -> tuple[Array, NDArray[np.int64]]:
    """The skin as triangles: the zero level of :func:`head_sdf` on a grid.

    Parameters
    ----------
    spacing
        Edge of the grid's cubes, mm.
    to_world
        (4, 4) from head coordinates to where the points shall be; head coordinates by default.

    Returns
    -------
    points
        (n, 3) float32, mm.
    faces
        (m, 3) int64, rows of ``points``; seen from outside they run anticlockwise.
    """
    import pyvista as pv  # only here: volumes and photographs need no VTK

    low, high = np.array([-100.0, -190.0, -150.0]), np.array([100.0, 60.0, 135.0])
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = low
    i, j, k = (int(n) for n in np.ceil((high - low) / spacing).astype(int) + 1)
    distance = sample(lambda points: head_sdf(points, identity, expression), (i, j, k), affine)
    grid = pv.ImageData(dimensions=(i, j, k), spacing=(spacing,) * 3, origin=low.tolist())
    grid['distance'] = distance.ravel(order='F')
    skin = grid.contour([0.0], scalars='distance', method='flying_edges')
    points = np.asarray(skin.points, np.float32)
    if to_world is not None:
        points = move(points, to_world)
    # The distance grows outwards, VTK's triangles face where values fall: turn them round.
    return points, np.asarray(skin.faces, np.int64).reshape(-1, 4)[:, :0:-1]


def _distance(x: Array, y: Array, z: Array, a: Anatomy, shoulders: bool) -> Array:
    x, z = straighten(x, y, z, a)
    side = np.sqrt(x * x + 1.0)  # both halves at once, rounded where they meet
    distance = _skull_and_neck(x, side, y, z, a, shoulders)
    # Parts of the face and the ears cannot reach points that are left out here.
    near = np.flatnonzero(y > -70.0)
    if len(near):
        distance[near] = _face(x[near], side[near], y[near], z[near], distance[near], a)
    near = np.flatnonzero((side > 45.0) & (np.abs(z + 15.0) < 75.0) & (y < -20.0))
    if len(near):
        distance[near] = features.add_ears(distance[near], side[near], y[near], z[near], a)
    return distance


def straighten(x: Array, y: Array, z: Array, a: Anatomy) -> tuple[Array, Array]:
    """Undo a face's asymmetry: where a point would be if both halves were mirror images."""
    who = a.who
    facing = step(y, -60.0, 0.0)
    across = np.clip(x * (1 / 30.0), -1.0, 1.0)
    low = step(z, -15.0, a.mouth_z) * facing
    x = x - who.asymmetry_midline * low
    eyes = bump(y, z, (10.0, 5.0), (40.0, 30.0)) * (0.5 * who.asymmetry_eyes)
    mouth = bump(y, z, (10.0, a.mouth_z), (40.0, 20.0)) * (0.5 * who.asymmetry_mouth)
    return x, z - across * (eyes + mouth)


def _skull_and_neck(
    x: Array, side: Array, y: Array, z: Array, a: Anatomy, shoulders: bool
) -> Array:
    who = a.who
    half_width, half_depth = 0.5 * who.cranium_width, 0.5 * who.cranium_depth
    middle_y = 17.0 - half_depth
    middle_z = who.cranium_height - 84.0
    head = ellipsoid(x, y, z, (0.0, middle_y, middle_z), (half_width, half_depth - 1.5, 84.0))
    forehead = ellipsoid(
        x,
        y,
        z,
        (0.0, -34.0 - 0.5 * who.forehead_slope, 30.0),
        (58.0 + who.forehead_width, 51.0 - 0.6 * who.forehead_slope, 52.0),
    )
    head = union(head, forehead, 18.0)
    middle = ellipsoid(x, y, z, (0.0, -38.0, -30.0), (a.cheek_x - 5.0, 38.0 + a.front - 2.5, 62.0))
    head = union(head, middle, 16.0)
    jaw = ellipsoid(
        x,
        y,
        z,
        (0.0, a.chin_y - 46.0, a.mouth_z - 2.0),
        (a.gonion_x - 9.0, 42.0, a.mouth_z - a.chin_z - 4.0),
    )
    angle = (a.gonion_x - 11.0, -52.0, a.gonion_z)
    jaw = union(
        jaw,
        capsule(
            side,
            y,
            z,
            angle,
            (who.chin_width - 3.0, a.chin_y - 13.0, a.chin_z + 13.0),
            (11.0, 10.0),
        ),
        14.0,
    )
    jaw = union(
        jaw, capsule(side, y, z, (a.cheek_x - 12.0, -62.0, -14.0), angle, (10.0, 11.0)), 18.0
    )
    head = union(head, jaw, 14.0)
    neck = capsule(
        x * (106.0 / who.neck_width), y, z, (0.0, -82.0, -60.0), (0.0, -96.0, -260.0), (48.0, 53.0)
    )
    head = union(head, neck, 16.0)
    if shoulders:
        trunk = ellipsoid(x, y, z, (0.0, -100.0, -315.0), (215.0, 90.0, 150.0))
        head = union(head, trunk, 50.0)
    return head


def _face(x: Array, side: Array, y: Array, z: Array, head: Array, a: Anatomy) -> Array:
    who = a.who
    cheekbone = ellipsoid(
        side,
        y,
        z,
        (a.cheek_x - 27.5, -12.0 + who.cheekbone_projection, a.cheek_z),
        (19.0, 20.0, 13.0),
    )
    head = union(head, cheekbone, 20.0)
    muzzle = ellipsoid(x, y, z, (0.0, a.front - 28.0, a.mouth_z + 6.0), (37.0, 28.0, 28.0))
    head = union(head, muzzle, 12.0)
    chin = ellipsoid(
        x, y, z, (0.0, a.chin_y - 12.0, a.chin_z + 14.0), (who.chin_width, 13.0, 13.0)
    )
    head = union(head, chin, 11.0)
    brow = capsule(
        side,
        y,
        z,
        (9.0, 6.5 + who.brow_projection, a.brow_z - 4.0),
        (42.0, -7.5 + 0.7 * who.brow_projection, a.brow_z - 3.0),
        (8.5, 7.5),
    )
    head = union(head, brow, 18.0)
    head = head - _flesh(side, z, a) * step(y, -60.0, -20.0)
    head = features.add_eyes(head, side, y, z, a)
    head = features.add_nose(head, x, side, y, z, a)
    return features.add_mouth(head, x, side, y, z, a)


def _flesh(side: Array, z: Array, a: Anatomy) -> Array:
    """Soft swellings and hollows of the face, seen from the front (mm outwards)."""
    who, smile = a.who, a.how.smile
    swell = (3.5 + who.cheek_fullness + 2.0 * smile) * bump(
        side, z, (37.0, a.base_z + 2.0 + 5.0 * smile), (19.0, 19.0)
    )
    swell += (0.8 * who.cheek_fullness + 3.0) * bump(
        side, z, (48.0, a.mouth_z + 6.0), (17.0, 24.0)
    )
    swell -= (0.3 + who.temple_depth) * bump(side, z, (62.0, 18.0), (14.0, 18.0))
    sulcus = a.mouth_z - a.jaw_drop - 0.42 * who.chin_length
    swell -= 2.6 * bump(side, z, (0.0, sulcus), (17.0, 6.0))
    swell -= who.chin_cleft * bump(side, z, (0.0, a.chin_z + 13.0), (2.5, 7.0))
    swell -= 1.0 * bump(side, z, (0.0, a.brow_z), (7.0, 9.0))
    return swell
