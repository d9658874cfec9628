"""Each test names what a user loses if it fails."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bids_reid.records import AttackKey, Score
from bids_reid.risk.attacks import exposure, headline_interval, participant_rows, strongest_attacks
from bids_reid.risk.intervals import exact_high, exact_low, wilson


def ranked(*ranks):
    """None is a photograph without a face."""
    return [
        Score(f'{n:02}', '', 'ok' if rank else 'no_face', rank=rank)
        for n, rank in enumerate(ranks)
    ]


def test_risk_of_each_participant():
    """Otherwise a participant is told of the wrong exposure."""
    outcomes = {
        AttackKey('raw', 'T1w', 'orb', 'best'): ranked(1, 4, 7, None),
        AttackKey('raw', 'T1w', 'sift', 'best'): ranked(2, 9, 3, None),
        AttackKey('raw', 'T1w', 'sift', 'svm'): ranked(2, 1, 5, None),
        AttackKey('raw', 'FLAIR', 'orb', 'best'): ranked(1, 2, 2, None),
    }
    galleries = dict(zip(outcomes, (9, 7, 8, 8), strict=True))
    rows = participant_rows(outcomes, {'00': 3}, galleries)
    assert [(r.participant_id, r.best_rank, r.n_identified, r.level) for r in rows[:4]] == [
        ('sub-00', 1, 1, 'raised'),
        ('sub-01', 1, 1, 'raised'),
        ('sub-02', 3, 0, 'low'),
        ('sub-03', None, 0, 'unknown'),
    ]
    assert (rows[0].n_photos, rows[1].n_photos, rows[0].n_attacks) == (3, 0, 3)
    assert (rows[3].n_searched, rows[3].n_attacks) == (0, 3)
    assert rows[0].n_gallery == 9
    # one in eight is first by luck
    assert (rows[4].modality, rows[4].level, rows[4].n_gallery) == ('FLAIR', 'raised', 8)


@pytest.mark.parametrize(
    ('n_first', 'n_searched', 'n_gallery', 'level'),
    [
        (0, 0, 24, 'unknown'),
        (0, 10, 24, 'low'),
        (1, 10, 24, 'low'),
        (3, 10, 24, 'low'),
        (4, 10, 24, 'raised'),
        (5, 10, 24, 'high'),
        (1, 10, 182, 'low'),
        (2, 10, 182, 'raised'),
        (1, 10, 200, 'raised'),
        (5, 10, 200, 'high'),
        (1, 2, 24, 'low'),
        (2, 2, 24, 'high'),
        (1, 2, 40, 'high'),
        (1, 1, 24, 'high'),
        (1, 1, 19, 'low'),
    ],
)
def test_levels_allow_for_many_attacks(n_first, n_searched, n_gallery, level):
    """Otherwise a third of a study is raised by the luck of ten attacks, or somebody is hidden."""
    alone = exposure(n_first, n_searched, n_gallery, first_under_strongest=False)
    assert alone == level
    if n_first:
        led = exposure(n_first, n_searched, n_gallery, first_under_strongest=True)
        assert led == ('raised' if level == 'low' else level)


def test_whom_the_strongest_attack_finds_is_never_low():
    """Otherwise somebody whom an attacker finds reads that all is well."""
    strong = AttackKey('raw', 'T1w', 'facenet', 'adapted')
    outcomes = {strong: ranked(*[1] * 12 + [2] * 12)}
    outcomes |= {AttackKey('raw', 'T1w', f'{n}', 'best'): ranked(*[3] * 24) for n in range(11)}
    rows = participant_rows(outcomes, {}, dict.fromkeys(outcomes, 24))
    assert [row.level for row in rows] == ['raised'] * 12 + ['low'] * 12
    # as strong is the strongest, too; one that is not counted is not
    outcomes[AttackKey('raw', 'T1w', 'sift', 'best')] = ranked(*[2] * 12 + [1] * 12)
    few = AttackKey('raw', 'T1w', 'sift', 'svm')
    outcomes[few] = ranked(*[1] * 24)
    rows = participant_rows(outcomes, {}, dict.fromkeys(outcomes, 24) | {few: 2})
    assert {row.level for row in rows} == {'raised'}
    assert {row.n_searched for row in rows} == {13}


@pytest.mark.parametrize('agreement', [0.0, 0.5, 0.9])
def test_few_are_exposed_by_luck(agreement):
    """Otherwise ten attacks that guess call 34% of 24 people exposed."""
    rng, n, n_runs = np.random.default_rng(0), 24, 60
    own = rng.standard_normal((n_runs, 10, n, n))
    shared = rng.standard_normal((n_runs, 1, n, n))
    scores = np.sqrt(agreement) * shared + np.sqrt(1 - agreement) * own
    places = np.where(scores.argmax(axis=3) == np.arange(n), 1, 2)
    attacks = [AttackKey('raw', 'T1w', f'{n}', 'best') for n in range(10)]
    levels, any_first = [], []
    for run in places:
        outcomes = {key: ranked(*row.tolist()) for key, row in zip(attacks, run, strict=True)}
        rows = participant_rows(outcomes, {}, dict.fromkeys(attacks, n))
        levels += [row.level for row in rows]
        any_first += [row.best_rank == 1 for row in rows]
    assert np.mean([level == 'high' for level in levels]) <= 0.06
    exposed = np.mean([level != 'low' for level in levels])
    assert exposed < 0.2
    assert exposed < 0.95 * np.mean(any_first)


def test_strongest_attack_and_its_correction():
    """Otherwise the headline is the luckiest of many attacks with the certainty of one."""
    weak = ranked(*[1] * 5 + [2] * 14 + [None])
    strong = ranked(*[2] * 8 + [1] * 11 + [None])
    outcomes = {
        AttackKey('raw', 'T1w', 'orb', 'best'): weak,
        AttackKey('raw', 'T1w', 'sift', 'best'): strong,
        AttackKey('raw', 'T1w', 'sift', 'svm'): strong,
        AttackKey('defaced', 'T1w', 'orb', 'best'): weak,
    }
    first, second = strongest_attacks(outcomes, dict.fromkeys(outcomes, 20))
    assert (first.extractor, first.decision, first.n_attacks) == ('sift', 'best', 3)
    assert (first.n_correct, first.n_people, first.n_failed_acquire) == (11, 20, 1)
    assert (first.ci_low, first.ci_high) == pytest.approx(wilson(0.55, 20))
    assert first.ci_low_corrected == pytest.approx(stats.beta(11, 10).ppf(0.025 / 3))
    # picking the best makes no rate too low: the upper end is that of one attack
    assert first.ci_high_corrected == pytest.approx(stats.beta(12, 8).ppf(0.975))
    assert first.ci_low_corrected < first.ci_low
    assert 'selected after' in first.note
    assert second.ci_low_corrected == pytest.approx(stats.beta(5, 16).ppf(0.025))
    assert second.note == 'the only attack tried'


def test_an_attack_that_searches_nobody_or_a_few_is_not_counted():
    """Otherwise an empty gallery is the headline, or elimination passes for recognition."""
    empty, few, full, more = (AttackKey('raw', 'T1w', 'orb', name) for name in 'abcd')
    nobody = [Score(f'{n:02}', '', 'no_template') for n in range(6)]
    one = [Score('00', '', 'ok', rank=1), *nobody[1:]]
    missed = ranked(2, 2, 3, 4, 5, 6)
    outcomes = {empty: nobody, few: one, full: missed, more: missed}
    galleries = {empty: 0, few: 1, full: 5, more: 6}
    (row,) = strongest_attacks(outcomes, galleries)
    assert (row.decision, row.n_attacks, row.n_correct) == ('d', 2, 0)
    assert row.ci_high_corrected == pytest.approx(float(exact_high(0, 6, 0.025)))
    exposed = participant_rows(outcomes, {}, galleries)
    assert [(r.n_attacks, r.n_identified, r.level) for r in exposed] == [(2, 0, 'low')] * 6
    # alone they count for the row, which has to be there, but expose nobody
    (row,) = strongest_attacks({empty: nobody, few: one}, galleries)
    assert (row.decision, row.n_correct) == ('b', 1)
    exposed = participant_rows({empty: nobody, few: one}, {}, galleries)
    assert [(r.n_attacks, r.best_rank, r.level) for r in exposed] == [(0, None, 'unknown')] * 6


def test_the_corrected_interval_is_of_those_assessed():
    """Otherwise photographs without a face, or scans that failed, count as safe people."""
    attack = AttackKey('raw', 'T1w', 'orb', 'best')
    outcomes = {attack: ranked(1, 2, 2, 2, None, None)}
    (row,) = strongest_attacks(outcomes, {attack: 4}, {('raw', 'T1w'): 1})
    assert (row.n_people, row.n_failed_acquire, row.n_assessed) == (6, 2, 3)
    # failures may have been safe or not: the rate lies between counting them and leaving them out
    expected = float(exact_low(1, 6, 0.025)), float(exact_high(1, 3, 0.025))
    assert (row.ci_low_corrected, row.ci_high_corrected) == pytest.approx(expected)
    assert row.ci_low_corrected < row.rate < row.ci_high_corrected
    (row,) = strongest_attacks({attack: ranked(None)}, {attack: 4})
    assert (row.n_assessed, row.ci_low_corrected, row.ci_high_corrected) == (0, None, None)


def test_other_people_are_no_comparison():
    """Otherwise attacks on other participants are put beside each other."""
    outcomes = {
        AttackKey('raw', 'T1w', 'orb', 'best'): ranked(1, 2),
        AttackKey('raw', 'T1w', 'sift', 'best'): ranked(1, 2, 3),
    }
    with pytest.raises(ValueError, match='different people'):
        strongest_attacks(outcomes, dict.fromkeys(outcomes, 3))


def test_nobody():
    """Otherwise a run without photographs stops."""
    attack = AttackKey('raw', 'T1w', 'orb', 'best')
    assert strongest_attacks({}, {}) == []
    assert strongest_attacks({attack: []}, {attack: 0}) == []
    assert participant_rows({}, {}, {}) == []


def test_whom_one_extractor_rejects_another_may_assess():
    """Otherwise an extractor that rejects photographs makes a rate of the few that it takes."""
    picky, other = (AttackKey('raw', 'T1w', name, 'best') for name in ('picky', 'orb'))
    outcomes = {
        picky: ranked(1, 1, None, None, None, None),
        other: ranked(1, 2, 2, 2, 2, None),
    }
    (row,) = strongest_attacks(outcomes, {picky: 6, other: 6})
    assert (row.extractor, row.n_correct) == ('picky', 2)
    assert (row.n_failed_acquire, row.n_assessed) == (1, 5)
    assert row.ci_high_corrected == pytest.approx(float(exact_high(2, 5, 0.025)))


def counts(rng, n_people, rates, agreement, n_runs=1000):
    """People recognised by each attack, (n_runs, n_attacks); a Gaussian copula."""
    shape = (n_runs, n_people, len(rates))
    latent = np.sqrt(agreement) * rng.standard_normal((*shape[:2], 1))
    latent = latent + np.sqrt(1 - agreement) * rng.standard_normal(shape)
    return (latent < stats.norm.ppf(rates)).sum(axis=1)


@pytest.mark.parametrize('agreement', [0.0, 0.9])
@pytest.mark.parametrize('rate', [1 / 24, 0.5])
@pytest.mark.parametrize('better', [False, True])
def test_the_headline_covers_with_ten_attacks(agreement, rate, better):
    """Otherwise the luck of the best of ten attacks is told as risk: 15% at chance, not 2.5%."""
    rates = np.full(10, rate)
    rates[0] += 0.2 * better
    found = counts(np.random.default_rng(16), 24, rates, agreement)
    low, high = headline_interval(found.max(axis=1), 24, 24, 10)
    picked = rates[found.argmax(axis=1)]
    assert ((low <= picked) & (picked <= high)).mean() >= 0.95
    # how many could be recognised by the best of them
    assert ((low <= rates.max()) & (rates.max() <= high)).mean() >= 0.95
    assert (high >= rates.max()).mean() >= 0.965
    # an honest interval may not be one that says nothing
    assert np.mean(high - low) < 0.6


def test_the_limits_are_exact():
    """Otherwise an interval misses where few are recognised: every count is looked at."""
    for n in (24, 60):
        every = np.arange(n + 1)
        low, high = exact_low(every, n, 0.0025), exact_high(every, n, 0.025)
        assert low[0] == 0
        assert high[-1] == 1
        assert (low <= every / n).all()
        assert (every / n <= high).all()
        for truth in (1 / n, 0.05, 0.5, 0.95):
            weights = stats.binom(n, truth).pmf(every)
            assert weights[low > truth].sum() <= 0.0025
            assert weights[high < truth].sum() <= 0.025
