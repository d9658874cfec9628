"""DICOM: what makes a volume, what makes pictures, and what cannot be unpacked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEGLosslessSV1, generate_uid

from bids_reid.errors import ScanError
from bids_reid.surface.dicom import read_series
from tests.support.formats import dicom_file, write_dicom

OBLIQUE = np.array(
    [[1.9, 0.1, 0.3, -20.0], [-0.1, 2.9, 0.2, -50.0], [-0.2, -0.15, 1.5, -10.0], [0, 0, 0, 1]]
)


def numbers() -> np.ndarray:
    return (np.arange(12 * 14 * 16).reshape(12, 14, 16) * 2).astype(np.int16)


def affine() -> np.ndarray:
    """Return an oblique affine with axes at right angles."""
    turn, _ = np.linalg.qr(OBLIQUE[:3, :3])
    turn = turn * np.sign(np.diag(turn))
    whole = OBLIQUE.copy()
    whole[:3, :3] = turn * [2.0, 3.0, 1.5]
    return whole


def test_slices_are_put_in_the_order_in_which_they_lie(tmp_path: Path) -> None:
    """In the order of their names, a head is a heap of slices without a face."""
    volume = read_series(write_dicom(tmp_path, numbers(), affine())).volume
    assert volume is not None
    np.testing.assert_allclose(volume.data, numbers())
    np.testing.assert_allclose(volume.affine, affine(), atol=1e-3)


def test_of_several_times_the_first_is_taken(tmp_path: Path) -> None:
    """Slices of all times in one heap would be a head many times too long."""
    files = write_dicom(tmp_path, numbers(), affine())
    for path in list(files):
        again = pydicom.dcmread(path)
        again.InstanceNumber = int(again.InstanceNumber) + 100
        again.PixelData = bytes(len(again.PixelData))
        again.save_as(tmp_path / f'again-{path.name}')
        files.append(tmp_path / f'again-{path.name}')
    volume = read_series(sorted(files)).volume
    assert volume is not None
    np.testing.assert_allclose(volume.data, numbers())


def test_slices_of_another_plane_or_size_are_left_out(tmp_path: Path) -> None:
    """A localizer among the slices must not hide the volume."""
    files = write_dicom(tmp_path, numbers(), affine())
    other = dicom_file(np.zeros((30, 30), np.int16), generate_uid(), 1)
    other.ImagePositionPatient, other.ImageOrientationPatient = [0, 0, 0], [0, 1, 0, 0, 0, -1]
    other.PixelSpacing = [1, 1]
    other.save_as(tmp_path / '0.dcm', enforce_file_format=True)
    volume = read_series([tmp_path / '0.dcm', *files]).volume
    assert volume is not None
    np.testing.assert_allclose(volume.data, numbers())


def test_a_photograph_kept_as_dicom_is_a_picture(tmp_path: Path) -> None:
    """Scanners and archives keep photographs and screens so; they show faces as any other."""
    colours = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    dicom_file(colours, generate_uid(), 1).save_as(tmp_path / 'a.dcm', enforce_file_format=True)
    series = read_series([tmp_path / 'a.dcm'])
    assert series.volume is None
    np.testing.assert_array_equal(series.pictures[0], colours)


def test_an_enhanced_file_is_a_volume(tmp_path: Path) -> None:
    """Newer scanners write all slices into one file."""
    data, place = numbers(), affine()
    lps = np.diag([-1, -1, 1, 1]) @ place
    turn = lps[:3, :3] / [2.0, 3.0, 1.5]
    whole = dicom_file(data[..., 0].T, generate_uid(), 1)
    frames = []
    for number in range(data.shape[2]):
        plane, frame = pydicom.Dataset(), pydicom.Dataset()
        plane.ImagePositionPatient = [round(float(x), 6) for x in (lps @ [0, 0, number, 1])[:3]]
        frame.PlanePositionSequence = [plane]
        frames.append(frame)
    shared, axes, sizes = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    axes.ImageOrientationPatient = [round(float(x), 6) for x in (*turn[:, 0], *turn[:, 1])]
    sizes.PixelSpacing = [3.0, 2.0]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [axes], [sizes]
    whole.SharedFunctionalGroupsSequence, whole.PerFrameFunctionalGroupsSequence = [shared], frames
    whole.NumberOfFrames = data.shape[2]
    whole.RescaleSlope, whole.RescaleIntercept = 1, 0
    whole.PixelData = np.ascontiguousarray(data.T).astype('<i2').tobytes()
    whole.save_as(tmp_path / 'a.dcm', enforce_file_format=True)
    volume = read_series([tmp_path / 'a.dcm']).volume
    assert volume is not None
    np.testing.assert_allclose(volume.data, data)
    np.testing.assert_allclose(volume.affine, place, atol=1e-3)


def test_what_cannot_be_unpacked_is_named(tmp_path: Path) -> None:
    """Nobody looked at it: how it is packed tells a user what to convert."""
    one = dicom_file(np.zeros((30, 30), np.int16), generate_uid(), 1)
    one.PixelData = pydicom.encaps.encapsulate([b'\xff\xd8\xff\xc3' + bytes(100)])
    one.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    one['PixelData'].is_undefined_length = True
    one.save_as(tmp_path / 'a.dcm', enforce_file_format=True)
    with pytest.raises(ScanError, match=r'JPEG Lossless.*inspect it yourself'):
        read_series([tmp_path / 'a.dcm'])


def test_a_damaged_file_is_a_reason(tmp_path: Path) -> None:
    """A crash would leave the other images without a look."""
    (tmp_path / 'a.dcm').write_bytes(bytes(128) + b'DICM' + b'nonsense' * 40)
    with pytest.raises(ScanError):
        read_series([tmp_path / 'a.dcm'])
