"""Signed distances of simple shapes, and how to blend them.

All functions take coordinates as separate float32 arrays of one shape (millimetres) and return
the signed distance (millimetres, negative inside) in the same shape and type. Formulas:
I. Quilez, "Distance functions" and "Smooth minimum", https://iquilezles.org/articles/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.floating]  # float32; numpy's stubs lose that in arithmetic
    Vector = tuple[float, float, float]


def union(a: Array, b: Array, blend: float) -> Array:
    """Polynomial (quadratic) smooth minimum: shapes less than ``blend`` mm apart melt together."""
    overlap = np.maximum(blend - np.abs(a - b), 0.0)
    return np.minimum(a, b) - overlap * overlap * (0.25 / blend)


def intersection(a: Array, b: Array, blend: float) -> Array:
    """Polynomial smooth maximum, the mirror image of :func:`union`."""
    overlap = np.maximum(blend - np.abs(a - b), 0.0)
    return np.maximum(a, b) + overlap * overlap * (0.25 / blend)


def carve(body: Array, tool: Array, blend: float) -> Array:
    """``body`` without ``tool``."""
    return intersection(body, -tool, blend)


def ellipsoid(x: Array, y: Array, z: Array, centre: Vector, radii: Vector) -> Array:
    """Distance to an ellipsoid with axes along x, y, z.

    First order (Quilez): ``k0 (k0 - 1) / k1`` with ``k0 = |p / r|``, ``k1 = |p / r^2|``; exact on
    the surface and its gradient there has length 1.
    """
    u = (x - centre[0]) * (1 / radii[0])
    v = (y - centre[1]) * (1 / radii[1])
    w = (z - centre[2]) * (1 / radii[2])
    k0 = np.sqrt(u * u + v * v + w * w)
    u *= 1 / radii[0]
    v *= 1 / radii[1]
    w *= 1 / radii[2]
    k1 = np.sqrt(u * u + v * v + w * w)
    distance: Array = k0 * (k0 - 1.0) / (k1 + 1e-9)
    return distance


def capsule(
    x: Array, y: Array, z: Array, start: Vector, end: Vector, radius: tuple[float, float]
) -> Array:
    """Distance to a rod from ``start`` to ``end`` whose radius changes linearly."""
    bx, by, bz = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    px, py, pz = x - start[0], y - start[1], z - start[2]
    along = np.clip((px * bx + py * by + pz * bz) * (1 / (bx * bx + by * by + bz * bz)), 0.0, 1.0)
    px -= along * bx
    py -= along * by
    pz -= along * bz
    thick = radius[0] + (radius[1] - radius[0]) * along
    distance: Array = np.sqrt(px * px + py * py + pz * pz) - thick
    return distance


def bump(u: Array, v: Array, centre: tuple[float, float], width: tuple[float, float]) -> Array:
    """Gaussian hill of height 1 over two coordinates: subtracted from a distance, it swells it."""
    a = (u - centre[0]) * (1 / width[0])
    b = (v - centre[1]) * (1 / width[1])
    height: Array = np.exp(-(a * a) - b * b)
    return height


def step(value: Array, low: float, high: float) -> Array:
    """Smooth step (cubic Hermite) from 0 at ``low`` to 1 at ``high``."""
    t = np.clip((value - low) * (1 / (high - low)), 0.0, 1.0)
    share: Array = t * t * (3.0 - 2.0 * t)
    return share
