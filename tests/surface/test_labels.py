"""Masks and label maps are told from what was measured, by their numbers alone."""

from __future__ import annotations

import numpy as np
import pytest

from bids_reid.surface import labels
from bids_reid.surface.volume import Volume

SHAPE = (30, 30, 30)


def inside() -> np.ndarray:
    i, j, k = np.indices(SHAPE) - 14.5
    return np.asarray(i**2 + j**2 + k**2 < 100)


def volume(data: np.ndarray, spacing: float = 2.0) -> Volume:
    return Volume(
        data.astype(np.float32), np.diag([spacing, spacing, spacing, 1.0]), (spacing,) * 3
    )


@pytest.mark.parametrize('kind', ['mask', 'scaled', 'labels', 'inverted'])
def test_masks_and_labels_are_known(kind: str) -> None:
    """Of a label map, numbers say nothing of how bright skin is."""
    ball = inside()
    sides = np.indices(SHAPE)[0] // 8
    data = {
        'mask': ball,
        'scaled': ball * 255,
        'labels': np.where(ball, sides * 17 + 2, 0),
        'inverted': ~ball,
    }[kind].astype(np.float32)
    empty = labels.background(data)
    assert empty == (1 if kind == 'inverted' else 0)
    assert labels.is_label_map(data, empty)
    shape = labels.shape_of(volume(data), empty)
    np.testing.assert_array_equal(shape.data > 0, ball)


def test_what_was_measured_is_no_label_map() -> None:
    """The shape of a box of air is no face: a scan with one would pass."""
    rng = np.random.default_rng(0)
    measured = rng.normal(100, 5, SHAPE).round().astype(np.float32)
    assert labels.background(measured) is None
    stripped = np.where(inside(), measured, 0).astype(np.float32)
    assert labels.background(stripped) == 0
    assert not labels.is_label_map(stripped, 0)


def test_a_field_of_view_is_no_head() -> None:
    """Zeros around a scan must not make a box of it that hides what is inside."""
    box = np.zeros(SHAPE)
    box[2:-2, 2:-2, 2:-2] = 1
    assert not labels.may_be_head(volume(box, 8.0))
    assert labels.may_be_head(volume(inside(), 9.0))
    assert not labels.may_be_head(volume(inside(), 2.0))


def test_the_extent_is_that_of_what_is_there() -> None:
    """Small structures need no look; what is as large as a face does."""
    np.testing.assert_allclose(labels.extent(inside().astype(np.float32), np.full(3, 2.0)), 40)
    assert not labels.extent(np.zeros(SHAPE, np.float32), np.full(3, 2.0)).any()


def test_bright_surroundings_are_known() -> None:
    """A map of air is bright where there is no head."""
    ball = inside().astype(np.float32)
    assert labels.has_bright_border(1 - ball)
    assert not labels.has_bright_border(ball)
    np.testing.assert_array_equal(labels.inverted(volume(1 - ball)).data, ball)
