"""De-facing, done well and badly, to a phantom whose true skin and brain are known.

Every function takes a `Scan` as it is stored and gives another one. `DEFACINGS` names them, each
with what is left afterwards, so that a check for faces can be counted right or wrong. The styles
follow tools in use: a plane in front of the brain (Quickshear, Schimke & Hale 2011), a template's
mask set to zero (PyDeface), a mask filled with noise (mideface), somebody else's or an average
face (mri_reface, afni_refacer). Lengths are millimetres of the head's coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy import ndimage

from bids_reid.phantom.anatomy import ASLEEP, anatomy
from bids_reid.phantom.defacing import (
    CLEAR_MM,
    before_face_plane,
    cast,
    coordinates,
    cut_deep,
    cut_plane,
    cut_shallow,
    distance_to_brain,
    reface,
    zeroed,
)
from bids_reid.phantom.identity import average_person, draw_people
from bids_reid.phantom.scanner import CENTRE, FIELD_OF_VIEW, draw_pose, expose, stored
from bids_reid.phantom.shapes import ellipsoid, step
from tests.support.artefacts import strip_skull

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bids_reid.phantom.identity import Identity
    from bids_reid.phantom.scanner import Scan
    from bids_reid.phantom.shapes import Array, Vector

    Random = np.random.Generator

Left = Literal['face', 'part', 'none']
BLUR_MM = 7.0


@dataclass(frozen=True, slots=True)
class Defacing:
    """A way to remove a face.

    ``left`` says what is left of a face: all of one (the participant's or not), a part, or none.
    ``brain`` says if some of the brain goes with it. ``before`` is done to the signal, before
    there is noise; ``after`` to the scan as it is stored.
    """

    left: Left
    brain: bool = False
    own: bool = True
    before: Callable[[Scan, Random], Scan] | None = None
    after: Callable[[Scan, Random], Scan] | None = None


def mask_face(scan: Scan, rng: Random) -> Scan:
    """Zero in a template's mask: with steps of 4 mm, not quite where the face is."""
    return zeroed(scan, face_mask(scan, rng))


def face_mask(scan: Scan, rng: Random) -> NDArray[np.bool_]:
    """A face as a template's mask has it: from the brow to below the chin, clear of the brain.

    In cells of 4 mm, drawn on another grid than the scan's, and a few millimetres off.
    """
    a = anatomy(average_person(), ASLEEP)
    off = rng.uniform(-4.0, 4.0, 3)
    x, y, z = (_in_cells(axis, by) for axis, by in zip(coordinates(scan), off, strict=True))
    # behind the eyeballs, and further back below: a curved front as of a skull
    skull = ellipsoid(x, y, z, (0.0, -78.0, -10.0), (62.0, 62.0, 90.0))
    mask = (skull > 0) & (y > -52.0) & (z < a.brow_z + 4.0) & (z > -130.0)
    return np.asarray(mask & (distance_to_brain(scan) > CLEAR_MM[0]))


def _in_cells(axis: Array, by: float, cell: float = 4.0) -> Array:
    """Middle of the cell that a coordinate lies in."""
    middle: Array = (np.floor((axis + by) * (1 / cell)) + 0.5) * np.float32(cell)
    return middle


def fill_noise(scan: Scan, rng: Random) -> Scan:
    """Noise as bright as tissue in the mask, which reaches beyond the skin."""
    mask = face_mask(scan, rng) & (scan.distance < 12.0)
    levels = rng.uniform(0.3, 1.0, scan.data.shape).astype(np.float32)
    level = np.float32(max(scan.contrast.grey, scan.contrast.fat))
    return replace(scan, data=cast(np.where(mask, level * levels, scan.data), scan))


def blur_face(scan: Scan, rng: Random) -> Scan:
    """Blur what lies in front of the face plane, by `BLUR_MM` (standard deviation)."""
    sigma = rng.uniform(1.0, 1.4) * BLUR_MM / np.linalg.norm(scan.affine[:3, :3], axis=0)
    blurred = ndimage.gaussian_filter(scan.data.astype(np.float32), sigma)
    share = step(before_face_plane(scan), -4.0, 0.0)
    return replace(scan, data=cast(scan.data + share * (blurred - scan.data), scan))


def cut_eyes(scan: Scan, rng: Random) -> Scan:
    """Zero in a bar over both eyes."""
    a = anatomy(scan.who, ASLEEP)
    x, y, z = coordinates(scan)
    high = rng.uniform(11.0, 15.0)
    bar = (np.abs(z) < high) & (np.abs(x) < a.eye_x + 20.0) & (y > a.eye_y - 12.0)
    return zeroed(scan, bar)


def reface_average(scan: Scan, rng: Random) -> Scan:
    """The average face in front; before there is noise."""
    del rng
    return reface(scan, average_person())


def reface_other(scan: Scan, rng: Random) -> Scan:
    """The face of somebody else in front; before there is noise."""
    (other,) = draw_people(1, seed=[int(rng.integers(2**31)), 91])
    return reface(scan, other)


DEFACINGS: dict[str, Defacing] = {
    'intact': Defacing('face'),
    'refaced-average': Defacing('face', own=False, before=reface_average),
    'refaced-other': Defacing('face', own=False, before=reface_other),
    'shallow': Defacing('part', after=cut_shallow),
    'eyes': Defacing('part', after=cut_eyes),
    'blurred': Defacing('part', after=blur_face),
    'plane': Defacing('none', after=cut_plane),
    'mask': Defacing('none', after=mask_face),
    'noise': Defacing('none', after=fill_noise),
    'deep': Defacing('none', brain=True, after=cut_deep),
    'stripped': Defacing('none', after=lambda scan, _: strip_skull(scan)),
}


def scan_defaced(
    name: str,
    identity: Identity,
    *,
    seed: Sequence[int],
    modality: str = 'T1w',
    spacing: float | Vector = 2.0,
    noise: float = 0.03,
    bias: float = 0.4,
    field_of_view: Vector = FIELD_OF_VIEW,
    centre: Vector = CENTRE,
) -> Scan:
    """Scan somebody and de-face the scan.

    Parameters
    ----------
    name
        A key of `DEFACINGS`.
    seed
        For the pose, the coil, the noise and where it is cut.
    modality, spacing, noise, bias, field_of_view, centre
        As for `bids_reid.phantom.scanner.scan_volume`.
    """
    before = DEFACINGS[name].before
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    scan = expose(
        identity,
        modality=modality,
        spacing=spacing,
        pose=draw_pose(rng),
        field_of_view=field_of_view,
        centre=centre,
    )
    if before is not None:
        scan = before(scan, rng)
    return deface_stored(name, stored(scan, rng, noise=noise, bias=bias), seed=seed)


def deface_stored(name: str, scan: Scan, *, seed: Sequence[int]) -> Scan:
    """De-face a scan with noise; as it is, if ``name`` is done to the signal before."""
    after = DEFACINGS[name].after
    rng = np.random.default_rng(np.random.SeedSequence([*seed, len(name)]))
    return scan if after is None else after(scan, rng)


def brain_lost(before: Scan, after: Scan) -> float:
    """Millilitres of the true brain whose voxels were changed between two stored scans."""
    changed = (before.data != after.data) & (distance_to_brain(before) < 0)
    return float(changed.sum() * abs(np.linalg.det(before.affine[:3, :3]))) * 1e-3
