"""Each test names what a user loses if it fails."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bids_reid.records import AttackKey, Score
from bids_reid.risk.identification import identification_rows, rate_intervals, wilson_interval
from bids_reid.risk.intervals import effective_interval, people_groups, resample, wilson

SERIES = AttackKey('raw', 'T1w', 'face_recognition', 'best')


@pytest.mark.parametrize(('count', 'n'), [(0, 20), (1, 29), (81, 263), (7, 7)])
def test_wilson_is_that_of_scipy(count, n):
    """Otherwise tables that use one and those that use the other contradict each other."""
    expected = stats.binomtest(count, n).proportion_ci(method='wilson')
    for interval in (wilson(count / n, n), wilson_interval(count, n)):
        assert interval == pytest.approx((expected.low, expected.high), abs=1e-12)


def results(found, people):
    return [
        Score(person, f'p{number}', 'ok', rank=1 if hit else 2)
        for number, (hit, person) in enumerate(zip(found, people, strict=True))
    ]


def row_of(found, people, seed=0):
    return identification_rows(
        results(found, people), SERIES, unit='photo', n_gallery=9, ranks=[1], seed=seed
    )[0]


def test_copies_of_a_photograph_add_nothing():
    """Otherwise ten copies of each photograph look like ten times the participants."""
    found, people = [True, False] * 15, [f'{n:02}' for n in range(30)]
    once, often = row_of(found, people), row_of(found * 10, people * 10)
    assert (once.interval, often.interval) == ('wilson', 'people')
    assert (once.seed, often.seed) == (None, 0)
    assert (once.n_people, often.n_people) == (30, 30)
    width = once.ci_high - once.ci_low
    assert often.ci_high - often.ci_low == pytest.approx(width, rel=0.12)
    assert often.ci_high - often.ci_low > width * 0.99


@pytest.mark.parametrize('hit', [False, True])
def test_interval_is_never_empty(hit):
    """Otherwise 0 of 60 photographs of 20 people is told as certainly nobody."""
    row = row_of([hit] * 60, [f'{n // 3:02}' for n in range(60)])
    low, high = wilson(float(hit), 20)
    assert row.ci_high - row.ci_low >= high - low > 0.1
    assert row.ci_low == 0 or row.ci_high == 1


def test_never_narrower_than_independent_photographs():
    """Otherwise people of whom one photograph works and one does not make the rate look sure."""
    row = row_of([True, False] * 20, [f'{n // 2:02}' for n in range(40)])
    low, high = wilson(0.5, 40)
    assert (row.ci_low, row.ci_high) <= (low, 1)
    assert row.ci_high >= high


def test_the_seed_alone_decides():
    """Otherwise two runs on the same input write different tables."""
    rng = np.random.default_rng(1)
    found, people = rng.random(50) < 0.4, [f'{n % 17:02}' for n in range(50)]
    assert row_of(found, people, 3) == row_of(found, people, 3)
    assert row_of(found, people, 3) != row_of(found, people, 4)


def test_one_person_with_many_photographs():
    """Otherwise a dataset of one person stops the run, or is judged from one."""
    row = row_of([True] * 10, ['a'] * 10)
    assert row.ci_low < 0.3
    assert row.ci_high == 1


def test_without_probes():
    """Otherwise a run without photographs of participants stops."""
    assert np.isnan(rate_intervals(np.zeros((0, 3), bool), [])).all()


def test_groups_hold_everybody_and_are_bounded():
    """Otherwise 100,000 people need more memory than there is."""
    assert people_groups(7, 0).tolist() == list(range(7))
    sizes = np.bincount(people_groups(1003, 0))
    assert (len(sizes), sizes.min(), sizes.max()) == (500, 2, 3)


def test_effective_interval_of_a_known_variance():
    """Otherwise every bootstrapped interval is off; here half of the photographs count."""
    rng = np.random.default_rng(0)
    replicates = 0.5 + rng.normal(scale=np.sqrt(0.25 / 500), size=100_000)
    found = effective_interval(0.5, replicates, 1000, 10_000)
    assert found == pytest.approx(wilson(0.5, 500), abs=5e-4)


@pytest.mark.slow
@pytest.mark.parametrize('n_people', [12, 40])
@pytest.mark.parametrize('rate', [0.05, 0.5, 0.9])
@pytest.mark.parametrize('alike', [0.3, 5.0])
def test_coverage_with_repeated_photographs(n_people, rate, alike):
    """Otherwise '95%' is a word: people with 1 to 8 photographs, who are alike or not."""
    rng = np.random.default_rng(5)
    covered = []
    for seed in range(300):
        photos = rng.integers(1, 9, n_people)
        people = np.repeat(np.arange(n_people), photos)
        mine = rng.beta(rate * alike, (1 - rate) * alike, n_people)
        found = rng.random(len(people)) < mine[people]
        low, high = rate_intervals(found[:, None], people.astype(str).tolist(), seed)
        covered.append(low[0] <= rate <= high[0])
    assert np.mean(covered) > 0.91


def test_resamples_draw_everybody_as_often():
    """Otherwise the bootstrap is of other people than those of the run."""
    weights = resample(6, seed=1, n_resamples=5000)
    assert (weights.sum(axis=1) == 6).all()
    assert np.abs(weights.mean(axis=0) - 1).max() < 0.06


def test_a_rate_of_one_whose_resamples_vary_has_an_interval():
    """Otherwise an open-set run in which everybody is missed ends with an error."""
    replicates = np.array([1.0, 0.9, 1.0, 0.8])
    low, high = effective_interval(1.0, replicates, 20, 10)
    assert 0.5 < low < 0.9
    assert high == pytest.approx(1)
