"""A synthetic head as an MRI volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.phantom.anatomy import ASLEEP, anatomy
from bids_reid.phantom.grid import move, sample
from bids_reid.phantom.head import CHUNK, head_sdf
from bids_reid.phantom.tissues import CONTRASTS, signal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bids_reid.phantom.anatomy import Expression
    from bids_reid.phantom.identity import Identity
    from bids_reid.phantom.shapes import Array

FIELD_OF_VIEW = (204.0, 240.0, 258.0)  # mm along x, y, z
_CENTRE = (0.0, -68.0, -5.0)  # of the field of view, in head coordinates, for a head held straight


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
        for axis, angle in enumerate(np.radians(self.rotation)):
            turn = np.eye(4)
            i, j = (axis + 1) % 3, (axis + 2) % 3
            turn[[i, j], [i, j]] = np.cos(angle)
            turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
            matrix = turn @ matrix
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


def scan_volume(
    identity: Identity,
    *,
    seed: int | Sequence[int],
    modality: str = 'T1w',
    spacing: float = 1.2,
    noise: float = 0.03,
    bias: float = 0.4,
    pose: Pose | None = None,
    expression: Expression = ASLEEP,
    field_of_view: tuple[float, float, float] = FIELD_OF_VIEW,
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Scan somebody.

    Parameters
    ----------
    seed
        For the pose, the coil and the noise.
    modality
        ``'T1w'`` or ``'FLAIR'``.
    spacing
        Voxel edge, mm (cubes).
    noise
        Standard deviation of each of the two channels of the Rician noise, as a fraction of the
        white matter's signal.
    bias
        Peak-to-peak variation of the receive coil's sensitivity over the field of view, as a
        fraction of its mean.
    pose
        How the head lies; drawn from the seed by default.
    expression
        Eyes shut by default.
    field_of_view
        Extent along x, y and z, mm.

    Returns
    -------
    data
        (i, j, k) int16; axes run to the right, to the front and up.
    affine
        (4, 4) from voxel indices to scanner coordinates (RAS, mm).
    """
    if modality not in CONTRASTS:
        raise ValueError(f'modality must be one of {", ".join(CONTRASTS)}, not {modality}')
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    drawn = draw_pose(rng)
    pose = drawn if pose is None else pose
    i, j, k = (round(length / spacing) for length in field_of_view)
    shape = (i, j, k)
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = np.array(_CENTRE) - 0.5 * spacing * (np.array(shape) - 1)
    to_head = pose.to_head() @ affine
    distance = sample(lambda points: head_sdf(points, identity, expression), shape, to_head)
    values = _signals(distance, to_head, identity, expression, modality, spacing)
    values *= coil(shape, bias, rng)
    sigma = noise * CONTRASTS[modality].white
    return _rician(values, sigma, rng), affine


def _signals(
    distance: Array,
    to_head: NDArray[np.floating],
    identity: Identity,
    expression: Expression,
    modality: str,
    spacing: float,
) -> Array:
    """Noise-free signal of every voxel, the skin's mixed with the air's by how much it fills."""
    landmarks, contrast = anatomy(identity, expression), CONTRASTS[modality]
    flat = distance.reshape(-1)
    out = np.zeros_like(flat)
    head = np.flatnonzero(flat < 0.5 * spacing)
    for start in range(0, len(head), CHUNK):
        part = head[start : start + CHUNK]
        index = np.stack(np.unravel_index(part, distance.shape), axis=1).astype(np.float32)
        depth = -flat[part]
        filled = np.clip(0.5 + depth * (1 / spacing), 0.0, 1.0)
        inner = signal(depth, move(index, to_head), landmarks, contrast, voxel=spacing)
        out[part] = filled * inner
    return out.reshape(distance.shape)


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
