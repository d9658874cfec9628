"""Where voxels lie: a header that contradicts itself gives a head of its true size, told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import voxel_sizes
from numpy.typing import NDArray

from bids_reid.surface.volume import Volume, load_volume
from bids_reid.surface.volume_files import read_volume

SIZES = (4.0, 3.0, 3.5)
SHAPE = (50, 70, 62)


def head() -> NDArray[np.int16]:
    """Return an ellipsoid of 3.6 litres in air."""
    at = (np.indices(SHAPE).T - (np.array(SHAPE) - 1) / 2) * SIZES
    inside = ((at / (75.0, 95.0, 120.0)) ** 2).sum(axis=-1).T < 1
    noise = np.random.default_rng(3).normal(0, 8, SHAPE)
    return np.asarray(900 * inside + np.abs(noise), np.int16)


def turned(degrees: float) -> NDArray[np.float64]:
    """Affine of the scanner, nodded."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    affine = np.eye(4)
    affine[1:3, 1:3] = [[cosine, -sine], [sine, cosine]]
    affine[:3, :3] = affine[:3, :3] * SIZES
    affine[:3, 3] = (-90, -100, -110)
    return affine


def written(
    folder: Path,
    *,
    sform: NDArray[np.float64] | None,
    sform_code: int,
    qform: NDArray[np.float64] | None = None,
    sizes: tuple[float, ...] = SIZES,
    kind: type[nib.Nifti1Image] = nib.Nifti1Image,
) -> Path:
    """Write a head with a header that says so."""
    image = kind(head(), None)
    header = image.header
    header['pixdim'][1:4] = sizes
    if qform is not None:
        header.set_qform(qform, 1, strip_shears=True)
    header['sform_code'] = sform_code
    if sform is not None:
        for row, name in enumerate(('srow_x', 'srow_y', 'srow_z')):
            header[name] = sform[row]
    path = folder / ('x.nii' if kind is nib.Nifti1Image else 'x.img')
    image.to_filename(path)
    return path


def stretched(affine: NDArray[np.float64], times: float) -> NDArray[np.float64]:
    return np.diag([times, times, times, 1.0]) @ affine


def sheared(affine: NDArray[np.float64], by: float) -> NDArray[np.float64]:
    shear = np.eye(4)
    shear[1, 2] = by
    return shear @ affine


@pytest.mark.parametrize(
    ('value', 'code'),
    [(0.0, 1), (np.nan, 1), (np.inf, 2), (0.0, 4)],
    ids=['zero', 'nan', 'inf', 'zero, template'],
)
@pytest.mark.filterwarnings('error')
def test_an_sform_that_cannot_be_gives_way_to_the_qform(
    tmp_path: Path, value: float, code: int
) -> None:
    """FSL and SPM read such files; a message for programmers helps nobody."""
    broken = np.full((4, 4), value)
    volume = load_volume(written(tmp_path, sform=broken, sform_code=code, qform=turned(20)))
    np.testing.assert_allclose(volume.affine, turned(20), atol=1e-3)
    assert volume.notes == ('the sform in the header is invalid: using its qform',)


def test_a_flat_sform_gives_way_too(tmp_path: Path) -> None:
    flat = turned(0)
    flat[:3, 2] = flat[:3, 1]
    volume = load_volume(written(tmp_path, sform=flat, sform_code=1, qform=turned(0)))
    np.testing.assert_allclose(volume.affine, turned(0), atol=1e-3)


def test_without_a_qform_the_voxel_sizes_are_left(tmp_path: Path) -> None:
    volume = load_volume(written(tmp_path, sform=np.zeros((4, 4)), sform_code=1))
    np.testing.assert_allclose(volume.spacing, SIZES)
    assert volume.notes[0] == 'the sform in the header is invalid: using its voxel sizes'
    assert 'header gives no orientation' in volume.notes[1]


