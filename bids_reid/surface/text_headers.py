"""Volumes with a header of text: NRRD, MetaImage and MRtrix.

Their data follow the header or lie in another file of the same folder; no other folder is read.
"""

from __future__ import annotations

import bz2
import gzip
import re
import zlib
from math import prod
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from bids_reid.errors import ScanError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_LONGEST_HEADER = 1 << 20
_NRRD_TYPES = {
    'signed char': 'i1',
    'int8': 'i1',
    'int8_t': 'i1',
    'char': 'i1',
    'uchar': 'u1',
    'unsigned char': 'u1',
    'uint8': 'u1',
    'uint8_t': 'u1',
    'short': 'i2',
    'short int': 'i2',
    'signed short': 'i2',
    'int16': 'i2',
    'int16_t': 'i2',
    'ushort': 'u2',
    'unsigned short': 'u2',
    'uint16': 'u2',
    'uint16_t': 'u2',
    'int': 'i4',
    'signed int': 'i4',
    'int32': 'i4',
    'int32_t': 'i4',
    'uint': 'u4',
    'unsigned int': 'u4',
    'uint32': 'u4',
    'uint32_t': 'u4',
    'longlong': 'i8',
    'long long': 'i8',
    'int64': 'i8',
    'int64_t': 'i8',
    'ulonglong': 'u8',
    'unsigned long long': 'u8',
    'uint64': 'u8',
    'uint64_t': 'u8',
    'float': 'f4',
    'double': 'f8',
}
_META_TYPES = {
    'MET_CHAR': 'i1',
    'MET_UCHAR': 'u1',
    'MET_SHORT': 'i2',
    'MET_USHORT': 'u2',
    'MET_INT': 'i4',
    'MET_UINT': 'u4',
    'MET_LONG': 'i4',
    'MET_ULONG': 'u4',
    'MET_LONG_LONG': 'i8',
    'MET_ULONG_LONG': 'u8',
    'MET_FLOAT': 'f4',
    'MET_DOUBLE': 'f8',
}
_MIF_TYPES = {'int': 'i', 'uint': 'u', 'float': 'f'}
_RIGHT_HANDED = {
    'right': (1, 0),
    'left': (-1, 0),
    'anterior': (1, 1),
    'posterior': (-1, 1),
    'superior': (1, 2),
    'inferior': (-1, 2),
    'r': (1, 0),
    'l': (-1, 0),
    'a': (1, 1),
    'p': (-1, 1),
    's': (1, 2),
    'i': (-1, 2),
}
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_nrrd(path: Path) -> nib.Nifti1Image:
    """Read a NRRD file, with its data inside or beside it.

    Raises
    ------
    ScanError
        It says something that is not understood.
    """
    lines, rest = _split(path, b'\n')
    fields = _fields(lines[1:], ':')
    sizes = [int(size) for size in fields['sizes'].split()]
    kind = np.dtype(_known(_NRRD_TYPES, fields['type'].lower(), path))
    if fields.get('endian', 'little').lower() == 'big':
        kind = kind.newbyteorder('>')
    detached = fields.get('data file') or fields.get('datafile')
    content = _beside(path, detached).read_bytes() if detached else rest
    if detached and int(fields.get('line skip', fields.get('lineskip', 0))):
        raise ScanError(f'{path.name}: no reader for its line skip: look at it yourself')
    encoding = fields.get('encoding', 'raw').lower()
    skip = int(fields.get('byte skip', fields.get('byteskip', 0)))
    data = _decoded(content, encoding, kind, prod(sizes), path, skip).reshape(sizes, order='F')
    return _nrrd_image(data, fields)


def _nrrd_image(data: NDArray[np.generic], fields: Mapping[str, str]) -> nib.Nifti1Image:
    """Place the data of a NRRD file; axes without a direction in space go last."""
    spacings = [_number(word) for word in fields.get('spacings', '').split()]
    directions = _vectors(fields.get('space directions', ''))
    if directions:
        spatial = [axis for axis, vector in enumerate(directions) if vector is not None]
    elif fields.get('kinds'):
        kinds = fields['kinds'].lower().split()
        spatial = [n for n, kind in enumerate(kinds) if kind in {'domain', 'space'}]
    else:
        spatial = [n for n, size in enumerate(spacings) if np.isfinite(size)]
    spatial = (spatial or list(range(data.ndim)))[:3]
    others = [axis for axis in range(data.ndim) if axis not in spatial]
    affine = np.eye(4)
    for column, axis in enumerate(spatial):
        vector = directions[axis] if directions else None
        if vector is not None:
            affine[: len(vector), column] = vector
        elif axis < len(spacings) and np.isfinite(spacings[axis]):
            affine[column, column] = spacings[axis]
    origin = next(iter(_vectors(fields.get('space origin', ''))), None)
    if origin is not None:
        affine[: len(origin), 3] = origin
    return _image(data.transpose(*spatial, *others), _to_ras(fields.get('space', '')) @ affine)


