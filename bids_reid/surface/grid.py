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
    shape = tuple(
        -(-length // int(times)) for length, times in zip(data.shape, factor, strict=True)
    )
    means = np.empty(shape, np.float32)
    # one layer of blocks after the other stays in the processor's cache
    for number, target in enumerate(means):
        layer = data[number * factor[0] : (number + 1) * factor[0]]
        for axis, times in enumerate(factor):
            layer = _mean_along(layer, axis, int(times))
        target[:] = layer[0]
    return means


def _mean_along(data: NDArray[np.float32], axis: int, times: int) -> NDArray[np.float32]:
    """Mean over ``times`` voxels along one axis."""
    if times == 1:
        return data
    whole, rest = divmod(data.shape[axis], times)
    shape = list(data.shape)
    shape[axis] = whole + (rest > 0)
    means = np.empty(shape, np.float32)
    source, target = np.moveaxis(data, axis, 0), np.moveaxis(means, axis, 0)
    if whole:
        end = whole * times
        np.add(source[0:end:times], source[1:end:times], out=target[:whole])
        for first in range(2, times):
            target[:whole] += source[first:end:times]
    if rest:
        target[-1] = source[whole * times]
        for first in range(1, times):
            target[-1] += source[min(whole * times + first, len(source) - 1)]
    means /= np.float32(times)
    return means


def gaussian(data: NDArray[np.float32], sigma: NDArray[np.float64]) -> NDArray[np.float32]:
    """Smooth (i, j, k) with a Gaussian of ``sigma`` voxels per axis; edges are mirrored.

    Axes without any are left as they are; where all are, ``data`` itself comes back.
    """
    first, down, across = (_kernel(width) for width in sigma)
    if first.size > 1:
        smooth = np.empty(data.shape, np.float32)
        _filter(data.reshape(len(data), -1), _NOTHING, first, smooth.reshape(len(data), -1))
        data = smooth
    if down.size == across.size == 1:
        return data
    # what was smoothed along the first axis is ours to change
    smooth = data if first.size > 1 else np.empty(data.shape, np.float32)
    between = np.empty(data.shape[1:], np.float32)
    # pictures stay in the processor's cache
    for picture, target in zip(data, smooth, strict=True):
        if down.size == 1:
            between[:] = picture
        else:
            _filter(picture, _NOTHING, down, between)
        if across.size == 1:
            target[:] = between
        else:
            _filter(between, across, _NOTHING, target)
    return smooth


def _kernel(width: float) -> NDArray[np.float32]:
    """Gaussian of a standard deviation in voxels; of too small a one, `_NOTHING`."""
    radius = int(TRUNCATE * width + 0.5)
    if not radius:
        return _NOTHING
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / width) ** 2)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _filter(
    picture: NDArray[np.float32],
    across: NDArray[np.float32],
    down: NDArray[np.float32],
    target: NDArray[np.float32],
) -> None:
    cv2.sepFilter2D(picture, cv2.CV_32F, across, down, dst=target, borderType=cv2.BORDER_REFLECT)


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
    for axis, times in enumerate(factor):
        if times == 1:
            continue
        size = [n * int(times) if at == axis else n for at, n in enumerate(values.shape)]
        target = np.empty(size, np.float32)
        for picture, large in zip(_pictures(values, axis), _pictures(target, axis), strict=True):
            # pixel centres: block b lies in the middle of its voxels, as it should
            cv2.resize(picture, large.shape[::-1], dst=large)
        values = target
    return values[tuple(map(slice, shape))]


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


def coarser(data: NDArray[np.float32], factor: NDArray[np.float64]) -> NDArray[np.float32]:
    """Average to voxels ``factor`` as large per axis, and interpolate linearly.

    The first voxel keeps its middle. The last axis of ``data`` is the first one in memory of what
    is returned: so a file's order of axes becomes the usual one.

    Parameters
    ----------
    data : (i, j, k) float32
        It is read some layers at a time: a head at half a millimetre has half a gigabyte.
    factor : (3,) float64
        1 or more; axes of 1 are left as they are.
    """
    # the standard deviation that suppresses aliasing at the new rate
    sigma = 0.42 * np.sqrt(factor**2 - 1)
    shape = [int((n - 1) / times) + 1 for n, times in zip(data.shape, factor, strict=True)]
    places = [np.arange(n) * times for n, times in zip(shape, factor, strict=True)]
    margin = _kernel(sigma[0]).size // 2
    coarse = np.empty(shape[::-1], np.float32).T
    for start in range(0, shape[0], _LAYERS):
        asked = places[0][start : start + _LAYERS]
        low = max(int(asked[0]) - margin, 0)
        layers = data[low : int(asked[-1]) + 2 + margin]
        for axis, along in enumerate((asked - low, *places[1:])):
            if factor[axis] > 1:
                layers = gaussian(layers, np.where(np.arange(3) == axis, sigma, 0))
                layers = _between(layers, along, axis)
        coarse[start : start + _LAYERS] = layers[: len(asked)]
    return coarse


def _between(
    data: NDArray[np.float32], places: NDArray[np.float64], axis: int
) -> NDArray[np.float32]:
    """Interpolate linearly at places in voxels along one axis."""
    below = places.astype(np.intp)
    above = np.minimum(below + 1, data.shape[axis] - 1)
    part = (places - below).astype(np.float32).reshape(-1, *[1] * (data.ndim - 1 - axis))
    lower, upper = data.take(below, axis), data.take(above, axis)
    upper -= lower
    upper *= part
    lower += upper
    return lower


def contiguous(data: NDArray[np.float32]) -> NDArray[np.float32]:
    """Let the last axis of an array (i, j, k) run fastest; where another one does, in a copy."""
    if data.flags.c_contiguous:
        return data
    # mirrored axes are mirrored again in the copy
    mirror = tuple(slice(None, None, 1 if step >= 0 else -1) for step in data.strides)
    source, copy = data[mirror], np.empty(data.shape, np.float32)
    target = copy[mirror]
    fastest = int(np.argmin(source.strides))
    if fastest == 2 or source.dtype != np.float32:
        target[:] = source
        return copy
    other = 1 - fastest
    for plane, place in zip(
        np.moveaxis(source, other, 0), np.moveaxis(target, other, 0), strict=True
    ):
        # numpy takes three times as long to turn it
        place[:] = cv2.transpose(plane.T)
    return copy


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


def _pictures(data: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """View ``data`` as pictures for OpenCV; ``axis`` runs down (the last one across)."""
    if axis == data.ndim - 1:
        return data.reshape(1, -1, data.shape[axis])
    return data.reshape(int(np.prod(data.shape[:axis])), data.shape[axis], -1)
