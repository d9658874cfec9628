"""What lies under the skin: a signal for every point inside a head.

Only roughly anatomical. It is there so that a scan looks like a scan to the programs that read
it: fat under the skin, a dark skull, a folded brain, eyes, and air where a head has air.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.phantom.anatomy import EYEBALL
from bids_reid.phantom.shapes import capsule, ellipsoid, intersection, step, union

if TYPE_CHECKING:
    from bids_reid.phantom.anatomy import Anatomy
    from bids_reid.phantom.shapes import Array


@dataclass(frozen=True, slots=True)
class Contrast:
    """Signal of each tissue.

    ``white`` is the reference that noise is relative to, unless ``reference`` says otherwise;
    ``texture`` scales the streaks in muscle and the leaves of the cerebellum. Vessels are left out
    where ``vessel`` is None. ``outside`` is the signal of the air around the head, ``magnitude``
    whether noise is Rician, as in MR, or Gaussian.
    """

    skin: float
    fat: float
    muscle: float
    bone: float
    marrow: float
    fluid: float
    grey: float
    white: float
    air: float
    texture: float = 1.0
    vessel: float | None = None
    outside: float = 0.0
    magnitude: bool = True
    reference: float | None = None

    @property
    def noise_unit(self) -> float:
        """What the standard deviation of the noise is a fraction of."""
        return self.white if self.reference is None else self.reference


CONTRASTS = {
    'T1w': Contrast(430, 860, 470, 60, 520, 160, 480, 680, 12),
    'FLAIR': Contrast(420, 760, 330, 50, 330, 70, 620, 500, 12),
    'T2w': Contrast(260, 620, 170, 30, 400, 1000, 520, 380, 10),
    'PDw': Contrast(450, 700, 470, 60, 480, 620, 640, 540, 12),
    'T2starw': Contrast(300, 380, 350, 15, 110, 520, 470, 430, 6),
    # fat suppressed: the skin is brighter than the fat below it
    'FLAIRfs': Contrast(300, 110, 300, 40, 90, 70, 620, 500, 12),
    'T2wfs': Contrast(260, 90, 170, 30, 70, 1000, 520, 380, 10),
    # time of flight: what does not flow is saturated, to an eighth of the vessels
    'angio': Contrast(75, 95, 80, 12, 60, 40, 92, 105, 5, texture=0.12, vessel=760),
    # uptake; a scan of it is blurred, which is for the caller to do
    'PET': Contrast(
        1500, 600, 1700, 500, 1400, 700, 10000, 3500, 100, magnitude=False, reference=10000
    ),
    # Hounsfield units
    'CT': Contrast(
        40,
        -100,
        50,
        900,
        250,
        10,
        38,
        30,
        -1000,
        texture=0.1,
        outside=-1000,
        magnitude=False,
        reference=1000,
    ),
}

# of one side: start, end, radius (mm); those at x = 0 lie in the middle
_ARTERIES = (
    ((26.0, -72.0, -260.0), (24.0, -74.0, -45.0), 2.8),  # carotid
    ((24.0, -74.0, -45.0), (11.0, -62.0, -8.0), 2.5),
    ((11.0, -62.0, -8.0), (12.0, -54.0, 8.0), 2.3),
    ((12.0, -54.0, 8.0), (40.0, -56.0, 12.0), 1.8),  # middle cerebral
    ((40.0, -56.0, 12.0), (56.0, -78.0, 34.0), 1.4),
    ((12.0, -54.0, 8.0), (1.5, -38.0, 14.0), 1.5),  # anterior cerebral
    ((1.5, -38.0, 14.0), (1.5, -52.0, 52.0), 1.3),
    ((16.0, -98.0, -260.0), (14.0, -98.0, -60.0), 2.0),  # vertebral
    ((14.0, -98.0, -60.0), (0.0, -84.0, -24.0), 1.9),
    ((0.0, -84.0, -24.0), (0.0, -76.0, 2.0), 2.0),  # basilar
    ((0.0, -76.0, 2.0), (26.0, -100.0, 10.0), 1.4),  # posterior cerebral
    ((66.0, -74.0, -20.0), (62.0, -50.0, 60.0), 1.1),  # temporal, under the skin
)


def signal(depth: Array, points: Array, a: Anatomy, contrast: Contrast, *, voxel: float) -> Array:
    """Signal inside the head, without partial volume at the skin.

    Parameters
    ----------
    depth
        (n,) mm below the skin.
    points
        (n, 3) head coordinates, mm.
    voxel
        Width over which neighbouring tissues mix, mm.

    Returns
    -------
    (n,) float32.
    """
    x, y, z = (np.ascontiguousarray(axis) for axis in points.T)
    out = np.full(len(x), contrast.skin, np.float32)
    marbling = np.sin(0.31 * x + 0.2 * z) * np.sin(0.27 * y - 0.22 * z)
    streaks = contrast.muscle + 70.0 * contrast.texture * np.maximum(marbling, 0.0)
    _fill(out, 1.8 - depth, contrast.fat, voxel)
    _fill(out, 5.5 + 1.5 * marbling - depth, streaks, voxel)
    for distance, level, cover in _face_parts(x, y, z, a, contrast):
        _fill(out, np.maximum(distance, cover - depth), level, voxel)
    cranium = _cranium(x, y, z, a)
    _fill(out, np.maximum(cranium + 5.0, 4.5 - depth), contrast.bone, voxel)
    diploe = np.abs(cranium + 8.0) - 1.2
    _fill(out, np.maximum(diploe, 6.5 - depth), contrast.marrow, voxel)
    _fill(out, np.maximum(cranium + 11.0, 9.0 - depth), contrast.fluid, voxel)
    inside = np.flatnonzero(cranium < -9.0)
    if len(inside):
        brain = out[inside]
        _brain(brain, x[inside], y[inside], z[inside], cranium[inside], contrast, voxel)
        out[inside] = brain
    if contrast.vessel is not None:
        _fill(out, np.maximum(_vessels(x, y, z), 3.0 - depth), contrast.vessel, voxel)
    return out


def brain_distance(points: Array, a: Anatomy) -> Array:
    """Distance to the outside of the brain, roughly (mm, negative inside).

    ``points`` are (n, 3) head coordinates; the result is (n,).
    """
    x, y, z = points.T
    return _cranium(x, y, z, a) + 13.0


def _fill(out: Array, distance: Array, level: Array | float, voxel: float) -> None:
    """Put a tissue where ``distance`` is negative, mixed over a voxel at its border, in place."""
    share = np.clip(0.5 - distance * (1 / voxel), 0.0, 1.0)
    np.add(out, share * (level - out), out=out)


def _cranium(x: Array, y: Array, z: Array, a: Anatomy) -> Array:
    """Distance to the outside of the brain case: the dome, cut off below in three steps."""
    half_width, half_depth = 0.5 * a.who.cranium_width, 0.5 * a.who.cranium_depth
    centre = (0.0, 17.0 - half_depth, a.who.cranium_height - 84.0)
    dome = ellipsoid(x, y, z, centre, (half_width, half_depth - 1.5, 84.0))
    floor = 12.0 - 30.0 * step(-y, 32.0, 52.0) - 26.0 * step(-y, 78.0, 100.0)
    return intersection(dome, floor - z, 10.0)


def _face_parts(
    x: Array, y: Array, z: Array, a: Anatomy, contrast: Contrast
) -> list[tuple[Array, float, float]]:
    """Parts of the face and the neck, the later ones on top.

    Each is a distance, a signal, and how deep below the skin it stays at least (mm).
    """
    side = np.abs(x)
    orbit = ellipsoid(side, y, z, (a.eye_x - 3.0, a.eye_y - 16.0, 0.0), (18.0, 28.0, 17.0))
    globe = ellipsoid(side, y, z, (a.eye_x, a.eye_y, 0.0), (EYEBALL,) * 3)
    corner = (a.gonion_x - 13.0, -54.0, a.gonion_z)
    chin = (7.0, a.chin_y - 12.0, a.chin_z + 15.0)
    mandible = union(
        capsule(side, y, z, corner, chin, (6.5, 6.5)),
        capsule(side, y, z, (a.cheek_x - 14.0, -64.0, -18.0), corner, (5.0, 6.0)),
        6.0,
    )
    upper_jaw = ellipsoid(x, y, z, (0.0, a.front - 36.0, a.mouth_z + 16.0), (28.0, 24.0, 16.0))
    mouth = ellipsoid(x, y, z, (0.0, a.front - 44.0, a.mouth_z - 6.0), (25.0, 34.0, 19.0))
    nose = ellipsoid(side, y, z, (8.0, a.front - 34.0, -24.0), (5.0, 34.0, 19.0))
    sinus = ellipsoid(side, y, z, (26.0, -14.0, -28.0), (12.0, 15.0, 13.0))
    throat = union(
        capsule(x, y, z, (0.0, -52.0, -26.0), (0.0, -58.0, -110.0), (8.0, 6.0)),
        capsule(x, y, z, (0.0, -58.0, -110.0), (0.0, -62.0, -260.0), (7.0, 8.0)),
        6.0,
    )
    spine = capsule(x, y, z, (0.0, -88.0, -40.0), (0.0, -92.0, -260.0), (13.0, 15.0))
    canal = capsule(x, y, z, (0.0, -104.0, -30.0), (0.0, -112.0, -260.0), (9.0, 8.0))
    return [
        (orbit, contrast.fat, 3.0),
        (globe, contrast.fluid, 2.2),
        (upper_jaw, contrast.marrow, 7.0),
        (mandible, contrast.bone, 5.0),
        (mandible + 2.5, contrast.marrow, 7.0),
        (mouth, contrast.muscle * 1.08, 7.0),
        (nose, contrast.air, 5.0),
        (sinus + 1.5, contrast.bone, 6.0),
        (sinus + 3.0, contrast.air, 7.0),
        (throat, contrast.air, 8.0),
        (spine, contrast.bone, 8.0),
        (spine + 2.0, contrast.marrow, 8.0),
        (canal, contrast.fluid, 8.0),
        (canal + 4.0, contrast.white, 8.0),
    ]


def _vessels(x: Array, y: Array, z: Array) -> Array:
    """Distance to the arteries that feed the brain, the same ones in everybody."""
    distance = np.full_like(x, 1e3)
    for start, end, radius in _ARTERIES:
        distance = np.minimum(distance, capsule(np.abs(x), y, z, start, end, (radius, radius)))
    return distance


def _brain(
    out: Array, x: Array, y: Array, z: Array, cranium: Array, contrast: Contrast, voxel: float
) -> None:
    """Grey and white matter, folded along a gyroid (A. Schoen, NASA TN D-5541, 1970), in place."""
    bend = 4.0 * np.sin(0.09 * y + 0.07 * z)
    u, v, w = 0.29 * (x + bend), 0.26 * (y - bend), 0.29 * z
    folds = np.sin(u) * np.cos(v) + np.sin(v) * np.cos(w) + np.sin(w) * np.cos(u)
    side = np.abs(x)
    fissure = np.maximum(side - 1.3, np.minimum(36.0 - z, -38.0 - y))
    surface = np.maximum(cranium + 13.0, -fissure)
    inner = np.maximum(-surface - 14.0, 0.0) * (1 / 5.0)  # folds end at some depth
    sulcus = (folds - 1.15 - inner) * (1 / 0.4)
    core = (folds - 0.1 - inner) * (1 / 0.4)
    _fill(out, np.maximum(surface, sulcus), contrast.grey, voxel)
    _fill(out, np.maximum(surface + 3.0, core), contrast.white, voxel)
    ripple = 90.0 * contrast.texture
    leaves = 0.5 * (contrast.grey + contrast.white) + ripple * np.sin(0.9 * z + 0.25 * y)
    cerebellum = ellipsoid(x, y, z, (0.0, -124.0, -22.0), (48.0, 30.0, 19.0))
    _fill(out, np.maximum(cerebellum - 2.0, cranium + 12.0), contrast.fluid, voxel)
    _fill(out, np.maximum(cerebellum, cranium + 12.5), leaves, voxel)
    stem = capsule(x, y, z, (0.0, -86.0, 4.0), (0.0, -100.0, -60.0), (11.0, 9.0))
    _fill(out, stem, contrast.white, voxel)
    thalamus = ellipsoid(side, y, z, (12.0, -74.0, 16.0), (9.0, 14.0, 9.0))
    _fill(out, thalamus, contrast.grey, voxel)
    ventricle = ellipsoid(side, y, z, (8.0, -72.0, 31.0), (6.0, 33.0, 7.0))
    _fill(out, ventricle, contrast.fluid, voxel)
