"""Each test names what a user loses if it fails."""

from __future__ import annotations

import numpy as np
import pytest

from bids_reid.match.keypoints import keypoint_scores, searchable
from bids_reid.match.probes import (
    POOLED_RENDERS,
    KeypointProbes,
    VectorProbes,
    photograph_scores,
)
from tests.match.test_keypoints import drawn, keypoints

SIMILARITIES = ('euclidean', 'cosine')
PAIRS = ('best', 'pooled')


@pytest.fixture
def faces():
    """Seven probes and four scans with 1 to 9 renders."""
    rng = np.random.default_rng(7)
    probes = rng.normal(size=(7, 16)).astype(np.float32)
    scans = [(rng.normal(size=(n, 16)) + 3).astype(np.float32) for n in (9, 1, 4, 6)]
    return probes, scans


def likeness(a, b, similarity):
    if similarity == 'euclidean':
        return -np.sqrt(((a - b) ** 2).sum())
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def scores_of(probes, scans, similarity, pooling='best'):
    """Scores (p, n_scans) of scans one after the other."""
    compared = VectorProbes(np.asarray(probes, np.float32), similarity)
    comparisons = compared.against([np.asarray(scan, np.float32) for scan in scans])
    columns = [getattr(one, pooling)() for one in comparisons]
    assert all(column.dtype == np.float32 for column in columns)
    return np.stack(columns, axis=1)


@pytest.mark.parametrize('similarity', SIMILARITIES)
def test_scores_are_those_of_a_plain_double_loop(faces, similarity):
    """Otherwise every rate is of something else."""
    best, pooled = (scores_of(*faces, similarity, name) for name in PAIRS)
    for (row, column), score in np.ndenumerate(best):
        probe, renders = faces[0][row].astype(float), faces[1][column].astype(float)
        each = [likeness(probe, render, similarity) for render in renders]
        assert score == pytest.approx(max(each), rel=1e-6)
        if similarity == 'cosine':
            renders /= np.linalg.norm(renders, axis=1)[:, None]
        mean = renders.mean(axis=0)
        assert pooled[row, column] == pytest.approx(likeness(probe, mean, similarity), rel=1e-6)


def test_identical_vectors_score_zero_far_from_the_origin():
    """Otherwise rounding decides between two scans with the same features."""
    vectors = (1000 + np.random.default_rng(1).normal(size=(3, 128))).astype(np.float32)
    scores = scores_of(vectors, vectors[:, None], 'euclidean')
    # squares of 10^8 have seven digits after the point
    np.testing.assert_allclose(np.diag(scores), 0, atol=1e-3)
    assert (scores[~np.eye(3, dtype=bool)] < -5).all()


def exact_best(probes, scan, similarity):
    """Squared distances, or cosines, of the nearest render in float64, (p,)."""
    q, v = probes.astype(float), scan.astype(float)
    if similarity == 'euclidean':
        return np.square(q[:, None] - v).sum(axis=-1).min(axis=1)
    q, v = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in (q, v))
    return (q @ v.T).max(axis=1)


@pytest.mark.parametrize('similarity', SIMILARITIES)
@pytest.mark.parametrize('d', [128, 1000])
def test_products_in_float32_err_as_little_as_stated(similarity, d):
    """Otherwise two people are told apart, or not, by how a processor adds."""
    rng = np.random.default_rng(2)
    mean = rng.normal(0, 0.1, d)
    probes, scans = (
        (mean + rng.normal(0, 0.03, (n, d))).astype(np.float32) for n in (70, 20 * 81)
    )
    # one photograph is a render
    probes[0] = scans[5]
    scans = scans.reshape(20, 81, d)
    scores = scores_of(probes, scans, similarity).astype(float)
    found = scores if similarity == 'cosine' else np.square(scores)
    errors = np.abs(found - np.stack([exact_best(probes, s, similarity) for s in scans], axis=1))
    lengths = (1, 1) if similarity == 'cosine' else np.linalg.norm(scans[0][:2], axis=1)
    u = np.linalg.norm(scans[0] - scans[0].mean(axis=0), axis=1).max()
    u = u / np.linalg.norm(scans[0][0]) if similarity == 'cosine' else u
    bound = (d + 4) * 2.0**-23 * u * (lengths[0] + lengths[1] + u)
    # renders and scores themselves are rounded
    rounding = 2.0**-22 * found.max()
    assert errors.max() < bound + rounding
    assert errors.mean() < bound / 100 + rounding
    assert scores[0].argmax() == 0


@pytest.mark.parametrize('similarity', SIMILARITIES)
def test_photographs_beside_change_no_bit(similarity):
    """Otherwise who else is searched for decides about a person."""
    rng = np.random.default_rng(3)
    probes, others = rng.normal(size=(2, 40, 128)).astype(np.float32)
    scans = rng.normal(size=(3, 27, 128)).astype(np.float32)
    whole = scores_of(probes, scans, similarity)
    others[7] = probes[7]
    np.testing.assert_array_equal(scores_of(others, scans, similarity)[7], whole[7])
    # up to the next multiple
    part = scores_of(probes[:35], scans, similarity)
    np.testing.assert_array_equal(part, whole[:35])


