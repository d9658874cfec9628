"""The fast scores lie within their bound of the exact ones, whatever the features are."""

from __future__ import annotations

import numpy as np
import pytest

from bids_reid.match.scores import probe_scores
from bids_reid.match.search import FastScores, search

SIMILARITIES = ('euclidean', 'cosine')


def check_bound(probes, gallery, similarity, **tiles):
    """Compare with exact scores; return the largest radius where it is finite."""
    exact = probe_scores(probes, gallery, similarity=similarity)
    found = search(probes, gallery, similarity=similarity, **tiles)
    assert found.scores.shape == exact.shape
    assert found.scores.dtype == np.float32
    np.testing.assert_array_equal(found.enrolled, [len(template) > 0 for template in gallery])
    radius = np.array([found.radius(row) for row in range(len(probes))])
    enrolled = found.enrolled
    assert np.isfinite(found.scores[:, enrolled]).all()
    assert np.isnan(found.scores[:, ~enrolled]).all()
    apart = np.abs(found.scores.astype(float) - exact)[:, enrolled]
    assert (apart <= radius[:, enrolled]).all(), (apart / radius[:, enrolled]).max()
    return np.where(np.isfinite(radius), radius, 0)[:, enrolled].max(initial=0)


def make_gallery(rng, sizes, d, scale=1.0, centre=0.0):
    return [(rng.normal(centre, 1, size=(n, d)) * scale).astype(np.float32) for n in sizes]


@pytest.mark.parametrize('similarity', SIMILARITIES)
@pytest.mark.parametrize('seed', range(12))
def test_random_features_stay_within_the_bound(similarity, seed):
    """Otherwise a score taken for settled is not, and a rank is wrong without a word."""
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 300))
    sizes = rng.integers(0, 12, size=int(rng.integers(1, 30)))
    centre, scale = rng.choice([0, 0.1, 3, 1000]), 10.0 ** rng.integers(-3, 4)
    gallery = make_gallery(rng, sizes, d, scale, centre)
    (probes,) = make_gallery(rng, [9], d, scale, centre)
    # look-alikes down to the last bit, among them identical ones
    for template in gallery:
        if len(template):
            template[0] = probes[0]
            template[-1] = np.nextafter(probes[1], np.float32(np.inf))
    tiles = {'tile_rows': int(rng.integers(1, 60)), 'tile_probes': int(rng.integers(1, 12))}
    check_bound(probes, gallery, similarity, **tiles)


@pytest.mark.parametrize('similarity', SIMILARITIES)
def test_block_sizes_change_no_score_beyond_the_bound(similarity):
    """Otherwise results depend on how a gallery happens to be cut."""
    rng = np.random.default_rng(5)
    gallery = make_gallery(rng, [3, 1, 0, 7, 2, 0, 5], 16)
    (probes,) = make_gallery(rng, [5], 16)
    for rows in range(1, 20):
        for n_probes in range(1, 7):
            check_bound(probes, gallery, similarity, tile_rows=rows, tile_probes=n_probes)


@pytest.mark.parametrize('similarity', SIMILARITIES)
def test_long_sums_that_round_one_way_stay_within_the_bound(similarity):
    """Otherwise the bound is that of a lucky sum, and extractors with long features break it."""
    probes = np.full((2, 2**18), 0.1, np.float32)
    probes[1] *= -1
    check_bound(probes, [probes[:1] * np.float32(1.001), probes[1:]], similarity)


def test_the_bound_is_small_enough_to_be_of_use():
    """Otherwise nearly every score is computed twice and the search takes longer, not shorter."""
    rng = np.random.default_rng(6)
    features = rng.normal(size=(50, 81, 128)).astype(np.float32) / 16
    probes = rng.normal(size=(20, 128)).astype(np.float32) / 16
    assert check_bound(probes, list(features), 'euclidean') < 5e-5
    assert check_bound(probes, list(features), 'cosine') < 5e-5


@pytest.mark.parametrize('similarity', SIMILARITIES)
@pytest.mark.parametrize('scale', [1e-38, 1e-20, 1e-12, 1e12, 1e18, 3e18, 1e25, 1e37])
def test_extreme_lengths_are_covered(similarity, scale):
    """Otherwise squares that overflow or vanish in float32 pass for scores."""
    rng = np.random.default_rng(2)
    gallery = make_gallery(rng, [4, 1, 3], 32, scale) + make_gallery(rng, [5, 2], 32)
    gallery.append(np.zeros((2, 32), np.float32))
    (probes,) = make_gallery(rng, [3], 32)
    check_bound(probes, gallery, similarity)
    check_bound((probes * np.float32(scale)).astype(np.float32), gallery, similarity)


def test_zero_vectors_are_exact_for_the_cosine():
    """Otherwise every blank feature costs an exact search of its scan."""
    found = search(
        np.eye(2, 4, dtype=np.float32), [np.zeros((3, 4), np.float32)], similarity='cosine'
    )
    assert (found.scores == 0).all()
    assert np.isfinite(found.slack).all()


def test_nothing_to_search_with_or_among():
    """Otherwise a run stops where no photograph, or no scan, has a face."""
    gallery = [np.ones((2, 8), np.float32), np.empty((0, 0), np.float32)]
    found = search(np.empty((0, 128), np.float32), gallery, similarity='euclidean')
    assert found.scores.shape == (0, 2)
    assert found.enrolled.tolist() == [True, False]
    probes = np.ones((3, 8), np.float32)
    assert search(probes, [], similarity='cosine').scores.shape == (3, 0)
    assert np.isnan(search(probes, gallery[1:], similarity='cosine').scores).all()


class Counted:
    """A gallery that remembers what was read."""

    def __init__(self, templates):
        self.templates, self.read = templates, []

    def __len__(self):
        return len(self.templates)

    def __getitem__(self, scan):
        self.read.append(scan)
        return self.templates[scan]


def test_each_template_is_read_once_and_in_order():
    """Otherwise a gallery on a disk is read again and again, or kept in memory."""
    rng = np.random.default_rng(3)
    gallery = Counted(make_gallery(rng, [2] * 20, 8))
    search(rng.normal(size=(3, 8)).astype(np.float32), gallery, similarity='cosine', tile_rows=5)
    assert gallery.read == list(range(20))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'similarity': 'manhattan'}, "'manhattan'; known: euclidean, cosine"),
        ({'probes': np.ones((2, 3), np.float32)}, 'length 16, the probes of length 3'),
        ({'probes': np.full((2, 16), np.inf, np.float32)}, 'probe 0 has a value'),
        ({'gallery': [np.ones(4, np.float32)]}, r'template 0 .* not \(4,\)'),
        ({'gallery': [np.full((2, 16), np.nan, np.float32)]}, 'template 0, feature 0'),
        ({'gallery': [np.full((2, 16), -np.inf, np.float32)]}, 'template 0, feature 0'),
    ],
)
@pytest.mark.parametrize('similarity', SIMILARITIES)
def test_wrong_input_is_named(similarity, change, message):
    """Otherwise a mixed-up file gives a plausible wrong rate instead of an error."""
    features = np.ones((3, 16), np.float32)
    options = {'probes': features, 'gallery': [features], 'similarity': similarity} | change
    with pytest.raises(ValueError, match=message):
        search(**options)


def test_a_scan_without_bound_is_in_doubt_everywhere():
    """Otherwise scores that say nothing are taken for certain."""
    slack = np.array([np.inf, 0], np.float32)
    found = FastScores('euclidean', np.zeros((1, 2), np.float32), slack)
    assert found.radius(0).tolist() == [np.inf, 0]
