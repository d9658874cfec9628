"""How far the extracted skin is from the true one: ``python -m benchmarks.surface``.

Synthetic heads are scanned under every preset of `tests.support.presets` (or those that
``--only`` names), written as NIfTI, read and given to the extraction as the program does it; the
true skin is the zero of their signed distance function. Prints one TSV row per preset, over the
faces of all heads: the mean distance, how much of it is to one side (negative is too deep), the
95th percentile, the share of points more than 2 mm deep, which are no skin (the inside of an eye
or of the mouth) and in none of the columns before, the share of the true face without an extracted
point within 2 mm, and the mean angle between extracted and true normals in degrees. Millimetres,
and again in edges of a cube as large as a voxel. What lies within 3 mm of the field of view's
border is left out: its cap is no skin. A head that cannot be extracted counts as failed, with the
reason on the standard error.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bids_reid.phantom.identity import Identity
    from bids_reid.phantom.scanner import Scan
    from bids_reid.surface.skin import Skin

NO_FACE = ('defaced', 'refaced', 'skull-stripped')
DEEP_MM = -2.0
NEAR_MM = 2.0
BORDER_MM = 3.0
FACE = ((-65.0, 65.0), (-30.0, np.inf), (-90.0, 60.0))
"""Limits along x, y and z, in millimetres from between the eyes (head coordinates)."""
TRUTH_MM = 2.0
SEED = 20
SKIN_COLUMNS = (
    'preset',
    'n_heads',
    'n_failed',
    'mean',
    'bias',
    'p95',
    'deep',
    'missing',
    'angle',
    'voxel',
    'mean_voxels',
    'bias_voxels',
    'p95_voxels',
)


@dataclass(frozen=True, slots=True)
class Compared:
    """The extracted face of one head next to the true one.

    ``distance`` (n,) holds signed millimetres and ``angle`` degrees of the extracted points,
    ``nearest`` (m,) millimetres from points of the true face to the extracted skin.
    """

    distance: NDArray[np.floating]
    angle: NDArray[np.floating]
    nearest: NDArray[np.floating]


def extracted(scan: Scan) -> Skin:
    """Skin of a scan, by way of a file."""
    import nibabel as nib

    from bids_reid.surface.skin import extract_skin
    from bids_reid.surface.volume import load_volume

    with TemporaryDirectory() as folder:
        path = Path(folder) / 'scan.nii'
        nib.save(nib.Nifti1Image(scan.data, scan.affine), path)
        return extract_skin(load_volume(path))


def compare(scan: Scan, skin: Skin) -> Compared:
    """Measure an extracted skin."""
    from scipy.spatial import cKDTree

    from bids_reid.phantom.anatomy import ASLEEP
    from bids_reid.phantom.head_shape import head_mesh

    face = judged(skin.points, scan)
    points = skin.points[face]
    normal, true = vertex_normals(skin)[face], true_normals(points, scan)
    cosine = (normal * true).sum(axis=1).clip(-1.0, 1.0)
    to_world = np.linalg.inv(scan.to_head)
    truth, _ = head_mesh(scan.who, ASLEEP, spacing=TRUTH_MM / scan.scale, to_world=to_world)
    truth = truth[judged(truth, scan)]
    # centres too, so that no point of a coarse mesh is far from all of these
    centres = skin.points[skin.triangles].mean(axis=1)
    around = np.concatenate([skin.points, centres])
    around = around[judged(around, scan, wider=2 * NEAR_MM)]
    if not len(around):
        around = np.full((1, 3), np.inf)
    nearest, _ = cKDTree(around).query(truth, distance_upper_bound=2 * NEAR_MM)
    return Compared(scan.skin_distance(points), np.degrees(np.arccos(cosine)), nearest)


def judged(points: NDArray[np.floating], scan: Scan, wider: float = 0.0) -> NDArray[np.bool_]:
    """Which points lie in the face, and off the border of the field of view."""
    from bids_reid.phantom.sampling import move

    low, high = np.array(FACE).T
    where = move(points, scan.to_head)
    face = ((where > low - wider) & (where < high + wider)).all(axis=1)
    margin = (BORDER_MM - wider) / np.linalg.norm(scan.affine[:3, :3], axis=0)
    index = move(points, np.linalg.inv(scan.affine))
    inside = (index > margin - 0.5) & (index < np.array(scan.data.shape) - 0.5 - margin)
    return face & inside.all(axis=1)


def vertex_normals(skin: Skin) -> NDArray[np.floating]:
    """Outward unit normals of a mesh's points: its triangles' by area."""
    a, b, c = (skin.points[skin.triangles[:, corner]].astype(float) for corner in range(3))
    normal = np.cross(b - a, c - a)
    total = np.stack(
        [
            np.bincount(
                skin.triangles.ravel(), np.repeat(normal[:, axis], 3), minlength=len(skin.points)
            )
            for axis in range(3)
        ],
        axis=1,
    )
    return unit(total)


def true_normals(points: NDArray[np.floating], scan: Scan) -> NDArray[np.floating]:
    """Direction in which the distance to the true skin grows."""
    ahead = 0.5 * np.eye(3)
    gain = [scan.skin_distance(points + h) - scan.skin_distance(points - h) for h in ahead]
    return unit(np.stack(gain, axis=1))


def unit(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """Vectors of length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def skin_row(name: str, people: Sequence[Identity]) -> str:
    """One row of the table of distances."""
    from tests.support.presets import scan_preset

    found, voxel = [], np.nan
    for number, person in enumerate(people):
        scan = scan_preset(name, person, seed=[SEED, number])
        voxel = float(abs(np.linalg.det(scan.affine[:3, :3]))) ** (1 / 3)
        try:
            found.append(compare(scan, extracted(scan)))
        except Exception as error:  # noqa: BLE001 - the table goes on
            print(f'{name}: {type(error).__name__}: {error}', file=sys.stderr)
    numbers = summary(found, voxel) if found else [np.nan] * (len(SKIN_COLUMNS) - 3)
    counts = len(people), len(people) - len(found)
    return '\t'.join([name, *map(str, counts), *(f'{number:.3f}' for number in numbers)])


