"""Operations on three-dimensional arrays, in the precision that a skin surface needs.

`benchmarks/grid.py` has how much time each saves, and how far a library's own would be off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

TRUNCATE = 3.0
"""Gaussian kernels end after so many standard deviations."""
_UNIT = 128
"""Squared millimetres are counted in parts of this: 16 bits reach 15 mm, to 4 micrometres."""
_FAR = np.uint16(30_000)
_LAYERS = 8
_NOTHING = np.ones(1, np.float32)
"""A kernel that leaves an axis as it is."""


def block_mean(data: NDArray[np.float32], factor: NDArray[np.intp]) -> NDArray[np.float32]:
    """Mean over blocks of ``factor`` voxels; the last block of an axis repeats the edge."""
    missing = -np.array(data.shape) % factor
    if missing.any():
        data = np.pad(data, [(0, int(n)) for n in missing], mode='edge')
    for axis, times in enumerate(factor):
        blocks = np.moveaxis(data, axis, 0)
        total = sum((blocks[first::times] for first in range(1, times)), start=blocks[::times])
        data = np.moveaxis(total / np.float32(times), 0, axis)
    return data


def gaussian(data: NDArray[np.float32], sigma: NDArray[np.float64]) -> NDArray[np.float32]:
    """Smooth with a Gaussian of ``sigma`` voxels per axis; edges are mirrored.

    Axes without any are left as they are; where all are, ``data`` itself comes back.
    """
    for axis, width in enumerate(sigma):
        radius = int(TRUNCATE * width + 0.5)
        if not radius:
            continue
        kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / width) ** 2)
        kernel = (kernel / kernel.sum()).astype(np.float32)
        across, along = (kernel, _NOTHING) if axis == data.ndim - 1 else (_NOTHING, kernel)
        smooth = np.empty(data.shape, np.float32)
        for picture, target in zip(_pictures(data, axis), _pictures(smooth, axis), strict=True):
            cv2.sepFilter2D(
                picture, cv2.CV_32F, across, along, dst=target, borderType=cv2.BORDER_REFLECT
            )
        data = smooth
    return data


def enlarged(
    values: NDArray[np.float32], factor: NDArray[np.intp], shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Interpolate the values of blocks of ``factor`` voxels linearly to the voxels.

    Parameters
    ----------
    values : (i, j, k) float32
        One per block; the first block starts at the first voxel.
    factor : (3,) int
        Voxels per block.
    shape : tuple of int
        Of the result; the last blocks may reach beyond it.
    """
    for axis, (times, length) in enumerate(zip(factor, shape, strict=True)):
        if times == 1:
            continue
        target = np.empty((*values.shape[:axis], length, *values.shape[axis + 1 :]), np.float32)
        for picture, large in zip(_pictures(values, axis), _pictures(target, axis), strict=True):
            rows, columns = picture.shape
            # pixel centres: block b lies in the middle of its voxels, as it should
            if axis == values.ndim - 1:
                large[:] = cv2.resize(picture, (columns * int(times), rows))[:, :length]
            else:
                large[:] = cv2.resize(picture, (columns, rows * int(times)))[:length]
        values = target
    return values


