"""Pictures of a signed distance function: a pinhole camera and sphere tracing.

Sphere tracing steps along each ray by the distance to the surface until it is there (J. C. Hart,
"Sphere tracing", The Visual Computer 12, 1996). It needs no graphics driver and no mesh, so the
same numbers give the same picture on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from bids_reid.phantom.shapes import Array

    Field = Callable[[Array], Array]  # (n, 3) points, mm -> (n,) distances, mm

_ARRIVED = 0.3  # mm


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera that looks at ``target`` from ``distance`` mm, angles in degrees.

    Yaw and pitch say where the camera stands: yaw is positive towards the person's left (-x),
    pitch upwards. ``roll`` turns the picture. ``view`` is the height of the picture at the
    target, mm.
    """

    target: tuple[float, float, float]
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    distance: float = 1000.0
    view: float = 330.0

    def axes(self) -> Array:
        """(3, 3) float32: rows are the picture's right, its up, and towards the camera."""
        yaw, pitch, roll = np.radians([self.yaw, self.pitch, self.roll])
        back = np.array([-np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), np.sin(pitch)])
        right = np.cross([0.0, 0.0, 1.0], back)
        right /= np.linalg.norm(right)
        up = np.cross(back, right)
        turned = np.cos(roll) * right + np.sin(roll) * up
        return np.stack([turned, np.cross(back, turned), back]).astype(np.float32)

    def rays(self, size: int) -> tuple[Array, Array]:
        """Origin (3,) and unit directions (size * size, 3), row by row from the top left."""
        right, up, back = self.axes()
        steps = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
        u, v = np.meshgrid(steps * self.view, -steps * self.view)
        directions = u[..., None] * right + v[..., None] * up - self.distance * back
        directions = directions.reshape(-1, 3)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        origin = np.asarray(self.target, np.float32) + np.float32(self.distance) * back
        return origin, directions.astype(np.float32)


def trace(
    field: Field, origin: Array, directions: Array, near: Array, far: float, *, steps: int = 80
) -> tuple[NDArray[np.bool_], Array]:
    """Follow rays to the surface.

    Parameters
    ----------
    near
        (n,) where to start on each ray, mm from the origin.
    far
        Where to give up, mm from the origin.

    Returns
    -------
    hit
        (n,) bool.
    depth
        (n,) mm along each ray; meaningful where ``hit``.
    """
    depth = near.copy()
    hit = np.zeros(len(depth), bool)
    active = np.arange(len(depth))
    for _ in range(steps):
        distance = field(origin + depth[active, None] * directions[active])
        # Steps outside are at least 0.8 mm, or rays that graze the surface would creep along it.
        depth[active] += np.where(distance > _ARRIVED, np.maximum(distance, 0.8), distance)
        # A ray that comes nearer than about half a pixel has arrived: grazing ones get no closer.
        near_enough = np.abs(distance) < _ARRIVED
        hit[active] = near_enough
        active = active[~near_enough & (depth[active] < far)]
        if not len(active):
            break
    return hit & (depth < far), depth


def normals(field: Field, points: Array, distance: Array, *, reach: float = 0.5) -> Array:
    """(n, 3) unit normals by forward differences over ``reach`` mm from known distances."""
    gradient = np.empty_like(points)
    for axis in range(3):
        moved = points.copy()
        moved[:, axis] += reach
        gradient[:, axis] = field(moved) - distance
    gradient /= np.linalg.norm(gradient, axis=1, keepdims=True) + 1e-9
    return gradient
