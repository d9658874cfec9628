"""A signed distance on a regular grid, exact near the surface and interpolated elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from bids_reid.phantom.shapes import Array

_STRIDE = 4


def sample(
    field: Callable[[Array], Array],
    shape: tuple[int, int, int],
    affine: NDArray[np.floating],
) -> Array:
    """Evaluate a distance on a grid.

    Every fourth point is evaluated along each axis. A distance changes by at most 1 mm per mm, so
    the surface can only lie where the interpolated distance is below half a coarse cell's
    diagonal; there, and one voxel further, every point is evaluated.

    Parameters
    ----------
    field
        (n, 3) points -> (n,) distances, both mm.
    affine
        (4, 4), from voxel indices to the points' space, mm.

    Returns
    -------
    ``shape`` float32, mm.
    """
    coarse = tuple(-(-(n - 1) // _STRIDE) + 1 for n in shape)
    lattice = np.indices(coarse, dtype=np.float32).reshape(3, -1) * _STRIDE
    distance = field(move(lattice.T, affine)).reshape(coarse)
    for axis in range(3):
        distance = _refine(distance, axis)
    distance = np.ascontiguousarray(distance[: shape[0], : shape[1], : shape[2]])
    spacing = np.sqrt((np.asarray(affine)[:3, :3] ** 2).sum(0))
    reach = 0.5 * _STRIDE * float(np.linalg.norm(spacing)) + float(spacing.max())
    flat = distance.reshape(-1)
    band = np.flatnonzero(np.abs(flat) < reach)
    index = np.stack(np.unravel_index(band, shape), axis=1).astype(np.float32)
    flat[band] = field(move(index, affine))
    return distance


def move(points: NDArray[np.floating], affine: NDArray[np.floating]) -> Array:
    """Apply a (4, 4) affine to (n, 3) points, in float32."""
    matrix = np.asarray(affine, np.float32)
    return np.asarray(points, np.float32) @ matrix[:3, :3].T + matrix[:3, 3]


def _refine(values: Array, axis: int) -> Array:
    """Linear interpolation at ``_STRIDE`` times as many points along one axis."""
    values = np.moveaxis(values, axis, 0)
    first, gain = values[:-1], np.diff(values, axis=0)
    out = np.empty((_STRIDE * (len(values) - 1) + 1, *values.shape[1:]), np.float32)
    for step in range(_STRIDE):
        out[step:-1:_STRIDE] = first + gain * np.float32(step / _STRIDE)
    out[-1] = values[-1]
    return np.moveaxis(out, 0, axis)
