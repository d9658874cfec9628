"""Large fields of view: the head is looked for where it can be, or nobody says it was."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.errors import ScanError
from bids_reid.surface.parts import ALL, TOP
from bids_reid.surface.region import LARGEST_MM
from bids_reid.surface.volume import load_volume
from bids_reid.surface.volume_size import memory_gb, skin_memory_gb


def ellipsoids(
    shape: tuple[int, ...], spacing: float, *parts: tuple[tuple[float, ...], tuple[float, ...]]
) -> NDArray[np.int16]:
    """Bright ellipsoids: centre and half axes of each in millimetres."""
    rng = np.random.default_rng(1)
    data = np.abs(rng.normal(0, 10, shape))
    axes = np.ogrid[tuple(slice(0, length) for length in shape)]
    for centre, half in parts:
        away = sum(
            ((axis * spacing - middle) / size) ** 2
            for axis, middle, size in zip(axes, centre, half, strict=True)
        )
        data[away < 1] += 800
    return data.astype(np.int16)


def written(folder: Path, data: NDArray[np.int16], spacing: float) -> Path:
    path = folder / 'x.nii'
    nib.save(nib.Nifti1Image(data, np.diag([spacing, spacing, spacing, 1])), path)
    return path


HEAD = (72.0, 92.0, 110.0)


def test_a_head_in_a_wide_field_is_cut_out(tmp_path: Path) -> None:
    """Scanners for bodies scan heads, too."""
    data = ellipsoids((100, 100, 80), 7.0, ((200, 350, 280), HEAD))
    volume = load_volume(written(tmp_path, data, 7.0))
    assert (volume.spacing * volume.data.shape < LARGEST_MM).all()
    assert any(ALL in note for note in volume.notes)
    # in its place
    bright = np.argwhere(volume.data > 400).mean(axis=0)
    middle = volume.affine @ [*bright, 1]
    np.testing.assert_allclose(middle[:3], (200, 350, 280), atol=4)


def test_of_a_body_the_top_is_looked_at_and_said(tmp_path: Path) -> None:
    """A whole-body PET would take ten gigabytes."""
    parts = ((250, 250, 1550), HEAD), ((250, 250, 900), (200, 130, 560))
    data = ellipsoids((80, 80, 280), 6.2, *parts)
    volume = load_volume(written(tmp_path, data, 6.2))
    assert (volume.spacing * volume.data.shape)[2] < 600
    assert any(TOP in note for note in volume.notes)
    top = volume.affine @ [0, 0, volume.data.shape[2], 1]
    assert top[2] > 1650


def test_what_no_head_fits_is_refused_at_once(tmp_path: Path) -> None:
    """Voxels labelled 7.2 mm took two minutes and 8 GB, and gave a head of 1,500 litres."""
    data = ellipsoids((120, 120, 120), 1.0, ((60, 60, 60), (40, 50, 48)))
    path = written(tmp_path, data, 18.0)
    with pytest.raises(
        ScanError, match=r'x\.nii: by its header, the imaged object .* too large for a head'
    ):
        load_volume(path)


def test_a_usual_field_is_left_as_it_is(tmp_path: Path) -> None:
    data = ellipsoids((50, 50, 50), 5.0, ((120, 120, 120), HEAD))
    volume = load_volume(written(tmp_path, data, 5.0))
    np.testing.assert_array_equal(volume.data, data)
    assert volume.notes == ()


def test_memory_is_claimed_by_the_header(tmp_path: Path) -> None:
    """Eight heads of half a millimetre at once would end a machine of 16 GB."""
    path = written(tmp_path, np.zeros((40, 40, 40), np.int16), 1.0)
    assert skin_memory_gb(path) == 1.5
    half = memory_gb((512, 512, 512), np.full(3, 0.5), 2)
    assert 1.6 < half < 3
    assert memory_gb((880, 880, 640), np.full(3, 0.25), 2) > 2 * half
    path.write_bytes(b'no scan')
    assert skin_memory_gb(path) == 1.5
    assert skin_memory_gb(tmp_path / 'gone.nii.gz') == 1.5
