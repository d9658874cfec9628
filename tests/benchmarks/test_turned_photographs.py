"""The table about turned photographs would say anything if its counts were wrong."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import photographs
from bids_reid.faces.detect import Box
from bids_reid.faces.photographs import Head


def crop(image: NDArray[np.uint8]) -> Head | None:
    """Take the brightest corner for how the picture lies; one that is black has no face."""
    turn = int(np.argmax([np.rot90(image, k)[0, 0] for k in range(4)]))
    if not image.any():
        return None
    return Head(np.rot90(image, turn), Box(0, 0, 1, 1), n_faces=1 + (image > 200).sum())


def test_turned_photographs_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, 'loose_crop', crop)
    one = np.zeros((4, 6), np.uint8)
    one[0, 0], one[-1, -1] = 100, 90
    two = one + 120 * (one > 95)
    for quarters in range(4):
        counts = photographs.turned_row([one, two, np.zeros((4, 4), np.uint8)], quarters)
        assert counts == (2, 2, 1, 0)


def test_the_second_person_stands_beside_the_first() -> None:
    first, second = np.full((40, 30), 9, np.uint8), np.full((40, 30), 200, np.uint8)
    both = photographs.beside(first, second, 0.5)
    assert both.shape == (40, 45)
    assert (both[:, :30] == 9).all()
    assert (both[20:, 30:] == 200).all()
