"""Several volumes in one file: whether a later one shows what the first does not.

A tool that de-faces the first echo only, or a first volume that is empty, must hide nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from numpy.typing import NDArray

MOST_VOLUMES = 16
"""Of longer series so many are looked at, evenly."""
BRIGHT_SHARE = 0.2
"""Of the range of a volume: what is brighter is shown by it."""
ADDED_SHARE = 0.002
"""A volume that shows something on so many more of the voxels adds to the first."""
RANGE = (1.0, 99.5)
"""Percentiles that the range of a volume lies between."""


def as_numbers(data: NDArray[Any]) -> NDArray[np.float32]:
    """Return numbers of a kind that NIfTI has; of colours their mean."""
    if data.dtype.names:
        data = np.mean([data[name] for name in data.dtype.names[:3]], axis=0)
    if data.dtype.kind == 'c':
        data = np.abs(data)
    with np.errstate(over='ignore', invalid='ignore'):
        return data.astype(np.float32)


def places(counts: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the places of the volumes that are compared with the first, in the file's order.

    Parameters
    ----------
    counts : tuple of int
        Length of the fourth axis and of those behind it.
    """
    n = int(np.prod(counts, dtype=np.int64))
    numbers = np.unique(np.linspace(1, n - 1, min(n, MOST_VOLUMES) - 1).round()) if n > 1 else ()
    for number in numbers:
        yield tuple(int(one) for one in np.unravel_index(int(number), counts, order='F'))


def all_shown(
    read: Callable[[tuple[int, ...]], NDArray[Any]], counts: tuple[int, ...], notes: list[str]
) -> NDArray[Any]:
    """Read the first volume, with what others show where it shows nothing.

    Where none shows more and the first is empty, the first that is not.

    Parameters
    ----------
    read : callable
        Reads the volume at a place along the fourth axis and those behind it.
    counts : tuple of int
        Their lengths, none of them 0.
    notes : list of str
        What was done is added.
    """
    notes.extend(
        f'only the first of {count} volumes was used' for count in reversed(counts) if count > 1
    )
    first = read((0,) * len(counts))
    data, n_added = with_more(first, (read(place) for place in places(counts)))
    if n_added:
        notes.append(
            f'{n_added} of the other volumes show more than the first: their content was added'
        )
        return data
    if not _is_empty(first):
        return first
    for number in range(1, int(np.prod(counts, dtype=np.int64))):
        at = np.unravel_index(number, counts, order='F')
        if not _is_empty(other := read(tuple(int(one) for one in at))):
            notes.append(f'the first volume is empty: volume {number + 1} was used')
            return other
    return first


def _is_empty(data: NDArray[Any]) -> bool:
    """Whether all numbers are alike, or no numbers."""
    if data.dtype.kind in 'fc':
        data = data[np.isfinite(data)]
    return bool((data == data.flat[0]).all()) if data.size else True


def with_more(
    first: NDArray[Any], others: Iterable[NDArray[Any]]
) -> tuple[NDArray[np.float32], int]:
    """Add to a volume what others show where it shows nothing.

    Parameters
    ----------
    first : (i, j, k) array
        The first volume.
    others : iterable of (i, j, k) array
        The others, one at a time.

    Returns
    -------
    (i, j, k) float32 and the number of volumes that showed more. Where one did, the brighter
    number counts, each volume taken as a share of its own range.
    """
    shown = as_numbers(first)
    n_added = 0
    low, high = _range(shown)
    seen = _scaled(shown, low, high) > BRIGHT_SHARE
    for other in others:
        numbers = as_numbers(other)
        scaled = _scaled(numbers, *_range(numbers))
        # noise is in single voxels
        more = ndimage.binary_erosion((scaled > BRIGHT_SHARE) & ~seen)
        if np.mean(more) < ADDED_SHARE:
            continue
        n_added += 1
        if high <= low:
            low, high = 0.0, 1000.0
            shown = np.zeros_like(shown)
        shown = np.fmax(shown, low + scaled * np.float32(high - low))
        seen |= scaled > BRIGHT_SHARE
    return shown, n_added


def _range(data: NDArray[np.float32]) -> tuple[float, float]:
    """Darkest and brightest of a volume, but for a few voxels."""
    finite = data[np.isfinite(data)]
    if not finite.size:
        return 0.0, 0.0
    low, high = np.percentile(finite, RANGE)
    if high <= low:
        # a small thing in a volume that is otherwise empty
        low, high = finite.min(), finite.max()
    return float(low), float(high)


def _scaled(data: NDArray[np.float32], low: float, high: float) -> NDArray[np.float32]:
    """Share of the range, 0 where there is none or no number."""
    if high <= low:
        return np.zeros(data.shape, np.float32)
    with np.errstate(over='ignore', invalid='ignore'):
        scaled = (data - np.float32(low)) / np.float32(high - low)
    return np.clip(np.nan_to_num(scaled, nan=0.0), 0.0, 1.5).astype(np.float32)
