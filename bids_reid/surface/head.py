"""Separate head and air in a coarse copy of a volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

from bids_reid.errors import ScanError
from bids_reid.surface.grid import block_mean, enlarged, filled, gaussian, squared_distance
from bids_reid.surface.neighbours import opened

if TYPE_CHECKING:
    from numpy.typing import NDArray

COARSE_MM = 1.7
"""Cells are at least so large, and twice as large at most."""
HEAD_SHARE = 0.25
"""Head is what has this share of the brightness of most tissue, and stands out from the noise."""
BLURS_MM = (0.0, 2.0, 3.0, 4.5)
"""Of these, the coarse copy gets the first with which noise is less than that share."""
NOISES = 5.0
"""What is this many standard deviations above the air stands out."""
CLOSING_MM = 8.0
"""Openings narrower than twice this (nostrils, mouth, ear canals) do not lead inside the head."""
MOUTH_MM = CLOSING_MM + 4.0
"""A closed opening counts as inside where the surface that closes it is 4 mm away."""
BAND_MM = 4.0
"""The surface is looked for within this distance of the coarse boundary, and within a voxel."""
SHELL_MM = (1.0, 5.0)
"""Depth below the boundary that tells roughly how bright skin is."""
DEPTH_MM = 8.0
"""Depths matter near the boundary only."""
LEVEL_SIGMA_MM = 12.0
FAINT = 0.002
"""Of the range of intensities: no noise is less."""
FAINTEST = 1e-7
"""Of the same: nothing is divided by less."""
DIM_SHARE = 0.1
"""Of the brightest tissue: what is less bright is hardly tissue."""
RIM_CELLS = 5
NO_HEAD = 'no head found: nothing stands out from the background'
MIN_HEAD_LITRES = 0.5


@dataclass(frozen=True, slots=True)
class CoarseHead:
    """What the coarse copy says, on its own grid of ``factor`` voxels a cell.

    Attributes
    ----------
    factor : (3,) int
        Voxels a cell.
    spacing, cell : (3,) float
        Millimetres of a voxel and of a cell.
    data : (i, j, k) float32
        Mean intensity of the cells, smoothed where noise would hide the head.
    background, noise : float
        Level and standard deviation of the air in the cells before that.
    depth : (i, j, k) float32
        Millimetres below the boundary of the head, negative outside, `DEPTH_MM` at most.
    brightness : (i, j, k) float32
        Rough local intensity of the head just below its boundary.
    band : float
        Millimetres around the boundary in which the skin lies.
    """

    factor: NDArray[np.intp]
    spacing: NDArray[np.float64]
    data: NDArray[np.float32]
    background: float
    noise: float
    depth: NDArray[np.float32]
    brightness: NDArray[np.float32]
    band: float

    @property
    def floor(self) -> float:
        """The least brightness above the air that anything is divided by."""
        return FAINTEST * float(self.data.max() - self.data.min())

    @property
    def cell(self) -> NDArray[np.float64]:
        """Millimetres of a cell, (3,)."""
        return self.spacing * self.factor

    def contrast(self, level: NDArray[np.float32]) -> float:
        """Typical brightness of skin above the air, of that in the cells (i, j, k)."""
        boundary = np.abs(self.depth) <= self.band
        return max(float(np.median(level[boundary])) - self.background, self.floor)


def find_head(volume: NDArray[np.float32], spacing: NDArray[np.float64]) -> CoarseHead:
    """Tell head from air.

    Parameters
    ----------
    volume : (i, j, k) float32
        Intensities; axes run towards the right, front and top.
    spacing : (3,) float
        Millimetres of a voxel.

    Raises
    ------
    ScanError
        Nothing of the size of a head stands out from the background.
    """
    factor = np.ceil(COARSE_MM / spacing).astype(np.intp)
    data = block_mean(volume, factor)
    cell = spacing * factor
    data = _without_rim(data)
    levels = _levels(data)
    quiet, bright = _quiet(data, levels, cell)
    head = _closed(_largest_object(quiet > bright), cell)
    if head.sum() * np.prod(cell) * 1e-6 < MIN_HEAD_LITRES:
        raise ScanError('no head found: nothing larger than half a litre stands out')
    depth = _signed_depth(head, cell)
    # a shell is a voxel thick at least
    shell = (depth > SHELL_MM[0]) & (depth < max(SHELL_MM[1], 1.5 * cell.max()))
    brightness = _smoothed_where(data, shell, LEVEL_SIGMA_MM / cell)
    band = max(BAND_MM, float(cell.max()))
    return CoarseHead(
        factor,
        spacing,
        quiet,
        levels.background,
        levels.noise,
        depth,
        brightness,
        band,
    )


def stands_out(data: NDArray[np.float32], cell: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Cells (i, j, k) that are brighter than air, as `find_head` tells them."""
    quiet, bright = _quiet(data, _levels(data), cell)
    return np.asarray(quiet > bright)


class _Levels(NamedTuple):
    """Level and noise (standard deviation) of the air, and most tissue's level above it.

    ``tissue`` is 0 where nothing stands out from the noise.
    """

    background: float
    noise: float
    tissue: float