@pytest.mark.parametrize('code', [1, 2, 3, 4])
@pytest.mark.parametrize('with_qform', [True, False])
def test_a_map_that_stretches_the_head_is_not_believed(
    tmp_path: Path, code: int, with_qform: bool
) -> None:
    """A head of ten litres fits no face, and one of 1.4 times the size is somebody else's."""
    path = written(
        tmp_path,
        sform=stretched(turned(10), 1.4),
        sform_code=code,
        qform=turned(10) if with_qform else None,
    )
    volume = load_volume(path)
    np.testing.assert_allclose(volume.spacing, SIZES, rtol=1e-4)
    (note,) = volume.notes
    used = 'the qform' if with_qform else 'the voxel sizes'
    assert note == (
        f'the sform in the header has voxels of 5.6 x 4.2 x 4.9 mm: using {used}, of 4 x 3 x 3.5 '
        'mm'
    )
    cosines = volume.affine[:3, :3] / voxel_sizes(volume.affine)
    np.testing.assert_allclose(cosines, turned(10)[:3, :3] / SIZES, atol=1e-3)


def test_a_sheared_map_to_a_template_is_not_believed(tmp_path: Path) -> None:
    path = written(tmp_path, sform=sheared(turned(10), 0.2), sform_code=4, qform=turned(10))
    volume = load_volume(path)
    np.testing.assert_allclose(volume.affine, turned(10), atol=1e-3)
    assert 'sheared: using the qform' in volume.notes[0]


def test_a_tilted_gantry_shears_for_real(tmp_path: Path) -> None:
    """Slices of a CT are shifted against each other, each in its place."""
    affine = turned(0)
    # slices 3.5 mm apart along their shift, as the voxel sizes say
    affine[:3, 2] = 3.5 * np.array([0, np.sin(0.3), np.cos(0.3)])
    volume = load_volume(written(tmp_path, sform=affine, sform_code=1, qform=turned(0)))
    np.testing.assert_allclose(volume.affine, affine, atol=1e-3)
    assert volume.notes == ('the sform in the header is sheared',)


def test_voxel_sizes_that_nobody_filled_in_are_not_believed(tmp_path: Path) -> None:
    """Programs that know the sform only leave ones: a head of 0.09 litres."""
    path = written(tmp_path, sform=turned(0), sform_code=2, sizes=(1.0, 1.0, 1.0))
    volume = load_volume(path)
    np.testing.assert_allclose(volume.spacing, SIZES)
    assert 'its voxel sizes are 1 x 1 x 1 mm: using the sform' in volume.notes[0]


def test_a_qform_that_no_head_fits_is_not_believed(tmp_path: Path) -> None:
    small = turned(0)
    small[:3, :3] /= 10
    path = written(
        tmp_path, sform=turned(0), sform_code=1, qform=small, sizes=tuple(np.array(SIZES) / 10)
    )
    volume = load_volume(path)
    np.testing.assert_allclose(volume.spacing, SIZES)


def test_headers_that_turn_the_head_two_ways_are_told(tmp_path: Path) -> None:
    """Left and right cannot be told by the shape of a head."""
    mirrored = turned(0) @ np.diag([-1, 1, 1, 1])
    volume = load_volume(written(tmp_path, sform=turned(0), sform_code=1, qform=mirrored))
    np.testing.assert_allclose(volume.affine, turned(0), atol=1e-3)
    assert 'disagree about the position of the head' in volume.notes[0]


def test_rotations_that_differ_by_little_are_nobodys_business(tmp_path: Path) -> None:
    """Registration of volumes to each other leaves such headers in every dataset."""
    volume = load_volume(written(tmp_path, sform=turned(8), sform_code=2, qform=turned(0)))
    np.testing.assert_allclose(volume.affine, turned(8), atol=1e-3)
    assert volume.notes == ()


@pytest.mark.parametrize('change', [lambda affine: stretched(affine, 1.4), np.zeros_like])
def test_pairs_are_placed_by_the_same_rule(
    tmp_path: Path, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> None:
    path = written(
        tmp_path, sform=change(turned(10)), sform_code=1, qform=turned(10), kind=nib.Nifti1Pair
    )
    volume = read_volume([path.with_suffix('.hdr'), path], 'nifti')
    np.testing.assert_allclose(volume.affine, turned(10), atol=1e-3)
    assert len(volume.notes) == 1


def test_the_head_has_its_true_size(tmp_path: Path) -> None:
    """What the issue saw: a head of 6.4 litres."""
    path = written(tmp_path, sform=stretched(turned(0), 1.4), sform_code=4, qform=turned(0))
    assert litres(load_volume(path)) == pytest.approx(3.58, rel=0.05)


def litres(volume: Volume) -> float:
    bright = volume.data > 0.5 * volume.data.max()
    return float(bright.sum() * np.prod(volume.spacing)) * 1e-6
