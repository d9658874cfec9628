"""Open eyes on renders: what is painted, and that nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.attacks.open_eyes import EYES, paint

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
