"""The voxel size from which a skin is cut.

Finer voxels are averaged, coarser ones interpolated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FINEST_MM = 0.9
"""Finer voxels are averaged to ``WORKING_MM``: a face crop holds one pixel a millimetre."""
WORKING_MM = 1.0
COARSE_AXIS_MM = 1.6
"""Axes of larger voxels are interpolated before the cut, or slices show as stairs."""
FINE_AXIS_MM = 1.2
MOST_VOXELS = 48_000_000
"""A head with its neck has fewer of 0.9 mm."""


def refinement(shape: tuple[int, ...], spacing: NDArray[np.float64]) -> NDArray[np.intp]:
    """How many voxels are made of one along each axis (3,) before the skin is cut.

    Fewer where that would be more of them than a head has.
    """
    times = np.where(spacing > COARSE_AXIS_MM, np.ceil(spacing / FINE_AXIS_MM), 1)
    while np.prod(times * shape) > MOST_VOXELS and times.max() > 1:
        # of what is interpolated, the finest
        times[np.argmin(np.where(times > 1, spacing / times, np.inf))] -= 1
    return times.astype(np.intp)