def _levels(data: NDArray[np.float32]) -> _Levels:
    """Measure air and tissue.

    The neck leaves through the bottom and some heads touch a side, so air is the quieter half of
    the outer faces. Images without negative values cut its noise off below: the distance from the
    median to the 90th percentile (1.2816 standard deviations) tells it.
    """
    faces = [data[:3], data[-3:], data[:, :3], data[:, -3:], data[:, :, -3:]]
    darkest = sorted(faces, key=lambda face: float(face.mean()))[:3]
    air = np.concatenate([face.ravel() for face in darkest])
    middle, high = np.percentile(air, [50, 90])
    # interpolation leaves traces of everything everywhere: noise is not less than these
    noise = max(float(high - middle) / 1.2816, FAINT * float(np.percentile(data, 99) - middle))
    # at the skin, air counts with its mean
    background = float(air[air <= middle + NOISES * noise].mean())
    bright = data[data > background + NOISES * noise]
    if bright.size == 0:
        return _Levels(background, noise, 0.0)
    # most tissue, without cushions and the like: few of them would be enough to lower the median
    brightest = float(np.percentile(bright, 90)) - background
    tissue = bright[bright > background + DIM_SHARE * brightest]
    return _Levels(background, noise, float(np.median(tissue)) - background)


def _without_rim(data: NDArray[np.float32]) -> NDArray[np.float32]:
    """Paint over outer layers that are bright nearly all over: scanners leave such frames."""
    for axis in range(3):
        # a thin slab has no layer further inside to compare with
        if data.shape[axis] <= 2 * RIM_CELLS:
            continue
        for layers in (np.moveaxis(data, axis, 0), np.moveaxis(data, axis, 0)[::-1]):
            typical = np.median(layers[: RIM_CELLS + 1], axis=(1, 2))
            spread = np.percentile(layers[RIM_CELLS], 90) - typical[RIM_CELLS]
            framed = np.flatnonzero(typical > typical[RIM_CELLS] + NOISES * spread)
            if framed.size:
                layers[: framed[-1] + 1] = layers[RIM_CELLS]
    return data


def _quiet(
    data: NDArray[np.float32], levels: _Levels, cell: NDArray[np.float64]
) -> tuple[NDArray[np.float32], float]:
    """Smooth until tissue stands out clearly; return the intensity where head begins, too."""
    smooth = data
    for blur in BLURS_MM:
        if blur:
            smooth = gaussian(data, blur / cell)
            levels = _levels(smooth)
        noise, share = NOISES * levels.noise, HEAD_SHARE * levels.tissue
        if noise <= share:
            break
    if levels.tissue == 0:
        raise ScanError(NO_HEAD)
    return smooth, levels.background + max(noise, share)


def _largest_object(head: NDArray[np.bool_]) -> NDArray[np.bool_]:
    # what is dark inside, as the eyes behind thin lids, must not be opened
    head = _sealed(head)
    labels, count = ndimage.label(opened(head))
    if count == 0:
        raise ScanError(NO_HEAD)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest = np.asarray(labels == sizes.argmax())
    return _with_around(head, largest)


def _sealed(head: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill holes; where the field of view cuts the head, its section counts as whole."""
    padded = np.pad(head, 1, mode='edge')
    for axis in range(3):
        layers = np.moveaxis(padded, axis, 0)
        for end in (0, -1):
            if layers[end].any():
                layers[end] = filled(layers[end])
    return filled(padded)[1:-1, 1:-1, 1:-1]


def _with_around(head: NDArray[np.bool_], core: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add the objects of ``head`` around ``core``: a dark skull may part the brain from skin."""
    labels, count = ndimage.label(head)
    (inner,) = ndimage.find_objects(core.astype(np.uint8))
    around = np.zeros(count + 1, np.bool_)
    for number, outer in enumerate(ndimage.find_objects(labels), start=1):
        gaps = [i.start - o.start for i, o in zip(inner, outer, strict=True)]
        gaps += [o.stop - i.stop for i, o in zip(inner, outer, strict=True)]
        # the field of view may cut both; what sticks to one side only is no skin
        if min(gaps) >= 0 and sum(gap >= 2 for gap in gaps) >= 4:
            around[number] = True
    return core | around[labels] if around.any() else core


def _closed(head: NDArray[np.bool_], spacing: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Close openings narrower than twice ``CLOSING_MM``, fill what lies behind them."""
    pad = [int(np.ceil(CLOSING_MM / s)) + 1 for s in spacing]
    # the field of view cuts the neck, and sometimes more: the head goes on behind the cut
    padded = np.pad(head, [(n, n) for n in pad], mode='edge')
    grown = squared_distance(padded, spacing, CLOSING_MM) <= CLOSING_MM**2
    outside = squared_distance(~_sealed(grown), spacing, MOUTH_MM)
    inner = tuple(slice(n, -n) for n in pad)
    # corners beside the nose are bridged too: only what lies deeper than an opening's mouth stays
    inside = (outside > MOUTH_MM**2)[inner]
    return _sealed(head | inside)


def _signed_depth(head: NDArray[np.bool_], spacing: NDArray[np.float64]) -> NDArray[np.float32]:
    """Millimetres below the boundary of ``head`` (negative outside), `DEPTH_MM` at most.

    The border of the field of view is no boundary.
    """
    inside = squared_distance(~head, spacing, DEPTH_MM)
    outside = squared_distance(head, spacing, DEPTH_MM)
    return np.sqrt(inside) - np.sqrt(outside)


def _smoothed_where(
    data: NDArray[np.float32], where: NDArray[np.bool_], sigma: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Gaussian mean of ``data`` over ``where`` (normalised convolution)."""
    # so wide a mean needs no more than every second cell
    half = np.full(3, 2)
    weight = gaussian(block_mean(where.astype(np.float32), half), sigma / half)
    total = gaussian(block_mean(np.where(where, data, np.float32(0)), half), sigma / half)
    overall = data[where].mean()
    # far from any skin the weights vanish and the overall mean takes over
    few = np.float32(1e-4)
    return enlarged((total + few * overall) / (weight + few), half, data.shape)
