"""Volumes with a header of text: NRRD, MetaImage and MRtrix.

Their data follow the header or lie in another file of the same folder; no other folder is read.
"""

from __future__ import annotations

import io
import re
from math import prod
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

from bids_reid.errors import ScanError
from bids_reid.surface.reading import (
    MOST_HIDDEN,
    DamagedError,
    Unpacked,
    check_hidden,
    check_size,
    opened,
    some_bytes,
)

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
_MIF_END = b'\nEND'
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
_PACKED = {'gzip': 'gz', 'gz': 'gz', 'zlib': 'zlib', 'bzip2': 'bz2', 'bz2': 'bz2'}
_TEXTS = frozenset({'text', 'txt', 'ascii'})
_LONGEST_WORD = 64
"""Characters of a number and of what is between it and the next."""
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_nrrd(path: Path) -> nib.Nifti1Image:
    """Read a NRRD file, with its data inside or beside it.

    Raises
    ------
    ScanError
        It says something that is not understood.
    """
    lines, start = _split(path, b'\n')
    fields = _fields(lines[1:], ':')
    sizes = [int(size) for size in fields['sizes'].split()]
    kind = np.dtype(_known(_NRRD_TYPES, fields['type'].lower(), path))
    if fields.get('endian', 'little').lower() == 'big':
        kind = kind.newbyteorder('>')
    detached = fields.get('data file') or fields.get('datafile')
    where = (_beside(path, detached), 0) if detached else (path, start)
    if detached and int(fields.get('line skip', fields.get('lineskip', 0))):
        raise ScanError(f'{path.name}: cannot read a header with a line skip: inspect it yourself')
    encoding = fields.get('encoding', 'raw').lower()
    skip = int(fields.get('byte skip', fields.get('byteskip', 0)))
    data = _decoded(*where, encoding, kind, sizes, skip).reshape(sizes, order='F')
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
    lines, start = _split(path, b'ElementDataFile')
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
            f'{path.name}: cannot read a MetaImage with several data files: inspect it yourself'
        )
    source = (path, start) if where.upper() == 'LOCAL' else (_beside(path, where), 0)
    packed = fields.get('compresseddata', 'False').lower() == 'true'
    skip = int(fields.get('headersize', 0))
    values = _decoded(*source, 'zlib' if packed else 'raw', kind, [n_channels, *sizes], skip)
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
    with opened(path) as source:
        text, end, _ = some_bytes(source, _LONGEST_HEADER).getvalue().partition(_MIF_END)
    if not end:
        raise ScanError(f'{path.name}: the header has no end')
    lines = text.decode('latin-1').splitlines()[1:]
    fields = _fields(lines, ':')
    rows = [line.partition(':')[2] for line in lines if line.lower().startswith('transform:')]
    sizes = [int(size) for size in fields['dim'].split(',')]
    word = re.fullmatch(r'(int|uint|float)(8|16|32|64)(le|be)?', fields['datatype'].lower())
    if word is None:
        raise ScanError(f'{path.name}: cannot read numbers of type {fields["datatype"]}')
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
    data_file = path if name.strip() == '.' else _beside(path, name.strip())
    # in the same file the header counts, too
    start = min(int(offset), len(text) + len(_MIF_END)) if data_file == path else 0
    values = _decoded(data_file, start, None, kind, sizes, int(offset) - start)
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
    """Make an image, of all volumes; numbers that NIfTI does not have become such."""
    known = data.ndim > 3 and data.dtype.itemsize <= 4
    image = nib.Nifti1Image(data if known else np.asarray(data, np.float32), affine)
    image.header.set_sform(affine, 1)
    return image


