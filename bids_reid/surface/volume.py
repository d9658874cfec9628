"""Read a head volume: RAS order, float32, finite, three-dimensional."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes

from bids_reid.errors import ScanError
from bids_reid.surface.all_volumes import all_shown, as_numbers
from bids_reid.surface.fineness import FINEST_MM, WORKING_MM
from bids_reid.surface.grid import coarser, contiguous
from bids_reid.surface.head import MIN_HEAD_LITRES
from bids_reid.surface.nifti import open_nifti
from bids_reid.surface.reading import DamagedError, check_size, reading
from bids_reid.surface.region import head_region

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

AIR_HU = -1000.0
HU_SPREAD = 100.0
HU_SHARE = 0.05
"""Share of voxels about as dark as air in Hounsfield units from which on a volume is a CT."""
MIN_SLICES = 8
"""With fewer slices the file holds pictures, not a volume."""
FEWEST_LINES = 32
"""A head has more voxels along each axis."""
LONGEST_FIELD_MM = 3000.0
"""No scanner has a larger field of view: such a file uses other units."""
FINEST_SHARE = 1e-3
"""With a smaller range relative to its values, a volume has too few steps in single precision."""
SMALLEST, LARGEST = 1e-3, 1e9
"""Brightness of other ranges is scaled to the usual one."""
USUAL = 1000.0
UNITS = {1: ('metres', 1e3), 3: ('micrometres', 1e-3)}
"""Codes of NIfTI's ``xyzt_units`` other than millimetres, and how many of these one has."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A head volume.

    Attributes
    ----------
    data : (i, j, k) float32
        Intensities; axes run towards the right, front and top.
    affine : (4, 4) float64
        Voxel indices to RAS millimetres.
    voxel_size : (3,) float
        Millimetres, of the file before any averaging.
    notes : tuple of str
        What was done to the file's content, for the report.
    """

    data: NDArray[np.float32]
    affine: NDArray[np.float64]
    voxel_size: tuple[float, float, float]
    notes: tuple[str, ...] = ()

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Grid spacing of ``data`` in millimetres, shape (3,)."""
        return np.asarray(voxel_sizes(self.affine))


class Stored(NamedTuple):
    """The first volume that a file holds, with what others show besides, as it holds it.

    Attributes
    ----------
    name : str
        Of the file, for messages.
    data : (i, j, k) float32
        Finite intensities; axes run towards the right, front and top.
    affine : (4, 4) float64
        Voxel indices to RAS millimetres.
    notes : tuple of str
        What was done to the file's content.
    """

    name: str
    data: NDArray[np.float32]
    affine: NDArray[np.float64]
    notes: tuple[str, ...] = ()


def load_volume(path: Path) -> Volume:
    """Read a NIfTI file as a `Volume`.

    Raises
    ------
    ScanError
        The file cannot be read, is not a head-sized volume, or holds one value only.
    """
    return prepared(read_nifti(path))


def read_nifti(path: Path) -> Stored:
    """Read the first volume of a NIfTI file that holds its data itself.

    Raises
    ------
    ScanError
        It cannot be read.
    """
    if path.is_symlink() and not path.exists():
        raise ScanError(
            f'{path.name} is a link to content that is not on this machine: get it first'
        )
    notes: list[str] = []
    with reading(path.name, path), open_nifti(path, notes) as image:
        return stored(image, path.name, notes)


def stored(image: nib.spatialimages.SpatialImage, name: str, notes: Sequence[str] = ()) -> Stored:
    """Read the first volume of an image that nibabel opened, whatever its format.

    What later volumes show besides is added to it.

    Parameters
    ----------
    notes : sequence of str
        What was done to the file before.

    Raises
    ------
    ScanError
        Its numbers cannot be read.
    """
    noted = list(notes)
    with reading(name):
        check_size(int(np.prod(image.shape[:3], dtype=object)), image.get_data_dtype().itemsize)
        if not _is_oriented(image):
            noted.append(
                'the header gives no orientation: it was found from the shape of the head'
            )
        image = first_volume(image, noted)
        values = _one_number_each(image.dataobj, image.get_data_dtype(), noted)
        with np.errstate(over='ignore', invalid='ignore'):
            data = np.asarray(values, dtype=np.float32)
            data = _usable(data, values, noted)
        data, affine = _canonical(data, np.array(image.affine, dtype=float))
        affine = _in_millimetres(image.header, data.shape, affine, noted)
        return Stored(name, data, affine, tuple(noted))