def summary(found: list[Compared], voxel: float) -> list[float]:
    """Return the numbers of a row."""
    every = np.concatenate([one.distance for one in found])
    angle = np.concatenate([one.angle for one in found])
    missing = np.concatenate([one.nearest for one in found]) > NEAR_MM
    kept = every > DEEP_MM
    if not kept.any():
        deep = 1.0 if every.size else np.nan
        return [*[np.nan] * 3, deep, missing.mean(), np.nan, voxel, *[np.nan] * 3]
    skin = every[kept]
    sizes = np.abs(skin)
    distances = np.array([sizes.mean(), skin.mean(), np.percentile(sizes, 95)])
    shares = [1 - skin.size / every.size, missing.mean(), angle[kept].mean()]
    return [*distances, *shares, voxel, *(distances / voxel)]


def print_skin_table(names: Sequence[str], people: Sequence[Identity]) -> None:
    """Print how far the extracted skin is from the true one under each preset."""
    print(*SKIN_COLUMNS, sep='\t')
    for name in names:
        if name not in NO_FACE:
            print(skin_row(name, people), flush=True)


def main() -> None:
    """Print the tables."""
    from bids_reid.levels import prepare_environment

    prepare_environment()
    from bids_reid.phantom.identity import draw_people
    from tests.support.presets import PRESETS

    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--people', type=int, default=2)
    parser.add_argument('--only', nargs='+', metavar='NAME', choices=PRESETS)
    options = parser.parse_args()
    people = draw_people(options.people, seed=SEED)
    print_skin_table(options.only or list(PRESETS), people)


if __name__ == '__main__':
    main()