def _split(path: Path, end: bytes) -> tuple[list[str], int]:
    """Lines of a header, which ends with an empty line or with a key, and where it ends."""
    with path.open('rb') as file:
        content = file.read(_LONGEST_HEADER)
    if end == b'\n':
        match = re.search(rb'\r?\n\r?\n', content)
        stop = match.end() if match else len(content)
    else:
        start = content.find(end)
        newline = content.find(b'\n', start)
        stop = newline + 1 if start >= 0 <= newline else len(content)
    return content[:stop].decode('latin-1').splitlines(), stop


def _fields(lines: Sequence[str], sign: str) -> dict[str, str]:
    """Key and value of each line, keys in lower case."""
    pairs = (line.partition(sign) for line in lines if not line.startswith('#'))
    return {key.strip().lower(): value.lstrip('=').strip() for key, _, value in pairs}


def _known(names: Mapping[str, str], name: str, path: Path) -> str:
    if name not in names:
        raise ScanError(f'{path.name}: cannot read numbers of type {name}')
    return names[name]


def _beside(path: Path, name: str) -> Path:
    """A file of the same folder."""
    if not name or name != name.replace('\\', '/').rpartition('/')[2]:
        name = name.removeprefix('./')
    if not name or '/' in name or '\\' in name or name == '..':
        raise ScanError(f'{path.name}: the data are in another folder: {name}')
    beside = path.with_name(name)
    if not beside.is_file():
        raise ScanError(f'{path.name}: the data file {name} is missing: put it in the same folder')
    return beside


def _decoded(
    path: Path,
    start: int,
    encoding: str | None,
    kind: np.dtype[np.generic],
    sizes: Sequence[int],
    skip: int,
) -> NDArray[np.generic]:
    """Unpack the numbers of a file, no further than they go.

    Parameters
    ----------
    start : int
        Where in the file they, or what they are packed in, begin.
    encoding : str or None
        How they are packed; ``None`` if the whole file is, if it is.
    sizes : sequence of int
        Lengths of the axes.
    skip : int
        Bytes before them, unpacked; -1 if they end the file.

    Raises
    ------
    ScanError
        Nobody knows how they are packed.
    DamagedError
        There are fewer than there should be, or many more bytes before or behind them.
    """
    if min(sizes, default=0) < 1:
        raise DamagedError(f'the header describes {" x ".join(map(str, sizes))} voxels')
    count = prod(sizes)
    check_size(count, kind.itemsize)
    n_bytes = count * kind.itemsize
    with _source(path, start, encoding) as source:
        if encoding in _TEXTS:
            words = some_bytes(source, _LONGEST_WORD * count).getvalue().split()
            return np.array(words[:count], float).astype(kind)
        if skip < 0:
            skip = path.stat().st_size - n_bytes - start
        # before it is unpacked
        check_hidden(skip)
        source.seek((0 if encoding in _PACKED else start) + skip)
        most = (1 + (encoding == 'hex')) * n_bytes + MOST_HIDDEN + 1
        content = some_bytes(source, most).getbuffer()
        if isinstance(raw := getattr(source, 'raw', None), Unpacked):
            check_hidden(raw.n_behind)
    if encoding == 'hex':
        content = memoryview(bytes.fromhex(bytes(content).decode('ascii')))
    if len(content) < n_bytes:
        raise DamagedError('the file ends before the data are complete')
    check_hidden(len(content) - n_bytes)
    return np.frombuffer(content, kind, count)


def _source(path: Path, start: int, encoding: str | None) -> io.BufferedIOBase:
    """What is packed in a file from a place on, or the file, at that place."""
    if encoding is None:
        return opened(path)
    if encoding in _PACKED:
        return io.BufferedReader(Unpacked(path, _PACKED[encoding], start))
    if encoding not in {'raw', 'hex', *_TEXTS}:
        raise ScanError(f'{path.name}: cannot read the encoding {encoding}: inspect it yourself')
    source = path.open('rb')
    source.seek(start)
    return source


def _floats(text: str | None, otherwise: NDArray[np.float64]) -> NDArray[np.float64]:
    return otherwise if not text else np.array([float(one) for one in text.split()])


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return float('nan')
