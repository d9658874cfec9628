"""The head's signed distance."""

from __future__ import annotations

import numpy as np
import pytest

from bids_reid.phantom.anatomy import ASLEEP, Expression
from bids_reid.phantom.head_shape import head_mesh, head_sdf
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.sampling import sample

PEOPLE = draw_people(4, seed=11)


def gradient(points, person, expression, reach=0.05):
    moved = [
        (head_sdf(points + step, person, expression) - head_sdf(points - step, person, expression))
        / (2 * reach)
        for step in reach * np.eye(3, dtype=np.float32)
    ]
    return np.stack(moved, axis=1)


@pytest.mark.parametrize('person', PEOPLE)
def test_distance_near_the_skin_is_a_distance(person):
    """Partial volume and every comparison of a surface with the truth would be off in mm."""
    points, _ = head_mesh(person, ASLEEP, spacing=4.0)
    slope = np.linalg.norm(gradient(points, person, ASLEEP), axis=1)
    assert abs(np.median(slope) - 1.0) < 0.03
    # Blending flattens it in creases (under the jaw, behind the ears), never steepens it much.
    assert np.percentile(slope, 5) > 0.7
    assert np.percentile(slope, 99) < 1.25


def test_mesh_lies_on_the_zero_level():
    """The "true" surface would not be the one the volume was made from."""
    points, faces = head_mesh(PEOPLE[0], ASLEEP, spacing=3.0)
    off = np.abs(head_sdf(points, PEOPLE[0], ASLEEP))
    assert np.percentile(off, 99) < 0.3
    corner, second, third = (points[faces[:, i]] for i in range(3))
    outward = np.cross(second - corner, third - corner)
    slope = gradient(corner, PEOPLE[0], ASLEEP)
    assert np.mean((outward * slope).sum(axis=1) > 0) > 0.98


def test_head_has_the_size_of_a_head():
    """Face frames and cameras in millimetres would miss the face."""
    for person in PEOPLE:
        points, _ = head_mesh(person, ASLEEP, spacing=4.0)
        above = points[points[:, 2] > 40]
        assert np.ptp(above[:, 0]) == pytest.approx(person.cranium_width, abs=8)
        assert points[:, 2].max() == pytest.approx(person.cranium_height, abs=4)
        nose = points[np.argmax(points[:, 1])]
        assert abs(nose[0]) < 6
        assert -60 < nose[2] < -15


def test_eyes_open_and_shut_differ_at_the_eyes_only():
    """Photographs would have shut eyes, or scans open ones."""
    person = PEOPLE[1]
    points, _ = head_mesh(person, ASLEEP, spacing=3.0)
    change = np.abs(head_sdf(points, person, Expression()) - head_sdf(points, person, ASLEEP))
    at_eyes = (np.abs(np.abs(points[:, 0]) - 0.5 * person.eye_spacing) < 18) & (
        np.abs(points[:, 2]) < 16
    )
    assert change[at_eyes].max() > 0.8
    assert change[~at_eyes & (points[:, 2] < -25)].max() < 1e-3


def test_expressions_move_the_mouth():
    """Probes would be easier than real ones: the same face as in the scan."""
    person = PEOPLE[2]
    points, _ = head_mesh(person, ASLEEP, spacing=3.0)
    rest = head_sdf(points, person, Expression(eyes_open=0.0))
    smiling = head_sdf(points, person, Expression(eyes_open=0.0, smile=1.0, jaw_open=0.5))
    mouth = (points[:, 1] > 0) & (points[:, 2] < -45) & (points[:, 2] > -110)
    assert np.abs(smiling - rest)[mouth].max() > 2.0
    assert np.abs(smiling - rest)[points[:, 1] < -100].max() < 1e-3


def test_halves_of_a_face_differ():
    """A perfectly symmetric face is a give-away and makes mirrored scans match."""
    points, _ = head_mesh(PEOPLE[3], ASLEEP, spacing=3.0)
    face = points[points[:, 1] > 0]
    mirrored = face * np.array([-1, 1, 1], np.float32)
    assert np.abs(head_sdf(mirrored, PEOPLE[3], ASLEEP)).max() > 0.3


def test_sampling_on_a_grid_is_exact_near_the_surface():
    """The fast path would move the skin where ears and nostrils are thinner than its cells."""
    person = PEOPLE[0]
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = (-96.0, -110.0, -70.0)
    shape = (65, 50, 40)
    fast = sample(lambda points: head_sdf(points, person, ASLEEP), shape, affine)
    index = np.indices(shape).reshape(3, -1).T
    exact = head_sdf(index * 3.0 + affine[:3, 3], person, ASLEEP).reshape(shape)
    near = np.abs(exact) < 3.0
    np.testing.assert_allclose(fast[near], exact[near], atol=1e-3)
    assert ((fast < 0) == (exact < 0)).all()
