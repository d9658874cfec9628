"""What the field of view cut from a face, taken from the average head.

The average head lies where the fit put it. Beyond the field of view its skin is shifted inwards or
outwards by as much as it misses the scan's skin near the cut, and over the last millimetres of the
field of view the two are mixed, so that no edge shows. Nothing in the field of view but these
millimetres is touched: a face that was removed stays removed.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage

from bids_reid.surface.average import PARTS, average_head
from bids_reid.surface.grid import enlarged, gaussian

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.surface.fit import Similarity
    from bids_reid.surface.frame import FoundFrame
    from bids_reid.surface.skin import SkinField

    Points = NDArray[np.float32]

MIN_SHARE = 0.01
"""With less of the average face beyond the field of view it ends beside the face, or nearly so."""
PART_SHARE = 0.1
"""A part of the face is named if so much of it lies beyond."""
AROUND_MM = 15.0
"""The head goes on so far beyond the face."""
BLEND_MM = 6.0
"""Over so much of the field of view, skin and average are mixed."""
RAMP_MM = 2.0
"""From the average's skin to where its field is 0 or 1."""
NEAR_MM = (2.0, 15.0)
"""Skin so near to the cut tells how far the average is off there; what is nearer is the cut."""
FARTHEST_MM = 14.0
"""Skin farther from the average's is hair or a cushion; a real nose was 9 mm off, 13 at most."""
SHIFT_SIGMAS_MM = (4.0, 8.0, 16.0, 32.0)
"""Near the cut the average follows the scan closely, further on the mean of a region."""
SHIFT_CELL_MM = 3.0
SMOOTHING_CELLS = 0.5
"""The average is stored on a coarse grid of coarse numbers, which show as ripples."""
BEHIND_MM, BESIDE_MM = -70.0, 68.0
"""Nothing is added further behind and to the sides in the average head: no ears, which differ."""
SEAM_MM = 3.0
"""Around the cut the field is smoothed over some millimetres: no fold of the skin is so even."""
SEAM_SIGMA_MM = 2.0
SLAB = 16
"""So many layers are worked on at a time."""


class Completion(NamedTuple):
    """What was completed: the share of the average face's skin, and the parts with much of it."""

    share: float
    parts: tuple[str, ...]


def complete_face(
    field: SkinField, points: Points, placed: FoundFrame
) -> tuple[SkinField, Completion] | None:
    """Continue the head beyond the sides of the field of view that cut the face.

    Parameters
    ----------
    field : SkinField
        Of the scan.
    points : (n, 3) float32
        The skin that was cut from it, RAS millimetres.
    placed : FoundFrame
        Where the face is.

    Returns
    -------
    A larger field with what was completed; None if nothing is missing, if there is no face, or if
    it is not known where it is.
    """
    if placed.source != 'face' or placed.face.departs:
        return None
    average = average_head()
    face = apply_affine(np.linalg.inv(field.affine), placed.fit.to_scan(average.face)[0])
    last = np.array(field.inside.shape) - 1
    missing = np.asarray(((face < -0.5) | (face > last + 0.5)).any(axis=1))
    if missing.mean() < MIN_SHARE:
        return None
    sides = _Sides.around(face, field)
    off = _Shift(field, points, placed.fit, sides)
    whole = _continued(field, placed.fit, sides, off)
    parts = [
        name
        for number, name in enumerate(PARTS)
        if name != 'other' and missing[average.face_part == number].mean() > PART_SHARE
    ]
    return whole, Completion(float(missing.mean()), tuple(parts))


class _Sides(NamedTuple):
    """What the first and last layer of each axis (rows: first, last) are continued by.

    ``cut`` (2, 3) tells which of them cut the face, ``added`` (2, 3) how many voxels are added;
    some at the other sides too, since a shifted nose may reach beyond them.
    """

    cut: NDArray[np.bool_]
    added: NDArray[np.intp]

    @classmethod
    def around(cls, face: NDArray[np.floating], field: SkinField) -> _Sides:
        """Make room for the average face's points (n, 3), voxel indices."""
        low, high = -0.5 - face.min(axis=0), face.max(axis=0) - np.array(field.inside.shape) + 0.5
        beyond = np.stack([low, high])
        added = np.ceil(np.maximum(beyond, 0) + AROUND_MM / field.spacing)
        return cls(beyond > 0, added.astype(np.intp))

    def depth(self, index: NDArray[Any], field: SkinField) -> NDArray[np.floating]:
        """Millimetres inside the nearest cut, negative beyond it; voxel indices (..., 3)."""
        to_low = (index + 0.5) * field.spacing
        to_high = (np.array(field.inside.shape) - 0.5 - index) * field.spacing
        inside = np.minimum(
            np.where(self.cut[0], to_low, np.inf), np.where(self.cut[1], to_high, np.inf)
        )
        return np.asarray(inside.min(axis=-1))


