"""Surfaces as STL, PLY and OBJ files.

VTK reads these, too, and ends the process where a file is cut short.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bids_reid.surface.mesh import Mesh
from bids_reid.surface.reading import DamagedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_STL = np.dtype([('normal', '<f4', 3), ('corners', '<f4', (3, 3)), ('more', '<u2')])
_PLY_TYPES = {
    name: kind
    for kind, names in {
        'i1': ('char', 'int8'),
        'u1': ('uchar', 'uint8'),
        'i2': ('short', 'int16'),
        'u2': ('ushort', 'uint16'),
        'i4': ('int', 'int32'),
        'u4': ('uint', 'uint32'),
        'f4': ('float', 'float32'),
        'f8': ('double', 'float64'),
    }.items()
    for name in names
}


class _Element(NamedTuple):
    """An element of a PLY file: its name, how many there are, and names and types of each.

    A type is one of numpy's, or two of a list: of its length and of what it holds.
    """

    name: str
    number: int
    properties: list[tuple[str, str, str | None]]


def read_stl(path: Path) -> Mesh:
    """Read an STL file, of text or not.

    Raises
    ------
    ValueError
        It is cut short, or something else.
    """
    content = path.read_bytes()
    count = int.from_bytes(content[80:84], 'little')
    if len(content) == 84 + count * _STL.itemsize:
        corners = np.frombuffer(content, _STL, count, 84)['corners'].reshape(-1, 3)
    else:
        if b'endsolid' not in content:
            raise DamagedError('the file ends before the surface is complete')
        lines = (line.split() for line in content.splitlines())
        rows = [line[1:4] for line in lines if line[:1] == [b'vertex']]
        corners = np.array(rows, np.float32).reshape(-1, 3)
    points, place = np.unique(corners, axis=0, return_inverse=True)
    return Mesh(points.astype(np.float32), place.reshape(-1, 3).astype(np.int32))


def read_obj(path: Path) -> Mesh:
    """Read points and polygons of an OBJ file.

    Raises
    ------
    ValueError
        It says something else.
    """
    points: list[list[bytes]] = []
    polygons: list[list[int]] = []
    for line in path.read_bytes().splitlines():
        words = line.split()
        if words[:1] == [b'v']:
            points.append(words[1:4])
        elif words[:1] == [b'f']:
            numbers = (int(word.partition(b'/')[0]) for word in words[1:])
            polygons.append([one - 1 if one > 0 else len(points) + one for one in numbers])
    return Mesh(np.array(points, np.float32).reshape(-1, 3), _triangles(polygons))


def read_ply(path: Path) -> Mesh:
    """Read points and polygons of a PLY file.

    Raises
    ------
    ValueError, KeyError
        It is cut short, or something else.
    """
    content = path.read_bytes()
    header, end, _ = content.partition(b'end_header')
    if not end:
        raise DamagedError('the header has no end')
    start = content.index(b'\n', len(header)) + 1
    kind, elements = _ply_header(header.decode('latin-1').splitlines())
    if kind == 'ascii':
        return _ply_text(content[start:].split(), elements)
    order = '<' if 'little' in kind else '>'
    points, triangles = np.empty((0, 3), np.float32), np.empty((0, 3), np.int32)
    for element in elements:
        if element.name == 'face':
            triangles, start = _ply_faces(content, start, element, order)
            break
        dtype = np.dtype([(name, order + one) for name, one, _ in element.properties])
        values = np.frombuffer(content, dtype, element.number, start)
        start += element.number * dtype.itemsize
        if element.name == 'vertex':
            points = np.stack([values[axis] for axis in 'xyz'], axis=1).astype(np.float32)
    return Mesh(points, triangles)


def _ply_header(lines: Sequence[str]) -> tuple[str, list[_Element]]:
    """Name of the encoding, and elements.

    Raises
    ------
    ValueError, KeyError
        It is damaged.
    """
    kind, elements = '', []
    for words in (line.split() for line in lines):
        if words[:1] == ['format']:
            kind = words[1]
        elif words[:1] == ['element']:
            elements.append(_Element(words[1], int(words[2]), []))
        elif words[:2] == ['property', 'list']:
            types = _PLY_TYPES[words[2]], _PLY_TYPES[words[3]]
            elements[-1].properties.append((words[4], *types))
        elif words[:1] == ['property']:
            elements[-1].properties.append((words[2], _PLY_TYPES[words[1]], None))
    if not all(element.properties and element.number >= 0 for element in elements):
        # as many as it likes to tell of take no byte, and for ever
        raise DamagedError('the header lists elements without properties')
    return kind, elements


def _ply_text(words: Sequence[bytes], elements: Sequence[_Element]) -> Mesh:
    place, rows, polygons = 0, [], []
    for element in elements:
        for _ in range(element.number):
            found: dict[str, list[float]] = {}
            for name, _, items in element.properties:
                length = int(words[place]) if items else 1
                place += 1 if items else 0
                found[name] = [float(word) for word in words[place : place + length]]
                if len(found[name]) < length:
                    raise DamagedError('the file ends before the surface is complete')
                place += length
            if element.name == 'vertex':
                rows.append([found[axis][0] for axis in 'xyz'])
            elif element.name == 'face':
                lists = [found[name] for name, _, items in element.properties if items]
                polygons.append([int(number) for number in lists[0]])
    return Mesh(np.array(rows, np.float32).reshape(-1, 3), _triangles(polygons))


def _ply_faces(
    content: bytes, start: int, element: _Element, order: str
) -> tuple[NDArray[np.int32], int]:
    """Read polygons; all at once if they are triangles."""
    fields: list[tuple[str, str] | tuple[str, str, int]] = []
    for name, one, items in element.properties:
        fields += [(f'{name} length', one), (name, items, 3)] if items else [(name, order + one)]
    dtype = np.dtype(fields).newbyteorder('<' if order == '<' else '>')
    lists = [name for name, _, items in element.properties if items]
    size = element.number * dtype.itemsize
    if len(lists) == 1 and len(content) >= start + size:
        values = np.frombuffer(content, dtype, element.number, start)
        if (values[f'{lists[0]} length'] == 3).all():
            return values[lists[0]].astype(np.int32), start + size
    polygons = []
    for _ in range(element.number):
        for _, one, items in element.properties:
            length = 1
            if items:
                length = int(np.frombuffer(content, order + one, 1, start)[0])
                start += np.dtype(one).itemsize
            numbers = np.frombuffer(content, order + (items or one), length, start)
            start += numbers.nbytes
            if items:
                polygons.append(numbers.astype(int).tolist())
    return _triangles(polygons), start


def _triangles(polygons: Iterable[Sequence[int]]) -> NDArray[np.int32]:
    """Cut polygons into triangles, from their first corner."""
    cut = [(one[0], here, there) for one in polygons for here, there in pairwise(one[1:])]
    return np.array(cut, np.int32).reshape(-1, 3)
