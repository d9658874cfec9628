"""Open a NIfTI file by its content, whatever it is called, and mend what its header got wrong."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.volumeutils import apply_read_scaling

from bids_reid.surface.placement import place, sparse
from bids_reid.surface.reading import (
    MOST_HIDDEN,
    DamagedError,
    Unpacked,
    check_behind,
    check_hidden,
    check_size,
    count_bytes,
    opened,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nibabel.spatialimages import SpatialImage
    from numpy.typing import NDArray

START = 540
"""Number of bytes that hold a header of either version."""
_ERRORS_FROM = 40
"""Level of nibabel's checks from which on a header is invalid."""
MOST_BEFORE = 1 << 26
"""Largest number of bytes before the data: the header and its extensions."""

_AT_ONCE = 1 << 18
_MOST_AT_FIRST = 1 << 23
"""How many numbers are read at once, and for how many there is room before they are read."""


@contextmanager
def open_nifti(path: Path, notes: list[str]) -> Iterator[SpatialImage]:
    """Open a NIfTI file of version 1 or 2 that holds its data itself, compressed or not.

    One volume that is packed is unpacked once; of several, one after the other. A packed file is
    read to its end: only there stands the checksum.

    Parameters
    ----------
    notes : list of str
        What was mended is added.

    Raises
    ------
    DamagedError
        It says what cannot be, or ends too early.
    """
    with opened(path) as source:
        yield _image(path, source, notes)


def _image(path: Path, source: io.BufferedIOBase, notes: list[str]) -> SpatialImage:
    packed = source.raw if isinstance(source.raw, Unpacked) else None  # type: ignore[attr-defined]
    _note_name(path, packed is not None, notes)
    start = source.read(START)
    kind, header, size = header_of(start)
    offset = _offset(header, size, notes)
    _mend_scale(header, notes)
    shape = checked_shape(header, notes)
    n_volumes = int(np.prod(shape[3:], dtype=object))
    n_data = int(np.prod(shape, dtype=object)) * header.get_data_dtype().itemsize
    source.seek(0)
    front = source.read(offset)
    # a file that somebody cuts must not end the process
    data = Numbers(source, header, mmap=False)
    n_bytes = path.stat().st_size
    if packed is not None:
        n_read = data.read_once() if n_volumes == 1 and data.is_plain else 0
        left = n_data - n_read + MOST_HIDDEN + 1
        n_bytes = len(front) + n_read + count_bytes(source, left)
        check_behind(packed, notes)
    if n_bytes < offset + n_data:
        raise DamagedError('the file ends before the data are complete')
    told = size + 4 + _extensions(io.BytesIO(front), size + 4, offset, header.endianness)
    check_hidden(max(0, offset - told) + n_bytes - offset - n_data)
    notes.extend(place(header, lambda: np.asanyarray(data[_first(shape)])))
    return kind(data, header.get_best_affine(), header)


class Numbers(ArrayProxy):
    """Numbers of a file; in single precision they are made some at a time, and once.

    A head at 0.67 mm in double precision would take half a gigabyte on the way.
    """

    _single: NDArray[np.float32] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether they are neither colours nor complex."""
        return self.dtype.kind in 'iuf'

    def __array__(self, dtype: Any = None) -> NDArray[Any]:
        """Return all of them."""
        if not self.is_plain or dtype is None or np.dtype(dtype) != np.float32:
            return np.asarray(super().__array__(dtype))
        if self._single is None:
            self.file_like.seek(self.offset)
            self.read_once()
        if self._single is None:
            raise DamagedError('the file ends before the data are complete')
        return self._single

    def read_once(self) -> int:
        """Read them from where the file is, in single precision; return how many bytes there are.

        Memory grows with what is there.
        """
        n, size = int(np.prod(self.shape)), self.dtype.itemsize
        numbers = np.empty(min(n, _MOST_AT_FIRST), np.float32)
        for start in range(0, n, _AT_ONCE):
            stop = min(n, start + _AT_ONCE)
            content = self.file_like.read((stop - start) * size)
            if len(content) < (stop - start) * size:
                return start * size + len(content)
            if stop > numbers.size:
                numbers.resize(min(n, 2 * numbers.size), refcheck=False)
            some = np.frombuffer(content, self.dtype)
            with np.errstate(over='ignore', invalid='ignore'):
                numbers[start:stop] = apply_read_scaling(some, self.slope, self.inter)
        self._single = numbers.reshape(self.shape, order='F')
        return n * size


def _first(shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Index of some voxels of the first volume."""
    return (*sparse(shape), *(0 for _ in shape[3:]))