def _to_ras(space: str) -> NDArray[np.float64]:
    """Turn the axes of a space of NRRD to RAS; one that is not named counts as LPS."""
    words = space.lower().replace('_', '-').split('-')
    if len(words) == 1 and 3 <= len(words[0]) <= 4 and set(words[0]) <= set('rlapsit'):
        words = list(words[0])
    turn = np.zeros((4, 4))
    turn[3, 3] = 1.0
    for column, word in enumerate(words[:3]):
        if word not in _RIGHT_HANDED:
            return _LPS
        sign, row = _RIGHT_HANDED[word]
        turn[row, column] = sign
    return turn if abs(np.linalg.det(turn)) > 0.5 else _LPS


def _vectors(text: str) -> list[list[float] | None]:
    """Vectors of NRRD: ``(1,0,0) none (0,1,0)``."""
    words = re.findall(r'\([^)]*\)|none', text)
    return [
        None if word == 'none' else [float(one) for one in word.strip('()').split(',')]
        for word in words
    ]


def read_metaimage(path: Path) -> nib.Nifti1Image:
    """Read a MetaImage file (mha, mhd).

    Raises
    ------
    ScanError
        It says something that is not understood.
    """
    lines, rest = _split(path, b'ElementDataFile')
    fields = _fields(lines, '=')
    sizes = [int(size) for size in fields['dimsize'].split()]
    n_channels = int(fields.get('elementnumberofchannels', 1))
    kind = np.dtype(_known(_META_TYPES, fields['elementtype'].upper(), path))
    order = fields.get('elementbyteordermsb', fields.get('binarydatabyteordermsb', 'False'))
    if order.lower() == 'true':
        kind = kind.newbyteorder('>')
    where = fields['elementdatafile']
    if where.upper().startswith('LIST') or '%' in where:
        raise ScanError(
            f'{path.name}: no reader for a MetaImage of many files: look at it yourself'
        )
    content = rest if where.upper() == 'LOCAL' else _beside(path, where).read_bytes()
    packed = fields.get('compresseddata', 'False').lower() == 'true'
    wanted = prod(sizes) * n_channels
    skip = int(fields.get('headersize', 0))
    values = _decoded(content, 'zlib' if packed else 'raw', kind, wanted, path, skip)
    data = values.reshape([n_channels, *sizes], order='F')
    data = np.moveaxis(data, 0, -1) if n_channels > 1 else data[0]
    n = len(sizes)
    spacing = _floats(fields.get('elementspacing') or fields.get('elementsize'), np.ones(n))
    matrix = fields.get('transformmatrix') or fields.get('rotation') or fields.get('orientation')
    turn = _floats(matrix, np.eye(n).ravel()).reshape(n, n).T
    origin = _floats(
        fields.get('offset') or fields.get('position') or fields.get('origin'), np.zeros(n)
    )
    affine, m = np.eye(4), min(n, 3)
    affine[:m, :m], affine[:m, 3] = (turn * spacing)[:m, :m], origin[:m]
    return _image(data, _LPS @ affine)


def read_mif(path: Path) -> nib.Nifti1Image:
    """Read an image of MRtrix (mif, mih).

    Raises
    ------
    ScanError
        It says something that is not understood.
    """
    content = _unpacked(path)
    text, end, _ = content[:_LONGEST_HEADER].partition(b'\nEND')
    if not end:
        raise ScanError(f'{path.name}: its header has no end')
    lines = text.decode('latin-1').splitlines()[1:]
    fields = _fields(lines, ':')
    rows = [line.partition(':')[2] for line in lines if line.lower().startswith('transform:')]
    sizes = [int(size) for size in fields['dim'].split(',')]
    word = re.fullmatch(r'(int|uint|float)(8|16|32|64)(le|be)?', fields['datatype'].lower())
    if word is None:
        raise ScanError(f'{path.name}: no reader for numbers of type {fields["datatype"]}')
    kind = np.dtype(f'{">" if word[3] == "be" else "<"}{_MIF_TYPES[word[1]]}{int(word[2]) // 8}')
    name, _, offset = (
        fields['file'].strip().rpartition(' ')
        if ' ' in fields['file']
        else (
            fields['file'],
            '',
            '0',
        )
    )
    data_bytes = content if name.strip() == '.' else _unpacked(_beside(path, name.strip()))
    values = np.frombuffer(data_bytes, kind, prod(sizes), int(offset))
    data = _in_layout(values, sizes, fields['layout'].split(','))
    spacing = np.nan_to_num([_number(one) for one in fields['vox'].split(',')[:3]], nan=1.0)
    affine = np.eye(4)
    if len(rows) >= 3:
        affine[:3] = [[float(one) for one in row.split(',')] for row in rows[:3]]
    affine[:3, :3] = affine[:3, :3] * spacing
    return _image(data, affine)


