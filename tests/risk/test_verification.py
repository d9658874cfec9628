"""Each test names what a user loses if it fails."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bids_reid.records import AttackKey
from bids_reid.risk.verification import (
    count_comparisons,
    det_rows,
    equal_error_rate,
    verification_rows,
)

SERIES = AttackKey('raw', 'T1w', 'face_recognition', 'best')


def brute_force(mated, nonmated, target):
    """FNMR at the lowest threshold, of all that there are, whose FMR is within the target."""
    everything = np.unique(np.concatenate([mated, nonmated, [np.inf]]))
    allowed = [t for t in everything if (nonmated >= t).mean() <= target]
    return (mated < min(allowed)).mean()


@pytest.mark.parametrize('digits', [9, 0])
def test_fnmr_is_that_of_the_definition(make, digits):
    """Otherwise the table holds a number that nobody else would get; ties among scores too."""
    rng = np.random.default_rng(4)
    names = [f'{n:02}' for n in range(40)]
    scores = np.round(rng.normal(size=(40, 40)) + 2 * np.eye(40), digits).astype(np.float32)
    counts = count_comparisons(make(scores, names))
    others = scores[~np.eye(40, dtype=bool)]
    rows = verification_rows(counts, SERIES, rates=[0.3, 0.1, 0.05])
    for row in rows[:-1]:
        assert row.rate == pytest.approx(brute_force(np.diag(scores), others, row.fmr))
        assert row.ci_low <= row.rate <= row.ci_high
        assert row.ci_high - row.ci_low > 0.1
    assert (rows[0].n_mated, rows[0].n_nonmated, rows[0].n_people) == (40, 1560, 40)
    fmr, fnmr = counts.det()
    for score, x, y in zip(np.sort(np.diag(scores)), fmr, fnmr, strict=True):
        assert x == pytest.approx((others >= score).mean())
        assert y == pytest.approx((np.diag(scores) < score).mean())


def test_counts_do_not_depend_on_how_many_are_added_up_together(make, monkeypatch):
    """Otherwise large studies get error rates of a part of their comparisons."""
    rng = np.random.default_rng(5)
    names = [f'{n:02}' for n in range(20)]
    searches = make(rng.normal(size=(20, 20)), names)
    together = count_comparisons(searches)
    monkeypatch.setattr('bids_reid.risk.verification.CELLS_AT_ONCE', 50)
    in_parts = count_comparisons(searches)
    assert in_parts.n_by_candidate.tolist() == together.n_by_candidate.tolist() == [19] * 20
    assert in_parts.by_candidate.tolist() == together.by_candidate.tolist()


def test_best_scan_and_failures(make):
    """Otherwise failures vanish, and a second scan is somebody else."""
    searches = make(
        [[1, 9, 5, np.nan], [2, 3, 4, np.nan], [0, 0, 0, 0], [7, 8, 8, np.nan]],
        ['a', 'a', 'b', 'c'],
        ['a', 'a', 'b', 'c'],
        acquired=[1, 1, 0, 1],
        enrolled=[1, 1, 1, 0],
    )
    counts = count_comparisons(searches)
    assert counts.mated.tolist() == [3, 9]
    assert counts.n_nonmated == 2
    assert (counts.n_failed_acquire, counts.n_failed_enrol) == (1, 1)
    row = verification_rows(counts, SERIES, rates=[0.1])[0]
    assert row.rate is None
    assert row.reason == 'fewer than 300 non-mated comparisons'


def test_generalised_rate_counts_failures(make):
    """Otherwise bad photographs look like safety without being shown as failures."""
    names = [f'{n:02}' for n in range(30)]
    acquired = np.arange(30) >= 10
    row = verification_rows(
        count_comparisons(make(np.eye(30), names, acquired=acquired)), SERIES, rates=[0.1]
    )[0]
    assert row.rate == 0
    assert row.gfrr == pytest.approx(10 / 30)
    assert 0 < row.ci_high < 0.25


def test_too_few_comparisons_are_no_rate(make):
    """Otherwise 0.1% is read off a handful of comparisons."""
    names = [f'{n:02}' for n in range(25)]
    rows = verification_rows(count_comparisons(make(np.eye(25), names)), SERIES)
    assert [row.rate for row in rows] == [0, None, None, 0]
    assert rows[1].reason == 'fewer than 3000 non-mated comparisons'


def test_equal_error_rate_of_known_laws(make):
    """Otherwise the EER is off: of normal scores d apart it is Phi(-d / 2)."""
    rng = np.random.default_rng(0)
    names = [f'{n:03}' for n in range(300)]
    scores = rng.normal(size=(300, 300)) + 2 * np.eye(300)
    row = verification_rows(count_comparisons(make(scores, names)), SERIES)[-1]
    assert (row.measure, row.fmr, row.gfrr) == ('eer', None, None)
    assert row.ci_low < stats.norm.cdf(-1) < row.ci_high
    assert row.rate == pytest.approx(stats.norm.cdf(-1), abs=0.03)


def test_equal_error_rate_is_where_the_staircases_cross():
    """Otherwise few photographs give a rate that is on neither curve; scanned finely here."""
    rng = np.random.default_rng(1)
    for _ in range(50):
        mated, others = rng.normal(1, 1, 7), rng.normal(size=23)
        mated.sort()
        fmr = np.array([(others >= score).mean() for score in mated])
        missed = np.arange(7) / 7
        rate = equal_error_rate(fmr, missed)
        fine = np.linspace(-6, 6, 20_001)
        false = (others[:, None] >= fine).mean(axis=0)
        lost = (mated[:, None] < fine).mean(axis=0)
        # just before they cross, and just after
        after = np.argmax(lost >= false)
        assert lost[after - 1] - 1e-12 <= rate <= false[after - 1] + 1e-12
        assert rate <= lost[after] + 1e-12


@pytest.mark.parametrize('photos', [[], ['a']])
def test_nothing_to_compare(make, photos):
    """Otherwise a dataset of one, or without photographs, stops the run."""
    counts = count_comparisons(make(np.ones((len(photos), 1)), photos, ['a']))
    rows = verification_rows(counts, SERIES)
    assert [row.rate for row in rows] == [None] * 4
    assert all(row.reason for row in rows)


def test_more_people_than_groups_give_the_same_rates(make, monkeypatch):
    """Otherwise large datasets get other rates than small ones."""
    rng = np.random.default_rng(2)
    names = [f'{n:03}' for n in range(60)]
    searches = make(rng.normal(size=(60, 60)) + np.eye(60), names)
    few = verification_rows(count_comparisons(searches), SERIES)
    monkeypatch.setattr('bids_reid.risk.intervals.MAX_GROUPS', 20)
    many = verification_rows(count_comparisons(searches), SERIES)
    for one, other in zip(few, many, strict=True):
        assert one.rate == other.rate
        assert one.ci_high == (
            None if one.rate is None else pytest.approx(other.ci_high, abs=0.08)
        )


@pytest.mark.slow
def test_coverage_of_intervals(make):
    """Otherwise '95%' is a word: two photographs each, some people more look-alike than others."""
    rng = np.random.default_rng(0)
    names = [f'{n:02}' for n in range(30) for _ in range(2)]

    def scores(n, photos):
        hub = rng.normal(scale=0.5, size=n)
        table = rng.normal(size=(n * photos, n)) + hub
        person = np.repeat(np.arange(n), photos)
        table[np.arange(n * photos), person] += 2 + np.repeat(rng.normal(size=n), photos)
        return table

    big = scores(3000, 1)
    others = big[~np.eye(3000, dtype=bool)]
    threshold = np.quantile(others, 0.9)
    truth = (np.diag(big) < threshold).mean()
    covered = []
    for _ in range(150):
        searches = make(scores(30, 2), names, sorted(set(names)))
        row = verification_rows(count_comparisons(searches), SERIES, rates=[0.1])[0]
        covered.append(row.ci_low <= truth <= row.ci_high)
    assert np.mean(covered) > 0.91


def test_the_curve_has_all_corners(make):
    """Otherwise the figure shows fewer errors than there are; counted at each threshold here."""
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(9, 9)).round(1) + np.eye(9)
    counts = count_comparisons(make(scores, [f'{n}' for n in range(9)]))
    rows = det_rows(counts, SERIES)
    mated, others = np.diag(scores), scores[~np.eye(9, dtype=bool)]
    expected = {
        ((others >= score - 1e-6).mean(), (mated < score - 1e-6).mean()) for score in mated
    }
    found = np.array(sorted((row.fmr, row.fnmr) for row in rows))
    np.testing.assert_allclose(found, sorted(expected))
    assert [row.fnmr for row in rows] == sorted(row.fnmr for row in rows)
    assert det_rows(count_comparisons(make(np.ones((1, 1)), ['a'])), SERIES) == []