def _note_name(path: Path, packed: bool, notes: list[str]) -> None:
    name = path.name.lower()
    if packed and name.endswith('.nii'):
        notes.append('the file is compressed, although its name does not say so')
    elif not packed and name.endswith('.gz'):
        notes.append('the file is not compressed, although its name says so')


def header_of(start: bytes) -> tuple[Any, Any, int]:
    """Read a header: the class of its image, the header, and its size in bytes."""
    for kind, mark, size in ((nib.Nifti1Image, b'n+1', 348), (nib.Nifti2Image, b'n+2', 540)):
        at = 4 if size == START else 344
        if start[at : at + 3] == mark and len(start) >= size:
            return kind, kind.header_class(start[:size], check=False), size
    if not start:
        raise DamagedError('the file is empty')
    if start[344:347] == b'ni1' or start[4:7] == b'ni2':
        raise DamagedError('its data are in another file')
    raise DamagedError('the file is not a NIfTI file')


def _offset(header: Any, size: int, notes: list[str]) -> int:
    """Where the numbers begin; directly behind the header where it says what cannot be.

    Raises
    ------
    DamagedError
        So far behind it that nobody knows what is in between; all of it would be unpacked.
    """
    said = header['vox_offset']
    if not np.isfinite(said) or said < size:
        notes.append(
            f'by the header, the data begin at byte {float(said):g}: the position after the '
            'header was used'
        )
        header['vox_offset'] = size + 4
    elif said > MOST_BEFORE:
        raise DamagedError(f'by the header, the data begin at byte {float(said):,.0f}')
    return int(header['vox_offset'])


def _mend_scale(header: Any, notes: list[str]) -> None:
    """Leave out a scale that is no number; NaN stands for none."""
    slope, inter = float(header['scl_slope']), float(header['scl_inter'])
    if np.isinf(slope):
        header['scl_slope'] = np.nan
    if np.isinf(inter) or (np.isnan(inter) and np.isfinite(slope) and slope != 0):
        header['scl_inter'] = 0
    if np.isinf([slope, inter]).any():
        notes.append('the intensity scale in the header is not a number: ignored')


def checked_shape(header: Any, notes: list[str]) -> tuple[int, ...]:
    """Shape of the data, after all checks of a header.

    Raises
    ------
    DamagedError
        No volume has it.
    """
    n_axes = int(header['dim'][0])
    if not 1 <= n_axes <= 7:
        raise DamagedError(f'the header describes {n_axes} axes')
    if not header['pixdim'][1:4].all() and int(header['sform_code']) <= 0:
        notes.append('the header has voxel sizes of 0: 1 mm assumed')
    header.check_fix(error_level=_ERRORS_FROM)
    shape = tuple(int(length) for length in header.get_data_shape())
    if min(shape[:3]) < 1 or min(shape) < 0:
        raise DamagedError(f'the header describes {" x ".join(map(str, shape))} voxels')
    if 0 in shape:
        raise DamagedError(f'the file contains no volume: its shape is {shape}')
    n_values = int(np.prod(shape[:3], dtype=object))
    check_size(n_values, header.get_data_dtype().itemsize)
    return shape


def _extensions(source: io.BufferedIOBase, start: int, end: int, endian: str) -> int:
    """Bytes of the extensions between a header and its numbers; what is no extension ends them."""
    source.seek(start)
    at = start
    while at + 8 <= end:
        head = source.read(8)
        length = int.from_bytes(head[:4], 'little' if endian == '<' else 'big', signed=True)
        if len(head) < 8 or length < 8 or at + length > end:
            break
        at += length
        source.seek(at)
    return at - start