def test_small_distances_keep_their_digits():
    """Otherwise look-alikes, the people at stake, are told apart by noise."""
    base = np.full((1, 128), 0.1, dtype=np.float32)
    near = base.copy()
    near[0, 0] += 1e-5
    expected = base[0, 0] - near[0, 0]
    np.testing.assert_allclose(scores_of(base, [near], 'euclidean'), [[expected]], rtol=1e-3)


@pytest.mark.parametrize('pooling', PAIRS)
def test_zero_vector_has_cosine_zero(pooling):
    """Otherwise one blank feature turns scores into NaN and stops the run."""
    assert scores_of([[1, 1]], [[[0, 0]]], 'cosine', pooling) == 0
    assert scores_of([[0, 0]], [[[1, 1]]], 'cosine', pooling) == 0
    # opposite renders have no mean direction
    assert scores_of([[1, 0]], [[[1, 0], [-1, 0]]], 'cosine', 'pooled') == 0


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'similarity': 'manhattan'}, "'manhattan'; known: euclidean, cosine"),
        ({'probes': np.ones(3)}, r'not \(3,\)'),
        ({'probes': np.ones((2, 3))}, 'length 16, the probes of length 3'),
        ({'probes': np.full((2, 16), np.inf)}, 'probe 0 has a value'),
        ({'scans': [np.ones(4)]}, r'template .* not \(4,\)'),
        ({'scans': [[[1] * 16, [np.nan] * 16]]}, 'feature 1 of a template'),
    ],
)
def test_wrong_input_is_named(faces, change, message):
    """Otherwise a mixed-up file gives a plausible wrong rate instead of an error."""
    given = {'probes': faces[0], 'scans': faces[1], 'similarity': 'euclidean'} | change
    with pytest.raises(ValueError, match=message):
        scores_of(**given)


@pytest.mark.parametrize('similarity', SIMILARITIES)
def test_photographs_are_scored_against_each_other(faces, similarity):
    """Otherwise a detector that sees nothing on photographs passes for safe scans."""
    probes = np.concatenate([faces[0], faces[0][:1]])
    scores = photograph_scores(VectorProbes(probes, similarity))
    assert np.isnan(np.diag(scores)).all()
    for row, column in zip(*np.nonzero(~np.eye(8, dtype=bool)), strict=True):
        expected = likeness(*probes[[row, column]].astype(float), similarity)
        # a distance of 0 is the root of what is left of squares of float64
        np.testing.assert_allclose(scores[row, column], expected, rtol=1e-6, atol=1e-6)


@pytest.fixture
def points():
    """Keypoints of two photographs and of two scans, the second with two renders."""
    rng = np.random.default_rng(5)
    shown, other, *noise = (drawn(rng, 30, 'hamming') for _ in range(9))
    scans = [keypoints(shown, *noise[:6]), keypoints(other, noise[6])]
    return [keypoints(shown), keypoints(other)], scans


def test_scores_of_keypoints_are_made_of_those_of_the_renders(points):
    """Otherwise the reference that recognition is compared with is of something else."""
    photographs, scans = points
    probes = KeypointProbes(photographs, 'hamming')
    for column, scan in enumerate(scans):
        (comparison,) = probes.against([scan])
        best, pooled = comparison.best(), comparison.pooled()
        assert best.dtype == pooled.dtype == np.float32
        for row, photograph in enumerate(photographs):
            each = keypoint_scores(photograph, searchable(scan, 'hamming'))
            assert best[row] == each.max()
            # of fewer renders all are pooled
            few = sorted(each)[-POOLED_RENDERS:]
            np.testing.assert_allclose(pooled[row], np.mean(few), rtol=1e-6)
        assert best.argmax() == pooled.argmax() == column


def test_no_photograph_to_search_with(faces, points):
    """Otherwise a run without a usable photograph stops."""
    nobody = (KeypointProbes([], 'hamming'), VectorProbes(faces[0][:0], 'cosine'))
    for probes, scan in zip(nobody, (points[1][0], faces[1][0]), strict=True):
        (comparison,) = probes.against([scan])
        assert comparison.best().shape == comparison.pooled().shape == (0,)
        assert photograph_scores(probes).shape == (0, 0)


def test_photographs_are_compared_with_each_other_by_keypoints(points):
    """Otherwise keypoints have no positive control."""
    photographs, _ = points
    scores = photograph_scores(KeypointProbes([*photographs, photographs[0]], 'hamming'))
    assert np.isnan(np.diag(scores)).all()
    assert scores[0, 2] == scores[2, 0] == np.nanmax(scores)
    assert scores[0, 1] < scores[0, 2]
