"""Surfaces as GIFTI files."""

from __future__ import annotations

import re
import zlib
from base64 import b64decode, b64encode
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
    plain = 'GIFTI_ENCODING_B64BIN'
    arrays = [
        GiftiDataArray(
            points, 'NIFTI_INTENT_POINTSET', 'NIFTI_TYPE_FLOAT32', plain, coordsys=scanner
        ),
        GiftiDataArray(triangles, 'NIFTI_INTENT_TRIANGLE', 'NIFTI_TYPE_INT32', plain),
    ]
    path.write_bytes(_compressed(GiftiImage(darrays=arrays).to_xml()))


def _compressed(xml: bytes) -> bytes:
    """Compress the arrays of a GIFTI file.

    nibabel does it too, at a level that takes as long as half of the renders and gains nothing.
    """
    packed = re.sub(
        rb'(?<=<Data>)[^<]+',
        lambda data: b64encode(zlib.compress(b64decode(data[0]), level=1)),
        xml,
    )
    return packed.replace(b'"Base64Binary"', b'"GZipBase64Binary"')


def read_surface(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Read the points and triangles of a surface."""
    points, triangles = nib.load(path).agg_data(('pointset', 'triangle'))
    return points.astype(np.float32), triangles.astype(np.int32)