def prepared(volume: Stored) -> Volume:
    """Make a head volume of what a file holds.

    Raises
    ------
    ScanError
        It is not a head-sized volume, or holds one value only.
    """
    name, data, affine, _ = volume
    if data.ndim != 3 or min(data.shape) < MIN_SLICES:
        raise ScanError(f'{name} is not a volume: its shape is {data.shape}')
    notes = list(volume.notes)
    data = _without_padding(data, notes)
    low, high = float(data.min()), float(data.max())
    if low == high:
        raise ScanError(f'{name} is empty: every voxel is {low:g}')
    x, y, z = (float(size) for size in voxel_sizes(affine))
    if not (np.isfinite([x, y, z]).all() and min(x, y, z) > 0):
        raise ScanError(f'{name} has no usable affine')
    if not holds_a_head(affine, data.shape):
        raise ScanError(
            f'{name} cannot show a head: by its header the field of view is '
            f'{sides(affine, data.shape)} mm'
        )
    part, affine = head_region(*_coarsen(data, affine), name, notes)
    return Volume(_in_range(part), affine, (x, y, z), tuple(notes))


def sides(affine: NDArray[np.float64], shape: tuple[int, ...]) -> str:
    """Sides of a field of view, in words."""
    return ' x '.join(map(_three_digits, voxel_sizes(affine) * shape))


def _is_oriented(image: nib.spatialimages.SpatialImage) -> bool:
    """Whether a NIfTI header says how the volume lies (other formats always do)."""
    codes = [image.header[name] for name in ('sform_code', 'qform_code') if name in image.header]
    return not codes or any(int(code) > 0 for code in codes)


