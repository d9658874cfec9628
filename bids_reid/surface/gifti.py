"""Surfaces as GIFTI files."""

from __future__ import annotations

import re
import zlib
from base64 import b64encode
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
from nibabel.gifti import GiftiCoordSystem, GiftiDataArray, GiftiImage

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


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
        return file.read().rstrip().endswith(b'</GIFTI>')


def read_surface(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Read the points and triangles of a surface."""
    points, triangles = nib.load(path).agg_data(('pointset', 'triangle'))
    return points.astype(np.float32), triangles.astype(np.int32)
