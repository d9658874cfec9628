"""Each test names what a user loses if it fails."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from bids_reid.records import AttackKey, Score
from bids_reid.risk.comparisons import comparison_rows, holm, paired_interval


def outcome(found):
    return [Score(f'{n:02}', '', 'ok', rank=1 if hit else 3) for n, hit in enumerate(found)]


def test_intervals_are_the_published_ones():
    """Otherwise a difference is called real, or not, by a wrong interval.

    Newcombe, Stat. Med. 17:2635-2650 (1998), method 10: 36, 12, 2, 0 give 0.0569 to 0.3404, and
    36, 14, 0, 0 give 0.1528 to 0.4167.
    """
    assert paired_interval(36, 12, 2, 0) == pytest.approx((0.0569, 0.3404), abs=5e-5)
    assert paired_interval(36, 14, 0, 0) == pytest.approx((0.1528, 0.4167), abs=5e-5)


def test_intervals_hold_the_difference_and_turn_with_it():
    """Otherwise b against a says something else than a against b."""
    for cells in product(range(4), repeat=4):
        if not sum(cells):
            continue
        both, a, b, none = cells
        low, high = paired_interval(*cells)
        assert -1 - 1e-9 <= low <= (a - b) / sum(cells) <= high <= 1 + 1e-9
        assert paired_interval(both, b, a, none) == pytest.approx((-high, -low))
    with pytest.raises(ValueError, match='nobody to compare'):
        paired_interval(0, 0, 0, 0)


def test_defacing_that_works():
    """Otherwise the claim that de-facing helped stands on a wrong test."""
    raw = outcome([True] * 12 + [False] * 8)
    defaced = outcome([True] * 2 + [False] * 17 + [True])
    row = comparison_rows(
        {
            AttackKey('raw', 'T1w', 'orb', 'best'): raw,
            AttackKey('defaced', 'T1w', 'orb', 'best'): defaced,
        }
    )[0]
    assert (row.factor, row.a, row.b) == ('condition', 'raw', 'defaced')
    assert (row.condition, row.modality, row.extractor) == (None, 'T1w', 'orb')
    assert (row.n_only_a, row.n_only_b, row.n_a, row.n_b) == (10, 1, 12, 3)
    assert row.p == pytest.approx(2 * stats.binom.cdf(1, 11, 0.5))
    assert row.relative_reduction == pytest.approx(1 - 3 / 12)
    assert row.difference == pytest.approx(9 / 20)
    assert 0 < row.ci_low < row.difference < row.ci_high


def test_only_one_thing_differs():
    """Otherwise an extractor is compared with another on other scans."""
    found = outcome([True, False] * 10)
    attack = [
        AttackKey(*names)
        for names in product(
            ['raw', 'defaced'], ['T1w', 'FLAIR'], ['orb', 'sift'], ['best', 'svm']
        )
    ]
    rows = comparison_rows(dict.fromkeys(attack, found))
    assert len(rows) == 16 * 4 / 2
    assert {row.n_tests for row in rows} == {8}
    assert all(row.p == row.p_holm == 1 for row in rows)
    some = comparison_rows(dict.fromkeys(attack, found), ['modality', 'decision'])
    assert {row.factor for row in some} == {'modality', 'decision'}


def test_only_shared_people_are_compared():
    """Otherwise another number of participants passes for an effect; failures do count."""
    longer = [*outcome([True] * 12), Score('99', '', 'no_face')]
    rows = comparison_rows(
        {
            AttackKey('raw', 'T1w', 'orb', 'best'): longer,
            AttackKey('raw', 'T1w', 'sift', 'best'): [
                *outcome([False] * 10),
                Score('99', '', 'no_template'),
            ],
            AttackKey('raw', 'T1w', 'orb', 'svm'): [Score('zz', '', 'ok', rank=1)],
        }
    )
    assert [(row.factor, row.n_people, row.n_a, row.n_b) for row in rows] == [
        ('extractor', 11, 10, 0)
    ]
    assert rows[0].relative_reduction == 1


def test_nothing_found_has_no_reduction():
    """Otherwise nothing divided by nothing is told as a success."""
    nobody = outcome([False] * 5)
    row = comparison_rows({AttackKey('raw', 'T1w', e, 'best'): nobody for e in ('orb', 'sift')})[0]
    assert (row.relative_reduction, row.p) == (None, 1)
    assert comparison_rows({}) == []


def test_holm_by_hand():
    """Otherwise many tests find something by chance."""
    assert holm([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


@pytest.mark.slow
def test_coverage_of_the_paired_interval():
    """Otherwise '95%' is a word."""
    rng = np.random.default_rng(0)
    law = [0.3, 0.25, 0.05, 0.4]
    cells = rng.multinomial(30, law, size=1500)
    intervals = np.array([paired_interval(*row) for row in cells])
    assert ((intervals[:, 0] <= 0.2) & (intervals[:, 1] >= 0.2)).mean() > 0.93
