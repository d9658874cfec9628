"""Render a skin surface from every view.

A camera's picture of the surface normals is rasterised once; each of its lights is then one
product of those normals with the light's direction (Lambert's cosine law), which is what a
renderer without shadows does for every light anew.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyvista as pv

from bids_reid.views.window import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bids_reid.records import View
    from bids_reid.surface.frame import FaceFrame

IMAGE_PIXELS = 480
CAMERA_MM = 900.0
"""Distance of the camera from the frame's origin: a portrait's perspective."""
FIELD_MM = 280.0
"""Height of the field of view in the plane of the origin."""
BEHIND_MM = 30.0
"""Nothing that lies further behind the origin than this is seen by any camera."""
AMBIENT = 0.1


class Renders(NamedTuple):
    """Grey renders on black, (n, pixels, pixels) uint8, and the OpenGL renderer that made them."""

    images: NDArray[np.uint8]
    renderer: str


def render_views(
    points: NDArray[np.float32],
    triangles: NDArray[np.int32],
    frame: FaceFrame,
    views: Sequence[View],
    *,
    pixels: int = IMAGE_PIXELS,
) -> Renders:
    """Render the surface from ``views``.

    Parameters
    ----------
    points : (n, 3) float32
        Surface points, RAS millimetres.
    triangles : (m, 3) int32
        Counter-clockwise seen from outside.
    frame : FaceFrame
        What the views' angles refer to.
    views : sequence of View
        Views of one camera stand together, as `standard_views` gives them.
    pixels : int
        Width and height of a render.

    Returns
    -------
    Renders
        One image per view.
    """
    renders = np.zeros((len(views), pixels, pixels), np.uint8)
    mesh, colours = _coloured_by_normal(points, triangles, frame)
    window = Window(pixels, view_angle=2 * np.degrees(np.arctan(FIELD_MM / 2 / CAMERA_MM)))
    try:
        window.add(mesh, colours)
        done = 0
        for (yaw, pitch), lit in groupby(views, key=lambda v: (v.camera_yaw, v.camera_pitch)):
            position = frame.origin + CAMERA_MM * frame.direction(yaw, pitch)
            normals, seen = _normals(window.picture(position, frame.origin, frame.up))
            lights = [frame.direction(v.light_azimuth, v.light_elevation) for v in lit]
            for grey in _shade(normals, np.array(lights)):
                renders[done][seen] = grey
                done += 1
        return Renders(renders, window.renderer_name)
    finally:
        window.close()


def _coloured_by_normal(
    points: NDArray[np.float32], triangles: NDArray[np.int32], frame: FaceFrame
) -> tuple[pv.PolyData, NDArray[np.uint8]]:
    """Return the part of the surface that cameras see, and its normals as colours."""
    ahead = (points - frame.origin) @ frame.forward > -BEHIND_MM
    mesh = pv.PolyData.from_regular_faces(points, triangles[ahead[triangles].all(axis=1)])
    mesh = mesh.compute_normals(cell_normals=False, split_vertices=False, consistent_normals=False)
    return mesh, np.round((mesh.point_data['Normals'] + 1) * 127.5).astype(np.uint8)


def _normals(picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Unit normals (n, 3) of what a picture (h, w, 3) shows, and where it shows it (h, w)."""
    # no unit normal is coded as black
    seen = (picture[..., 0] | picture[..., 1] | picture[..., 2]) > 0
    normals = picture[seen].astype(np.float32) / 127.5 - 1
    normals /= np.sqrt(np.einsum('ij,ij->i', normals, normals))[:, None]
    return normals, seen


def _shade(normals: NDArray[np.float32], lights: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Lambert shading with some ambient light, 0 to 255: (lights, normals)."""
    cosine = np.maximum(lights.astype(np.float32) @ normals.T, 0)
    return np.round(255 * (AMBIENT + (1 - AMBIENT) * cosine)).astype(np.uint8)
