"""The skin surface of a head volume.

A coarse copy of the volume decides what is head, what is air and how bright the skin is from
place to place; the surface itself is cut from the full volume where the smoothed intensity passes
half of that local brightness, which is where a boundary lies whatever the contrast (half maximum).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyvista as pv
from scipy import ndimage, sparse

from bids_reid.errors import ScanError
from bids_reid.surface.grid import block_mean, enlarged, filled, gaussian, squared_distance

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.surface.volume import Volume

COARSE_MM = 2.0
CLOSING_MM = 8.0
"""Openings narrower than twice this (nostrils, mouth, ear canals) do not lead inside."""
MOUTH_MM = CLOSING_MM + 4.0
"""A closed opening counts as inside where the surface that closes it is 4 mm away."""
BAND_MM = 4.0
"""The surface is looked for within this distance of the coarse boundary, and within a voxel."""
SHELL_MM = (1.0, 5.0)
"""Depth below the boundary that tells the brightness of skin and the fat beneath it."""
DEPTH_MM = 8.0
"""Depths matter near the boundary only."""
LEVEL_SIGMA_MM = 12.0
SMOOTHING_MM = 0.6
MIN_HEAD_LITRES = 0.5


@dataclass(frozen=True, slots=True)
class Skin:
    """A closed triangle mesh.

    Attributes
    ----------
    points : (n, 3) float32
        RAS millimetres.
    triangles : (m, 3) int32
        Indices into ``points``, counter-clockwise seen from outside.
    noise : float
        Standard deviation of the background over the skin's brightness.
    volume_litres : float
        Volume inside the coarse boundary.
    """

    points: NDArray[np.float32]
    triangles: NDArray[np.int32]
    noise: float
    volume_litres: float


@dataclass(frozen=True, slots=True)
class _Coarse:
    """What the coarse copy says, on its own grid of ``factor`` voxels a cell."""

    factor: NDArray[np.intp]
    background: float
    noise: float
    depth: NDArray[np.float32]
    level: NDArray[np.float32]
    band: float


def extract_skin(volume: Volume) -> Skin:
    """Find the outer skin of the head in ``volume``.

    Raises
    ------
    ScanError
        Nothing of the size of a head stands out from the background.
    """
    coarse = _look_coarsely(volume)
    field = _boundary_field(volume, coarse)
    points, triangles = _contour(field, volume.affine)
    cell = float(np.prod(volume.spacing * coarse.factor)) * 1e-6
    skin = float(np.median(coarse.level[np.abs(coarse.depth) <= coarse.band]))
    return Skin(
        points=points,
        triangles=triangles,
        noise=coarse.noise / max(skin - coarse.background, 1e-6),
        volume_litres=cell * int((coarse.depth > 0).sum()),
    )


def _look_coarsely(volume: Volume) -> _Coarse:
    factor = np.maximum(1, np.round(COARSE_MM / volume.spacing)).astype(np.intp)
    data = block_mean(volume.data, factor)
    spacing = volume.spacing * factor
    background, noise = _background(data)
    head = _largest_object(data, background, noise)
    head = _closed(head, spacing)
    if head.sum() * np.prod(spacing) * 1e-6 < MIN_HEAD_LITRES:
        raise ScanError('no head found: nothing larger than half a litre stands out')
    depth = _signed_depth(head, spacing)
    # a shell is a voxel thick at least
    shell = (depth > SHELL_MM[0]) & (depth < max(SHELL_MM[1], 1.5 * spacing.max()))
    level = _smoothed_where(data, shell, LEVEL_SIGMA_MM / spacing)
    return _Coarse(factor, background, noise, depth, level, band=max(BAND_MM, spacing.max()))


def _background(data: NDArray[np.float32]) -> tuple[float, float]:
    """Level and noise of the air, from the faces of the volume that are most like air.

    The neck leaves through the bottom and some heads touch a side, so the quieter half of the
    outer faces is taken: median and 1.4826 times the median absolute deviation (robust SD).
    """
    faces = [data[:3], data[-3:], data[:, :3], data[:, -3:], data[:, :, -3:]]
    darkest = sorted(faces, key=lambda face: float(face.mean()))[:3]
    air = np.concatenate([face.ravel() for face in darkest])
    level = float(np.median(air))
    return level, 1.4826 * float(np.median(np.abs(air - level)))


def _largest_object(
    data: NDArray[np.float32], background: float, noise: float
) -> NDArray[np.bool_]:
    bright = data[data > background + 5 * noise]
    if bright.size == 0:
        raise ScanError('no head found: nothing stands out from the background')
    tissue = float(np.percentile(bright, 90)) - background
    head = data > background + max(5 * noise, 0.15 * tissue)
    labels, count = ndimage.label(ndimage.binary_opening(head))
    if count == 0:
        raise ScanError('no head found: nothing stands out from the background')
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest = labels == sizes.argmax()
    return np.asarray(largest | _around(head, largest))


def _around(head: NDArray[np.bool_], core: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Objects of ``head`` that enclose ``core``: a dark skull may part the brain from the skin."""
    labels, _ = ndimage.label(head)
    (inner,) = ndimage.find_objects(core.astype(np.uint8))
    around = []
    for number, outer in enumerate(ndimage.find_objects(labels), start=1):
        gaps = [i.start - o.start for i, o in zip(inner, outer, strict=True)]
        gaps += [o.stop - i.stop for i, o in zip(inner, outer, strict=True)]
        # the field of view may cut both; what sticks to one side only is no skin
        if min(gaps) >= 0 and sum(gap >= 2 for gap in gaps) >= 4:
            around.append(number)
    return np.isin(labels, around)


