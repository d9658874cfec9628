"""The average head's parts, and the picture of it that reports colour."""

from __future__ import annotations

import numpy as np
import pytest

from bids_reid.surface.parts import BACKGROUND, ELSEWHERE, PARTS, VIEWS, face_parts, known_map

PIXELS_SEEN = 60
"""Of the picture, which has 0.7 square millimetres each: fewer are no part that one can see."""


def shown_in(view: str) -> np.ndarray:
    """Return the points that the pixels of a view show."""
    parts = face_parts()
    number = VIEWS.index(view)
    return np.split(parts.shown, parts.ends[:-1], axis=1)[number]


def part_pixels(view: str, part: str) -> int:
    """Count the pixels of a part in a view."""
    shown = shown_in(view)
    return int((face_parts().part[shown[shown >= 0]] == PARTS.index(part)).sum())


@pytest.mark.parametrize('part', PARTS)
def test_each_part_is_seen_from_its_side_and_from_the_front(part: str) -> None:
    """Otherwise a curator does not see that an ear or the chin is left."""
    views = ['front', *(view for view in VIEWS if view.split()[0] in part.split())]
    for view in views:
        assert part_pixels(view, part) > PIXELS_SEEN, view


def test_sides_are_the_participants() -> None:
    """Otherwise a curator looks for the left ear on the right."""
    assert part_pixels('left side', 'right ear') == 0
    assert part_pixels('right side', 'left ear') == 0
    shown = shown_in('front')
    row, column = np.nonzero(shown >= 0)
    part = face_parts().part[shown[row, column]]
    right, left = (column[part == PARTS.index(f'{side} eye')].mean() for side in ('right', 'left'))
    assert right < left
    brow, chin = (row[part == PARTS.index(name)].mean() for name in ('brow', 'chin'))
    assert brow < chin


def test_the_picture_shows_points_that_there_are() -> None:
    parts = face_parts()
    assert parts.shown.shape == parts.shade.shape
    assert parts.ends[-1] == parts.shown.shape[1]
    assert parts.shown.min() == ELSEWHERE
    assert parts.shown.max() < len(parts.points)
    assert not parts.shade[parts.shown == BACKGROUND].any()
    # seven of ten points of the face can be seen: what is left between views is under the jaw
    assert len(np.unique(parts.shown)) > 0.7 * len(parts.points)


def test_a_map_of_another_version_is_not_laid_on_this_head() -> None:
    """Otherwise its letters colour the wrong places."""
    letters = 'd' * len(face_parts().points)
    assert known_map(letters) == letters
    assert known_map(letters[1:]) is None
    assert known_map(None) is None
