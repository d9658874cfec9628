"""How noisy a volume is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPARSE = 4
"""Every fourth pair of slices is enough."""


def voxel_noise(data: NDArray[np.float32], bright: float) -> float:
    """Estimate the standard deviation of the noise in tissue.

    The median absolute deviation of the finest diagonal wavelet coefficients (Haar), divided by
    0.6745: Donoho & Johnstone, Biometrika 1994, section 4.2. Edges and shading hardly reach them.

    Parameters
    ----------
    data : (i, j, k) float32
        Intensities as they were measured: interpolation hides noise.
    bright : float
        Blocks of 2 x 2 x 2 voxels with a larger mean are tissue.
    """
    # pairs along the first axis, then along the others
    first, second = data[:-1:SPARSE], data[1::SPARSE]
    total, detail = first + second, first - second
    for axis in (1, 2):
        total, detail = np.add(*_pairs(total, axis)), np.subtract(*_pairs(detail, axis))
    noise = np.abs(detail[total > 8 * bright])
    # the transform is orthonormal with a factor of 1 / sqrt(8)
    return float(np.median(noise)) / np.sqrt(8) / 0.6745 if noise.size else 0.0


def _pairs(data: NDArray[np.float32], axis: int) -> tuple[NDArray[np.float32], ...]:
    """Return every second value along ``axis``, and those that follow them."""
    along = np.moveaxis(data, axis, 0)
    length = len(along) // 2 * 2
    return tuple(np.moveaxis(along[first:length:2], 0, axis) for first in (0, 1))
