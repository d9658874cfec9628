"""The skin surface of a head volume.

A boundary lies where the intensity passes half of the way from air to skin, whatever the contrast
(half maximum). A coarse copy of the volume tells what is head (`surface.head`) and, at a coarse
surface that is moved to where this holds, how bright the skin is from place to place; the surface
itself is then cut from the full volume, smoothed by as much as its noise asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from nibabel.affines import voxel_sizes
from scipy import ndimage

from bids_reid.surface.fineness import refinement
from bids_reid.surface.grid import enlarged, finer, gaussian
from bids_reid.surface.head import find_head
from bids_reid.surface.mesh import contour, enclosed_litres
from bids_reid.surface.noise import voxel_noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.surface.head import CoarseHead
    from bids_reid.surface.volume import Volume

SMOOTHING_MM = 0.7
SMOOTHING_MM_PER_NOISE = 3.0
"""Gaussian smoothing before the cut: so much, and so much more per noise relative to skin.

The best for the normals of phantoms of 1 mm at 1, 3 and 8% noise (2, 5 and 13% of the skin's
brightness) was 0.8, 0.9 and 1.1 mm, in a flat minimum.
"""
SMOOTHING_LIMIT_MM = 2.5
RAYLEIGH_SD = 0.655
"""Of the noise in air, as a share of that in tissue (Gudbjartsson & Patz, MRM 1995)."""
SKIN_MM = 1.0
"""Depth at which the brightness of skin is read: below the blur of the edge, above the fat."""
SKIN_BLURS = 1.1
"""The same in standard deviations of the blur by voxels and smoothing, where that is more."""
LEVEL_SIGMA_MM = 6.0
"""Width over which the brightness of skin is averaged, so that noise does not move the surface."""
POINTS = 10_000
"""Number of points of the coarse surface at which the brightness of skin is measured."""
FAR_BRIGHTER = np.float32(1000)
"""Than skin: nothing is."""
LAYERS = 8
"""Of voxels: so many at a time are worked on."""
STEPS = 3
STEP_MM = 1.0
"""The coarse surface is moved so often, by so much at most."""


@dataclass(frozen=True, slots=True)
class Skin:
    """A closed triangle mesh, and how well the scan shows the skin.

    Attributes
    ----------
    points : (n, 3) float32
        RAS millimetres.
    triangles : (m, 3) int32
        Indices into ``points``, counter-clockwise seen from outside.
    noise : float
        Standard deviation of the noise of a voxel over the brightness of skin.
    edge_mm : float
        Blur of the edge between air and skin: its standard deviation, millimetres.
    volume_litres : float
        Volume inside.
    """

    points: NDArray[np.float32]
    triangles: NDArray[np.int32]
    noise: float
    edge_mm: float
    volume_litres: float


class SkinField(NamedTuple):
    """What the skin is cut from: `Skin` without its mesh.

    Attributes
    ----------
    inside : (i, j, k) float32
        Relative brightness, 0 in air and 1 inside; one half at the skin.
    affine : (4, 4) float64
        Voxel indices to RAS millimetres.
    noise, edge_mm : float
        See `Skin`.
    """

    inside: NDArray[np.float32]
    affine: NDArray[np.float64]
    noise: float
    edge_mm: float

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Millimetres of a voxel, (3,)."""
        return np.asarray(voxel_sizes(self.affine))

    def cut(self) -> Skin:
        """Cut the skin from it.

        Raises
        ------
        ScanError
            There is no surface.
        """
        mesh = contour(self.inside, self.affine)
        return Skin(mesh.points, mesh.triangles, self.noise, self.edge_mm, enclosed_litres(mesh))


def extract_skin(volume: Volume) -> Skin:
    """Find the outer skin of the head in ``volume``.

    Raises
    ------
    ScanError
        Nothing of the size of a head stands out from the background.
    """
    return find_skin(volume).cut()


