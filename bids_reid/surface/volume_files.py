"""Open volumes of any format as images of nibabel.

nibabel goes by names and extensions; here whoever asks says what a file is, by its content, so
that one that was renamed, or lies under the name of its key, is read all the same.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy

from bids_reid.errors import ScanError
from bids_reid.surface.all_volumes import all_shown, as_numbers
from bids_reid.surface.nifti import START
from bids_reid.surface.placement import place, sparse
from bids_reid.surface.reading import (
    MOST_HIDDEN,
    DamagedError,
    Unpacked,
    check_hidden,
    check_size,
    count_bytes,
    opened,
    packed_as,
    reading,
)
from bids_reid.surface.text_headers import read_metaimage, read_mif, read_nrrd
from bids_reid.surface.volume import read_nifti, stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bids_reid.surface.volume import Stored

_EXTENSIONS = {
    'nifti': '.nii',
    'analyze': '.hdr',
    'mgh': '.mgh',
    'minc': '.mnc',
    'ecat': '.v',
    'parrec': '.PAR',
}
"""By which nibabel knows a format."""
_PAIRED = {'.hdr': '.img', '.PAR': '.REC'}
_TEXT_HEADERS = {'nrrd': read_nrrd, 'metaimage': read_metaimage, 'mrtrix': read_mif}
FORMATS = (*_EXTENSIONS, *_TEXT_HEADERS, 'afni')
"""Formats of volumes that can be read."""


def read_volume(files: Sequence[Path], kind: str) -> Stored:
    """Read the first volume of an image.

    Parameters
    ----------
    files : sequence of Path
        All its files; the first is the header.
    kind : str
        Its format, of `FORMATS`.

    Raises
    ------
    ScanError
        It cannot be read.
    """
    header = files[0]
    if kind not in FORMATS:
        raise ScanError(f'cannot read the format of {header.name}: inspect it yourself')
    if kind == 'nifti':
        with reading(header.name, header):
            paired = _is_pair(header)
        if not paired:
            return read_nifti(header)
    with reading(header.name, *files):
        if kind in _TEXT_HEADERS:
            return stored(_TEXT_HEADERS[kind](header), header.name)
        if kind == 'afni':
            return _afni(header)
        return _by_name(kind, header, files)


def _by_name(kind: str, header: Path, files: Sequence[Path]) -> Stored:
    """Read what nibabel knows by its name, under such a name."""
    notes: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        name = _named(kind, header, files, Path(folder))
        with reading(header.name, name):
            image = nib.load(name)
            if isinstance(image, nib.Nifti1Pair):
                image = _placed(image, notes)
            _check_end(image.dataobj)
            # its numbers are read while the names are there
            plain = image if kind == 'nifti' else _plain(image, notes)
            return stored(plain, header.name, notes)


def _check_end(data: object) -> None:
    """Find out whether a file has much more in it than the numbers that the header describes.

    Raises
    ------
    DamagedError
        It has: another head may be there.
    """
    # formats with a reader of their own say themselves where their numbers are
    if not isinstance(data, ArrayProxy):
        return
    check_size(int(np.prod(data.shape[:3], dtype=object)), data.dtype.itemsize)
    end = data.offset + int(np.prod(data.shape, dtype=object)) * data.dtype.itemsize
    with opened(Path(data.file_like)) as source:
        n_bytes = count_bytes(source, end + MOST_HIDDEN + 1)
        raw = getattr(source, 'raw', None)
        behind = raw.n_behind if isinstance(raw, Unpacked) else 0
    check_hidden(max(n_bytes - end, behind))


def _placed(image: nib.Nifti1Pair, notes: list[str]) -> nib.Nifti1Image:
    """Make one image of a pair, placed as is believed."""
    header, data = image.header, image.dataobj
    first = (*sparse(image.shape), *(0 for _ in image.shape[3:]))
    notes.extend(place(header, lambda: np.asanyarray(data[first])))
    return nib.Nifti1Image(data, header.get_best_affine(), header)


def _afni(header: Path) -> Stored:
    notes: list[str] = []
    return stored(_plain(nib.load(_afni_header(header)), notes), header.name, notes)


def _afni_header(header: Path) -> Path:
    """AFNI's header where its data lie beside it."""
    if not any(header.with_suffix(f'.BRIK{packed}').exists() for packed in ('', '.gz', '.bz2')):
        raise ScanError(f'{header.name}: its BRIK file is missing: put it in the same folder')
    return header


def _named(kind: str, header: Path, files: Sequence[Path], folder: Path) -> Path:
    """Give links to the files the names by which nibabel knows them."""
    extension = _EXTENSIONS[kind]
    if kind == 'nifti' and _is_pair(header):
        extension = '.hdr'
    packed = _compressed(header)
    name = folder / f'image{extension}{packed}'
    if kind == 'mgh' and packed == '.gz':
        name = folder / 'image.mgz'
    name.symlink_to(header.absolute())
    if extension in _PAIRED:
        data = _data_of(header, files)
        (folder / f'image{_PAIRED[extension]}{_compressed(data)}').symlink_to(data.absolute())
    return name


def _is_pair(header: Path) -> bool:
    """Whether a NIfTI header says that its data are in another file."""
    with opened(header) as content:
        start = content.read(START)
    return start[344:347] == b'ni1' or start[4:7] == b'ni2'


def _compressed(path: Path) -> str:
    """Ending by which nibabel knows how a file is packed."""
    with path.open('rb') as file:
        packed = packed_as(file.read(6))
    return f'.{packed}' if packed in {'gz', 'bz2'} else ''


def _data_of(header: Path, files: Sequence[Path]) -> Path:
    """Find the data of a pair: the other file that was named, or that beside the header."""
    others = [path for path in files if path != header]
    if others:
        return others[0]
    stem = header.name.removesuffix('.gz').removesuffix('.bz2')
    base = stem.rpartition('.')[0]
    for ending in ('.img', '.IMG', '.img.gz', '.img.bz2', '.REC', '.rec'):
        if (beside := header.with_name(base + ending)).exists():
            return beside
    raise ScanError(f'{header.name}: the data file is missing: put it in the same folder')


def _plain(image: nib.spatialimages.SpatialImage, notes: list[str]) -> nib.Nifti1Image:
    """Make an image whose axes can be turned, whatever its format; of several volumes one."""
    counts = image.shape[3:]
    check_size(int(np.prod(image.shape[:3], dtype=object)), image.get_data_dtype().itemsize)
    if 0 in image.shape:
        raise DamagedError(f'the file contains no volume: its shape is {image.shape}')
    data = (
        all_shown(lambda place: np.asanyarray(image.dataobj[(..., *place)]), counts, notes)
        if counts
        else np.asanyarray(image.dataobj)
    )
    plain = nib.Nifti1Image(as_numbers(data), image.affine)
    plain.header.set_sform(image.affine, 1)
    return plain
