"""Files of arrays: whether one of them is large enough in three axes for a head."""

from __future__ import annotations

import ast
import importlib
import re
import struct
import warnings
from typing import TYPE_CHECKING, Any, BinaryIO

from bids_reid.bids.formats import OTHER, Content

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LEAST = 32
"""Smallest number of samples along each of three axes that can show a face."""
_MAT4_BYTES = {0: 8, 1: 8, 10: 4, 20: 4, 30: 2, 40: 2, 50: 1, 51: 1}
_LARGEST_MAT = 1 << 27
"""Largest size in bytes, after decompression, up to which structures and cells are read."""
_MAT_HEADER, _MAT_PACKED = 128, 15
_ARRAY = Content('array')
_NONE = Content(OTHER)


def like_a_head(shape: tuple[int, ...]) -> bool:
    """Whether an array has at least three axes that are long enough."""
    return sum(axis >= LEAST for axis in shape) >= 3


def sniff_npy(head: bytes) -> Content:
    """Tell by the header of a .npy file."""
    shape = npy_shape(head)
    return _ARRAY if shape is None or like_a_head(shape) else _NONE


def npy_shape(head: bytes) -> tuple[int, ...] | None:
    """Read the shape from the start of a .npy file; ``None`` if it is not known."""
    found = re.search(rb'\{[^}]*\}', head[:4096])
    try:
        header = ast.literal_eval(found[0].decode('latin-1')) if found else {}
        shape = tuple(int(axis) for axis in header['shape'])
        # objects are whatever was pickled
        return None if 'O' in str(header['descr']) else shape
    except (ValueError, SyntaxError, KeyError, TypeError):
        return None


def sniff_mat(file: BinaryIO) -> Content:
    """Tell by the variables of a MATLAB 5 file, those in structures and cells, too."""
    try:
        from scipy.io import loadmat, whosmat
    except ImportError:
        return _ARRAY
    try:
        file.seek(0)
        found = whosmat(file)
        variables = [] if is_recording(name for name, *_ in found) else found
        if any(like_a_head(shape) for _, shape, _ in variables):
            return _ARRAY
        if all(kind not in ('struct', 'cell', 'object', 'unknown') for _, _, kind in variables):
            return _NONE
        if not _is_small(file):
            return _ARRAY
        file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            values = loadmat(file)
        return _ARRAY if any(_holds_a_head(value) for value in values.values()) else _NONE
    except Exception:  # noqa: BLE001
        # scipy raises many kinds of errors for damaged files
        return _ARRAY


def _is_small(file: BinaryIO) -> bool:
    """Whether a MATLAB 5 file is small enough to be read whole, unpacked as its variables are."""
    from bids_reid.surface.reading import unpacked_bytes

    left = _LARGEST_MAT - file.seek(0, 2)
    file.seek(_MAT_HEADER - 2)
    order = '<' if file.read(2) == b'IM' else '>'
    while left >= 0 and len(tag := file.read(8)) == 8:
        kind, length = struct.unpack(f'{order}2I', tag)
        next_one = file.tell() + length
        if kind == _MAT_PACKED:
            left -= unpacked_bytes(file.read(length), left)
        file.seek(next_one)
    return left >= 0


def is_recording(names: Iterable[str]) -> bool:
    """Whether variables are those of EEGLAB, whose channels, samples and trials are no volume."""
    known = set(names)
    return 'EEG' in known or {'nbchan', 'srate', 'chanlocs'} <= known


def is_mat4(head: bytes) -> bool:
    """Whether a file starts with a matrix of MATLAB 4: a type, a size and a name."""
    if len(head) < 24:
        return False
    kind, rows, columns, imaginary, length = struct.unpack('<5i', head[:20])
    named = 1 < length < 64 and re.fullmatch(rb'[A-Za-z]\w*\0', head[20 : 20 + length])
    return bool(named and kind in _MAT4_BYTES and imaginary in (0, 1) and min(rows, columns) >= 0)


def sniff_mat4(file: BinaryIO) -> Content:
    """Tell by the sizes of matrices of MATLAB 4, which have two axes and may be a volume in rows.

    Transforms of ANTs and tracts of DSI Studio are such files.
    """
    file.seek(0)
    while head := file.read(20 + 64):
        if not is_mat4(head):
            return _ARRAY
        kind, rows, columns, imaginary, length = struct.unpack('<5i', head[:20])
        if rows * columns >= LEAST**3:
            return _ARRAY
        size = rows * columns * _MAT4_BYTES[kind] * (1 + imaginary)
        file.seek(20 + length + size - len(head), 1)
    return _NONE


def _holds_a_head(value: Any) -> bool:
    """Whether an array is one, or has one in a field or cell."""
    stack = [value]
    while stack:
        one = stack.pop()
        shape, kind = getattr(one, 'shape', None), getattr(one, 'dtype', None)
        if shape is None or kind is None:
            continue
        if kind.hasobject:
            # a field of a structure, or a cell
            stack += [one[name] for name in kind.names] if kind.names else one.ravel().tolist()
        elif like_a_head(shape):
            return True
    return False


def sniff_hdf5(file: BinaryIO) -> Content:
    """Tell MINC 2 by its group, and other HDF5 by the shapes of its data."""
    try:
        h5py = importlib.import_module('h5py')
    except ImportError:
        file.seek(0)
        return Content('minc') if b'minc-2.0' in file.read(1 << 20) else _ARRAY
    try:
        with h5py.File(file, 'r') as content:
            if 'minc-2.0' in content:
                return Content('minc')
            volumes = any(like_a_head(shape) for shape in _shapes(content))
            return _ARRAY if volumes and not is_recording(content) else _NONE
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):
        return _ARRAY


def _shapes(content: Any) -> Iterator[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = []

    def add(_: str, item: Any) -> None:
        if getattr(item, 'shape', None) is not None:
            # objects and bytes may be anything, a file among them
            opaque = item.dtype.kind == 'V' and item.dtype.names is None
            shapes.append((LEAST,) * 3 if opaque else tuple(item.shape))

    content.visititems(add)
    yield from shapes