def find_skin(volume: Volume) -> SkinField:
    """Find the field that the outer skin of the head in ``volume`` is cut from.

    Raises
    ------
    ScanError
        Nothing of the size of a head stands out from the background.
    """
    times = refinement(volume.data.shape, volume.spacing)
    data, affine = finer(volume.data, volume.affine, times)
    head = find_head(data, voxel_sizes(affine))
    contrast = head.contrast(head.brightness)
    noise = _noise(volume, head, contrast)
    sigma = min(SMOOTHING_MM + SMOOTHING_MM_PER_NOISE * noise / contrast, SMOOTHING_LIMIT_MM)
    smooth = gaussian(data, sigma / head.spacing)
    # a box has the variance of its width squared over 12
    blur = np.sqrt(sigma**2 + np.prod(volume.spacing) ** (2 / 3) / 12)
    depth = max(SKIN_MM, SKIN_BLURS * blur)
    level, edge_mm = _skin_level(data, smooth, head, depth)
    return SkinField(
        inside=_inside(smooth, head.factor, head, level),
        affine=affine,
        noise=noise / head.contrast(level),
        edge_mm=edge_mm,
    )


def _noise(volume: Volume, head: CoarseHead, contrast: float) -> float:
    """Estimate the standard deviation of the noise of a voxel.

    Noise that neighbours share shows in the air only: it counts like white noise that is as strong
    there when it is averaged over a cell.
    """
    in_tissue = voxel_noise(volume.data, head.background + 0.5 * contrast)
    in_air = head.noise * np.sqrt(np.prod(head.cell / volume.spacing)) / RAYLEIGH_SD
    return float(in_air if in_air > 2 * in_tissue else in_tissue)