def _in_layout(
    values: NDArray[np.generic], sizes: Sequence[int], layout: Sequence[str]
) -> NDArray[np.generic]:
    """Put numbers in order that lie as MRtrix' ``layout`` says: ``-0,+1,+2``."""
    ranks = [int(one.strip().lstrip('+-')) for one in layout]
    order = list(np.argsort(ranks))
    data = values.reshape([sizes[axis] for axis in order], order='F')
    data = data.transpose(np.argsort(order))
    turned: Any = tuple(slice(None, None, -1 if one.strip()[0] == '-' else 1) for one in layout)
    return np.asarray(data[turned])


def _image(data: NDArray[np.generic], affine: NDArray[np.float64]) -> nib.Nifti1Image:
    first: Any = (..., *(0 for _ in data.shape[3:]))
    image = nib.Nifti1Image(np.asarray(data[first], np.float32), affine)
    image.header.set_sform(affine, 1)
    return image


def _split(path: Path, end: bytes) -> tuple[list[str], bytes]:
    """Lines of a header, which ends with an empty line or with a key, and the data after it."""
    content = path.read_bytes()
    if end == b'\n':
        match = re.search(rb'\r?\n\r?\n', content[:_LONGEST_HEADER])
        stop = match.end() if match else len(content)
    else:
        start = content[:_LONGEST_HEADER].find(end)
        newline = content.find(b'\n', start)
        stop = newline + 1 if start >= 0 <= newline else len(content)
    return content[:stop].decode('latin-1').splitlines(), content[stop:]


def _fields(lines: Sequence[str], sign: str) -> dict[str, str]:
    """Key and value of each line, keys in lower case."""
    pairs = (line.partition(sign) for line in lines if not line.startswith('#'))
    return {key.strip().lower(): value.lstrip('=').strip() for key, _, value in pairs}


def _known(names: Mapping[str, str], name: str, path: Path) -> str:
    if name not in names:
        raise ScanError(f'{path.name}: no reader for numbers of type {name}')
    return names[name]


def _beside(path: Path, name: str) -> Path:
    """A file of the same folder."""
    if not name or name != name.replace('\\', '/').rpartition('/')[2]:
        name = name.removeprefix('./')
    if not name or '/' in name or '\\' in name or name == '..':
        raise ScanError(f'{path.name}: its data lie in another folder: {name}')
    beside = path.with_name(name)
    if not beside.is_file():
        raise ScanError(f'{path.name}: its data are not beside it: {name}')
    return beside


def _decoded(
    content: bytes,
    encoding: str,
    kind: np.dtype[np.generic],
    count: int,
    path: Path,
    skip: int,
) -> NDArray[np.generic]:
    """Unpack ``count`` numbers; ``skip`` bytes come before them, -1 if they end the data.

    Raises
    ------
    ScanError
        There are fewer than there should be, or nobody knows how they are packed.
    """
    if encoding in {'gzip', 'gz'}:
        content = gzip.decompress(content)
    elif encoding == 'zlib':
        content = zlib.decompress(content)
    elif encoding in {'bzip2', 'bz2'}:
        content = bz2.decompress(content)
    elif encoding in {'text', 'txt', 'ascii'}:
        return np.array(content.split()[:count], float).astype(kind)
    elif encoding == 'hex':
        content = bytes.fromhex(content.decode('ascii'))
    elif encoding != 'raw':
        raise ScanError(f'{path.name}: no reader for its encoding {encoding}: look at it yourself')
    start = len(content) - count * kind.itemsize if skip < 0 else skip
    if start < 0 or len(content) < start + count * kind.itemsize:
        raise ScanError(f'cannot read {path.name}: it ends before its data do')
    return np.frombuffer(content, kind, count, start)


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if content.startswith(b'\x1f\x8b') else content


def _floats(text: str | None, otherwise: NDArray[np.float64]) -> NDArray[np.float64]:
    return otherwise if not text else np.array([float(one) for one in text.split()])


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float('nan')
