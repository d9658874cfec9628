"""A synthetic head as an MRI volume."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.transform import Rotation

from bids_reid.phantom.anatomy import ASLEEP, anatomy
from bids_reid.phantom.head_shape import CHUNK, head_sdf
from bids_reid.phantom.sampling import move, sample
from bids_reid.phantom.tissues import CONTRASTS, signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bids_reid.phantom.anatomy import Expression
    from bids_reid.phantom.identity import Identity
    from bids_reid.phantom.shapes import Array, Vector
    from bids_reid.phantom.tissues import Contrast

FIELD_OF_VIEW = (204.0, 240.0, 258.0)  # mm along x, y, z
CENTRE = (0.0, -68.0, -5.0)  # of the field of view, in head coordinates, for a head held straight
_NECK_Z = -125.0  # a field of view made to measure reaches this far down, in head coordinates
_AIR = 8.0  # mm, and this far beyond the head


@dataclass(frozen=True, slots=True)
class Pose:
    """How a head lies in the scanner: turned about the origin of its coordinates, then moved.

    ``rotation`` holds degrees about x, y and z (applied in that order), ``shift`` mm.
    """

    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def to_world(self) -> NDArray[np.float64]:
        """(4, 4) rigid transform from head coordinates to scanner coordinates, mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_euler('xyz', self.rotation, degrees=True).as_matrix()
        matrix[:3, 3] = self.shift
        return matrix

    def to_head(self) -> NDArray[np.floating]:
        """(4, 4) rigid transform from scanner coordinates to head coordinates, mm."""
        return np.linalg.inv(self.to_world())


def draw_pose(rng: np.random.Generator) -> Pose:
    """A head laid down with ordinary care: a few degrees and millimetres off."""
    rotation = rng.normal(0.0, (3.5, 1.5, 2.5)).clip(-8.0, 8.0).tolist()
    shift = rng.normal(0.0, (1.5, 2.5, 3.0)).clip(-6.0, 6.0).tolist()
    return Pose(tuple(rotation), tuple(shift))


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan, and what there is to know about it.

    Attributes
    ----------
    data
        (i, j, k) signal.
    affine
        (4, 4) from voxel indices to scanner coordinates (RAS, mm).
    to_head
        (4, 4) from scanner coordinates to head coordinates.
    distance
        (i, j, k) float32, mm in the scanner from the voxels to the skin, negative inside.
    who
        Whose head.
    contrast
        The signal of the tissues.
    shoulders
        Whether there is a trunk below the neck.
    """

    data: Array | NDArray[np.int16]
    affine: NDArray[np.float64]
    to_head: NDArray[np.floating]
    distance: Array
    who: Identity
    contrast: Contrast
    shoulders: bool = False

    @property
    def scale(self) -> float:
        """Size of the head: millimetres of the scanner in one of the head's coordinates."""
        return float(abs(np.linalg.det(self.to_head[:3, :3]))) ** (-1 / 3)

    def skin_distance(self, points: NDArray[np.floating]) -> Array:
        """Signed distance of (n, 3) points of the scanner to the true skin, mm."""
        where = move(points, self.to_head)
        distance = head_sdf(where, self.who, ASLEEP, shoulders=self.shoulders)
        return distance * np.float32(self.scale)