def _closed(head: NDArray[np.bool_], spacing: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Close openings narrower than twice ``CLOSING_MM``, fill what lies behind them."""
    pad = [int(np.ceil(CLOSING_MM / s)) + 1 for s in spacing]
    padded = np.pad(head, [(n, n) for n in pad])
    # the field of view's lower end cuts the neck: let its section count as closed
    padded[:, :, : pad[2]] = padded[:, :, pad[2] : pad[2] + 1]
    grown = squared_distance(padded, spacing, CLOSING_MM) <= CLOSING_MM**2
    outside = squared_distance(~filled(grown), spacing, MOUTH_MM)
    inner = tuple(slice(n, -n) for n in pad)
    # corners beside the nose are bridged too: only what lies deeper than an opening's mouth stays
    inside = (outside > MOUTH_MM**2)[inner]
    return filled(head | inside)


def _signed_depth(head: NDArray[np.bool_], spacing: NDArray[np.float64]) -> NDArray[np.float32]:
    """Millimetres below the boundary of ``head`` (negative outside), `DEPTH_MM` at most."""
    # the neck goes on below the volume: its section is no skin
    below = np.concatenate([head[:, :, :1], head], axis=2)
    inside = squared_distance(~below, spacing, DEPTH_MM)[:, :, 1:]
    outside = squared_distance(head, spacing, DEPTH_MM)
    return np.sqrt(inside) - np.sqrt(outside)


def _smoothed_where(
    data: NDArray[np.float32], where: NDArray[np.bool_], sigma: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Gaussian mean of ``data`` over ``where`` (normalised convolution)."""
    weight = gaussian(where.astype(np.float32), sigma)
    total = gaussian(np.where(where, data, 0).astype(np.float32), sigma)
    overall = float(data[where].mean())
    # far from any skin the weights vanish and the overall mean takes over
    return np.asarray((total + 1e-4 * overall) / (weight + 1e-4), dtype=np.float32)


def _boundary_field(volume: Volume, coarse: _Coarse) -> NDArray[np.float32]:
    """Relative brightness, 0 in air and 1 in skin, with the interior filled and strays removed."""
    field = gaussian(volume.data, SMOOTHING_MM / volume.spacing)
    shape = field.shape
    field -= coarse.background
    field /= enlarged(np.maximum(coarse.level - coarse.background, 1e-6), coarse.factor, shape)
    depth = enlarged(coarse.depth, coarse.factor, shape)
    # brighter than skin says nothing about where the boundary is
    np.clip(field, 0, 1, out=field)
    field[depth > coarse.band] = 1
    field[depth < -coarse.band] = 0
    return field


def _contour(
    field: NDArray[np.float32], affine: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Cut the surface at one half; its largest piece, in millimetres."""
    padded = np.pad(field, 1)
    # VTK's first axis runs fastest: it sees the volume with its axes in reverse, without a copy
    grid = pv.ImageData(dimensions=padded.shape[::-1], origin=(-1, -1, -1))
    grid['brightness'] = padded.ravel()
    mesh = grid.contour([0.5], scalars='brightness', method='flying_edges')
    if mesh.n_points == 0:
        raise ScanError('no head found: no closed surface')
    mesh = _largest_piece(mesh)
    # stair-steps of the grid go, lids and lips stay (windowed sinc, Taubin 1996)
    mesh = mesh.smooth_taubin(n_iter=20, pass_band=0.1)
    points = np.asarray(mesh.points)[:, ::-1] @ affine[:3, :3].T + affine[:3, 3]
    triangles = mesh.regular_faces.astype(np.int32)
    # the reversal of axes is a reflection
    if np.linalg.det(affine[:3, :3]) > 0:
        triangles = triangles[:, ::-1]
    return points.astype(np.float32), triangles


def _largest_piece(mesh: pv.PolyData) -> pv.PolyData:
    """Return the connected piece with most points."""
    triangles = mesh.regular_faces
    ends = triangles[:, :2].ravel(), triangles[:, 1:].ravel()
    edges = sparse.coo_array(
        (np.ones(ends[0].size, np.bool_), ends), shape=(mesh.n_points, mesh.n_points)
    )
    _, piece = sparse.csgraph.connected_components(edges, directed=False)
    kept = piece == np.bincount(piece).argmax()
    if kept.all():
        return mesh
    number = np.cumsum(kept) - 1
    return pv.PolyData.from_regular_faces(
        mesh.points[kept], number[triangles[kept[triangles[:, 0]]]]
    )
