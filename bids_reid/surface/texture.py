"""Heads that show by their texture: phase images and field maps, which are noise in air.

Inside a head the phase of the signal changes slowly from voxel to voxel; where there is no signal
it is any number. Brightness tells nothing there, but how much neighbours differ does.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bids_reid.surface.percentiles import end_percentile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.surface.volume import Volume

WINDOW = 3
"""Voxels along each side of the neighbourhood in which a spread is measured."""
EXTREMES = (0.5, 99.5)
"""Percentiles that the range of a volume lies between: of a phase it is a full turn."""
EVEN = 1 / 12
"""Variance of numbers that are spread evenly over the range, and of their differences."""
NOISE_SHARE = 0.4
"""What varies by so much of that is noise, ..."""
SMOOTH_SHARE = 0.1
"""... and half of what is not varies by less than this, or texture tells nothing."""
LEAST_SHARE = 0.02
"""A smaller part of a volume is neither head nor air."""
STEEP = 3.0
"""From noise to head the shares of a neighbourhood run over a few voxels: edges are steeper."""


def smooth_part(volume: Volume) -> Volume | None:
    """Give what is smooth the brightness 1, and noise and what is constant 0.

    Returns
    -------
    ``None`` of a volume that is not smooth in one part and noise in another.
    """
    low, high = (end_percentile(volume.data, percent) for percent in EXTREMES)
    full = np.float32(max(high - low, 1e-12))
    if not _ends_in_noise(volume.data, full):
        return None
    varies, constant = _variances(volume.data, full)
    constant = _pieces(constant)
    noise = varies > NOISE_SHARE
    smooth = ~noise & ~constant
    if min(noise.mean(), smooth.mean()) < LEAST_SHARE:
        return None
    if np.median(varies[smooth]) > SMOOTH_SHARE:
        return None
    share = 1 - varies / np.median(varies[noise])
    share = np.clip(0.5 + STEEP * (share - 0.5), 0, 1).astype(np.float32)
    return replace(volume, data=np.where(constant, np.float32(0), share))


def _ends_in_noise(data: NDArray[np.float32], full: np.float32) -> bool:
    """Whether most of what is not constant at the outer faces of a volume is noise."""
    faces = [
        _variances(np.take(data, layers, axis=axis), full)
        for axis in range(3)
        for layers in (range(WINDOW), range(-WINDOW, 0))
    ]
    if not any((varies > NOISE_SHARE).any() for varies, _ in faces):
        return False
    measured = [varies[~_pieces(constant)] for varies, constant in faces]
    n_noise = sum(np.count_nonzero(varies > NOISE_SHARE) for varies in measured)
    return bool(n_noise > sum(varies.size for varies in measured) / 2)


def _variances(
    data: NDArray[np.float32], full: np.float32
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Local variance of differences, as a share of that of noise, and what equals its neighbours.

    Differences count the short way around: from the end of the range to its start is no step.
    """
    total = np.zeros(data.shape, np.float32)
    constant = np.ones(data.shape, bool)
    for axis in range(3):
        turns = np.diff(data, axis=axis) / full
        constant &= _on_both_sides(turns, axis) == 0
        total += _on_both_sides((turns - np.round(turns)) ** 2, axis)
    return ndimage.uniform_filter(total, WINDOW) / np.float32(6 * EVEN), constant


def _pieces(constant: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Leave out what is small: single voxels of a smooth part may equal their neighbours."""
    return np.asarray(ndimage.binary_opening(constant, np.ones((WINDOW,) * 3)))


def _on_both_sides(steps: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Sum of what lies before and behind each voxel along an axis; at an end it counts twice."""
    first, last = np.take(steps, [0], axis=axis), np.take(steps, [-1], axis=axis)
    before = np.concatenate([first, np.abs(steps)], axis=axis)
    behind = np.concatenate([np.abs(steps), last], axis=axis)
    return np.asarray(np.abs(before) + np.abs(behind), np.float32)