def _skin_level(
    data: NDArray[np.float32], smooth: NDArray[np.float32], head: CoarseHead, depth: float
) -> tuple[NDArray[np.float32], float]:
    """Brightness of skin in the cells of the coarse grid, and how blurred its edge is.

    Points of a coarse surface are moved along its normals to where ``smooth`` is half as bright as
    it is ``depth`` millimetres below, averaged over neighbours; so level and surface agree.

    Returns
    -------
    level : (i, j, k) float32
    edge_mm : float
        Standard deviation of the blur of ``data``, millimetres.
    """
    coarse = _inside(head.data, np.ones(3, np.intp), head, head.brightness)
    dense = contour(coarse, np.diag([*head.cell, 1.0]), smooth=False).points
    points = dense[:: max(1, len(dense) // POINTS)].astype(np.float64)
    normals = _outwards(coarse, head.cell, points)
    average = _Average(points, head)
    contrast = average.contrast(head.brightness[::2, ::2, ::2].ravel())
    for _ in range(STEPS):
        beyond = _sampled(smooth, head, points) - head.background - 0.5 * contrast
        slope = np.maximum(_slope(smooth, head, points, normals), 0.2 * contrast)
        points += np.clip(beyond / slope, -STEP_MM, STEP_MM)[:, None] * normals
        skin = average.over(_sampled(smooth, head, points - depth * normals))
        contrast = average.contrast(skin)
    edge_mm = _blur(_slope(data, head, points, normals) / contrast)
    return average.on_cells(skin), edge_mm


def _sampled(
    intensities: NDArray[np.float32], head: CoarseHead, points: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Intensities at points in millimetres from the centre of the first coarse cell."""
    voxels = (points / head.cell + 0.5) * head.factor - 0.5
    return np.asarray(ndimage.map_coordinates(intensities, voxels.T, order=1, mode='nearest'))


def _outwards(
    field: NDArray[np.float32], cell: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Unit vectors down the slope of ``field`` at points in millimetres, (n, 3).

    The slope is that of the field smoothed by a cell, between cells on either side.
    """
    smooth = gaussian(field, np.ones(3))
    places = (points / cell).T
    rise = [
        ndimage.map_coordinates(smooth, places - step[:, None], order=1, mode='nearest')
        - ndimage.map_coordinates(smooth, places + step[:, None], order=1, mode='nearest')
        for step in np.eye(3)
    ]
    normals = np.stack(rise, axis=1) / cell
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)


def _slope(
    intensities: NDArray[np.float32],
    head: CoarseHead,
    points: NDArray[np.float64],
    normals: NDArray[np.float64],
) -> NDArray[np.float32]:
    """How steeply intensities rise inwards, per millimetre."""
    inside = _sampled(intensities, head, points - 0.5 * normals)
    return inside - _sampled(intensities, head, points + 0.5 * normals)


def _blur(slope: NDArray[np.floating]) -> float:
    """Millimetres of the Gaussian that blurs a step of height 1 to the typical slope."""
    return 1 / (max(float(np.median(slope)), 0.05) * np.sqrt(2 * np.pi))


class _Average:
    """Gaussian mean over the neighbours of points (n, 3), on a grid of double cells."""

    def __init__(self, points: NDArray[np.float64], head: CoarseHead) -> None:
        self._cells_shape = head.data.shape
        self._shape = tuple(-(-length // 2) for length in head.data.shape)
        self._background, self._floor = head.background, head.floor
        self._sigma = LEVEL_SIGMA_MM / (2 * head.cell)
        nearest = np.round(points / head.cell).astype(np.intp) // 2
        nearest = np.clip(nearest, 0, np.array(self._shape) - 1)
        self._cells = np.ravel_multi_index(tuple(nearest.T), self._shape)
        self._weight = self._spread(np.ones(len(points), np.float32))

    def over(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the mean at every cell of the flat grid."""
        # far from any point the weights vanish and the mean of all takes over
        few = np.float32(1e-4)
        return (self._spread(values) + few * values.mean()) / (self._weight + few)

    def contrast(self, level: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a level of the flat grid at the points, above the air."""
        return np.maximum(level[self._cells] - self._background, self._floor)

    def on_cells(self, level: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring a level of the flat grid to the cells of the coarse one."""
        return enlarged(level.reshape(self._shape), np.full(3, 2), self._cells_shape)

    def _spread(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        sums = np.bincount(self._cells, values, int(np.prod(self._shape)))
        return gaussian(sums.astype(np.float32).reshape(self._shape), self._sigma).ravel()


def _inside(
    intensities: NDArray[np.float32],
    factor: NDArray[np.intp],
    head: CoarseHead,
    level: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Relative brightness, 0 in air and 1 in skin, with the interior filled and strays removed.

    Parameters
    ----------
    intensities : (i, j, k) float32
        Of the voxels, or of the cells of the coarse grid.
    factor : (3,) int
        How many of them a cell has.
    level : float32
        Brightness of skin in the cells of the coarse grid.
    """
    background = np.float32(head.background)
    # relative brightness is a product; a large sum fills what is deep inside and clears what is
    # far outside, from half a cell further on, as interpolation spreads it so far
    deep = np.sign(head.depth) * (np.abs(head.depth) > head.band + head.cell.max() / 2)
    gain = 1 / np.maximum(level - background, np.float32(head.floor))
    rows = np.array([factor[0], 1, 1]), (len(intensities), *deep.shape[1:])
    gain, deep_rows = enlarged(gain, *rows), enlarged(FAR_BRIGHTER * deep, *rows)
    field = np.zeros(intensities.shape, np.float32)
    # layers that stay in the processor's cache, each without the air around the head
    for first in range(0, len(field), LAYERS):
        layers = slice(first, first + LAYERS)
        shown = deep_rows[layers].max(axis=0) > -FAR_BRIGHTER
        if not shown.any():
            continue
        cells, voxels = _box(shown, factor[1:], field.shape[1:])
        part = field[layers, *voxels]
        near = np.array([1, *factor[1:]]), part.shape
        np.subtract(intensities[layers, *voxels], background, out=part)
        part *= enlarged(gain[layers, *cells], *near)
        part += enlarged(deep_rows[layers, *cells], *near)
        # brighter than skin says nothing about where the boundary is
        np.clip(part, 0, 1, out=part)
    return field


def _box(
    shown: NDArray[np.bool_], factor: NDArray[np.intp], shape: tuple[int, ...]
) -> tuple[list[slice], list[slice]]:
    """Box around what is shown of the cells of a layer, and a cell more: cells and voxels."""
    cells, voxels = [], []
    for axis, (times, length) in enumerate(zip(factor, shape, strict=True)):
        found = np.flatnonzero(shown.any(axis=1 - axis))
        low, high = max(0, int(found[0]) - 1), min(shown.shape[axis], int(found[-1]) + 2)
        cells.append(slice(low, high))
        voxels.append(slice(low * int(times), min(high * int(times), length)))
    return cells, voxels
