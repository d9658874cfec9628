"""Keypoints: of the face alone, and the same ones for the same face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.faces.detect import Box
from bids_reid.faces.orb_sift import FACE_PIXELS, LIMIT, MARGIN, Orb, Sift, face_region
from bids_reid.records import Keypoints

BOX = Box(120, 140, 319, 339)
BOTH = pytest.mark.parametrize('extractor', [Orb(), Sift()], ids=['orb', 'sift'])


def keypoints(extractor: Orb | Sift, *images: NDArray[np.uint8], box: Box = BOX) -> Keypoints:
    return Keypoints.of(extractor.features(images, [box] * len(images)))


@pytest.fixture(scope='module')
def picture() -> NDArray[np.uint8]:
    """Blobs of many sizes: something to see everywhere."""
    rng = np.random.default_rng(3)
    layers = [cv2.GaussianBlur(rng.normal(size=(480, 480)), (0, 0), s) * s for s in (2, 5, 11)]
    total = np.sum(layers, axis=0)
    return np.uint8(np.clip(128 + 60 * total / total.std(), 0, 255))


@BOTH
def test_nothing_beyond_the_face_counts(extractor: Orb | Sift, picture: NDArray[np.uint8]) -> None:
    """Hair and background would recognise the photographer's wall."""
    found = keypoints(extractor, picture)
    assert 50 < len(found.descriptors) <= LIMIT
    assert np.abs(found.positions).max() <= 0.5 + MARGIN
    other = picture.copy()
    # a little further out than the margin, where the warp interpolates
    edge = round((MARGIN + 0.02) * 200)
    inside = np.s_[140 - edge : 340 + edge, 120 - edge : 320 + edge]
    other[:] = 0
    other[inside] = picture[inside]
    again = keypoints(extractor, other)
    np.testing.assert_array_equal(again.descriptors, found.descriptors)


@BOTH
def test_a_face_twice_as_large_has_the_same_keypoints(
    extractor: Orb | Sift, picture: NDArray[np.uint8]
) -> None:
    """Photographs and renders have faces of other sizes."""
    large = cv2.resize(picture, (960, 960), interpolation=cv2.INTER_CUBIC)
    doubled = Box(240, 280, 639, 679)
    one = keypoints(extractor, picture).positions
    other = keypoints(extractor, large, box=doubled).positions
    nearest = np.linalg.norm(one[:, None] - other, axis=2).min(axis=1)
    assert np.mean(nearest < 0.02) > 0.7


@BOTH
def test_each_image_keeps_its_own(extractor: Orb | Sift, picture: NDArray[np.uint8]) -> None:
    """Shifted offsets give every render the keypoints of another."""
    blank = np.zeros_like(picture)
    found = keypoints(extractor, blank, picture, blank, picture.T.copy())
    assert len(found) == 4
    assert len(found[0].descriptors) == len(found[2].descriptors) == 0
    for image, number in ((picture, 1), (picture.T.copy(), 3)):
        alone = keypoints(extractor, image)
        np.testing.assert_array_equal(found[number].descriptors, alone.descriptors)
        np.testing.assert_array_equal(found[number].positions, alone.positions)


@BOTH
def test_what_a_file_holds_is_all_there_is(
    extractor: Orb | Sift, picture: NDArray[np.uint8]
) -> None:
    found = keypoints(extractor, picture)
    assert found.descriptors.shape[1] == extractor.dimension
    assert found.descriptors.dtype == np.uint8
    again = type(found).of(found.arrays())
    assert again.descriptors is found.descriptors
    assert again.positions.dtype == np.float32
    assert again.offsets.dtype == np.int64


def test_the_box_fills_its_place() -> None:
    """A face beside its place has all keypoints where those of others are not."""
    image = np.zeros((480, 480), np.uint8)
    image[140:340, 120:320] = 200
    region = face_region(image, BOX)
    margin = round(MARGIN * FACE_PIXELS)
    assert region.shape == (FACE_PIXELS + 2 * margin,) * 2
    inside = region[margin : margin + FACE_PIXELS, margin : margin + FACE_PIXELS]
    assert inside.min() > 90
    assert int(region.sum()) == pytest.approx(200 * FACE_PIXELS**2, rel=0.02)
    # outside the image it is black
    assert face_region(image + 50, Box(-50, 0, 149, 199))[:, 0].max() == 0
