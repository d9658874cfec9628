"""Render a skin surface from every view.

A camera's picture of the surface normals is rasterised once; each of its lights is then one
product of those normals with the light's direction (Lambert's cosine law), which is what a
renderer without shadows does for every light anew.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import cv2
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
"""Distance of the camera from the frame's origin: a portrait's perspective.

This and the next two are for a head of average size: the frame's scale multiplies them.
"""
FIELD_MM = 280.0
"""Height of the field of view in the plane of the origin."""
BEHIND_MM = 30.0
"""Nothing that lies further behind the origin than this is seen by any camera."""
AMBIENT = 0.1
GAMMA = 2.2
"""Of photographs: the brightness of a pixel is the root of the light that it stands for (sRGB)."""
FINER = 2
"""Pixels of the picture of normals per pixel of a render: edges without steps."""


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
        The views' angles are those of its axes.
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
    window = Window(pixels * FINER, view_angle=2 * np.degrees(np.arctan(FIELD_MM / 2 / CAMERA_MM)))
    try:
        window.add(mesh, colours)
        done = 0
        for (yaw, pitch), lit in groupby(views, key=lambda view: view.camera):
            position = frame.origin + frame.scale * CAMERA_MM * frame.direction(yaw, pitch)
            seen = _seen(window.picture(position, frame.origin, frame.up), pixels)
            lights = [frame.direction(*view.light) for view in lit]
            for grey in _shade(seen, np.array(lights)):
                renders[done][seen.where] = grey
                done += 1
        return Renders(renders, window.renderer_name)
    finally:
        window.close()


def soft_renders(renders: NDArray[np.uint8], views: Sequence[View]) -> NDArray[np.uint8]:
    """Show each camera's view in the light of all its lights, as bright as a photograph would be.

    Shadows of one strong light and a brightness in proportion to it are two things in which
    renders differ from photographs.

    Parameters
    ----------
    renders : (n, h, w) uint8
        One render per view, brightness in proportion to light.
    views : sequence of n View
        Views of one camera stand together.

    Returns
    -------
    (cameras, h, w) uint8
        In the order of the cameras.
    """
    by_camera = groupby(range(len(views)), key=lambda n: views[n].camera)
    softened = []
    for _, numbers in by_camera:
        light = renders[list(numbers)].mean(axis=0, dtype=np.float32) / 255
        softened.append(np.round(255 * light ** (1 / GAMMA)).astype(np.uint8))
    return np.array(softened)


def _coloured_by_normal(
    points: NDArray[np.float32], triangles: NDArray[np.int32], frame: FaceFrame
) -> tuple[pv.PolyData, NDArray[np.uint8]]:
    """Return the part of the surface that cameras see, and its normals as colours."""
    ahead = (points - frame.origin) @ frame.forward > -BEHIND_MM * frame.scale
    mesh = pv.PolyData.from_regular_faces(points, triangles[ahead[triangles].all(axis=1)])
    mesh = mesh.compute_normals(cell_normals=False, split_vertices=False, consistent_normals=False)
    return mesh, np.round((mesh.point_data['Normals'] + 1) * 127.5).astype(np.uint8)


class _Seen(NamedTuple):
    """The part of the surface that a render shows.

    Attributes
    ----------
    where : (pixels, pixels) bool
        n pixels that show any of it.
    normals : (n, 3) float32
        Unit normals.
    part : (n,) float32
        The part of the pixel that the surface covers.
    """

    where: NDArray[np.bool_]
    normals: NDArray[np.float32]
    part: NDArray[np.float32]


def _seen(picture: NDArray[np.uint8], pixels: int) -> _Seen:
    """Average the finer picture of the normals over the pixels of a render."""
    mean = cv2.resize(picture, (pixels, pixels), interpolation=cv2.INTER_AREA)
    where = mean[..., 3] > 0
    colours, part = np.split(mean[where].astype(np.float32) / 255, [3], axis=1)
    normals = colours / part * 2 - 1
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    return _Seen(where, normals, part[:, 0])


def _shade(seen: _Seen, lights: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Lambert shading with some ambient light, 0 to 255: (lights, n)."""
    cosine = np.maximum(lights.astype(np.float32) @ seen.normals.T, 0)
    grey = seen.part * (AMBIENT + (1 - AMBIENT) * cosine)
    return np.round(255 * grey).astype(np.uint8)
