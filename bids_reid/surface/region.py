"""The region of a large field of view in which a head can be.

A head is looked for at 1 mm or so: a body, or a head whose voxels are said to be seven times too
large, would need gigabytes and minutes. What stands out is found on a coarse grid first; a field
of view that no head needs is cut to it, and the head of a body is looked for at its top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from nibabel.affines import voxel_sizes
from scipy import ndimage

from bids_reid.errors import ScanError
from bids_reid.surface.fineness import MOST_VOXELS
from bids_reid.surface.grid import block_mean, coarser
from bids_reid.surface.head import MIN_HEAD_LITRES, stands_out
from bids_reid.surface.parts import ALL, TOP

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_MM = 520.0
"""No head with its neck and surroundings is longer, nor is the field of view of a head scan."""
COARSE_MM = 8.0
MARGIN_MM = 60.0
"""Margin kept around the foreground, because a removed face is looked for there."""
TOP_MM = 400.0
"""Head, neck and shoulders are not longer than this."""
WIDEST_MM = 750.0
"""Nobody is wider than this."""


def head_region(
    data: NDArray[np.float32], affine: NDArray[np.float64], name: str, notes: list[str]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Cut a field of view that is larger than a head needs.

    Parameters
    ----------
    name : str
        Of the file, for the message.
    notes : list of str
        What was done is added.

    Raises
    ------
    ScanError
        What stands out is larger than a head, and no top of a body.
    """
    size = voxel_sizes(affine)
    lengths = size * data.shape
    if (lengths <= LARGEST_MM).all() and data.size <= MOST_VOXELS:
        return data, affine
    factor = np.maximum(1, np.floor(COARSE_MM / size)).astype(np.intp)
    shown = stands_out(block_mean(data, factor), size * factor)
    low, high, why = _region(shown, size * factor, name)
    first = np.maximum(0, np.floor((low - MARGIN_MM) / size)).astype(np.intp)
    last = np.minimum(data.shape, np.ceil((high + MARGIN_MM) / size)).astype(np.intp)
    if (first > 0).any() or (last < data.shape).any():
        sides, whole = _words(size * (last - first)), _words(lengths)
        notes.append(f'{sides} mm of a field of view of {whole} mm were looked at: {why}')
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ first
    part = data[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    return _thinned(part, moved, notes)


def _region(
    shown: NDArray[np.bool_], cell: NDArray[np.float64], name: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    """Choose a region: its ends in millimetres from the first corner, and why."""
    for part in (shown, _large_objects(shown, cell)):
        low, high = _bounds(part, cell)
        if (high - low <= LARGEST_MM).all():
            return low, high, ALL
    part[..., : max(0, int((high[2] - TOP_MM) / cell[2]))] = False
    low, high = _bounds(part, cell)
    if (high - low > WIDEST_MM).any():
        raise ScanError(
            f'{name}: by its header, the imaged object measures {_words(high - low)} mm, too '
            'large for a head: inspect it yourself'
        )
    return low, high, TOP


def _thinned(
    data: NDArray[np.float32], affine: NDArray[np.float64], notes: list[str]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Average to larger voxels what has too many all the same."""
    size = voxel_sizes(affine)
    times = (data.size / MOST_VOXELS) ** (1 / 3)
    if times <= 1:
        return data, affine
    # axes of the finest voxels first: all have the same size afterwards
    factor = np.maximum(1.0, times * np.cbrt(np.prod(size)) / size)
    notes.append(
        f'averaged to voxels of {_words(size * factor)} mm, because the volume has '
        f'{data.size:,} voxels'
    )
    return coarser(data, factor), affine @ np.diag([*factor, 1.0])


def _large_objects(shown: NDArray[np.bool_], cell: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Objects of which a head can be one; all, if none can."""
    labels, count = ndimage.label(ndimage.binary_opening(shown))
    if not count:
        return shown
    litres = np.bincount(labels.ravel()) * np.prod(cell) * 1e-6
    litres[0] = 0
    large = (litres >= 0.5 * MIN_HEAD_LITRES)[labels]
    # what was opened away at its skin belongs to it
    large = ndimage.binary_dilation(large, iterations=2) & shown
    return large if large.any() else shown


def _bounds(
    shown: NDArray[np.bool_], cell: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Millimetres from the first corner to the low and the high ends of what is shown."""
    if not shown.any():
        return np.zeros(3), cell * shown.shape
    (box,) = ndimage.find_objects(shown.astype(np.uint8))
    low, high = np.array([[one.start, one.stop] for one in box]).T
    return low * cell, high * cell


def _words(lengths: NDArray[np.float64]) -> str:
    return ' x '.join(f'{length:.0f}' if length >= 100 else f'{length:.3g}' for length in lengths)
