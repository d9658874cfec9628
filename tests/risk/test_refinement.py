"""Results of refined scores are those of exact scores, to the last bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bids_reid.match.scores import probe_scores
from bids_reid.match.search import search
from bids_reid.risk.identification import Searches, mated_ranks
from bids_reid.risk.refinement import refine

UNITS = ('photo', 'participant')


def results(searches):
    return {unit: mated_ranks(searches, unit) for unit in UNITS}


def make_searches(rng, exact, n_people):
    """Photographs and scans of people, some of them failed, in no order."""
    n_photos, n_scans = exact.shape
    people = np.array([f'{number:02}' for number in range(n_people)])
    scans = tuple(rng.permutation(np.resize(people, n_scans)))
    photos = tuple(rng.choice(sorted(set(scans)), n_photos))
    return Searches(
        scores=exact,
        photos=tuple(f'p{number}' for number in range(n_photos)),
        photo_participants=photos,
        acquired=rng.random(n_photos) > 0.1,
        scan_participants=scans,
        enrolled=~np.isnan(exact).any(axis=0),
    )


@pytest.mark.parametrize('seed', range(40))
def test_results_are_those_of_exact_scores(seed):
    """Otherwise a rank of the large search is not what the small one gives."""
    rng = np.random.default_rng(seed)
    exact = rng.normal(size=(12, 30)).astype(np.float32)
    # coarse scores tie, fine ones nearly do
    exact = np.round(exact, int(rng.integers(0, 3)))
    exact += rng.integers(-1, 2, exact.shape) * np.spacing(exact)
    exact[:, rng.random(30) < 0.1] = np.nan
    radius = rng.choice([0, 1e-7, 1e-2, 0.5, np.inf], size=30, p=[0.2, 0.3, 0.3, 0.15, 0.05])
    truth = make_searches(rng, exact, int(rng.integers(2, 20)))
    noise = rng.uniform(-1, 1, exact.shape) * np.where(np.isinf(radius), 1, radius) * 0.99
    fast = (exact + noise).astype(np.float32)
    off = np.abs(fast.astype(float) - exact)
    # rounded up, with room for the rounding of sums
    radius = np.maximum(radius, np.nan_to_num(off.max(axis=0)))
    radius = (radius + 1e-6).astype(np.float32)
    searches = replace(truth, scores=fast)

    refine(searches, lambda _: radius, lambda scan, photos: exact[photos, scan])

    assert results(searches) == results(truth)
    # the others are where they were
    assert ((searches.scores == exact) | (searches.scores == fast) | np.isnan(exact)).all()


def test_only_what_matters_is_computed():
    """Otherwise the large search is as slow as the exact one."""
    scores = np.linspace(-1, 0, 1000, dtype=np.float32)[None]
    yes = np.ones(1000, dtype=bool)
    people = tuple(map(str, range(1000)))
    searches = Searches(scores, ('p',), ('500',), yes[:1], people, yes)
    asked = []

    def rescore(scan, photos):
        asked.append(scan)
        return scores[photos, scan]

    count = refine(searches, lambda _: np.full(1000, 0.0015, np.float32), rescore)
    # the mated one, its neighbours, and those at the top
    assert asked == [500, 499, 501, 997, 998, 999]
    assert count == len(asked)


def test_nothing_is_computed_for_a_photograph_that_is_not_searched():
    """Otherwise a scan without a template is asked for one and stops the run."""
    searches = Searches(
        scores=np.zeros((2, 3), np.float32),
        photos=('p', 'q'),
        photo_participants=('ann', 'ben'),
        acquired=np.array([True, False]),
        scan_participants=('ann', 'ben', 'cat'),
        enrolled=np.array([False, True, True]),
    )

    def rescore(scan, photos):
        raise AssertionError(scan)

    assert refine(searches, lambda _: np.full(3, np.inf, np.float32), rescore) == 0


def adversarial_features(rng, n_people, d):
    """Photographs and templates whose scores tie, nearly tie, vanish or cancel in float32."""
    base = rng.normal(size=d).astype(np.float32)
    gallery = []
    for person in range(n_people):
        views = np.tile(base, (int(rng.integers(1, 4)), 1))
        kind = person % 6
        if kind == 1:  # one unit in the last place of one value
            views[0, rng.integers(d)] = np.nextafter(views[0, 0], np.float32(9))
        elif kind == 2:
            views[:] = 0
        elif kind == 3:
            views += rng.normal(size=views.shape).astype(np.float32) * np.float32(1e-4)
        elif kind == 4:
            views *= np.float32(1e15)
        elif kind == 5:
            views = np.empty((0, d), np.float32)
        gallery.append(views)
    probes = base + rng.normal(size=(n_people, d)).astype(np.float32) * np.float32(1e-4)
    probes[0] = base
    return probes, gallery


@pytest.mark.parametrize('similarity', ['euclidean', 'cosine'])
@pytest.mark.parametrize('centre', [0, 1000])
@pytest.mark.parametrize('seed', range(6))
def test_search_and_refinement_give_the_exact_results(similarity, centre, seed):
    """Otherwise near ties, where look-alikes are, are decided by rounding."""
    rng = np.random.default_rng(seed)
    n_people = 24
    probes, gallery = adversarial_features(rng, n_people, 64)
    probes += np.float32(centre)
    gallery = [template + np.float32(centre) for template in gallery]
    people = tuple(f'{number:02}' for number in range(n_people))
    exact = probe_scores(probes, gallery, similarity=similarity)
    truth = Searches(
        scores=exact,
        photos=tuple(f'p{number}' for number in range(n_people)),
        # two photographs of each second participant
        photo_participants=tuple(f'{number // 2 * 2:02}' for number in range(n_people)),
        acquired=np.ones(n_people, dtype=bool),
        scan_participants=people,
        enrolled=~np.isnan(exact).any(axis=0),
    )
    found = search(probes, gallery, similarity=similarity, tile_rows=int(rng.integers(1, 40)))
    searches = replace(truth, scores=found.scores.copy())

    def rescore(scan, photos):
        return probe_scores(probes[photos], [gallery[scan]], similarity=similarity)[:, 0]

    refine(searches, found.radius, rescore)
    assert results(searches) == results(truth)
