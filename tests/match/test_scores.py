"""Each test names what a user loses if it fails."""

from __future__ import annotations

import numpy as np
import pytest
from bids_reid.match.scores import probe_scores


def make_template(rows):
    return np.asarray(rows, dtype=np.float32)


@pytest.fixture
def faces():
    """Seven probes and five scans with 1 to 9 views, the third without any."""
    rng = np.random.default_rng(7)
    probes = rng.normal(size=(7, 16)).astype(np.float32)
    gallery = [make_template(rng.normal(size=(n, 16)) + 3) for n in (9, 1, 0, 4, 6)]
    gallery[2] = make_template(np.empty((0, 0)))
    return probes, gallery


def naive_scores(probes, gallery, similarity):
    def compare(a, b):
        if similarity == 'euclidean':
            return -np.sqrt(((a - b) ** 2).sum())
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    scores = np.full((len(probes), len(gallery)), np.nan)
    for row, probe in enumerate(probes.astype(float)):
        for column, template in enumerate(gallery):
            views = [compare(probe, view) for view in template.astype(float)]
            scores[row, column] = max(views, default=np.nan)
    return scores


@pytest.mark.parametrize('similarity', ['euclidean', 'cosine'])
@pytest.mark.parametrize('block_bytes', [1, 1000, 2**20])
def test_scores_are_those_of_a_plain_double_loop(faces, similarity, block_bytes):
    """Otherwise every rate is of something else, or depends on the memory of the machine."""
    scores = probe_scores(*faces, similarity=similarity, block_bytes=block_bytes)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, naive_scores(*faces, similarity), rtol=1e-6)


@pytest.mark.parametrize('similarity', ['euclidean', 'cosine'])
def test_a_score_depends_on_nothing_but_its_probe_and_scan(faces, similarity):
    """Otherwise the same photograph gets another score when others are searched with it."""
    probes, gallery = faces
    whole = probe_scores(probes, gallery, similarity=similarity)
    for row, column in np.ndindex(whole.shape):
        alone = probe_scores(
            probes[[row]], [gallery[column]], similarity=similarity, block_bytes=1
        )
        np.testing.assert_array_equal(alone, whole[[row]][:, [column]])


def test_scan_without_features_has_no_score(faces):
    """Otherwise a scan that failed competes with the others, and can win."""
    scores = probe_scores(*faces, similarity='euclidean')
    assert np.isnan(scores[:, 2]).all()
    assert np.isfinite(np.delete(scores, 2, axis=1)).all()


def test_identical_vectors_score_exactly_zero_far_from_the_origin():
    """Otherwise rounding decides between two scans with the same features."""
    rng = np.random.default_rng(1)
    vectors = (1000 + rng.normal(size=(3, 128))).astype(np.float32)
    scores = probe_scores(
        vectors, [make_template(vectors[[i]]) for i in range(3)], similarity='euclidean'
    )
    np.testing.assert_array_equal(np.diag(scores), 0)
    assert (scores[~np.eye(3, dtype=bool)] < -5).all()


def test_small_distances_keep_their_digits():
    """Otherwise look-alikes, the people at stake, are told apart by noise."""
    base = np.full((1, 128), 0.1, dtype=np.float32)
    near = base.copy()
    near[0, 0] += 1e-5
    scores = probe_scores(base, [make_template(near)], similarity='euclidean')
    np.testing.assert_allclose(scores, [[base[0, 0] - near[0, 0]]], rtol=1e-3)


def test_zero_vector_has_cosine_zero():
    """Otherwise one blank feature turns scores into NaN and stops the run."""
    scores = probe_scores(
        np.ones((1, 2), np.float32), [make_template([[0, 0]])], similarity='cosine'
    )
    assert scores.tolist() == [[0]]


def test_nothing_to_search_with_or_among(faces):
    """Otherwise a run stops where no photograph, or no scan, has a face."""
    probes, gallery = faces
    empty = np.empty((0, 128), np.float32)
    assert probe_scores(empty, gallery, similarity='cosine').shape == (0, 5)
    assert probe_scores(probes, [], similarity='cosine').shape == (7, 0)
    assert np.isnan(probe_scores(probes, gallery[2:3], similarity='cosine')).all()


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'similarity': 'manhattan'}, "'manhattan'; known: euclidean, cosine"),
        ({'block_bytes': 0}, 'not 0'),
        ({'probes': np.ones(3, np.float32)}, r'not \(3,\)'),
        ({'probes': np.ones((2, 3), np.float32)}, 'length 16, the probes of length 3'),
        ({'probes': np.full((2, 16), np.inf, np.float32)}, 'probe 0 has a value'),
        ({'gallery': [make_template(np.ones(4))]}, r'template 0 .* not \(4,\)'),
        ({'gallery': [make_template([[np.nan] * 16])]}, 'template 0, feature 0'),
    ],
)
def test_wrong_input_is_named(faces, change, message):
    """Otherwise a mixed-up file gives a plausible wrong rate instead of an error."""
    options = {'probes': faces[0], 'gallery': faces[1], 'similarity': 'euclidean'} | change
    with pytest.raises(ValueError, match=message):
        probe_scores(**options)
