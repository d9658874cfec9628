"""Open volumes of any format as images of nibabel.

nibabel goes by names and extensions; here whoever asks says what a file is, by its content, so
that one that was renamed, or lies under the name of its key, is read all the same.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from bids_reid.errors import ScanError
from bids_reid.surface.all_volumes import as_numbers, places, with_more
from bids_reid.surface.text_headers import read_metaimage, read_mif, read_nrrd
from bids_reid.surface.volume import open_image, stored

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
_COMPRESSED = {b'\x1f\x8b': '.gz', b'BZ': '.bz2'}
_OPENERS: dict[bytes, Any] = {
    b'\x1f\x8b': gzip.open,
    b'BZ': bz2.open,
    b'\xfd7': lzma.open,
}
_TEXT_HEADERS = {'nrrd': read_nrrd, 'metaimage': read_metaimage, 'mrtrix': read_mif}
FORMATS = (*_EXTENSIONS, *_TEXT_HEADERS, 'afni')
"""Formats of volumes that there is a reader for."""


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
        raise ScanError(f'no reader for {header.name}: look at it yourself')
    try:
        if kind in _TEXT_HEADERS:
            return stored(_TEXT_HEADERS[kind](header), header.name)
        if kind == 'afni':
            return stored(_plain(nib.load(_afni_header(header))), header.name)
        with tempfile.TemporaryDirectory() as folder:
            name = _named(kind, header, files, Path(folder))
            image = open_image(name)
            if isinstance(image, nib.Cifti2Image):
                # values on surfaces, in a NIfTI file of five axes without a length
                image = nib.Nifti2Image.from_filename(name)
            colours = image.get_data_dtype().names is not None
            # its numbers are read while the names are there
            return stored(_plain(image) if colours or kind != 'nifti' else image, header.name)
    except ScanError:
        raise
    # a damaged file makes libraries raise whatever they meet first
    except Exception as error:
        text = f'cannot read {header.name}: {error or type(error).__name__}'
        raise ScanError(text.splitlines()[0]) from error


def _afni_header(header: Path) -> Path:
    """AFNI's header where its data lie beside it."""
    if not any(header.with_suffix(f'.BRIK{packed}').exists() for packed in ('', '.gz', '.bz2')):
        raise ScanError(f'{header.name}: its BRIK is not beside it: put it there')
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
    with header.open('rb') as file:
        opener = _OPENERS.get(file.read(2))
    with opener(header) if opener else header.open('rb') as content:
        start = content.read(348)
    return start[344:347] == b'ni1' or start[4:7] == b'ni2'


def _compressed(path: Path) -> str:
    with path.open('rb') as file:
        return _COMPRESSED.get(file.read(2), '')


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
    raise ScanError(f'{header.name}: its data are not beside it: put them there')


def _plain(image: nib.spatialimages.SpatialImage) -> nib.Nifti1Image:
    """Make an image whose first volume can be cut out and turned, whatever its format."""
    counts = image.shape[3:]
    first = np.asanyarray(image.dataobj[(..., *(0 for _ in counts))] if counts else image.dataobj)
    data = as_numbers(first)
    if counts and 0 not in counts:
        others = (np.asanyarray(image.dataobj[(..., *place)]) for place in places(counts))
        data, _ = with_more(first, others)
    plain = nib.Nifti1Image(data, image.affine)
    plain.header.set_sform(image.affine, 1)
    return plain
