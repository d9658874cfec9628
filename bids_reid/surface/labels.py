"""Masks, label maps and maps of probabilities: the shape of what is not background.

A mask of a whole head has a face, as has the outer border of a segmentation; what the labels are
called says nothing of that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.surface.percentiles import end_percentile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.surface.volume import Volume

EQUAL_SHARE = 0.6
"""Share of equal neighbours inside a label map; noise makes neighbours differ."""
EMPTY_SHARE = 0.05
"""Smallest share of a volume that a background of one value fills."""
BRAIN_LITRES = 2.2
FULL_SHARE = 0.8
"""Share of its bounding box from which on an object is a field of view, not a head."""
SAMPLE = 400_000
"""Number of pairs of neighbours that are compared."""


def background(data: NDArray[np.float32]) -> float | None:
    """The number that fills the outer faces of a volume; ``None`` if it is no single one."""
    faces = [np.moveaxis(data, axis, 0)[[0, -1]].ravel() for axis in range(3)]
    values, counts = np.unique(np.concatenate(faces), return_counts=True)
    if counts.max() < 0.5 * counts.sum():
        return None
    value = float(values[counts.argmax()])
    return value if np.count_nonzero(data == value) >= EMPTY_SHARE * data.size else None


def is_label_map(data: NDArray[np.float32], empty: float | None) -> bool:
    """Whether the numbers inside are names of regions, not measured."""
    if empty is None:
        return False
    here, there = data[:-1].ravel(), data[1:].ravel()
    inside = np.flatnonzero((here != empty) & (there != empty))
    if not inside.size:
        return True
    inside = inside[:: max(1, inside.size // SAMPLE)]
    return bool(np.mean(here[inside] == there[inside]) >= EQUAL_SHARE)


def shape_of(volume: Volume, empty: float, least: float = 0.0) -> Volume:
    """Give what is not background the brightness 1, and all else 0.

    ``least`` is the share of what differs most (99th percentile inside) that is background, too.
    """
    apart = np.abs(volume.data - np.float32(empty))
    inside = apart > 0
    if least and inside.any():
        inside = apart > least * np.percentile(apart[inside], 99)
    return replace(volume, data=inside.astype(np.float32))


def inverted(volume: Volume) -> Volume:
    """Make what is dark bright."""
    return replace(volume, data=volume.data.max() - volume.data)


def has_bright_border(data: NDArray[np.float32]) -> bool:
    """Whether the outer faces of a volume are about as bright as anything in it."""
    faces = np.concatenate([np.moveaxis(data, axis, 0)[[0, -1]].ravel() for axis in range(3)])
    low, high = end_percentile(data, 1), end_percentile(data, 99)
    return bool(np.median(faces) > low + 0.75 * (high - low))


def may_be_head(mask: Volume) -> bool:
    """Whether what is not 0 is larger than a brain, and does not fill the box around it."""
    filled = float(mask.data.sum()) * float(np.prod(mask.spacing)) * 1e-6
    box = float(np.prod(extent(mask.data, mask.spacing))) * 1e-6
    return filled > BRAIN_LITRES and filled < FULL_SHARE * box


def extent(mask: NDArray[np.float32], spacing: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sides of the box around what is not 0, mm, (3,)."""
    filled = [np.flatnonzero(mask.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1))]
    return np.array([np.ptp(one) + 1 if one.size else 0 for one in filled]) * spacing