def scan_volume(
    identity: Identity,
    *,
    seed: int | Sequence[int],
    modality: str = 'T1w',
    spacing: float | Vector = 1.2,
    noise: float = 0.03,
    bias: float = 0.4,
    pose: Pose | None = None,
    expression: Expression = ASLEEP,
    field_of_view: Vector | None = FIELD_OF_VIEW,
    centre: Vector = CENTRE,
    scale: float = 1.0,
    shoulders: bool = False,
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Scan somebody.

    Parameters
    ----------
    seed
        For the pose, the coil and the noise.
    modality
        One of `CONTRASTS`.
    spacing
        Voxel edge, mm: of cubes, or along x, y and z. A voxel holds the mean over its extent.
    noise
        Standard deviation of the noise (of each of the two channels where it is Rician), as a
        fraction of the white matter's signal (`Contrast.noise_unit`).
    bias
        Peak-to-peak variation of the receive coil's sensitivity over the field of view, as a
        fraction of its mean.
    pose
        How the head lies; drawn from the seed by default.
    expression
        Eyes shut by default.
    field_of_view
        Extent along x, y and z, mm; as much as the head and a part of the neck need where None.
    centre
        Of the field of view, mm; does not matter where that is None.
    scale
        Size of the head: less than 1 for a child.
    shoulders
        Add a trunk below the neck.

    Returns
    -------
    data
        (i, j, k) int16; axes run to the right, to the front and up.
    affine
        (4, 4) from voxel indices to scanner coordinates (RAS, mm).
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    drawn = draw_pose(rng)
    scan = expose(
        identity,
        modality=modality,
        spacing=spacing,
        pose=drawn if pose is None else pose,
        expression=expression,
        field_of_view=field_of_view,
        centre=centre,
        scale=scale,
        shoulders=shoulders,
    )
    return np.asarray(stored(scan, rng, noise=noise, bias=bias).data, np.int16), scan.affine


def stored(
    scan: Scan, rng: np.random.Generator, *, noise: float = 0.03, bias: float = 0.4
) -> Scan:
    """Scan as it is stored: with the coil's sensitivity and noise, as int16.

    ``noise`` and ``bias`` are as for `scan_volume`.
    """
    values = np.asarray(scan.data * coil(scan.data.shape, bias, rng), np.float32)
    return replace(scan, data=add_noise(values, noise, scan.contrast, rng))


def expose(
    identity: Identity,
    *,
    modality: str,
    spacing: float | Vector,
    pose: Pose,
    expression: Expression = ASLEEP,
    field_of_view: Vector | None = FIELD_OF_VIEW,
    centre: Vector = CENTRE,
    scale: float = 1.0,
    shoulders: bool = False,
) -> Scan:
    """Scan somebody with an even coil and without noise; for the parameters see `scan_volume`."""
    if modality not in CONTRASTS:
        raise ValueError(f'modality must be one of {", ".join(CONTRASTS)}, not {modality}')
    sizes = (spacing,) * 3 if isinstance(spacing, int | float) else spacing
    to_head = np.diag([1 / scale, 1 / scale, 1 / scale, 1.0]) @ pose.to_head()
    if field_of_view is None:
        field_of_view, centre = _fitted(identity, expression, np.linalg.inv(to_head))
    i, j, k = (round(length / size) for length, size in zip(field_of_view, sizes, strict=True))
    # a thick slice is the mean of thin ones
    times = [max(1, round(size / min(sizes))) for size in sizes]
    fine = (i * times[0], j * times[1], k * times[2])
    affine = np.diag([*(size / n for size, n in zip(sizes, times, strict=True)), 1.0])
    affine[:3, 3] = np.array(centre) - 0.5 * np.diag(affine)[:3] * (np.array(fine) - 1)
    contrast = CONTRASTS[modality]
    # exactly the edge of cubes, whatever rounding does to the others
    voxel = sizes[0] if len(set(sizes)) == 1 else float(np.prod(np.diag(affine)[:3])) ** (1 / 3)
    voxel /= scale
    values, distance = grid_signal(
        identity, expression, contrast, fine, to_head @ affine, voxel=voxel, shoulders=shoulders
    )
    thick = affine @ np.diag([*times, 1.0])
    thick[:3, 3] += 0.5 * np.diag(affine)[:3] * (np.array(times) - 1)
    values, distance = _averaged(values, times), _averaged(distance, times) * np.float32(scale)
    return Scan(values, thick, to_head, distance, identity, contrast, shoulders)


def _fitted(
    identity: Identity, expression: Expression, to_world: NDArray[np.floating]
) -> tuple[Vector, Vector]:
    """Extent and centre of a field of view that holds a head with some air around it."""
    axes = np.arange(-110, 111, 5), np.arange(-200, 71, 5), np.arange(_NECK_Z, 146, 5)
    lattice = np.stack(np.meshgrid(*axes, indexing='ij'), axis=-1).reshape(-1, 3)
    head = lattice[head_sdf(lattice, identity, expression) < 5]
    where = move(head, to_world)
    low, high = where.min(axis=0) - _AIR, where.max(axis=0) + _AIR
    x, y, z = (high - low).tolist()
    u, v, w = (0.5 * (high + low)).tolist()
    return (x, y, z), (u, v, w)


def _averaged(values: Array, times: Sequence[int]) -> Array:
    """Mean over blocks of ``times`` voxels."""
    for axis, n in enumerate(times):
        if n > 1:
            parts = np.moveaxis(values, axis, 0)
            total = sum((parts[first::n] for first in range(1, n)), start=parts[::n])
            values = np.ascontiguousarray(np.moveaxis(total * np.float32(1 / n), 0, axis))
    return values


def grid_signal(
    identity: Identity,
    expression: Expression,
    contrast: Contrast,
    shape: tuple[int, int, int],
    to_head: NDArray[np.floating],
    *,
    voxel: float,
    shoulders: bool = False,
) -> tuple[Array, Array]:
    """Noise-free signal of every voxel, the skin's mixed with the air's by how much it fills.

    Parameters
    ----------
    to_head
        (4, 4) from voxel indices to head coordinates.
    voxel
        Width over which skin and air mix, mm in head coordinates.

    Returns
    -------
    signal
        ``shape`` float32.
    distance
        ``shape`` float32, to the skin, mm in head coordinates.
    """
    landmarks = anatomy(identity, expression)
    distance = sample(
        lambda points: head_sdf(points, identity, expression, shoulders=shoulders), shape, to_head
    )
    flat = distance.reshape(-1)
    out = np.full_like(flat, contrast.outside)
    head = np.flatnonzero(flat < 0.5 * voxel)
    for start in range(0, len(head), CHUNK):
        part = head[start : start + CHUNK]
        index = np.stack(np.unravel_index(part, distance.shape), axis=1).astype(np.float32)
        depth = -flat[part]
        filled = np.clip(0.5 + depth * (1 / voxel), 0.0, 1.0)
        inner = signal(depth, move(index, to_head), landmarks, contrast, voxel=voxel)
        out[part] = contrast.outside + filled * (inner - contrast.outside)
    return out.reshape(distance.shape), distance


def coil(shape: tuple[int, ...], bias: float, rng: np.random.Generator) -> Array:
    """Smooth receive sensitivity with mean 1 and a peak-to-peak variation of ``bias``.

    A random quadratic in the three coordinates: slow, and different in every session.
    """
    x, y, z = np.meshgrid(
        *(np.linspace(-1, 1, n, dtype=np.float32) for n in shape), indexing='ij', sparse=True
    )
    weights = rng.normal(0.0, 1.0, 6).tolist()
    weights[3:] = [0.6 * abs(w) for w in weights[3:]]  # brighter towards the coil on all sides
    field: Array = weights[0] * x + weights[1] * y + weights[2] * z
    field = field + weights[3] * x * x + weights[4] * y * y + weights[5] * z * z
    field -= field.mean()
    field *= bias / max(float(np.ptp(field)), 1e-6)
    field += 1.0
    return field


def add_noise(
    values: Array, noise: float, contrast: Contrast, rng: np.random.Generator
) -> NDArray[np.int16]:
    """Noise of the kind and the unit that go with a contrast; rounded to int16."""
    sigma = noise * contrast.noise_unit
    if contrast.magnitude:
        return _rician(values, sigma, rng)
    out = np.empty(values.shape, np.int16)
    for source, target in zip(values, out, strict=True):
        noisy = source + np.float32(sigma) * rng.standard_normal(source.shape, np.float32)
        target[...] = np.rint(noisy).clip(-32768, 32767)
    return out


def _rician(values: Array, sigma: float, rng: np.random.Generator) -> NDArray[np.int16]:
    """Magnitude of a complex signal with Gaussian noise in both channels, as int16.

    Gudbjartsson and Patz, "The Rician distribution of noisy MRI data", MRM 34, 1995. Without
    signal it is Rayleigh distributed.
    """
    out = np.empty(values.shape, np.int16)
    for source, target in zip(values, out, strict=True):
        real = source + np.float32(sigma) * rng.standard_normal(source.shape, np.float32)
        imaginary = np.float32(sigma) * rng.standard_normal(source.shape, np.float32)
        target[...] = np.rint(np.sqrt(real * real + imaginary * imaginary)).clip(0, 32767)
    return out
