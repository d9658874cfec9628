"""Each test names what a user loses if it fails."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from bids_reid.records import AttackKey
from bids_reid.risk import controls
from bids_reid.risk.controls import (
    negative_control,
    poisson_interval,
    positive_control,
    sort_controls,
)
from bids_reid.risk.identification import mated_ranks

SERIES = AttackKey('raw', 'T1w', 'face_recognition', 'best')


def test_labels_by_chance_are_found_by_chance(make):
    """Otherwise the control doubts a sound run; all permutations of five people counted here."""
    rng = np.random.default_rng(0)
    names = list('abcde')
    searches = make(rng.normal(size=(5, 5)) + 3 * np.eye(5), names)
    rates = []
    for people in permutations(names):
        ranks = mated_ranks(replace(searches, photo_participants=people), 'participant')
        rates.append(np.mean([result.rank == 1 for result in ranks]))
    row = negative_control(searches, SERIES, seed=1)
    assert row.chance == pytest.approx(np.mean(rates))
    assert row.ci_low <= row.chance <= row.ci_high
    assert row.rate == pytest.approx(row.chance, abs=0.02)
    assert (row.verdict, row.reason, row.n_permutations, row.seed) == ('ok', None, 2000, 1)
    assert row == negative_control(searches, SERIES, seed=1)


@pytest.mark.parametrize('seed', range(5))
def test_failures_repeats_and_ties(make, seed):
    """Otherwise a run with bad scans or ORB's ties is doubted, or chance is overstated."""
    rng = np.random.default_rng(seed)
    names = [f'{n:02}' for n in range(12)]
    photos = [*names[:9], *names[:5]]
    searches = make(
        rng.integers(0, 3, (14, 12)),
        photos,
        names,
        acquired=rng.random(14) > 0.2,
        enrolled=rng.random(12) > 0.2,
    )
    row = negative_control(searches, SERIES, seed=seed)
    assert row.verdict == 'ok'
    assert row.chance <= 1 / row.n_gallery


def test_a_leak_is_found(make, monkeypatch):
    """Otherwise the control is decoration: here the counting puts everybody first."""

    def leaky(searches, unit):
        return [replace(result, rank=1) for result in mated_ranks(searches, unit)]

    searches = make(np.random.default_rng(0).normal(size=(20, 20)), [f'{n:02}' for n in range(20)])
    monkeypatch.setattr(controls, 'mated_ranks', leaky)
    row = negative_control(searches, SERIES)
    assert row.verdict == 'not_ok'
    assert 'permutation count' in row.reason


def test_labels_that_are_not_permuted_are_found(make, monkeypatch):
    """Otherwise a rate far above chance passes."""
    searches = make(np.eye(20), [f'{n:02}' for n in range(20)])
    same = lambda rng, n_gallery, n_labels, n: np.tile(np.arange(n_labels), (n, 1))  # noqa: E731
    monkeypatch.setattr(controls, '_draw_labels', same)
    row = negative_control(searches, SERIES)
    assert (row.rate, row.verdict) == (1, 'not_ok')
    assert row.reason == 'permuted labels are found more often than expected by chance'


@pytest.mark.parametrize(
    ('photos', 'scans', 'reason'),
    [('', 'ab', 'no person could be searched for'), ('a', 'a', 'the gallery has only one person')],
)
def test_nothing_to_permute(make, photos, scans, reason):
    """Otherwise a tiny dataset stops the run."""
    row = negative_control(
        make(np.ones((len(photos), len(scans))), list(photos), list(scans)), SERIES
    )
    assert (row.rate, row.verdict) == (None, None)
    assert reason in row.reason


def test_poisson_interval_is_exact():
    """Otherwise sound runs are doubted too often."""
    low, high = poisson_interval(7)
    assert stats.poisson.sf(6, low) == pytest.approx(0.0005)
    assert stats.poisson.cdf(7, high) == pytest.approx(0.0005)
    assert poisson_interval(0)[0] == 0


def test_photographs_of_the_same_person_find_each_other():
    """Otherwise photographs that no extractor can use pass for a safe dataset."""
    rng = np.random.default_rng(0)
    people = [f'{n // 2:02}' for n in range(40)]
    owner = np.arange(40) // 2
    scores = rng.normal(size=(40, 40)) + 9 * (owner[:, None] == owner)
    np.fill_diagonal(scores, np.nan)
    row = positive_control(scores.astype(np.float32), people, 'orb')
    assert (row.rate, row.verdict, row.n_probes, row.n_people) == (1, 'ok', 40, 20)
    assert row.chance == pytest.approx(1 / 39)
    assert (row.condition, row.extractor) == (None, 'orb')
    assert row.ci_low > 0.7

    useless = rng.normal(size=(40, 40)).astype(np.float32)
    row = positive_control(useless, people, 'orb')
    assert row.verdict == 'not_ok'
    assert row.ci_low < row.chance
    assert row.reason


def test_two_people_cannot_fail_the_positive_control():
    """Otherwise sound photographs of a pilot study are said to be worthless."""
    people = ['a', 'a', 'b', 'b', *[None] * 5]
    scores = np.zeros((9, 9), np.float32)
    scores[0, 1] = scores[1, 0] = 1
    row = positive_control(scores, people, 'orb')
    assert (row.rate, row.verdict) == (0.5, None)
    assert row.reason.startswith('too few people')
    assert sort_controls([row]).unsure == (row,)
    assert not sort_controls([row]).failed
    # it is no doubt about the photographs where another extractor recognises them
    sighted = sort_controls([row, replace(row, extractor='x', verdict='ok', reason=None)])
    assert (sighted.unsure, sighted.not_done) == ((), (row,))


def test_positive_control_by_hand():
    """Otherwise ties or distractors change what is found."""
    scores = np.array([[0, 5, 4, 0], [5, 0, 5, 0], [9, 1, 0, 2], [9, 9, 9, 0]], np.float32)
    row = positive_control(scores, ['a', 'a', 'b', None], 'orb')
    # a's second photograph is as like to b's as to a's: not found; b has one, nobody is searched
    assert (row.rate, row.n_probes, row.n_people, row.n_gallery) == (0.5, 2, 1, 4)
    assert row.chance == pytest.approx(1 / 3)


@pytest.mark.parametrize('people', [[], ['a'], ['a', 'b', None], ['a', 'a'], [None, None]])
def test_nobody_has_two_photographs(people):
    """Otherwise a dataset with one photograph each stops the run."""
    n = len(people)
    row = positive_control(np.ones((n, n), np.float32), people, 'orb')
    assert (row.rate, row.verdict) == (None, None)
    assert row.reason
    with pytest.raises(ValueError, match='expected'):
        positive_control(np.ones((n, n + 1), np.float32), people, 'orb')