class _Shift:
    """How far outside of the average's skin the scan's lies near the cut, on a coarse grid.

    A weighted mean over the skin near the cut; the weights are sums of Gaussians.
    """

    def __init__(self, field: SkinField, points: Points, fit: Similarity, sides: _Sides) -> None:
        self._shape = field.inside.shape + sides.added.sum(axis=0)
        self._factor = np.maximum(np.round(SHIFT_CELL_MM / field.spacing), 1).astype(np.intp)
        index = apply_affine(np.linalg.inv(field.affine), points)
        depth = sides.depth(index, field)
        near = (depth > NEAR_MM[0]) & (depth < NEAR_MM[1])
        distance = _distance(fit, points[near])
        kept = np.abs(distance) < FARTHEST_MM
        cells = ((index[near][kept] + sides.added[0] + 0.5) // self._factor).astype(np.intp)
        self._values = self._mean(cells, distance[kept], field.spacing)

    def layers(self, which: slice) -> NDArray[np.float32]:
        """Millimetres at the voxels of some layers of the larger field."""
        return self._values[which]

    def _mean(
        self, cells: NDArray[np.intp], values: NDArray[np.float32], spacing: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        shape = tuple(-(-self._shape // self._factor))
        if not len(values):
            return np.zeros(self._shape, np.float32)
        flat = np.ravel_multi_index(tuple(cells.T), shape)
        size = int(np.prod(shape))
        totals = (
            np.bincount(flat, weights, size).astype(np.float32).reshape(shape)
            for weights in (values, np.ones(len(values)))
        )
        cell = spacing * self._factor
        sums, weight = (
            sum(gaussian(total, sigma / cell) for sigma in SHIFT_SIGMAS_MM) for total in totals
        )
        # beyond the widest of them, the mean of all
        few = np.float32(1e-6)
        mean = (sums + few * values.mean()) / (weight + few)
        return enlarged(np.asarray(mean, np.float32), self._factor, tuple(self._shape))


def _continued(field: SkinField, fit: Similarity, sides: _Sides, off: _Shift) -> SkinField:
    """Mix the field of the scan with that of the average, beyond and near the sides."""
    inside = np.pad(field.inside, sides.added.T.tolist())
    affine = field.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ sides.added[0]
    depths = np.empty_like(inside)
    for start in range(0, len(inside), SLAB):
        layers = slice(start, min(start + SLAB, len(inside)))
        grid = [np.arange(layers.start, layers.stop), *map(np.arange, inside.shape[1:])]
        index = np.stack(np.meshgrid(*grid, indexing='ij'), axis=-1)
        depths[layers] = depth = sides.depth(index - sides.added[0], field)
        asked = depth < BLEND_MM
        where = apply_affine(affine, index[asked])
        beyond = _distance(fit, where.astype(np.float32)) - off.layers(layers)[asked]
        average = np.clip(0.5 - beyond / (2 * RAMP_MM), 0, 1)
        part = np.clip(depth[asked] / BLEND_MM, 0, 1)
        # level at both ends
        part *= part * (3 - 2 * part)
        inside[layers][asked] = part * inside[layers][asked] + (1 - part) * average
    seam = np.exp(-((depths / np.float32(SEAM_MM)) ** 2))
    inside += seam * (gaussian(inside, SEAM_SIGMA_MM / field.spacing) - inside)
    return field._replace(inside=inside, affine=affine)


def _distance(fit: Similarity, points: Points) -> NDArray[np.float32]:
    """Signed distance of points of the scan from the average's skin, millimetres of the scan.

    By cubic splines, or the average's grid would show; nothing is inside beyond that grid.
    """
    average, moved = average_head(), fit.to_average(points)[0]
    place = (moved - average.low) / np.float32(average.spacing)
    known = ((place >= 0) & (place <= np.array(average.field.shape) - 1)).all(axis=1)
    known &= (moved[:, 1] > BEHIND_MM) & (np.abs(moved[:, 0]) < BESIDE_MM)
    distance = np.full(len(points), np.inf, np.float32)
    distance[known] = ndimage.map_coordinates(
        _splines(), place[known].T, output=np.float32, prefilter=False, mode='mirror'
    )
    return distance / np.float32(fit.size[0])


@cache
def _splines() -> NDArray[np.float32]:
    """Spline coefficients of the average's field; far from its skin nothing depends on them."""
    near = average_head().field.clip(-2 * FARTHEST_MM, 2 * FARTHEST_MM)
    near = gaussian(near, np.full(3, SMOOTHING_CELLS))
    return np.asarray(ndimage.spline_filter(near, output=np.float32, mode='mirror'))
