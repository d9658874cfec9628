"""The position of the voxels of a NIfTI file: of two maps in the header, the believable one.

A scanner's measure is in the voxel sizes and in the qform; the sform may be a map to a template,
which stretches the head, or what a program forgot to fill in. What is not believed is noted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.orientations import io_orientation

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Affine = NDArray[np.float64]

SAME_SIZE = 0.02
"""Voxel sizes with a smaller relative difference count as equal."""
SHEAR = 0.02
"""Cosine between axes from which on they are not at right angles."""
SCANNER = 1
"""Code of an affine from the scanner: a tilted gantry really shears voxels."""
HEAD_LITRES = (0.5, 9.0)
"""Smallest and largest volume of the foreground in a scan of a head, with or without neck."""
SAMPLES = 64
"""Number of voxels along an axis that are sampled to measure its size."""
AIR_SHARE = 0.15
"""Share of the range of a volume above which a voxel belongs to the foreground."""
NO_SFORM = 'the sform in the header is invalid: using {used}'
NO_QFORM = 'the qform in the header is invalid: using its voxel sizes'
OTHER_SIZES = (
    'the sform in the header has voxels of {sform} mm{sheared}: using {used}, of {own} mm'
)
SFORM_KEPT = (
    'the sform in the header has voxels of {sform} mm, its voxel sizes are {own} mm: '
    'using the sform'
)
TURNED = (
    'the sform and the qform in the header disagree about the position of the head: using '
    'the sform'
)
NO_SIZES = 'the header has no voxel sizes'
SHEARED = 'the sform in the header is sheared'


def place(header: Any, sample: Callable[[], NDArray[Any]]) -> list[str]:
    """Leave in a header of NIfTI the one placement that is believed, and say what is not.

    Afterwards its best affine is that placement; both codes are 0 if nobody says how the head
    lies.

    Parameters
    ----------
    header : Nifti1Header or Nifti2Header
        Changed in place.
    sample : callable
        Gives some of the numbers, evenly spaced in the grid as `sparse` takes them; called only
        if they have to decide.
    """
    sform, sform_code = _of_sform(header)
    qform, own_sizes = _of_qform(header), _sizes(header)
    notes: list[str] = []
    if sform_code > 0 and sform is None:
        used = 'its voxel sizes' if qform is None else 'its qform'
        notes.append(NO_SFORM.format(used=used) if own_sizes is not None else NO_SIZES)
    if sform is None or sform_code <= 0:
        if int(header['qform_code']) > 0 and qform is None:
            notes.append(NO_QFORM)
        _keep(header, qform)
        return notes
    if own_sizes is None:
        _keep(header, sform)
        return notes
    plain = _rigid(sform, own_sizes) if qform is None else qform
    if _fits(sform, own_sizes, sform_code):
        if qform is not None and _turned(sform, qform):
            notes.append(TURNED)
        if _shear(sform) > SHEAR:
            notes.append(SHEARED)
        _keep(header, sform)
        return notes
    believed = _believed(header, sform, plain, own_sizes, qform is not None, sample)
    notes.append(_other_sizes(sform, own_sizes, believed is sform, qform is not None))
    _keep(header, believed)
    return notes


def sparse(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Slices that take voxels evenly, `SAMPLES` of an axis at most."""
    return tuple(slice(None, None, -(-length // SAMPLES)) for length in shape[:3])


def standing_out(sample: NDArray[Any]) -> float:
    """Share of a volume that stands out of the air, with what it encloses."""
    # its callers include the one that only plans
    from scipy import ndimage

    data = np.asarray(sample, np.float64)
    finite = np.isfinite(data)
    if not finite.any():
        return 0.0
    low, high = np.percentile(data[finite], [1, 99])
    mask = np.where(finite, data, low) > low + AIR_SHARE * (high - low)
    return float(ndimage.binary_fill_holes(mask).mean())


def _believed(
    header: Any,
    sform: Affine,
    plain: Affine,
    sizes: NDArray[np.float64],
    with_qform: bool,
    sample: Callable[[], NDArray[Any]],
) -> Affine:
    """Choose between a stretched sform and the scanner's measure: one of a head, if one is.

    Voxel sizes of 1 beside no qform are what programs write that do not know.
    """
    first, second = plain, sform
    if not with_qform and np.allclose(sizes, 1.0):
        first, second = sform, plain
    n_voxels = np.prod([int(length) for length in header.get_data_shape()[:3]])
    share = standing_out(sample())
    litres = [share * n_voxels * abs(np.linalg.det(one[:3, :3])) * 1e-6 for one in (first, second)]
    low, high = HEAD_LITRES
    fits_first, fits_second = (low <= one <= high for one in litres)
    return second if fits_second and not fits_first else first


def _other_sizes(sform: Affine, own: NDArray[np.float64], kept: bool, with_qform: bool) -> str:
    words = {'sform': _words(voxel_sizes(sform)), 'own': _words(own)}
    if kept:
        return SFORM_KEPT.format(**words)
    sheared = ', sheared' if _shear(sform) > SHEAR else ''
    used = 'the qform' if with_qform else 'the voxel sizes'
    return OTHER_SIZES.format(sheared=sheared, used=used, **words)


def _words(sizes: NDArray[np.float64]) -> str:
    return ' x '.join(f'{size:.3g}' for size in sizes)


def _of_sform(header: Any) -> tuple[Affine | None, int]:
    """The sform, ``None`` if it is no affine, and its code."""
    sform = np.asarray(header.get_sform(), np.float64)
    return (sform if usable(sform) else None), int(header['sform_code'])


def _of_qform(header: Any) -> Affine | None:
    """The qform; ``None`` if there is none, or none that is an affine."""
    if int(header['qform_code']) <= 0 or _sizes(header) is None:
        return None
    try:
        qform = np.asarray(header.get_qform(), np.float64)
    # its three numbers are part of no rotation
    except ValueError:
        return None
    return qform if usable(qform) else None


def _sizes(header: Any) -> NDArray[np.float64] | None:
    """Voxel sizes of the header; ``None`` if they are none."""
    sizes = np.abs(np.asarray(header['pixdim'][1:4], np.float64))
    return sizes if np.isfinite(sizes).all() and (sizes > 0).all() else None


def usable(affine: Affine) -> bool:
    """Whether an affine places voxels in space."""
    if not np.isfinite(affine).all():
        return False
    sizes = voxel_sizes(affine)
    if not (sizes > 0).all():
        return False
    with np.errstate(all='ignore'):
        return bool(abs(np.linalg.det(affine[:3, :3] / sizes)) > 1e-3)


def _fits(sform: Affine, sizes: NDArray[np.float64], code: int) -> bool:
    """Whether an sform has the voxel sizes of the header, at right angles."""
    same = np.allclose(voxel_sizes(sform), sizes, rtol=SAME_SIZE, atol=0)
    return bool(same and (code == SCANNER or _shear(sform) <= SHEAR))


def _shear(affine: Affine) -> float:
    axes = affine[:3, :3] / voxel_sizes(affine)
    return float(np.abs(axes.T @ axes - np.eye(3)).max())


def _rigid(affine: Affine, sizes: NDArray[np.float64]) -> Affine:
    """The rotation nearest to an affine, with other voxel sizes and the same centre of axes."""
    left, _, right = np.linalg.svd(affine[:3, :3] / voxel_sizes(affine))
    rigid = affine.copy()
    rigid[:3, :3] = (left @ right) * sizes
    return rigid


def _turned(one: Affine, other: Affine) -> bool:
    """Whether two affines call an axis by different directions."""
    return not np.array_equal(io_orientation(one), io_orientation(other))


def _keep(header: Any, affine: Affine | None) -> None:
    """Leave one placement in a header, or none."""
    header['qform_code'] = 0
    header['sform_code'] = 0
    if affine is not None:
        header.set_sform(affine, SCANNER)
