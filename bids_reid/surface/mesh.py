"""Triangle meshes, cut from a volume and cleaned."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyvista as pv
from scipy import sparse

from bids_reid.errors import ScanError

if TYPE_CHECKING:
    from numpy.typing import NDArray

END_MM = 2.0
END_CM2 = 40.0
"""Area of a flat piece at one end of a surface from which on it is a cut; a vertex has less."""


class Mesh(NamedTuple):
    """Points (n, 3) float32 and triangles (m, 3) int32, counter-clockwise seen from outside."""

    points: NDArray[np.float32]
    triangles: NDArray[np.int32]


def contour(
    field: NDArray[np.float32], affine: NDArray[np.float64], *, smooth: bool = True
) -> Mesh:
    """Cut the surface where ``field``, 1 inside and 0 outside, is one half; its largest piece.

    Beyond its border the field counts as 0, so the surface is closed.

    Parameters
    ----------
    field : (i, j, k) float32
        From 0 to 1.
    affine : (4, 4)
        Voxel indices to millimetres.
    smooth : bool
        Whether to take away the stair-steps of the grid.

    Raises
    ------
    ScanError
        There is no surface.
    """
    padded = np.pad(field, 1)
    # VTK's first axis runs fastest: it sees the volume with its axes in reverse, without a copy
    grid = pv.ImageData(dimensions=padded.shape[::-1], origin=(-1, -1, -1))
    grid['inside'] = padded.ravel()
    mesh = grid.contour(
        [0.5],
        scalars='inside',
        method='flying_edges',
        compute_normals=False,
        compute_scalars=False,
    )
    if mesh.n_points == 0:
        raise ScanError('no head found: no closed surface')
    mesh = _largest_piece(mesh)
    if smooth:
        # stair-steps of the grid go, lids and lips stay (windowed sinc, Taubin 1996)
        mesh = mesh.smooth_taubin(n_iter=20, pass_band=0.1)
    points = np.asarray(mesh.points, np.float64) @ affine[:3, 2::-1].T + affine[:3, 3]
    triangles = mesh.regular_faces.astype(np.int32)
    # the reversal of axes is a reflection
    if np.linalg.det(affine[:3, :3]) > 0:
        triangles = np.ascontiguousarray(triangles[:, ::-1])
    return Mesh(points.astype(np.float32), triangles)


def enclosed_litres(mesh: Mesh) -> float:
    """Volume inside a closed mesh."""
    return float(_surface(mesh).volume) * 1e-6


def _largest_piece(mesh: pv.PolyData) -> pv.PolyData:
    """Return the connected piece with most points, which keep their order.

    VTK's filter orders them anew: the file of the skin would have other bytes.
    """
    triangles = mesh.regular_faces.astype(np.int32)
    following = np.concatenate([triangles[:, 1:], triangles[:, :1]], axis=1)
    n = mesh.n_points
    edges = sparse.coo_array(
        (np.ones(triangles.size), (triangles.ravel(), following.ravel())), shape=(n, n)
    )
    # a closed mesh has every edge once in either direction: there is nothing to add up
    edges.has_canonical_format = True
    edges = edges.tocsr()
    reached = sparse.csgraph.breadth_first_order(edges, 0, return_predecessors=False)
    if reached.size == n:
        return mesh
    _, piece = sparse.csgraph.connected_components(edges, directed=False)
    kept = piece == np.bincount(piece).argmax()
    number = np.cumsum(kept) - 1
    return pv.PolyData.from_regular_faces(
        mesh.points[kept], number[triangles[kept[triangles[:, 0]]]]
    )


def vertex_normals(mesh: Mesh) -> NDArray[np.float64]:
    """Unit normals of the points, outwards, (n, 3)."""
    surface = _surface(mesh).compute_normals(
        cell_normals=False, split_vertices=False, consistent_normals=False
    )
    return np.asarray(surface.point_data['Normals'], np.float64)


def vertex_areas(mesh: Mesh) -> NDArray[np.float64]:
    """Area of the surface around each point, square millimetres, (n,): a third of its triangles'.

    They add up to the area of the mesh.
    """
    sizes = _surface(mesh).compute_cell_sizes(length=False, volume=False)
    third = np.asarray(sizes.cell_data['Area'], np.float64) / 3
    shares = np.bincount(mesh.triangles.ravel(), np.repeat(third, 3), minlength=len(mesh.points))
    return np.asarray(shares, np.float64)


def flat_ends(mesh: Mesh) -> tuple[tuple[bool, bool], ...]:
    """Whether a mesh has a flat end, as a cut leaves, at the low and high side of each axis."""
    corners = mesh.points[mesh.triangles]
    area = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    ends = []
    for axis in range(3):
        along = corners[..., axis]
        low, high = (along < along.min() + END_MM), (along > along.max() - END_MM)
        at_low, at_high = (float(area[side.all(axis=1)].sum()) / 200 for side in (low, high))
        ends.append((at_low > END_CM2, at_high > END_CM2))
    return tuple(ends)


def _surface(mesh: Mesh) -> pv.PolyData:
    return pv.PolyData.from_regular_faces(mesh.points, mesh.triangles)
