"""A head without a face still tells where its face was: else no part can be called removed."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bids_reid.phantom.anatomy import ASLEEP
from bids_reid.phantom.head_shape import head_mesh
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.scanner import Pose
from bids_reid.surface.fit import Similarity
from bids_reid.surface.frame import FieldOfView, FoundFrame, find_frame
from bids_reid.surface.refit import LANDMARKS_MM

FACE_MM = 12.0
"""How far eyes, nose and mouth may be from where the whole face puts them, on average."""


@cache
def skin() -> NDArray[np.float32]:
    """The skin of somebody who is not the average, head coordinates."""
    (person,) = draw_people(1, seed=5)
    return head_mesh(person, ASLEEP, spacing=2.5)[0]


def everywhere() -> FieldOfView:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -299
    return FieldOfView(affine, (300, 300, 300))


@cache
def cut() -> NDArray[np.float32]:
    """The skin and a flat cut from the brow down."""
    points = skin().copy()
    below = points[:, 2] < 24
    points[below, 1] = np.minimum(points[below, 1], -35.0)
    return points


def moved(points: NDArray[np.floating], world: NDArray[np.float64]) -> NDArray[np.float32]:
    return (points @ world[:3, :3].T + world[:3, 3]).astype(np.float32)


@cache
def whole() -> Similarity:
    return find_frame(skin(), everywhere()).fit


def face_off(found: FoundFrame, world: NDArray[np.float64]) -> float:
    """Mean distance of the landmarks from where they are on the whole head, mm."""
    landmarks = LANDMARKS_MM.astype(np.float32)
    there = moved(whole().to_scan(landmarks)[0], world)
    return float(np.linalg.norm(found.fit.to_scan(landmarks)[0] - there, axis=1).mean())


@pytest.mark.parametrize(
    'pose', [Pose(), Pose((22, 0, 0)), Pose((-22, 0, 0)), Pose((12, -12, 18), (20, -10, 15))]
)
def test_a_head_whose_face_was_cut_is_placed_by_what_is_left(pose: Pose) -> None:
    """Otherwise a part of the face is looked for where there never was one."""
    world = pose.to_world()
    found = find_frame(moved(cut(), world), everywhere())
    assert found.trusted
    assert found.source == 'face'
    assert found.face.departs
    assert face_off(found, world) < FACE_MM


def test_a_whole_face_needs_no_other_fit() -> None:
    """Otherwise the frames, and with them all rates, would move."""
    found = find_frame(skin(), everywhere())
    assert found.face.agrees
    assert found.left is None
    assert found.trusted
    assert found.face_off_mm is None


@pytest.mark.parametrize('turn', [('x', 180), ('z', 180), ('y', 180), ('x', 90), ('y', 90)])
@pytest.mark.parametrize('whole_face', [True, False])
def test_a_head_in_a_wrong_orientation_is_not_taken_for_one_without_a_face(
    turn: tuple[str, int], whole_face: bool
) -> None:
    """Otherwise a face at the back of the frame is called removed."""
    world = np.eye(4)
    world[:3, :3] = Rotation.from_euler(*turn, degrees=True).as_matrix()
    found = find_frame(moved(skin() if whole_face else cut(), world), everywhere())
    placed = face_off(found, world) < FACE_MM
    assert placed or not found.trusted
    assert found.face.agrees == whole_face


def test_what_is_no_head_has_no_ears() -> None:
    """Cushions may hide a whole head: only a tool that was seen makes up for ears."""
    rng = np.random.default_rng(2)
    ball = rng.normal(size=(5000, 3))
    ball *= np.array([75, 95, 85]) / np.linalg.norm(ball, axis=1, keepdims=True)
    found = find_frame(ball.astype(np.float32), everywhere())
    assert found.earless
    assert not find_frame(cut(), everywhere()).earless


def test_without_ears_and_forehead_the_place_of_the_face_is_uncertain() -> None:
    """A vault alone is nearly a ball: it must not say that it knows how the head nods."""
    points = cut()
    vault = points[points[:, 2] > 45]
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (-149, -249, 46)
    found = find_frame(vault, FieldOfView(affine, (150, 200, 80)))
    assert not found.trusted
    assert found.face_off_mm is not None
    assert found.face_off_mm > 10
