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
    renders = np.empty((len(views), pixels, pixels), np.uint8)
    plotter = _plotter(_coloured_by_normal(points, triangles, frame), pixels)
    try:
        renderer = renderer_name(plotter)
        done = 0
        for (yaw, pitch), lit in groupby(views, key=lambda v: (v.camera_yaw, v.camera_pitch)):
            normals, seen = _normal_picture(plotter, frame, yaw, pitch)
            for view in lit:
                light = frame.direction(view.light_azimuth, view.light_elevation)
                renders[done] = _shade(normals, seen, light)
                done += 1
    finally:
        plotter.close()
    return Renders(renders, renderer)


def renderer_name(plotter: pv.Plotter) -> str:
    """Name of the OpenGL renderer, such as llvmpipe (processor) or a graphics card's."""
    # plotter.render() does nothing before the first picture
    plotter.render_window.Render()
    report = plotter.render_window.ReportCapabilities()
    lines = (line.partition(':') for line in report.splitlines())
    names = {key.strip(): value.strip() for key, _, value in lines}
    return names.get('OpenGL renderer string', 'unknown')


def _coloured_by_normal(
    points: NDArray[np.float32], triangles: NDArray[np.int32], frame: FaceFrame
) -> pv.PolyData:
    """Return the part of the surface that cameras see, its normals as colours."""
    ahead = (points - frame.origin) @ frame.forward > -BEHIND_MM
    mesh = pv.PolyData.from_regular_faces(points, triangles[ahead[triangles].all(axis=1)])
    mesh = mesh.compute_normals(cell_normals=False, split_vertices=False, consistent_normals=False)
    mesh['colour'] = np.round((mesh.point_data['Normals'] + 1) * 127.5).astype(np.uint8)
    return mesh


def _plotter(mesh: pv.PolyData, pixels: int) -> pv.Plotter:
    plotter = pv.Plotter(off_screen=True, window_size=[pixels, pixels], lighting='none')
    plotter.set_background('black')
    plotter.add_mesh(mesh, scalars='colour', rgb=True, lighting=False, show_scalar_bar=False)
    plotter.camera.view_angle = 2 * np.degrees(np.arctan(FIELD_MM / 2 / CAMERA_MM))
    return plotter


def _normal_picture(
    plotter: pv.Plotter, frame: FaceFrame, yaw: float, pitch: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Unit normals (h, w, 3) and where the surface is seen (h, w) from one camera."""
    plotter.camera.focal_point = tuple(frame.origin)
    plotter.camera.position = tuple(frame.origin + CAMERA_MM * frame.direction(yaw, pitch))
    plotter.camera.up = tuple(frame.up)
    plotter.renderer.ResetCameraClippingRange()
    # without render() a second screenshot returns the first picture again
    plotter.render()
    picture = np.asarray(plotter.screenshot(return_img=True))[..., :3]
    # no unit normal is coded as black
    seen = picture.any(axis=2)
    normals = picture.astype(np.float32) / 127.5 - 1
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-6)
    return normals, np.asarray(seen)


def _shade(
    normals: NDArray[np.float32], seen: NDArray[np.bool_], light: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Lambert shading with some ambient light, 0 to 255."""
    cosine = np.maximum(normals @ light.astype(np.float32), 0)
    grey = 255 * (AMBIENT + (1 - AMBIENT) * cosine) * seen
    return np.round(grey).astype(np.uint8)
