"""The memory that a scan's skin takes, from a few hundred bytes of its header."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from nibabel.affines import voxel_sizes

from bids_reid.errors import ReidError
from bids_reid.surface.fineness import FINEST_MM, MOST_VOXELS, WORKING_MM, refinement
from bids_reid.surface.nifti import START, checked_shape, header_of, is_plain
from bids_reid.surface.placement import usable
from bids_reid.surface.reading import opened, reading

if TYPE_CHECKING:
    from pathlib import Path

BASE_GB = 0.35
"""Memory of a process with its libraries, independent of the volume."""
READ_BYTES = 8.0
"""Bytes per voxel while a volume is read and averaged: in single precision, twice.

Colours and complex numbers are held twice as they are stored, too.
"""
SKIN_BYTES = 24.0
"""Bytes per voxel of about 1 mm while the skin is cut."""
FEW_BYTES = 4096
USUAL_GB = 1.5
"""Memory for a file whose header gives no size: a head at 1 mm, with a margin."""


def skin_memory_gb(path: Path) -> float:
    """Estimate the peak memory of the step that cuts the skin from a scan, in GB.

    What cannot be read counts as usual: the reader has the reason.
    """
    try:
        with reading(path.name, path), opened(path, FEW_BYTES) as source:
            _, header, _ = header_of(source.read(START))
            shape = checked_shape(header, [])
            kind = header.get_data_dtype()
            item_bytes = 0 if is_plain(kind) else kind.itemsize
            affine = np.asarray(header.get_best_affine(), float)
    except (ReidError, OSError):
        return USUAL_GB
    return memory_gb(
        (*shape, 1, 1)[:3], voxel_sizes(affine) if usable(affine) else None, item_bytes
    )


def memory_gb(
    shape: tuple[int, ...], spacing: np.ndarray | None = None, item_bytes: int = 0
) -> float:
    """Estimate it from the shape of a volume.

    Parameters
    ----------
    shape : (3,) int
    spacing : (3,) float, optional
        Millimetres; unknown ones count as 1 mm.
    item_bytes : int
        Of a colour or a complex number as it is stored; 0 for others.
    """
    size = np.ones(3) if spacing is None else spacing
    n_stored = float(np.prod(np.array(shape, float)))
    n_worked = n_stored * float(np.prod(np.where(size < FINEST_MM, size / WORKING_MM, 1.0)))
    n_worked *= float(np.prod(refinement(shape, size)))
    reading_gb = n_stored * (READ_BYTES + 2 * item_bytes) / 1e9
    skin_gb = (4 * n_stored + SKIN_BYTES * min(n_worked, MOST_VOXELS)) / 1e9
    return max(USUAL_GB, round(BASE_GB + max(reading_gb, skin_gb), 1))
