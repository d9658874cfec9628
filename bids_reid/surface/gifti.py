"""Surfaces as GIFTI files."""

from __future__ import annotations

import re
import zlib
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

import numpy as np
from nibabel.gifti import GiftiCoordSystem, GiftiDataArray, GiftiImage

from bids_reid.errors import ScanError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


LARGEST = 1 << 29
"""Bytes of a file, and of an array in it: a skin has some millions."""
_ARRAY = re.compile(rb'<DataArray\b(?P<start>[^>]*)>.*?<Data>(?P<data>[^<]*)</Data>', re.DOTALL)
_END = b'</GIFTI>'
_POINTS, _TRIANGLES = b'NIFTI_INTENT_POINTSET', b'NIFTI_INTENT_TRIANGLE'
_ATTRIBUTE = re.compile(rb'(\w+)="([^"]*)"')


def write_surface(path: Path, points: NDArray[np.float32], triangles: NDArray[np.int32]) -> None:
    """Write points (n, 3) in scanner RAS millimetres and triangles (m, 3)."""
    scanner = GiftiCoordSystem('NIFTI_XFORM_SCANNER_ANAT', 'NIFTI_XFORM_SCANNER_ANAT', np.eye(4))
    packed = 'GIFTI_ENCODING_B64GZ'
    # nibabel packs too, at a level that takes as long as half of the renders and gains nothing:
    # it gets no data
    arrays = [
        GiftiDataArray(
            points[:0], 'NIFTI_INTENT_POINTSET', 'NIFTI_TYPE_FLOAT32', packed, coordsys=scanner
        ),
        GiftiDataArray(triangles[:0], 'NIFTI_INTENT_TRIANGLE', 'NIFTI_TYPE_INT32', packed),
    ]
    for array, values in zip(arrays, (points, triangles), strict=True):
        array.dims = list(values.shape)
    # digits of coordinates do not repeat, so looking for repetitions gains 2% and takes longer
    content = iter(
        [_packed(points, zlib.Z_HUFFMAN_ONLY), _packed(triangles, zlib.Z_DEFAULT_STRATEGY)]
    )
    xml = GiftiImage(darrays=arrays).to_xml()
    path.write_bytes(re.sub(rb'(?<=<Data>)[^<]*', lambda _: next(content), xml))


def _packed(values: NDArray[np.generic], strategy: int) -> bytes:
    zipped = zlib.compressobj(level=1, strategy=strategy)
    return b64encode(zipped.compress(values.tobytes()) + zipped.flush())


def is_whole(path: Path) -> bool:
    """Whether a file ends as a surface does: one that is cut does not.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with path.open('rb') as file:
        file.seek(max(path.stat().st_size - 64, 0))
        return file.read().rstrip().endswith(_END)


def read_surface(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Read the points (n, 3) and triangles (m, 3) of a surface that `write_surface` wrote.

    Raises
    ------
    ScanError
        It is damaged, or another program's.
    """
    found = _read(path)
    return found[_POINTS].astype(np.float32), found[_TRIANGLES].astype(np.int32)


def read_points(path: Path) -> NDArray[np.float32]:
    """Read the points (n, 3) of a surface without its triangles, in half of the time.

    Raises
    ------
    ScanError
        The points are damaged, or another program's.
    """
    return _read(path, (_POINTS,))[_POINTS].astype(np.float32)


def _read(
    path: Path, intents: Sequence[bytes] = (_POINTS, _TRIANGLES)
) -> dict[bytes, NDArray[np.generic]]:
    """Read arrays of a surface by their intents; raise ScanError if they are none."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError('the file is larger than any surface')
        content = path.read_bytes()
        if not content.rstrip().endswith(_END):
            raise ValueError('it is cut')
        found = ((_told(one), one['data']) for one in _ARRAY.finditer(content))
        arrays = {
            told[b'Intent']: _values(told, data)
            for told, data in found
            if told[b'Intent'] in intents
        }
        _check(arrays[_POINTS], arrays[_TRIANGLES] if _TRIANGLES in intents else None)
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise ScanError(
            f'{path} is damaged: delete it and run the participant level again'
        ) from error
    return arrays


def _check(points: NDArray[np.generic], triangles: NDArray[np.generic] | None) -> None:
    """Find out whether arrays are a surface; raise ValueError otherwise."""
    if points.dtype.kind != 'f' or (triangles is not None and triangles.dtype.kind != 'i'):
        raise ValueError('its arrays are of other kinds')
    if not len(points) or not np.isfinite(points).all():
        raise ValueError('its points are no places')
    if triangles is None or not triangles.size:
        return
    if not (triangles.min() >= 0 and triangles.max() < len(points)):
        raise ValueError('a triangle has a corner that is no point')


def _told(found: re.Match[bytes]) -> dict[bytes, bytes]:
    """Return what an array says of itself."""
    return dict(_ATTRIBUTE.findall(found['start']))


def _values(told: Mapping[bytes, bytes], data: bytes) -> NDArray[np.generic]:
    """Return the content of an array, (n, 3), no longer than it says it is."""
    order = {b'LittleEndian': '<', b'BigEndian': '>'}[told[b'Endian']]
    kind = {b'NIFTI_TYPE_FLOAT32': 'f4', b'NIFTI_TYPE_INT32': 'i4'}[told[b'DataType']]
    n = int(told[b'Dim0'])
    size = n * 3 * 4
    ours = told[b'Encoding'] == b'GZipBase64Binary' and told[b'Dim1'] == b'3'
    if not ours or not 0 <= size <= LARGEST:
        raise ValueError('it was not written by bids_reid')
    zipped = zlib.decompressobj()
    unpacked = zipped.decompress(b64decode(data, validate=True), size + 1)
    if len(unpacked) != size or not zipped.eof:
        raise ValueError('the file is truncated, or longer than its header says')
    return np.frombuffer(unpacked, order + kind).reshape(n, 3)
