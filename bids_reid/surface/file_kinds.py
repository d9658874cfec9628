"""What a file is, by its first bytes: names and extensions may be wrong, or an archive's."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

START = 4096
"""Bytes that are looked at."""
VOLUMES = (
    *('nifti', 'analyze', 'mgh', 'minc1', 'minc2', 'nrrd', 'metaimage', 'afni', 'mif'),
    *('ecat', 'parrec'),
)
MESHES = ('gifti', 'freesurfer surface', 'stl', 'ply', 'obj', 'vtk', 'vtp')
PICTURES = ('jpeg', 'png', 'tiff', 'gif', 'webp', 'bmp', 'heif', 'jpeg2000')
DOCUMENTS = ('svg', 'html', 'pdf', 'notebook', 'office')
_STARTS: tuple[tuple[bytes, str], ...] = (
    (b'\xff\xff\xfe', 'freesurfer surface'),
    (b'\xff\xff\xff', 'freesurfer surface'),
    (b'\xff\xff\xfd', 'freesurfer surface'),
    (b'NRRD000', 'nrrd'),
    (b'mrtrix image', 'mif'),
    (b'MATRIX7', 'ecat'),
    (b'# === DATA DESCRIPTION FILE', 'parrec'),
    (b'CDF\x01', 'minc1'),
    (b'CDF\x02', 'minc1'),
    (b'\xff\xd8\xff', 'jpeg'),
    (b'\x89PNG\r\n\x1a\n', 'png'),
    (b'II*\x00', 'tiff'),
    (b'MM\x00*', 'tiff'),
    (b'II+\x00', 'tiff'),
    (b'MM\x00+', 'tiff'),
    (b'GIF8', 'gif'),
    (b'BM', 'bmp'),
    (b'\x00\x00\x00\x0cjP  ', 'jpeg2000'),
    (b'\xff\x4f\xff\x51', 'jpeg2000'),
    (b'%PDF', 'pdf'),
    (b'ply\n', 'ply'),
    (b'ply\r', 'ply'),
    (b'solid', 'stl'),
    (b'# vtk DataFile', 'vtk'),
    (b'\x93NUMPY', 'array'),
    (b'MATLAB 5.0', 'array'),
    (b'PK\x03\x04', 'zip'),
    (b'PK\x05\x06', 'zip'),
    (b'7z\xbc\xaf', 'archive'),
    (b'Rar!', 'archive'),
    (b'\x1aE\xdf\xa3', 'video'),
    (b'FLV\x01', 'video'),
    (b'0&\xb2u\x8ef\xcf\x11', 'video'),
    (b'\x00\x00\x01\xba', 'video'),
    (b'\x00\x00\x01\xb3', 'video'),
    (b'\xd0\xcf\x11\xe0', 'old office'),
)
_HEIF = (b'heic', b'heix', b'hevc', b'mif1', b'msf1', b'avif', b'heim', b'heis')
_TEXTS: tuple[tuple[bytes, str], ...] = (
    (b'<gifti', 'gifti'),
    (b'polydata', 'vtp'),
    (b'<svg', 'svg'),
    (b'<html', 'html'),
    (b'<!doctype html', 'html'),
    (b'dataset_rank', 'afni'),
    (b'string-attribute', 'afni'),
    (b'elementdatafile', 'metaimage'),
    (b'ndims', 'metaimage'),
    (b'nbformat', 'notebook'),
    (b'"cells"', 'notebook'),
)
_CANNOT_UNPACK = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError)


def start_of(path: Path) -> bytes:
    """First bytes of a file; of a compressed one, of what it holds.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with path.open('rb') as file:
        start = file.read(START)
    for magic, opened in ((b'\x1f\x8b', gzip.open), (b'BZh', bz2.open), (b'\xfd7zXZ', lzma.open)):
        if start.startswith(magic):
            try:
                with opened(path) as content:
                    return bytes(content.read(START))
            except _CANNOT_UNPACK:
                return start
    return start


def family(path: Path) -> str:
    """Name what a file is: one of the names of this module, ``archive``, ``video``, ``unknown``.

    Raises
    ------
    OSError
        It cannot be read.
    """
    start = start_of(path)
    if start[128:132] == b'DICM':
        return 'dicom'
    found = _by_header(start) or next(
        (name for mark, name in _STARTS if start.startswith(mark)), ''
    )
    if start[257:262] == b'ustar':
        found = 'archive'
    if start.startswith(b'\x89HDF\r\n'):
        found = 'minc2' if _is_minc(path) else 'array'
    if start.startswith(b'RIFF'):
        found = 'webp' if start[8:12] == b'WEBP' else 'video'
    if start[4:8] == b'ftyp':
        found = 'heif' if start[8:12] in _HEIF else 'video'
    if found == 'zip':
        return 'office' if _is_office(path) else 'archive'
    return found or _by_text(start) or _by_extension(path, start)


def _by_header(start: bytes) -> str | None:
    """Tell the binary headers whose magic numbers are not at the beginning."""
    if len(start) >= 348:
        sizes = {struct.unpack(order, start[:4])[0] for order in ('<i', '>i')}
        if 540 in sizes and start[4:7] in (b'n+2', b'ni2'):
            return 'nifti'
        if 348 in sizes:
            return 'nifti' if start[344:347] in (b'n+1', b'ni1') else 'analyze'
    if start[:4] == b'\x00\x00\x00\x01' and len(start) >= 284:
        shape = struct.unpack('>4i', start[4:20])
        if all(0 < side < 1 << 20 for side in shape):
            return 'mgh'
    return None


def _by_text(start: bytes) -> str | None:
    text = start.lower()
    if b'\x00' in text.rstrip(b'\x00') and not text.lstrip().startswith((b'ndims', b'objecttype')):
        return None
    return next((name for mark, name in _TEXTS if mark in text), None)


def _by_extension(path: Path, start: bytes) -> str:
    """Tell what has no magic number."""
    extension = path.suffix.lower()
    if extension == '.stl' and len(start) >= 84:
        (count,) = struct.unpack('<I', start[80:84])
        if path.stat().st_size == 84 + 50 * count:
            return 'stl'
    lines = start.splitlines()
    if extension == '.obj' and any(line.startswith((b'v ', b'f ', b'vn ')) for line in lines):
        return 'obj'
    if extension in {'.dcm', '.ima', '.dicom'}:
        return 'dicom'
    return 'unknown'


def _is_minc(path: Path) -> bool:
    import h5py

    try:
        with h5py.File(path, 'r') as file:
            return 'minc-2.0' in file
    except (OSError, RuntimeError):
        return False


def _is_office(path: Path) -> bool:
    """Whether a ZIP file is a document of an office program."""
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(path) as file:
            names = file.namelist()
    except (OSError, BadZipFile, ValueError):
        return False
    roots = ('word/', 'ppt/', 'xl/', 'META-INF/manifest.xml')
    return '[Content_Types].xml' in names or (
        'mimetype' in names and any(name.startswith(roots) for name in names)
    )
