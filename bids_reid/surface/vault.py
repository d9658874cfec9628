"""Is the surface skin? Skull-stripping leaves a brain, and detectors see faces in its folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from bids_reid.surface.mesh import Mesh, vertex_normals

if TYPE_CHECKING:
    from numpy.typing import NDArray

VAULT_MM = 60.0
NOISE_MM = 3.0
"""Normals are averaged over this first: noise differs from voxel to voxel, gyri do not."""
PATCH_MM = 8.0
POINTS = 20_000
"""Ten thousand points are enough to describe the vault of any mesh."""
PATCHES = 1500
SMOOTHEST_PERCENT = 5.0
"""Strong noise breaks the thin skin of the vault in places; what is left of it is still smooth."""
FOLDED_DEGREES = 7.5
"""Above it the vault is a brain's.

Measured in degrees, in brackets with Rician noise of 10% of the brightest tissue (99th
percentile): real faces 2.3 and 2.9 (2.6 and 5.8, the second with holes in its scalp), synthetic
heads, one of them defaced, 2.9 to 3.0 (3.1 to 3.3), a real defaced head of 0.67 mm voxels 2.6
(7.7, no skin is left), a skull-stripped brain 9.6 (12.0). So faces stay a quarter below the limit
and the brain a quarter above; one that was smoothed by 4.7 mm (7.0) is not told from a head.
"""
BRAIN_LITRES = 2.5
"""A larger surface is not a brain.

Brains hold 1 to 2 litres; heads, except those of children, hold 3 or more.
"""


def is_brain(roughness: float) -> bool:
    """Whether a surface of less than `BRAIN_LITRES` is that of a skull-stripped scan.

    A doubt keeps the face.
    """
    return roughness > FOLDED_DEGREES


def vault_roughness(points: NDArray[np.float32], triangles: NDArray[np.int32]) -> float:
    """How much normals vary within the smoothest patches of the vault, in degrees.

    Parameters
    ----------
    points : (n, 3) float32
        Surface points, RAS millimetres.
    triangles : (m, 3) int32
        Indices into ``points``.
    """
    top = np.percentile(points[:, 2], 99.9)
    high = points[:, 2] > top - VAULT_MM
    normals = vertex_normals(Mesh(points, triangles[high[triangles].any(axis=1)]))
    vault = np.flatnonzero(high)
    vault = vault[:: max(1, vault.size // POINTS)]
    where, normals = points[vault], normals[vault]
    tree = cKDTree(where)
    means = _sums_of_neighbours(tree, NOISE_MM, normals)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-6)
    centres = where[:: max(1, vault.size // PATCHES)]
    # the mean of unit vectors is the shorter, the more they differ
    lengths = np.linalg.norm(_means_around(centres, tree, PATCH_MM, means), axis=1)
    spread = np.degrees(np.sqrt(2 * (1 - np.minimum(lengths, 1))))
    return float(np.percentile(spread, SMOOTHEST_PERCENT))


def _sums_of_neighbours(
    tree: cKDTree, radius: float, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum of ``values`` over the points of ``tree`` within ``radius`` of each, itself included."""
    one, other = tree.query_pairs(radius, output_type='ndarray').T
    near = sparse.coo_array((np.ones(len(one)), (one, other)), shape=(tree.n, tree.n))
    sums: NDArray[np.float64] = values + near @ values + near.T @ values
    return sums


def _means_around(
    centres: NDArray[np.float32], tree: cKDTree, radius: float, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean of ``values`` over the points of ``tree`` within ``radius`` of each centre."""
    pairs = cKDTree(centres).sparse_distance_matrix(tree, radius, output_type='ndarray')
    near = sparse.coo_array(
        (np.ones(len(pairs)), (pairs['i'], pairs['j'])), shape=(len(centres), tree.n)
    )
    means: NDArray[np.float64] = (near @ values) / near.sum(axis=1)[:, None]
    return means
