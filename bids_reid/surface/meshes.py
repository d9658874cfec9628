"""Surfaces of any format: points and triangles in millimetres."""

from __future__ import annotations

import tempfile
import zlib
from base64 import b64decode
from pathlib import Path
from typing import TYPE_CHECKING
from xml.parsers import expat

import nibabel as nib
import numpy as np
import pyvista as pv

from bids_reid.errors import ScanError
from bids_reid.surface.gifti import LARGEST
from bids_reid.surface.mesh import Mesh, enclosed_litres
from bids_reid.surface.mesh_files import read_obj, read_ply, read_stl
from bids_reid.surface.reading import (
    DamagedError,
    Unpacked,
    opened,
    reading,
    some_bytes,
    unpacked_bytes,
)
from bids_reid.surface.skin import Skin

if TYPE_CHECKING:
    from numpy.typing import NDArray

EDGE_MM = 3.0
"""Longer edges are halved, because the comparison with a face needs points everywhere."""
MOST_TRIANGLES = 2_000_000
HEAD_MM = (90.0, 700.0)
"""A surface whose longest side lies between these counts in millimetres."""
UNITS = (('metres', 1e3), ('centimetres', 10.0), ('micrometres', 1e-3))
USUAL_MM = 250.0
"""Size to which a surface is scaled if no unit makes it as large as a head."""
_READERS = {'stl': read_stl, 'ply': read_ply, 'obj': read_obj}
_VTK = {b'PolyData': '.vtp', b'UnstructuredGrid': '.vtu'}
"""Contents of VTK's XML files, with the names by which they are known."""
FORMATS = ('gifti', 'freesurfer surface', *_READERS, 'vtk')
"""Formats of surfaces that can be read."""
_TRIANGLES = b'\xff\xff\xfe'
"""Signature of FreeSurfer's triangle surfaces."""


def read_mesh(path: Path, kind: str) -> Mesh | None:
    """Read points and triangles as the file has them; ``None`` of a file of values only.

    Parameters
    ----------
    path : Path
        The surface.
    kind : str
        Its format, of `FORMATS`.

    Raises
    ------
    ScanError
        It cannot be read, or has points but no triangles.
    OSError, MemoryError
        The machine refuses something: that is nothing about the file.
    """
    if kind not in FORMATS:
        raise ScanError(f'cannot read the format of {path.name}: inspect it yourself')
    with reading(path.name, path):
        if path.stat().st_size > LARGEST:
            raise DamagedError(
                'the file is larger than any surface of a head: inspect it yourself'
            )
        mesh = _read(path, kind)
    if mesh is None:
        return None
    if not len(mesh.triangles):
        raise ScanError(f'{path.name} has points but no triangles: inspect it yourself')
    if mesh.triangles.min() < 0 or mesh.triangles.max() >= len(mesh.points):
        raise ScanError(f'cannot read {path.name}: triangles without points')
    if not np.isfinite(mesh.points).all():
        raise ScanError(f'cannot read {path.name}: points that are not finite')
    return mesh


def _read(path: Path, kind: str) -> Mesh | None:
    if kind == 'gifti':
        return _read_gifti(path)
    if kind == 'freesurfer surface':
        _check_freesurfer(path)
        points, triangles = nib.freesurfer.read_geometry(path)[:2]
        return Mesh(points.astype(np.float32), triangles.astype(np.int32))
    if kind in _READERS:
        return _READERS[kind](path)
    return _read_vtk(path)


def _check_freesurfer(path: Path) -> None:
    """Find out whether a file of triangles is as long as its header says.

    Raises
    ------
    DamagedError
        It is shorter: as much memory as it tells of may not be there.
    """
    with path.open('rb') as file:
        if file.read(len(_TRIANGLES)) != _TRIANGLES:
            return
        # who made it, and when
        file.readline()
        file.readline()
        counts = [int.from_bytes(file.read(4), 'big', signed=True) for _ in range(2)]
        if min(counts) < 0 or path.stat().st_size - file.tell() < 3 * 4 * sum(counts):
            raise DamagedError('the file ends before the surface is complete')


def _read_vtk(path: Path) -> Mesh:
    """Surface of a file of VTK, old or of XML."""
    with path.open('rb') as file:
        start = file.read(4096)
    extension = next((end for mark, end in _VTK.items() if mark in start), '.vtk')
    with tempfile.TemporaryDirectory() as folder:
        name = Path(folder) / f'surface{".vtk" if start.startswith(b"# vtk") else extension}'
        name.symlink_to(path.absolute())
        found = pv.read(name)
    if not isinstance(found, pv.PolyData | pv.UnstructuredGrid):
        # its outer faces would be taken for a surface
        raise DamagedError('the file holds a volume in a format that cannot be read')
    surface = found if isinstance(found, pv.PolyData) else found.extract_surface()
    surface = surface.triangulate()
    points = np.array(surface.points, np.float32)
    return Mesh(points, np.array(surface.regular_faces, np.int32).reshape(-1, 3))


