"""A small scene whose picture is known: what a renderer must show, to the pixel.

A renderer may give pictures that look right and are not: a driver that draws the nearer surface
behind the other one, or that shows the inside of a head. The picture is computed here by
intersecting each pixel's ray with each triangle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bids_reid.errors import RenderingError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from vtkmodules.vtkCommonDataModel import vtkPolyData

PIXELS = 48
VIEW_ANGLE = 30.0
DISTANCE = 4.5
LARGEST = 2
"""Largest difference of a colour, of 255: cards round otherwise than Mesa."""
AT_EDGES = 0.02
"""Share of the pixels that may differ by more: an edge may run through a pixel's centre."""
_SUBDIVISIONS = 2


def scene() -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.uint8]]:
    """Return points (n, 3), triangles (m, 3) and colours of points (n, 3).

    Most of a ball of triangles, coloured by direction, with a smaller one in front of it. A cap of
    each is open, so that the inside, which is not to be shown, faces the camera.
    """
    points, triangles = _ball()
    centre = points[triangles].mean(axis=1)
    open_ = triangles[centre @ np.array([0.6, 0.5, 0.62]) < 0.8]
    both = np.concatenate([points, 0.4 * points + np.array([-0.35, -0.2, 1.3])])
    colours = np.round((points + 1) * 127.5).astype(np.uint8)
    return (
        both.astype(np.float32),
        np.concatenate([open_, open_ + len(points)]).astype(np.int32),
        np.concatenate([colours, 255 - colours]),
    )


def _ball() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points of length 1 and triangles, counter-clockwise from outside: a divided octahedron."""
    points = [[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]
    triangles = np.array(
        [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    )
    corners = np.array(points)[triangles]
    for _ in range(_SUBDIVISIONS):
        middles = (corners + np.roll(corners, -1, axis=1)) / 2
        a, b, c = corners.swapaxes(0, 1)
        ab, bc, ca = middles.swapaxes(0, 1)
        parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        corners = np.concatenate([np.stack(part, axis=1) for part in parts])
    flat = corners.reshape(-1, 3)
    flat = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    unique, where = np.unique(flat.round(9), axis=0, return_inverse=True)
    return unique, where.reshape(-1, 3)


def expected() -> NDArray[np.uint8]:
    """Compute the picture (48, 48, 4) that a right renderer gives of `scene`, seen along -z."""
    points, triangles, colours = scene()
    half = np.tan(np.radians(VIEW_ANGLE) / 2)
    across = ((np.arange(PIXELS) + 0.5) / PIXELS * 2 - 1) * half
    x, y = np.meshgrid(across, -across)
    rays = np.stack([x, y, np.full_like(x, -1.0)], axis=-1).reshape(-1, 3)
    corner = points[triangles].astype(np.float64)
    one, other = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    eye = np.array([0.0, 0.0, DISTANCE]) - corner[:, 0]
    # triple products of all rays with all triangles (Moeller and Trumbore)
    normal = np.cross(one, other)
    facing = -rays @ normal.T
    with np.errstate(divide='ignore', invalid='ignore'):
        u = rays @ np.cross(other, eye).T / facing
        v = rays @ np.cross(eye, one).T / facing
        depth = (eye * normal).sum(axis=1) / facing
    hit = (facing > 0) & (u >= 0) & (v >= 0) & (u + v <= 1)
    nearest = np.where(hit, depth, np.inf).argmin(axis=1)
    each = np.arange(len(rays))
    weights = np.stack([1 - (u + v)[each, nearest], u[each, nearest], v[each, nearest]], axis=1)
    shown = (weights[:, :, None] * colours[triangles[nearest]]).sum(axis=1)
    picture = np.zeros((len(rays), 4), np.uint8)
    seen = hit.any(axis=1)
    picture[seen, :3] = np.clip(np.round(shown[seen]), 0, 255)
    picture[seen, 3] = 255
    return picture.reshape(PIXELS, PIXELS, 4)


def check_scene(device: int | None = None) -> str:
    """Render the scene; return the name of the renderer.

    Parameters
    ----------
    device : int, optional
        Number of a device in EGL's list; by default the one that this process renders on.

    Raises
    ------
    RenderingError
        The picture is not what it should be.
    """
    # imported here as it may be what fails
    from bids_reid.views.window import Window

    _, _, colours = scene()
    window = Window(PIXELS, VIEW_ANGLE, device=device)
    try:
        window.add(_mesh(), colours)
        position, up = np.array([[0.0, 0.0, DISTANCE], [0.0, 1.0, 0.0]])
        picture = window.picture(position, np.zeros(3), up)
        name = window.renderer_name
    finally:
        window.close()
    wrong = share_wrong(picture)
    if not wrong <= AT_EDGES:
        raise RenderingError(f'{wrong:.0%} of a known picture is wrong with {name}')
    return name


def share_wrong(picture: NDArray[np.uint8]) -> float:
    """Return the share of the pixels (48, 48, 4) of the scene that are not as they should be."""
    gap = np.abs(picture.astype(np.int16) - expected())
    return float((gap.max(axis=-1) > LARGEST).mean())


def _mesh() -> vtkPolyData:
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData

    points, triangles, _ = scene()
    places, cells, mesh = vtkPoints(), vtkCellArray(), vtkPolyData()
    places.SetData(numpy_to_vtk(points, deep=True))
    cells.SetData(3, numpy_to_vtkIdTypeArray(triangles.ravel().astype(np.int64), deep=True))
    mesh.SetPoints(places)
    mesh.SetPolys(cells)
    return mesh
