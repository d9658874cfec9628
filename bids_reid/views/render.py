"""Render a skin surface from every view.

A camera's picture of the surface normals is rasterised once; each of its lights is then one
product of those normals with the light's direction (Lambert's cosine law), which is what a
renderer without shadows does for every light anew.
"""

from __future__ import annotations

from functools import cache
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
            shown = renders[done : done + len(lights), seen.rows, seen.columns]
            shown[:] = _shade(seen, np.array(lights)).reshape(shown.shape)
            done += len(lights)
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
    for _, together in by_camera:
        numbers = list(together)
        lit = renders[numbers[0] : numbers[-1] + 1]
        softened.append(_as_bright(len(lit))[lit.sum(axis=0, dtype=np.uint16)])
    return np.array(softened)


@cache
def _as_bright(lights: int) -> NDArray[np.uint8]:
    """Brightness of a photograph for each sum of ``lights`` pixels, (255 lights + 1,)."""
    light = np.arange(255 * lights + 1, dtype=np.float32) / np.float32(lights) / 255
    return np.round(255 * light ** (1 / GAMMA)).astype(np.uint8)


def _coloured_by_normal(
    points: NDArray[np.float32], triangles: NDArray[np.int32], frame: FaceFrame
) -> tuple[pv.PolyData, NDArray[np.uint8]]:
    """Return the part of the surface that cameras see, and its normals as colours."""
    ahead = (points - frame.origin) @ frame.forward > -BEHIND_MM * frame.scale
    first, second, third = triangles.T
    mesh = pv.PolyData.from_regular_faces(
        points, triangles[ahead[first] & ahead[second] & ahead[third]]
    )
    if mesh.n_cells == 0:
        # VTK gives no normals of nothing
        return mesh, np.zeros(mesh.points.shape, np.uint8)
    mesh = mesh.compute_normals(cell_normals=False, split_vertices=False, consistent_normals=False)
    colours = mesh.point_data['Normals'] + 1
    colours *= 127.5
    return mesh, np.rint(colours, out=colours).astype(np.uint8)


class _Seen(NamedTuple):
    """The part of the surface that a render shows.

    Attributes
    ----------
    rows, columns : slice
        The smallest part of a render that has all of the surface: n pixels.
    normals : (3, n) float32
        Unit normals.
    part : (n,) float32
        The part of the pixel that the surface covers.
    """

    rows: slice
    columns: slice
    normals: NDArray[np.float32]
    part: NDArray[np.float32]


def _seen(picture: NDArray[np.uint8], pixels: int) -> _Seen:
    """Average the finer picture of the normals over the pixels of a render."""
    mean = cv2.resize(picture, (pixels, pixels), interpolation=cv2.INTER_AREA)
    left, top, width, height = cv2.boundingRect(np.ascontiguousarray(mean[..., 3]))
    rows, columns = slice(top, top + height), slice(left, left + width)
    # each colour in a row of its own: arithmetic on neighbours in memory is several times faster
    colours = np.ascontiguousarray(mean[rows, columns].reshape(-1, 4).T)
    planes = colours.astype(np.float32) / np.float32(255)
    normals, part = planes[:3], planes[3]
    # pixels around the surface have no normal, and no light either
    normals /= np.maximum(part, np.float32(1 / 255))
    normals *= 2
    normals -= 1
    normals /= np.maximum(np.linalg.norm(normals, axis=0), 1e-6)
    return _Seen(rows, columns, normals, part)


def _shade(seen: _Seen, lights: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Lambert shading with some ambient light, 0 to 255: (lights, n)."""
    greys = np.empty((len(lights), seen.part.size), np.uint8)
    # one light after the other: what is added and multiplied stays in the processor's cache
    for cosine, grey in zip(lights.astype(np.float32) @ seen.normals, greys, strict=True):
        bright = np.maximum(cosine, 0, out=cosine)
        bright *= 1 - AMBIENT
        bright += AMBIENT
        bright *= seen.part
        bright *= 255
        grey[:] = np.rint(bright, out=bright)
    return greys