def _read_gifti(path: Path) -> Mesh | None:
    """All surfaces of a GIFTI file as one."""
    content = _unpacked(path)
    _check_arrays(content)
    image = nib.gifti.GiftiImage.from_bytes(content)
    points = image.get_arrays_from_intent('NIFTI_INTENT_POINTSET')
    triangles = image.get_arrays_from_intent('NIFTI_INTENT_TRIANGLE')
    if not points:
        return None
    starts = np.cumsum([0, *(len(array.data) for array in points)])
    joined = [array.data + start for array, start in zip(triangles, starts, strict=False)]
    return Mesh(
        np.concatenate([array.data for array in points]).astype(np.float32),
        np.concatenate([*joined, np.empty((0, 3))]).astype(np.int32),
    )


def _unpacked(path: Path) -> bytes:
    """Read a file, and unpack it if all of it is packed.

    Raises
    ------
    DamagedError
        It is too large, or has something behind what is packed.
    """
    with opened(path) as source:
        content = some_bytes(source, LARGEST + 1).getvalue()
        raw = getattr(source, 'raw', None)
        behind = raw.n_behind if isinstance(raw, Unpacked) else 0
    if len(content) > LARGEST:
        raise DamagedError('after decompression, the file is larger than any head')
    if behind:
        raise DamagedError(f'{behind:,} bytes follow the end of the compressed data')
    return content


def _check_arrays(content: bytes) -> None:
    """Find out how large the arrays of a GIFTI file are together before any is unpacked whole.

    Raises
    ------
    DamagedError
        They are larger than those of any head.
    """
    parts: list[str] = []
    n_bytes = 0

    def end(name: str) -> None:
        nonlocal n_bytes
        if name == 'Data':
            n_bytes += _bytes_of(''.join(parts), LARGEST - n_bytes)
        parts.clear()

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = lambda *_: parts.clear()
    parser.CharacterDataHandler = parts.append
    parser.EndElementHandler = end
    parser.Parse(content, True)


def _bytes_of(data: str, most: int) -> int:
    """Count the bytes of an array as it stands in a file, packed by zlib or not.

    Raises
    ------
    DamagedError
        They are more than ``most``.
    """
    try:
        n_bytes = unpacked_bytes(b64decode(data.encode('ascii')), most)
    except (ValueError, zlib.error):
        # numbers as text, or not packed, or damaged, which the reader tells
        n_bytes = len(data)
    if n_bytes > most:
        raise DamagedError('after decompression, the file is larger than any head')
    return n_bytes


def mesh_skin(mesh: Mesh) -> tuple[Skin, tuple[str, ...]]:
    """Take a mesh as a skin: in millimetres, with points all over.

    Returns
    -------
    skin : Skin
        Without noise or blur, which a surface does not have.
    notes : tuple of str
        What was done to it.
    """
    points, notes = _in_millimetres(mesh.points)
    dense = _dense(Mesh(points, mesh.triangles))
    litres = abs(enclosed_litres(dense))
    return Skin(dense.points, dense.triangles, 0.0, 0.0, litres), notes


def _in_millimetres(points: NDArray[np.float32]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Bring points to a size that a head has, whatever unit they count in."""
    longest = float(np.ptp(points, axis=0).max())
    low, high = HEAD_MM
    if low <= longest <= high or longest <= 0:
        return points, ()
    for name, times in UNITS:
        if low <= longest * times <= high:
            return points * np.float32(times), (f'sizes taken to be in {name}',)
    note = f'its longest side is {longest:.3g}, which fits no head: scaled to {USUAL_MM:g} mm'
    return points * np.float32(USUAL_MM / longest), (note,)


def _dense(mesh: Mesh) -> Mesh:
    """Halve edges until most are short."""
    while len(mesh.triangles) * 4 <= MOST_TRIANGLES:
        corners = mesh.points[mesh.triangles]
        edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
        if float(np.percentile(edges, 90)) <= EDGE_MM:
            break
        mesh = _halved(mesh)
    return mesh


def _halved(mesh: Mesh) -> Mesh:
    """Make four triangles of each, with new points in the middle of edges."""
    a, b, c = mesh.triangles.T
    ends = np.sort(np.concatenate([np.stack(edge, axis=1) for edge in ((a, b), (b, c), (c, a))]))
    # two numbers in one are sorted much faster
    keys, place = np.unique(
        ends.astype(np.int64) @ np.array([1 << 32, 1], np.int64), return_inverse=True
    )
    middles = (mesh.points[keys >> 32] + mesh.points[keys & 0xFFFFFFFF]) / 2
    ab, bc, ca = (place.reshape(3, -1) + len(mesh.points)).astype(np.int32)
    parts = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
    triangles = np.concatenate([np.stack(part, axis=1) for part in parts])
    return Mesh(np.concatenate([mesh.points, middles]).astype(np.float32), triangles)
