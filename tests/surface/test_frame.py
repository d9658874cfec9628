"""Left is the participant's left, forward the face: every camera and light is placed by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_reid.surface.frame import VERTEX_TO_FACE_MM, FaceFrame, shape_frame
from bids_reid.surface.gifti import read_surface, write_surface


def cloud(centre: tuple[float, float, float]) -> np.ndarray:
    """An ellipsoid of points with a shifted neck below it, RAS millimetres."""
    rng = np.random.default_rng(3)
    ball = rng.normal(size=(20_000, 3))
    ball *= np.array([75, 95, 115]) / np.linalg.norm(ball, axis=1, keepdims=True)
    neck = rng.uniform([-50, -120, -220], [50, -20, -100], (4000, 3))
    return (np.concatenate([ball, neck]) + centre).astype(np.float32)


@pytest.mark.parametrize('centre', [(0, 0, 0), (25, -40, 300)])
def test_the_frame_is_in_the_middle_of_the_head_at_face_height(
    centre: tuple[float, float, float],
) -> None:
    """Otherwise the face leaves the picture when a head lies off centre, or a neck is seen."""
    frame = shape_frame(cloud(centre))
    expected = np.add(centre, (0, 0, 115 - VERTEX_TO_FACE_MM))
    np.testing.assert_allclose(frame.origin, expected, atol=6)


def test_one_stray_point_moves_nothing() -> None:
    points = cloud((0, 0, 0))
    stray = np.concatenate([points, np.float32([[300, 300, 160]])])
    np.testing.assert_allclose(shape_frame(stray).origin, shape_frame(points).origin, atol=0.5)


def test_axes_are_at_right_angles_and_right_handed() -> None:
    frame = shape_frame(cloud((0, 0, 0)))
    axes = np.stack([-frame.left, frame.forward, frame.up])
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1)
    # RAS: x grows to the participant's right, y forwards, z upwards
    np.testing.assert_allclose(frame.left, [-1, 0, 0])
    np.testing.assert_allclose(frame.forward, [0, 1, 0])
    np.testing.assert_allclose(frame.up, [0, 0, 1])


@pytest.mark.parametrize(
    ('azimuth', 'elevation', 'expected'),
    [
        (0, 0, (0, 1, 0)),
        (90, 0, (-1, 0, 0)),
        (-90, 0, (1, 0, 0)),
        (0, 90, (0, 0, 1)),
        (180, 0, (0, -1, 0)),
        (0, -30, (0, np.sqrt(3) / 2, -0.5)),
        (30, 0, (-0.5, np.sqrt(3) / 2, 0)),
        (90, 60, (-0.5, 0, np.sqrt(3) / 2)),
    ],
)
def test_angles_run_to_the_left_and_up(
    azimuth: float, elevation: float, expected: tuple[float, float, float]
) -> None:
    """Otherwise the views of the tables are mirrored."""
    frame = shape_frame(cloud((0, 0, 0)))
    direction = frame.direction(azimuth, elevation)
    np.testing.assert_allclose(direction, expected, atol=1e-12)


def test_directions_follow_a_turned_head() -> None:
    turned = FaceFrame(np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 0, 1.0]))
    np.testing.assert_allclose(turned.left, [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(turned.direction(90, 0), [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(turned.direction(33, -12)), 1)


def test_a_surface_comes_back_as_it_was(tmp_path: Path) -> None:
    """The file is what other programs, and the next step, see of the face."""
    import nibabel as nib

    points = cloud((1, 2, 3))[:5]
    triangles = np.array([[0, 1, 2], [2, 1, 3], [4, 0, 2]], np.int32)
    path = tmp_path / 'x.surf.gii'
    write_surface(path, points, triangles)
    again = read_surface(path)
    np.testing.assert_array_equal(again[0], points)
    np.testing.assert_array_equal(again[1], triangles)
    assert again[0].dtype == np.float32
    assert again[1].dtype == np.int32
    space = nib.load(path).get_arrays_from_intent('pointset')[0].coordsys
    assert nib.nifti1.xform_codes.niistring[space.dataspace] == 'NIFTI_XFORM_SCANNER_ANAT'