def finer(
    data: NDArray[np.float32], affine: NDArray[np.float64], times: NDArray[np.intp]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Interpolate to voxels ``times`` as fine per axis by cubic splines; edges are mirrored.

    The field of view stays the same, border to border.
    """
    for axis, parts in enumerate(times):
        if parts > 1:
            data = _splined(data, axis, int(parts))
    scale = np.diag([*(1 / times), 1.0])
    scale[:3, 3] = (1 / times - 1) / 2
    return np.ascontiguousarray(data), affine @ scale


def _splined(data: NDArray[np.float32], axis: int, parts: int) -> NDArray[np.float32]:
    """Interpolate along one axis; no library that shares sums out among threads takes part."""
    spline = ndimage.spline_filter1d(data, 3, axis, output=np.float32, mode='grid-mirror')
    lines = np.moveaxis(spline, axis, 0)
    padded = np.pad(lines, [(2, 2), (0, 0), (0, 0)], mode='symmetric')
    fine = np.empty((parts * len(lines), *lines.shape[1:]), np.float32)
    for phase in range(parts):
        place = (phase + 0.5) / parts - 0.5
        first = int(np.floor(place)) + 1
        target = fine[phase::parts]
        for number, weight in enumerate(_cubic(place - np.floor(place))):
            start = first + number
            part = padded[start : start + len(lines)]
            if number == 0:
                np.multiply(part, weight, out=target)
            else:
                target += part * weight
    return np.moveaxis(fine, 0, axis)


def _cubic(part: float) -> list[np.float32]:
    """Weights of the four coefficients of a cubic spline around a place between two of them."""
    rest = 1 - part
    weights = (
        rest**3 / 6,
        (4 - 6 * part**2 + 3 * part**3) / 6,
        (4 - 6 * rest**2 + 3 * rest**3) / 6,
        part**3 / 6,
    )
    return [np.float32(weight) for weight in weights]


def sampled(data: NDArray[np.float32], step: NDArray[np.float64]) -> NDArray[np.float32]:
    """Interpolate linearly at every ``step`` voxels per axis, from the first one on."""
    for axis, width in enumerate(step):
        if width == 1:
            continue
        last = data.shape[axis] - 1
        places = np.arange(int(last / width) + 1) * width
        below = places.astype(np.intp)
        above = np.minimum(below + 1, last)
        part = (places - below).astype(np.float32).reshape(-1, *[1] * (data.ndim - 1 - axis))
        # in place: a whole head at half a millimetre has half a gigabyte
        lower, upper = data.take(below, axis), data.take(above, axis)
        upper -= lower
        upper *= part
        lower += upper
        data = lower
    return data


def squared_distance(
    target: NDArray[np.bool_], spacing: NDArray[np.float64], reach: float
) -> NDArray[np.float32]:
    """Squared Euclidean distance to the nearest voxel of ``target``, where it is short.

    The minimum of parabolas, axis by axis (Felzenszwalb & Huttenlocher, Theory of Computing 2012,
    section 2), over the few voxels within reach only.

    Parameters
    ----------
    target : (i, j, k) bool
        Distance 0.
    spacing : (3,) float
        Millimetres.
    reach : float
        Millimetres. Distances beyond it come out larger than it, but not right.

    Returns
    -------
    (i, j, k) float32
        Square millimetres, to 1/128 per axis.
    """
    distance = np.where(target, np.uint16(0), _FAR)
    for axis, size in enumerate(spacing):
        steps = range(1, min(int(reach / size) + 1, distance.shape[axis] - 1) + 1)
        squares = [np.uint16(min(round((step * size) ** 2 * _UNIT), _FAR)) for step in steps]
        across = 1 if axis == 0 else 0
        # a few layers at a time stay in the processor's cache
        for first in range(0, distance.shape[across], _LAYERS):
            layers = np.moveaxis(distance, across, 0)[first : first + _LAYERS]
            _lower(np.moveaxis(np.moveaxis(layers, 0, across), axis, 0), squares)
    return distance.astype(np.float32) / np.float32(_UNIT)


def _lower(along: NDArray[np.uint16], squares: Sequence[np.uint16]) -> None:
    """Lower numbers to the least of those 1, 2, ... further along the first axis, plus squares."""
    before, further = along.copy(order='K'), np.empty_like(along)
    for step, squared in enumerate(squares, start=1):
        np.add(before, squared, out=further)
        np.minimum(along[step:], further[:-step], out=along[step:])
        np.minimum(along[:-step], further[step:], out=along[:-step])


def filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill holes: what is not set and not joined to the border through faces of voxels."""
    labels, count = ndimage.label(~mask)
    is_open = np.zeros(count + 1, np.bool_)
    for axis in range(mask.ndim):
        along = np.moveaxis(labels, axis, 0)
        is_open[along[0]] = is_open[along[-1]] = True
    is_open[0] = False
    found = np.flatnonzero(is_open)
    # mostly one piece of air is around a head: comparing is faster than looking up
    return np.asarray(labels != found[0] if found.size == 1 else ~is_open[labels])


def opened(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Take away what is less than three voxels thick; beyond the border there is nothing."""
    inner = mask.copy()
    for axis in range(mask.ndim):
        target, source = np.moveaxis(inner, axis, 0), np.moveaxis(mask, axis, 0)
        target[1:] &= source[:-1]
        target[:-1] &= source[1:]
        target[0] = target[-1] = False
    outer = inner.copy()
    for axis in range(mask.ndim):
        target, source = np.moveaxis(outer, axis, 0), np.moveaxis(inner, axis, 0)
        target[1:] |= source[:-1]
        target[:-1] |= source[1:]
    return outer


def _pictures(data: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """View ``data`` as pictures for OpenCV; ``axis`` runs down (the last one across)."""
    if axis == data.ndim - 1:
        return data.reshape(1, -1, data.shape[axis])
    return data.reshape(int(np.prod(data.shape[:axis])), data.shape[axis], -1)