def _canonical(
    data: NDArray[np.float32], affine: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Turn axes towards the right, front and top, without a copy."""
    turns = nib.io_orientation(affine)
    if np.array_equal(turns, [[0, 1], [1, 1], [2, 1]]):
        return data, affine
    moved = nib.orientations.inv_ornt_aff(turns, data.shape)
    return nib.apply_orientation(data, turns), affine @ moved


def _in_millimetres(
    header: Any, shape: tuple[int, ...], affine: NDArray[np.float64], notes: list[str]
) -> NDArray[np.float64]:
    """Return the affine of an image; of NIfTI's units, what no head fits is not believed."""
    # the other bits are the unit of time
    code = int(header['xyzt_units']) & 7 if 'xyzt_units' in header else 0
    if code not in UNITS:
        return affine
    name, times = UNITS[code]
    converted = np.diag([times, times, times, 1.0]) @ affine
    if holds_a_head(affine, shape) and not holds_a_head(converted, shape):
        notes.append(f'the header says {name}, which fits no head: millimetres were assumed')
        return affine
    notes.append(f'{name} in the header were converted to millimetres')
    return converted


def holds_a_head(affine: NDArray[np.float64], shape: tuple[int, ...]) -> bool:
    """Whether a head can be in the field of view of ``shape`` voxels."""
    sides = voxel_sizes(affine) * shape
    return bool(np.prod(sides) * 1e-6 >= MIN_HEAD_LITRES and sides.max() <= LONGEST_FIELD_MM)


def _three_digits(value: float) -> str:
    return np.format_float_positional(value, precision=3, fractional=False, trim='-')


def first_volume(
    image: nib.spatialimages.SpatialImage, notes: list[str]
) -> nib.spatialimages.SpatialImage:
    """Take the first of several volumes, with what others show where it shows nothing.

    They are read one at a time, and of many only some.
    """
    counts = image.shape[3:]
    if 0 in counts:
        raise ValueError(f'the file contains no volume: its shape is {image.shape}')
    if not counts:
        return image
    flat, *long = sorted(image.shape[:3])
    if flat < MIN_SLICES and min(*long, counts[0]) >= FEWEST_LINES:
        raise ValueError('its fourth axis may be a spatial axis: inspect it yourself')
    data = all_shown(lambda place: np.asanyarray(image.dataobj[(..., *place)]), counts, notes)
    one = image.slicer[(..., *(0 for _ in counts))]
    combined = one.__class__(data, one.affine, one.header)
    # numbers that were read are scaled
    combined.set_data_dtype(data.dtype)
    return combined


def _one_number_each(values: ArrayLike, kind: np.dtype[Any], notes: list[str]) -> ArrayLike:
    """Take colours by their brightness, and complex numbers by their magnitude."""
    if kind.names:
        notes.append('the brightness of the colours was used')
        return as_numbers(np.asarray(values))
    if kind.kind == 'c':
        notes.append('the magnitude of the complex values was used')
        return np.abs(np.asarray(values))
    return values


def _usable(data: NDArray[np.float32], values: ArrayLike, notes: list[str]) -> NDArray[np.float32]:
    """Make numbers finite, and different where they differ in the file."""
    low, high = float(data.min()), float(data.max())
    # neither is a number unless all are
    if np.isfinite([low, high]).all() and _tells_apart(low, high):
        return data
    return _finite(_within_range(data, values, notes), notes)


def _tells_apart(low: float, high: float) -> bool:
    """Whether single precision is fine enough for a range."""
    return high - low > FINEST_SHARE * max(abs(low), abs(high))


def _within_range(
    data: NDArray[np.float32], values: ArrayLike, notes: list[str]
) -> NDArray[np.float32]:
    """Read again, as shares of their range, numbers that single precision cannot tell apart."""
    finite = np.isfinite(data)
    if finite.any():
        low = float(data.min(where=finite, initial=np.inf))
        high = float(data.max(where=finite, initial=-np.inf))
        if _tells_apart(low, high):
            return data
    exact = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(exact)
    if not finite.any():
        return data
    low, high = exact[finite].min(), exact[finite].max()
    if high > low:
        notes.append('values exceed single precision: they were rescaled')
        # the range itself may be too large for a number
        return np.asarray(1000 * ((exact / 2 - low / 2) / (high / 2 - low / 2)), np.float32)
    if not finite.all():
        notes.append(
            'all finite values are equal: values that are not finite were taken as the head'
        )
        return np.where(finite, np.float32(0), np.float32(1000))
    return data


def _finite(data: NDArray[np.float32], notes: list[str]) -> NDArray[np.float32]:
    """Replace values that are not finite: nothing measured is taken for air."""
    finite = np.isfinite(data)
    if finite.all():
        return data
    if not finite.any():
        raise DamagedError('no voxel holds a finite number')
    notes.append('values that are not finite were treated as air')
    # the darkest value is air in every contrast; 0 would be tissue in CT
    return np.where(finite, data, data[finite].min())


def _without_padding(data: NDArray[np.float32], notes: list[str]) -> NDArray[np.float32]:
    """Make what scanners write outside of a CT's circle (-2000, -3024) air.

    Hounsfield units are known by the air: -1000 and nearly as common as voxels of the head.
    """
    if data.min() >= AIR_HU - HU_SPREAD:
        return data
    sparse = data[::4, ::4, ::4]
    if np.mean(np.abs(sparse - AIR_HU) < HU_SPREAD) < HU_SHARE:
        return data
    notes.append('values below air (Hounsfield units) were treated as air')
    return np.maximum(data, np.float32(AIR_HU))


def _in_range(data: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale numbers that are so small or so large that their squares are none."""
    low, high = float(data.min()), float(data.max())
    if high - low >= SMALLEST and max(abs(low), abs(high)) <= LARGEST:
        return data
    # neither the range nor its inverse need be numbers of single precision
    return np.asarray((data.astype(np.float64) - low) * (USUAL / (high - low)), np.float32)


def _coarsen(
    data: NDArray[np.float32], affine: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Average axes finer than ``FINEST_MM`` to ``WORKING_MM``; the data come out contiguous."""
    size = voxel_sizes(affine)
    factor = np.where(size < FINEST_MM, WORKING_MM / size, 1.0)
    if (factor > 1).any():
        # files hold volumes with the last axis first: so nothing is reordered before there is less
        data = coarser(data.T, factor[::-1]).T
    return contiguous(data), affine @ np.diag([*factor, 1.0])
