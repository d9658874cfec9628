"""The face frame follows the head: otherwise each scan's face is seen from elsewhere."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.phantom.anatomy import ASLEEP
from bids_reid.phantom.head_shape import head_mesh
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.scanner import Pose
from bids_reid.surface.frame import ORIGIN_MM, FaceFrame, FieldOfView, find_frame

DEGREES = 3.0
MILLIMETRES = 4.0


@cache
def skin() -> NDArray[np.float32]:
    """The skin of somebody who is not the average, head coordinates."""
    (person,) = draw_people(1, seed=5)
    return head_mesh(person, ASLEEP, spacing=2.5)[0]


@cache
def straight() -> FaceFrame:
    return find_frame(skin(), everything()).frame


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> FieldOfView:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = np.add(low, 1)
    return FieldOfView(affine, tuple(int(n) for n in np.subtract(high, low) // 2))


def everything() -> FieldOfView:
    return box((-300, -300, -300), (300, 300, 300))


def assert_follows(frame: FaceFrame, world: NDArray[np.float64], scale: float = 1.0) -> None:
    expected = straight()
    turn = world[:3, :3] / scale
    axes = [np.stack([-f.left, f.forward, f.up], axis=1) for f in (frame, expected)]
    cosine = (np.trace(axes[0].T @ turn @ axes[1]) - 1) / 2
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))) < DEGREES
    there = world[:3, :3] @ expected.origin + world[:3, 3]
    assert np.linalg.norm(frame.origin - there) < MILLIMETRES
    assert frame.scale == pytest.approx(scale * expected.scale, rel=0.03)


def moved(points: NDArray[np.float32], world: NDArray[np.float64]) -> NDArray[np.float32]:
    return (points @ world[:3, :3].T + world[:3, 3]).astype(np.float32)


def test_a_straight_head_is_framed_as_by_its_shape() -> None:
    """Otherwise the cameras, which were chosen for that, would cut or shrink the face."""
    frame = straight()
    np.testing.assert_allclose(frame.origin, ORIGIN_MM, atol=4)
    assert frame.forward[1] > np.cos(np.radians(4))
    assert frame.up[2] > np.cos(np.radians(4))
    assert frame.scale == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    'pose',
    [
        Pose((25, 0, 0)),
        Pose((-25, 0, 0)),
        Pose((0, 25, 0)),
        Pose((0, 0, -25)),
        Pose((25, -25, 25), (40, -40, 40)),
    ],
)
def test_the_frame_follows_a_tilted_head(pose: Pose) -> None:
    """Otherwise somebody who nods in the scanner is not recognised, and counts as safe."""
    world = pose.to_world()
    found = find_frame(moved(skin(), world), everything())
    assert_follows(found.frame, world)
    assert found.source == 'face'
    assert found.face.agrees


def test_a_child_fills_the_picture_as_an_adult_does() -> None:
    """Otherwise small heads are rendered with fewer pixels a face."""
    world = np.diag([0.75, 0.75, 0.75, 1.0])
    assert_follows(find_frame(moved(skin(), world), everything()).frame, world, 0.75)


@pytest.mark.parametrize(('end', 'agrees'), [(18, False), (0, True), (-44, True), (-65, True)])
def test_the_end_of_the_field_of_view_pulls_nothing(end: float, agrees: bool) -> None:
    """Brow, eyes, nose, lips: the flat section through the head is no skin."""
    head = skin()
    above = head[head[:, 2] > end]
    across = head[(head[:, 2] > end) & (head[:, 2] < end + 3)]
    # the section, filled: rings of the contour drawn together
    middle = across.mean(axis=0)
    rings = [middle + part * (across - middle) for part in np.linspace(0, 1, 9)]
    cap = np.concatenate(rings) * [1, 1, 0] + [0, 0, end]
    view = box((-150, -250, end), (150, 150, 200))
    found = find_frame(np.concatenate([above, cap.astype(np.float32)]), view)
    assert_follows(found.frame, np.eye(4))
    assert (found.face.agrees, found.face.departs) == (agrees, not agrees)
    assert found.source == 'face'
    assert found.face.in_view < 0.8


def test_a_cap_of_the_skull_is_framed_by_its_shape() -> None:
    """A ball fits a ball in any orientation: upright is the better guess."""
    head = skin()
    above = head[head[:, 2] > 45]
    found = find_frame(above, box((-150, -250, 45), (150, 150, 200)))
    assert found.source == 'shape'
    assert found.face.departs
    assert found.face.behind_mm is None
    np.testing.assert_allclose(found.frame.up, [0, 0, 1])


def test_a_nose_beyond_the_field_of_view_is_not_missed() -> None:
    """Otherwise a field of view that is a little short makes a face a defaced one."""
    head = skin()
    found = find_frame(head[head[:, 1] < 20], box((-150, -250, -200), (150, 20, 150)))
    assert_follows(found.frame, np.eye(4))
    assert not found.face.departs


def test_shoulders_and_a_cushion_pull_nothing() -> None:
    rng = np.random.default_rng(1)
    shoulders = rng.uniform([-200, -180, -260], [200, -20, -170], (6000, 3))
    cushion = rng.uniform([-110, -190, -110], [110, -175, 70], (6000, 3))
    points = np.concatenate([skin(), shoulders, cushion]).astype(np.float32)
    assert_follows(find_frame(points, everything()).frame, np.eye(4))


def test_a_wrong_header_turns_no_face_away() -> None:
    """The face looks up if a converter exchanged the axes."""
    world = np.eye(4)[[0, 2, 1, 3]] * [[1], [-1], [1], [1]]
    found = find_frame(moved(skin(), world), everything())
    assert_follows(found.frame, world)
    assert found.face.agrees


@pytest.mark.parametrize('depth', [-10.0, -30.0])
def test_a_removed_face_is_missed(depth: float) -> None:
    """Otherwise a defaced scan is said to hold a face, because detectors see one in anything."""
    points = skin().copy()
    below = points[:, 2] < 20
    points[below, 1] = np.minimum(points[below, 1], depth)
    face = find_frame(points, everything()).face
    assert face.departs
    assert face.covered < 0.4
    assert face.in_view == 1
    assert face.behind_mm is not None
    assert face.behind_mm > 8


def test_what_looks_like_no_head_is_framed_by_its_shape() -> None:
    """A frame from a fit that means nothing would show a head from anywhere."""
    rng = np.random.default_rng(2)
    points = rng.normal(size=(5000, 3))
    points *= 60 / np.linalg.norm(points, axis=1, keepdims=True)
    found = find_frame(points.astype(np.float32), everything())
    assert found.source == 'shape'
    assert found.face.departs
    np.testing.assert_allclose(found.frame.forward, [0, 1, 0])
    assert found.frame.scale == 1


def test_a_head_that_fills_the_field_of_view_is_framed() -> None:
    """Nothing is left if all of the skin is at its end: no reason to fail."""
    found = find_frame(skin()[:50], box((500, 500, 500), (600, 600, 600)))
    assert found.source == 'shape'


def test_the_frame_is_the_same_every_time() -> None:
    again = find_frame(skin(), everything()).frame
    np.testing.assert_array_equal(again.origin, straight().origin)
    np.testing.assert_array_equal(again.forward, straight().forward)
