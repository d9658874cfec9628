"""Each test names what a user loses if it fails."""

from __future__ import annotations

import numpy as np
import pytest

from bids_reid.records import AttackKey
from bids_reid.risk.openset import best_scores, openset_rows, threshold_at

SERIES = AttackKey('raw', 'T1w', 'face_recognition', 'best')


def test_threshold_keeps_the_rate():
    """Otherwise more strangers are 'recognised' than is promised; ties among them too."""
    rng = np.random.default_rng(0)
    for digits in (9, 0):
        best = np.round(rng.normal(size=100), digits).astype(np.float32).astype(float)
        threshold = threshold_at(best, 0.1)
        assert (best >= threshold).mean() <= 0.1
        lower = best[best < threshold].max()
        assert (best >= lower).mean() > 0.1


def test_rates_by_hand(make):
    """Otherwise the table is wrong: found means first, and above the threshold."""
    names = list('abcd')
    scores = np.array([[9, 0, 0, 0], [0, 3, 0, 0], [8, 0, 7, 0], [0, 0, 0, 6]])
    # the best of 40 distractors are 5, 5, 5, 5 and then 1: at 10% anything above 1 is returned
    distractors = np.zeros((40, 4))
    distractors[:, 0] = 1
    distractors[:4, 2] = 5
    rows = openset_rows(make(scores, names, distractors=distractors), SERIES, rates=[0.1, 0.075])
    assert [row.fnir for row in rows] == [0.25, 0.5]
    assert rows[1].threshold == pytest.approx(5)
    assert (rows[0].n_probes, rows[0].n_distractors, rows[0].n_gallery) == (4, 40, 4)
    for row in rows:
        assert 0 <= row.ci_low < row.fnir < row.ci_high <= 1


def test_failures_are_not_identified(make):
    """Otherwise a dataset with bad photographs looks safer or more exposed than it is."""
    searches = make(
        np.eye(4) * 5,
        list('abcd'),
        acquired=[0, 1, 1, 1],
        enrolled=[1, 0, 1, 1],
        distractors=np.full((30, 4), [0, 99, 0, 0]),
    )
    row = openset_rows(searches, SERIES, rates=[0.1])[0]
    assert (row.fnir, row.n_failed_acquire, row.n_failed_enrol) == (0.5, 1, 1)


@pytest.mark.parametrize(
    ('photos', 'distractors', 'reason'),
    [
        ('ab', None, 'fewer than 30 distractors with a face'),
        ('ab', np.zeros((29, 2)), 'fewer than 30 distractors with a face'),
        ('', np.zeros((50, 2)), 'there is no photograph of a participant'),
    ],
)
def test_too_few_say_so(make, photos, distractors, reason):
    """Otherwise a rate is read off nothing."""
    searches = make(np.eye(2)[: len(photos)], list(photos), list('ab'), distractors=distractors)
    row = openset_rows(searches, SERIES)[0]
    assert (row.fnir, row.threshold, row.reason) == (None, None, reason)


def test_empty_gallery(make):
    """Otherwise a well de-faced dataset stops the run."""
    searches = make(np.eye(2), list('ab'), enrolled=[0, 0], distractors=np.zeros((30, 2)))
    assert (best_scores(searches) == -np.inf).all()
    row = openset_rows(searches, SERIES)[0]
    assert (row.fnir, row.threshold) == (1, None)


@pytest.mark.slow
def test_coverage_of_the_interval(make):
    """Otherwise '95%' is a word: the threshold depends on 60 distractors, which vary."""
    rng = np.random.default_rng(0)
    n = 30
    names = [f'{i:02}' for i in range(n)]
    threshold = np.quantile(rng.normal(size=(40_000, n)).max(axis=1), 0.9)
    mated = rng.normal(3, 1, 40_000)
    rest = rng.normal(size=(40_000, n - 1)).max(axis=1)
    truth = 1 - ((mated > rest) & (mated >= threshold)).mean()
    covered = []
    for _ in range(150):
        scores = rng.normal(size=(n, n))
        np.fill_diagonal(scores, rng.normal(3, 1, n))
        searches = make(scores, names, distractors=rng.normal(size=(60, n)))
        row = openset_rows(searches, SERIES, rates=[0.1])[0]
        covered.append(row.ci_low <= truth <= row.ci_high)
    assert np.mean(covered) > 0.9
