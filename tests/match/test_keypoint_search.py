"""Each test names what a user loses if it fails."""

from __future__ import annotations

import numpy as np
import pytest
from bids_reid.match.keypoint_search import (
    POOLED_RENDERS,
    best,
    keypoint_photo_scores,
    pooled,
    search_keypoints,
)

from bids_reid.match.keypoints import keypoint_scores, searchable
from bids_reid.records import Keypoints


def make(rng, n_images, n_each=30):
    """Keypoints of images with as many places and descriptors each."""
    n = n_images * n_each
    return Keypoints(
        rng.integers(0, 256, (n, 32), dtype=np.uint8),
        rng.random((n, 2)).astype(np.float32),
        np.arange(n_images + 1, dtype=np.int64) * n_each,
    )


def joined(*images):
    """One set of keypoints of several images."""
    lengths = [len(image.descriptors) for image in images]
    return Keypoints(
        np.concatenate([image.descriptors for image in images]),
        np.concatenate([image.positions for image in images]),
        np.cumsum([0, *lengths]).astype(np.int64),
    )


@pytest.fixture
def faces():
    """Two photographs, four scans: both faces, one without template, one without renders."""
    rng = np.random.default_rng(5)
    shown, other, noise = make(rng, 1), make(rng, 1), make(rng, 7)
    images = [noise[number] for number in range(7)]
    gallery = [joined(shown, *images[:6]), joined(other, images[6]), None, make(rng, 0)]
    return [shown, other], gallery


def test_scores_are_made_of_those_of_the_renders(faces):
    """Otherwise the reference that recognition is compared with is of something else."""
    probes, gallery = faces
    scores, slack = search_keypoints(probes, gallery, distance='hamming')
    assert list(scores) == ['best', 'pooled']
    np.testing.assert_array_equal(slack, [0, 0, np.nan, np.nan])
    for row, column in np.ndindex(2, 2):
        each = keypoint_scores(probes[row], searchable(gallery[column], 'hamming'))
        assert scores['best'][row, column] == each.max()
        few = sorted(each)[-POOLED_RENDERS:]
        np.testing.assert_allclose(scores['pooled'][row, column], np.mean(few), rtol=1e-6)
    assert scores['best'][:, :2].argmax(axis=1).tolist() == [0, 1]
    for matrix in scores.values():
        assert np.isnan(matrix[:, 2:]).all()


def test_fewer_renders_than_are_pooled():
    """Otherwise a scan with a face in few views ends in an error."""
    assert pooled(np.array([2, 5], np.float32)) == 3.5
    assert best(np.array([2, 5], np.float32)) == 5


def test_nothing_to_search_with(faces):
    """Otherwise a run without a usable photograph stops."""
    scores, slack = search_keypoints([], faces[1], distance='hamming')
    assert {matrix.shape for matrix in scores.values()} == {(0, 4)}
    assert np.isfinite(slack).tolist() == [True, True, False, False]


def test_photographs_are_compared_with_each_other(faces):
    """Otherwise keypoints have no positive control."""
    probes, _ = faces
    scores = keypoint_photo_scores([*probes, probes[0]], distance='hamming')
    assert np.isnan(np.diag(scores)).all()
    assert scores[0, 2] == scores[2, 0] == np.nanmax(scores)
    assert scores[0, 1] < scores[0, 2]
