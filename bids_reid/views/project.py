"""Where points of a scan lie in a render, and the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from bids_reid.views.render import CAMERA_MM, FIELD_MM, IMAGE_PIXELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.records import View
    from bids_reid.surface.frame import FaceFrame

NEIGHBOURS = 12
NEAR_PIXELS = 6.0
"""A landmark sees the foremost of so many points around it, if they are so near in the render."""


def project(
    points: NDArray[np.floating], frame: FaceFrame, view: View, *, pixels: int = IMAGE_PIXELS
) -> NDArray[np.float64]:
    """Pixel coordinates of points in the render of a view.

    Parameters
    ----------
    points : (n, 3)
        RAS millimetres.

    Returns
    -------
    (n, 3) float64
        Pixels to the right and down from the middle of the first pixel, and millimetres from the
        camera along its axis.
    """
    outward = frame.direction(view.camera_yaw, view.camera_pitch)
    right = np.cross(frame.up, outward)
    right /= np.linalg.norm(right)
    upward = np.cross(outward, right)
    distance = frame.scale * CAMERA_MM
    x, y, z = ((points - frame.origin) @ np.column_stack([right, upward, outward])).T
    away = distance - z
    length = pixels * CAMERA_MM / FIELD_MM
    middle = (pixels - 1) / 2
    return np.stack([middle + length * x / away, middle - length * y / away, away], axis=1)


def pick(
    pixels: NDArray[np.floating], points: NDArray[np.floating], projected: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Points of a surface that are seen at places of a render.

    Parameters
    ----------
    pixels : (k, 2)
        Places, to the right and down.
    points : (n, 3)
        Points of the surface.
    projected : (n, 3)
        These as `project` places them.

    Returns
    -------
    (k, 3)
        The foremost point near each place; NaN where there is no surface.
    """
    tree = cKDTree(projected[:, :2], balanced_tree=False, compact_nodes=False)
    gap, nearest = tree.query(pixels, k=NEIGHBOURS, distance_upper_bound=NEAR_PIXELS)
    away = np.append(projected[:, 2], np.inf)[nearest]
    foremost = np.take_along_axis(nearest, away.argmin(axis=1)[:, None], axis=1)[:, 0]
    near = np.isfinite(gap).any(axis=1)
    seen = np.full((len(pixels), 3), np.nan)
    seen[near] = points[foremost[near]]
    return seen
