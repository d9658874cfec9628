"""How a file stores a head changes neither where it is nor what it looks like."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.scanner import Scan
from bids_reid.surface.frame import FaceFrame, FieldOfView, find_frame
from bids_reid.surface.skin import Skin, extract_skin
from bids_reid.surface.volume import Volume, load_volume
from tests.support.artefacts import store
from tests.support.presets import scan_preset

SEED = 20
SPACING_MM = 1.5
SKIN_MM = 0.2
"""Measured: 0.04 mm with the coarse steps of a byte, 0.11 mm where the grid's axes are others."""
FRAME_MM, FRAME_DEGREES = 1.0, 1.0
UNORIENTED = 'the header gives no orientation: it was found from the shape of the head'


@cache
def scanned() -> Scan:
    """Return a head that lies askew, so that an orientation that is not read shows."""
    (person,) = draw_people(1, seed=SEED)
    return scan_preset('oblique', person, seed=[SEED, 0], spacing=SPACING_MM)


def measured(path: Path) -> tuple[Skin, FaceFrame, tuple[str, ...]]:
    volume = load_volume(path)
    skin = extract_skin(volume)
    frame = find_frame(skin.points, FieldOfView(volume.affine, volume.data.shape)).frame
    return skin, frame, volume.notes


@cache
def expected() -> tuple[Skin, FaceFrame]:
    """Return the skin and frame of the head without any file."""
    volume = Volume(scanned().data.astype(np.float32), scanned().affine, (SPACING_MM,) * 3)
    skin = extract_skin(volume)
    return skin, find_frame(skin.points, FieldOfView(volume.affine, volume.data.shape)).frame


def saved(
    folder: Path,
    data: NDArray[Any],
    affine: NDArray[np.floating],
    codes: tuple[int, int],
    scale: tuple[float, float] | None = None,
) -> Path:
    """Write numbers as they are; ``codes`` are those of qform and sform, 0 for none."""
    image = nib.Nifti1Image(data, None)
    image.header.set_zooms(np.linalg.norm(affine[:3, :3], axis=0))
    for code, put in zip(codes, (image.set_qform, image.set_sform), strict=True):
        put(affine if code else None, code)
    if scale is not None:
        image.header.set_slope_inter(*scale)
    path = folder / 'scan.nii'
    image.to_filename(path)
    header = nib.load(path).header
    assert (int(header['qform_code']), int(header['sform_code'])) == codes
    return path


def check(path: Path, motion: NDArray[np.floating], notes: tuple[str, ...]) -> None:
    """Moved by ``motion`` (4, 4), skin and frame are those of the plain file."""
    skin, frame, found = measured(path)
    plain, plain_frame = expected()
    points, origin = (
        here @ motion[:3, :3].T + motion[:3, 3] for here in (skin.points, frame.origin)
    )
    assert cKDTree(plain.points).query(points)[0].mean() < SKIN_MM
    assert np.linalg.norm(origin - plain_frame.origin) < FRAME_MM
    for axis, plain_axis in ((frame.forward, plain_frame.forward), (frame.up, plain_frame.up)):
        cosine = np.clip(motion[:3, :3] @ axis @ plain_axis, -1, 1)
        assert np.degrees(np.arccos(cosine)) < FRAME_DEGREES
    assert found == notes


@pytest.mark.parametrize('codes', [(1, 0), (0, 1), (1, 2)], ids=['qform', 'sform', 'both'])
def test_either_affine_is_enough(tmp_path: Path, codes: tuple[int, int]) -> None:
    """Converters write one of both; a head that is taken for unoriented may come out mirrored."""
    check(saved(tmp_path, scanned().data, scanned().affine, codes), np.eye(4), ())


@pytest.mark.parametrize('order', [(0, 1, 2), (1, 2, 0)], ids=['axial', 'sagittal'])
def test_without_an_affine_the_shape_of_the_head_tells(
    tmp_path: Path, order: tuple[int, int, int]
) -> None:
    """Analyze files and their like: looked at from wherever, they show no face."""
    # left-handed, as such files are read: nothing else could tell left from right
    stored = store(scanned(), order=order, flips=(0,))
    path = saved(tmp_path, stored.data, stored.affine, (0, 0))
    motion = stored.affine @ np.linalg.inv(nib.load(path).affine)
    assert np.linalg.det(motion) > 0
    check(path, motion, (UNORIENTED,))


@pytest.mark.parametrize(
    ('kind', 'slope', 'offset'),
    [
        ('u1', None, 0.0),
        ('u2', 0.05, -300.0),
        ('i2', -0.25, 500.0),
        ('f4', 1e-3, 0.0),
        ('f8', 2.5, 40.0),
    ],
)
def test_numbers_of_any_kind_are_read(
    tmp_path: Path, kind: str, slope: float | None, offset: float
) -> None:
    """Unsigned numbers wrap and scales are forgotten where a reader takes all for int16."""
    data = scanned().data.astype(float)
    slope = slope or data.max() / 255
    numbers = (data - offset) / slope
    if kind[0] in 'iu':
        numbers = numbers.round()
        limits = np.iinfo(kind)
        assert limits.min <= numbers.min()
        assert numbers.max() <= limits.max
    path = saved(tmp_path, numbers.astype(kind), scanned().affine, (1, 1), (slope, offset))
    assert nib.load(path).get_data_dtype() == np.dtype(kind)
    check(path, np.eye(4), ())
