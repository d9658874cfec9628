"""Each test names what a user loses if it fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bids_reid.records import AttackKey
from bids_reid.risk.identification import (
    Searches,
    cmc,
    identification_rows,
    mated_ranks,
    participant_scores,
)

SERIES = AttackKey('raw', 'T1w', 'face_recognition', 'best')
NAN = np.nan


@pytest.fixture
def searches():
    """Four people. Ann has two scans, Dan's scan failed, one photograph of Ben has no face.

    Worked by hand:

    ====== ============================ =================
    photo  ann (best of two), ben, cat  outcome
    ====== ============================ =================
    ann-1  9, 3, 5                      rank 1
    ann-2  2, 3, 5                      rank 3
    ben-1  0, 0, 0                      rank 3, all tied
    ben-2  no face                      no_face
    cat-1  7, 1, 6                      rank 2
    dan-1  4, 4, 8                      no_template
    ====== ============================ =================
    """
    return Searches(
        scores=np.array(
            [
                [1, 3, 5, 9, NAN],
                [2, 3, 5, 1, NAN],
                [0, 0, 0, -1, NAN],
                [NAN, NAN, NAN, NAN, NAN],
                [7, 1, 6, 6, NAN],
                [4, 4, 8, 4, NAN],
            ],
            dtype=np.float32,
        ),
        photos=('ann-1', 'ann-2', 'ben-1', 'ben-2', 'cat-1', 'dan-1'),
        photo_participants=('ann', 'ann', 'ben', 'ben', 'cat', 'dan'),
        acquired=np.array([True, True, True, False, True, True]),
        scan_participants=('ann', 'ben', 'cat', 'ann', 'dan'),
        enrolled=np.array([True, True, True, True, False]),
    )


def test_best_scan_speaks_for_its_participant(searches):
    """Otherwise a second scan of a participant hides or doubles the risk."""
    assert searches.gallery == ('ann', 'ben', 'cat')
    np.testing.assert_array_equal(
        participant_scores(searches),
        [[9, 3, 5], [2, 3, 5], [0, 0, 0], [NAN] * 3, [7, 1, 6], [4, 4, 8]],
    )


def test_ranks_of_photographs(searches):
    """Otherwise the number on the page is wrong; ties above all, where ORB would look strong."""
    results = mated_ranks(searches)
    assert [(r.photo, r.status, r.rank) for r in results] == [
        ('ann-1', 'ok', 1),
        ('ann-2', 'ok', 3),
        ('ben-1', 'ok', 3),
        ('ben-2', 'no_face', None),
        ('cat-1', 'ok', 2),
        ('dan-1', 'no_template', None),
    ]
    assert [(r.score, r.best_nonmated_score) for r in results[:2]] == [(9, 5), (2, 5)]
    assert results[5].score is None


def test_ranks_of_participants_use_all_their_photographs(searches):
    """Otherwise people with many photographs look safer than they are."""
    results = mated_ranks(searches, 'participant')
    assert [(r.participant, r.photo, r.status, r.rank) for r in results] == [
        ('ann', '', 'ok', 1),
        ('ben', '', 'ok', 3),
        ('cat', '', 'ok', 2),
        ('dan', '', 'no_template', None),
    ]


def test_participant_without_any_face_is_a_failure_to_acquire(searches):
    """Otherwise a participant leaves the denominator and the rate is too high."""
    searches.scores[3, :4] = 1
    blind = replace(searches, acquired=np.array([False, False, True, True, True, False]))
    results = mated_ranks(blind, 'participant')
    assert [r.status for r in results] == ['no_face', 'ok', 'ok', 'no_face']


def test_failures_stay_in_the_denominator(searches):
    """Otherwise bad photographs and failed scans make the rate go up."""
    rows = identification_rows(mated_ranks(searches), SERIES, unit='photo', n_gallery=3)
    assert [row.k for row in rows] == [1, 5, 10]
    first = rows[0]
    assert (first.n_probes, first.n_failed_acquire, first.n_failed_enrol) == (6, 1, 1)
    assert (first.n_correct, first.rate) == (1, pytest.approx(1 / 6))
    assert first.chance == pytest.approx(1 / 3)
    assert (rows[1].n_correct, rows[1].chance) == (4, 1)
    assert first.attack == SERIES


def test_cmc_rises_to_one_minus_failures(searches):
    """Otherwise the figure contradicts the table."""
    curve = cmc(mated_ranks(searches), 3)
    np.testing.assert_allclose(curve, [1 / 6, 2 / 6, 4 / 6])
    assert (np.diff(curve) >= 0).all()
    assert np.isnan(cmc([], 2)).all()


def test_guessing_sits_at_chance():
    """Otherwise nobody can tell a risk from an artefact of the counting."""
    rng = np.random.default_rng(3)
    people = tuple(f'{i:03}' for i in range(200))
    everyone = np.ones(200, dtype=bool)
    scores = rng.normal(size=(200, 200)).astype(np.float32)
    results = mated_ranks(Searches(scores, people, people, everyone, people, everyone))
    curve = cmc(results, 200)
    assert np.abs(curve - np.arange(1, 201) / 200).max() < 0.1
    assert curve[-1] == 1


def test_nobody_enrolled_or_photographed(searches):
    """Otherwise a run on a well de-faced dataset, or without photographs, stops."""
    safe = replace(searches, enrolled=np.zeros(5, dtype=bool))
    results = mated_ranks(safe)
    assert {r.status for r in results} == {'no_face', 'no_template'}
    row = identification_rows(results, SERIES, unit='photo', n_gallery=0)[0]
    assert (row.rate, row.chance) == (0, None)
    assert cmc(results, 0).shape == (0,)
    empty = identification_rows([], SERIES, unit='photo', n_gallery=3)[0]
    assert (empty.rate, empty.ci_low, empty.ci_high) == (None, None, None)


def test_gallery_of_one():
    """Otherwise a dataset of one participant stops the run."""
    yes = np.array([True])
    result = mated_ranks(Searches(np.zeros((1, 1), np.float32), ('p',), ('a',), yes, ('a',), yes))
    assert (result[0].rank, result[0].best_nonmated_score) == (1, None)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'photos': ('ann-1',)}, r'scores has shape \(6, 5\), expected \(1, 5\)'),
        ({'photo_participants': ('ann',) * 5 + ('eve',)}, 'photographs of eve'),
        (
            {'enrolled': np.ones(5, dtype=bool)},
            "no score for photograph 'ann-1' and scan number 4",
        ),
    ],
)
def test_wrong_input_is_named(searches, change, message):
    """Otherwise a forgotten scan leaves the denominator without a word."""
    with pytest.raises(ValueError, match=message):
        replace(searches, **change)


def test_unknown_unit_is_named(searches):
    """Otherwise a typing error silently counts photographs."""
    with pytest.raises(ValueError, match="'session'; known: photo, participant"):
        mated_ranks(searches, 'session')


@pytest.mark.parametrize(('pooling', 'score', 'rank'), [('max', 0.8, 2), ('mean', 0.7, 1)])
def test_several_photographs_count_as_the_decision_says(pooling, score, rank):
    """Otherwise all photographs together find fewer people than an attacker would."""
    searches = Searches(
        scores=np.array([[0.6, 0.9], [0.8, 0.1], [np.nan] * 2], np.float32),
        photos=('a1', 'a2', 'a3'),
        photo_participants=('ann',) * 3,
        acquired=np.array([True, True, False]),
        scan_participants=('ann', 'ben'),
        enrolled=np.ones(2, dtype=bool),
        pooling=pooling,
    )
    (result,) = mated_ranks(searches, 'participant')
    assert (result.rank, result.score) == (rank, pytest.approx(score))
    # a photograph alone is what it was
    assert [one.rank for one in mated_ranks(searches)] == [2, 1, None]
