"""Surfaces as GIFTI files."""

from __future__ import annotations

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
    arrays = [
        GiftiDataArray(points, 'NIFTI_INTENT_POINTSET', 'NIFTI_TYPE_FLOAT32', coordsys=scanner),
        GiftiDataArray(triangles, 'NIFTI_INTENT_TRIANGLE', 'NIFTI_TYPE_INT32'),
    ]
    nib.save(GiftiImage(darrays=arrays), path)


def read_surface(path: Path) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Read the points and triangles of a surface."""
    points, triangles = nib.load(path).agg_data(('pointset', 'triangle'))
    return points.astype(np.float32), triangles.astype(np.int32)
