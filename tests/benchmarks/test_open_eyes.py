"""Renders that look like photographs: what is painted, and that nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from bids_reid.faces.painting import EYES, OUTER_CORNERS, paint, photo_like_renders

from bids_reid.faces import painting
from bids_reid.faces.detect import Box
from bids_reid.views.cameras import standard_views

SKIN = 180


def landmarks() -> np.ndarray:
    """Corners of two eyes on a level, all else in the middle."""
    marks = np.full((68, 2), 120.0)
    for (outer, inner), x in zip(EYES, ((80.0, 110.0), (160.0, 130.0)), strict=True):
        marks[outer], marks[inner] = (x[0], 100.0), (x[1], 100.0)
    return marks


def test_open_eyes_are_dark_in_the_middle_and_white_beside_it() -> None:
    """Otherwise networks see shut eyes, and photographs show open ones."""
    marks = landmarks()
    face = paint(np.full((240, 240), SKIN, np.uint8), marks)
    for outer, inner in EYES:
        x, y = ((marks[outer] + marks[inner]) / 2).round().astype(int)
        assert face[y - 1, x] < 100
        beside = face[y, x - 10 : x + 11]
        assert beside.max() > SKIN
    # nothing is painted beyond the eyes
    assert (face[:80] == SKIN).all()
    assert (face[120:] == SKIN).all()
    assert (face[:, 117:124] == SKIN).all()


@pytest.mark.parametrize('angle', [0, 180])
def test_eyes_are_painted_wherever_a_predictor_puts_them(angle: int) -> None:
    """Landmarks of a de-faced head may lie anywhere: that must not end a scan's work."""
    marks = landmarks() if not angle else 240 - landmarks()
    for odd in (marks, marks * 0, marks + 500, marks - 500):
        face = paint(np.full((240, 240), SKIN, np.uint8), odd)
        assert face.shape == (240, 240)
        assert face.dtype == np.uint8


def test_all_cameras_have_a_soft_render_and_a_painted_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Mixed up, a template's views are not those that its table describes."""
    views = standard_views()
    # lights of a camera: dark and bright, the mean of which tells the camera
    renders = np.zeros((81, 60, 60), np.uint8)
    for view in views:
        renders[view.index] = 20 + 10 * (view.index // 9) + (view.index % 9 - 4)
    asked: list[tuple[int, Box]] = []

    def found(image: np.ndarray, box: Box) -> np.ndarray:
        asked.append((int(image[0, 0]), box))
        return landmarks() / 4

    monkeypatch.setattr(painting, '_landmarks', found)
    cameras = list(dict.fromkeys(view.camera for view in views))
    boxes = {camera: Box(number, 0, 59, 59) for number, camera in enumerate(cameras)}
    del boxes[cameras[2]]
    images = photo_like_renders(renders, boxes)
    assert images.shape == (18, 60, 60)
    for number in range(9):
        light = (20 + 10 * number) / 255
        soft, painted = images[number], images[9 + number]
        assert abs(int(soft[0, 0]) - 255 * light ** (1 / 2.2)) <= 1
        assert (painted == soft).all() == (number == 2)
    # a camera without a face has no eyes, and every light is asked where the others' are
    assert len(asked) == 8 * 9
    assert {box.left for _, box in asked} == set(range(9)) - {2}
    assert all(abs(grey - 20 - 10 * box.left) <= 4 for grey, box in asked)
    assert OUTER_CORNERS == (36, 45)
