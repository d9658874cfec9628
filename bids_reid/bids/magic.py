"""Marks at the start of a file, by which its format is known."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from bids_reid.bids.formats import LFS, OTHER, POINTER, Content

if TYPE_CHECKING:
    from collections.abc import Callable

_PICTURES = (
    (0, b'\xff\xd8\xff', 'jpeg'),
    (0, b'\x89PNG\r\n\x1a\n', 'png'),
    (0, b'GIF87a', 'gif'),
    (0, b'GIF89a', 'gif'),
    (0, b'II*\0', 'tiff'),
    (0, b'MM\0*', 'tiff'),
    (0, b'II+\0', 'tiff'),
    (0, b'MM\0+', 'tiff'),
    (8, b'WEBP', 'webp'),
    (0, b'\0\0\0\x0cjP  ', 'jpeg 2000'),
    (0, b'\xff\x4f\xff\x51', 'jpeg 2000'),
    (0, b'8BPS', 'photoshop'),
)
_VIDEOS = (
    (8, b'AVI ', 'video'),
    (0, b'\x1a\x45\xdf\xa3', 'video'),
    (0, b'\0\0\x01\xba', 'video'),
    (0, b'\0\0\x01\xb3', 'video'),
    (0, b'FLV\x01', 'video'),
    (0, b'\x30\x26\xb2\x75\x8e\x66\xcf\x11', 'video'),
)
_VOLUMES = (
    (0, b'MATRIX7', 'ecat'),
    (0, b'CTF_MRI_FORMAT', 'ctf mri'),
    (0, b'glTF', 'scene'),
    (0, b'#VRML', 'scene'),
    (0, b'# vtk DataFile', 'vtk'),
    (0, b'# .PCD', 'scene'),
    (0, b'#!ascii', 'freesurfer surface'),
    (0, b'ply\n', 'ply'),
    (0, b'ply\r', 'ply'),
)
_ARCHIVES = (
    (0, b'7z\xbc\xaf\x27\x1c', 'archive'),
    (0, b'Rar!\x1a\x07', 'archive'),
    (0, b'\x28\xb5\x2f\xfd', 'archive'),
    (0, b'\x04\x22\x4d\x18', 'archive'),
    (0, b'\x1f\x9d', 'archive'),
    (0, b'LZIP\x01', 'archive'),
    (0, b'MSCF\0', 'archive'),
    (0, b'!<arch>\ndebian', 'archive'),
    (0, b'hsqs', 'archive'),
    (32769, b'CD001', 'archive'),
    # office files of old hold pictures where no mark shows them
    (0, b'\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1', 'document'),
    (0, b'%!PS', 'document'),
)
_OTHERS = (
    (0, b'mrtrix tracks', OTHER),
    (0, b'TRACK\0', OTHER),
    (0, b'MEG4', OTHER),
    (0, b'BIOSEMI', OTHER),
    (1, b'BIOSEMI', OTHER),
    (0, b'0       ', OTHER),
    (0, b'\x7fELF', OTHER),
    (0, b'wOFF', OTHER),
    (0, b'wOF2', OTHER),
    (0, b'OTTO\0', OTHER),
    (0, b'PAR1', OTHER),
    (0, b'ARROW1', OTHER),
    (8, b'WAVE', OTHER),
    (0, b'ID3', OTHER),
    (0, b'fLaC', OTHER),
    (0, b'\0\0\0\x01Bud1', OTHER),
    (0, b'\0\x05\x16\x07', OTHER),
)
_FIRST = ((0, b'#!ascii label', OTHER),)
"""Start of FreeSurfer label files, which begin like its surfaces."""
_MARKS = (*_FIRST, *_PICTURES, *_VIDEOS, *_VOLUMES, *_ARCHIVES, *_OTHERS)
_BY_PLACE: dict[tuple[int, int], dict[bytes, str]] = {}
for _offset, _mark, _format in _MARKS:
    _BY_PLACE.setdefault((_offset, len(_mark)), {})[_mark] = _format
_LARGEST_POINTER = 1 << 15
_STILL = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'mif1', b'msf1', b'avif', b'avis')


def by_marks(head: bytes, size: int | None) -> Content | None:
    """Recognise a format by its first bytes; ``None`` if it has no such mark.

    Parameters
    ----------
    head : bytes
        Start of the file, 64 kB of it if it is that long.
    size : int or None
        Of the whole file in bytes, ``None`` if it is not known.
    """
    for recognise in _RECOGNISERS:
        content = recognise(head, size)
        if content is not None:
            return content
    for (offset, length), formats in _BY_PLACE.items():
        format_ = formats.get(head[offset : offset + length])
        if format_ is not None and (offset != 8 or head.startswith(b'RIFF')):
            return Content(format_)
    return None


def _pointer(head: bytes, size: int | None) -> Content | None:
    """Files that stand for content elsewhere."""
    if len(head) > _LARGEST_POINTER or (size or 0) > _LARGEST_POINTER:
        return None
    if head.startswith(b'/annex/objects/'):
        line = head[:4096].partition(b'\n')[0].decode('utf-8', 'surrogateescape')
        return Content(POINTER, (line.rpartition('/')[2].strip(),))
    if head.startswith(b'version https://git-lfs.github.com/spec/'):
        oid = re.search(rb'^oid sha256:([0-9a-f]{64})', head, re.MULTILINE)
        length = re.search(rb'^size (\d+)', head, re.MULTILINE)
        if oid and length:
            return Content(POINTER, (f'SHA256-s{int(length[1])}--{oid[1].decode()}', LFS))
    return None


def _nifti(head: bytes, _size: int | None) -> Content | None:
    """NIfTI 1 and 2, and the headers of Analyze and its kin (SPM)."""
    if len(head) < 348:
        return None
    lengths = {struct.unpack(order, head[:4])[0] for order in ('<i', '>i')}
    if 540 in lengths and head[4:8] in (b'n+2\0', b'ni2\0'):
        return Content('nifti', _pair(head[4:5] + head[5:6]))
    if 348 not in lengths:
        return None
    if head[344:348] in (b'n+1\0', b'ni1\0'):
        return Content('nifti', _pair(head[344:346]))
    axes = {struct.unpack(order, head[40:42])[0] for order in ('<h', '>h')}
    if axes & set(range(1, 8)):
        return Content('analyze', _pair(b'ni'))
    return None


def _pair(magic: bytes) -> tuple[str, ...]:
    return ('{}.img', '{}.img.gz') if magic == b'ni' else ()


def _mgh(head: bytes, _size: int | None) -> Content | None:
    if len(head) < 90:
        return None
    version, *shape, kind, _ = struct.unpack('>7i', head[:28])
    plausible = version == 1 and all(0 < axis < 1_000_000 for axis in shape) and 0 <= kind <= 11
    return Content('mgh') if plausible else None


def _minc(head: bytes, _size: int | None) -> Content | None:
    """NetCDF: with axes in space it is MINC."""
    if not head.startswith((b'CDF\x01', b'CDF\x02', b'CDF\x05')):
        return None
    spatial = all(axis in head for axis in (b'xspace', b'yspace', b'zspace'))
    return Content('minc' if spatial else 'array')


def _dicom(head: bytes, _size: int | None) -> Content | None:
    """DICOM with a preamble, or one that starts with its first element."""
    if head[128:132] == b'DICM':
        return Content('dicom')
    explicit = head[4:6] in (b'UL', b'OB', b'UI', b'CS', b'SH', b'LO', b'DA', b'TM')
    if head[:2] in (b'\x02\0', b'\x08\0') and head[3:4] == b'\0' and explicit:
        return Content('dicom')
    if len(head) > 64 and head[:2] == b'\x08\0' and head[2:4] in _FIRST_ELEMENTS:
        length = struct.unpack('<I', head[4:8])[0]
        after = head[8 + length : 12 + length]
        # the next element is of the same group
        if length <= 256 and after[:2] == b'\x08\0' and after[2:4] > head[2:4]:
            return Content('dicom')
    return None


_FIRST_ELEMENTS = (b'\0\0', b'\x01\0', b'\x05\0', b'\x06\0', b'\x08\0', b'\x12\0', b'\x16\0')


def _surface(head: bytes, size: int | None) -> Content | None:
    """Surfaces of FreeSurfer; numbers per vertex have the same mark and another size."""
    mark = head[:3]
    if mark == b'\xff\xff\xfe':
        return Content('freesurfer surface')
    if mark not in (b'\xff\xff\xff', b'\xff\xff\xfd') or len(head) < 15:
        return None
    vertices, _, values = struct.unpack('>3i', head[3:15])
    if mark == b'\xff\xff\xff' and size == 15 + 4 * vertices * values:
        return Content(OTHER)
    return Content('freesurfer surface')


def _stl(head: bytes, size: int | None) -> Content | None:
    if len(head) < 84:
        return None
    triangles = struct.unpack('<I', head[80:84])[0]
    return Content('stl') if triangles and size == 84 + 50 * triangles else None


def _ftyp(head: bytes, _size: int | None) -> Content | None:
    """Films and pictures in the boxes of ISO: the brand tells them apart."""
    if head[:1] == b'\0' and head[4:8] in (b'moov', b'mdat', b'wide', b'free'):
        return Content('video')
    if head[4:8] != b'ftyp':
        return None
    if head[8:12] in _STILL:
        return Content('heif')
    if head[8:12] in (b'jp2 ', b'jpx ', b'jpm '):
        return Content('jpeg 2000')
    return Content(OTHER if head[8:12] in (b'M4A ', b'M4B ') else 'video')


def _bmp(head: bytes, size: int | None) -> Content | None:
    if head[:2] != b'BM' or len(head) < 26:
        return None
    header = struct.unpack('<I', head[14:18])[0]
    named = struct.unpack('<I', head[2:6])[0]
    return Content('bmp') if header in (12, 40, 52, 56, 64, 108, 124) or named == size else None


def _netpbm(head: bytes, _size: int | None) -> Content | None:
    start = rb'P([1-3]\n|[4-6][ \r\n])(\s|#[^\n]*\n)*\d+\s+\d+\s|P7\nWIDTH'
    return Content('netpbm') if re.match(start, head[:1024]) else None


def _ogg(head: bytes, _size: int | None) -> Content | None:
    if not head.startswith(b'OggS'):
        return None
    return Content('video' if b'theora' in head[:512] else OTHER)


def _stream(head: bytes, _size: int | None) -> Content | None:
    """MPEG transport streams have a mark every 188 bytes."""
    marks = head[: 5 * 188 : 188]
    return Content('video') if marks == b'G' * 5 else None


def _ctf(head: bytes, _size: int | None) -> Content | None:
    if not head.startswith(b'WS1_'):
        return None
    return Content('ctf mri' if b'_CTFMRI_' in head else OTHER)


def _font(head: bytes, _size: int | None) -> Content | None:
    font = head.startswith(b'\0\x01\0\0') and b'glyf' in head[:512] and b'cmap' in head[:512]
    return Content(OTHER) if font else None


def _egi(head: bytes, _size: int | None) -> Content | None:
    """Recordings of EGI (.raw): a version from 2 to 7, then a date."""
    if len(head) < 36:
        return None
    version, year, month, day = struct.unpack('>ihhh', head[:10])
    dated = 1980 <= year <= 2100 and 1 <= month <= 12 and 1 <= day <= 31
    return Content(OTHER) if 2 <= version <= 7 and dated else None


_RECOGNISERS: tuple[Callable[[bytes, int | None], Content | None], ...] = (
    *(_pointer, _nifti, _dicom, _mgh, _minc, _surface, _ftyp, _bmp, _netpbm, _ogg, _stream),
    *(_ctf, _font, _egi, _stl),
)
