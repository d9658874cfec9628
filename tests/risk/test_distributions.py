"""Distributions of scores: each test says what a user loses if it fails."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from bids_reid.records import AttackKey
from bids_reid.risk.distributions import MOST_BINS, distribution_rows, round_width
from tests.risk.conftest import Make

ATTACK = AttackKey('raw', 'T1w', 'face_recognition', 'best')


def counted(rows, comparison):
    return [row for row in rows if row.comparison == comparison]


@pytest.mark.parametrize(('n', 'scale'), [(5, 1.0), (60, 1e-3), (200, 400.0)])
def test_every_comparison_is_in_the_bin_of_its_score(make: Make, n: int, scale: float) -> None:
    """Otherwise the figure shows other scores than those that the rates come from."""
    rng = np.random.default_rng(n)
    scores = (scale * (rng.normal(size=(n, n)) + 2 * np.eye(n))).astype(np.float32)
    rows = distribution_rows(make(scores, [f'{i:03}' for i in range(n)]), ATTACK)
    right = np.eye(n, dtype=bool)
    for comparison, some in (('mated', scores[right]), ('nonmated', scores[~right])):
        bins = counted(rows, comparison)
        assert sum(row.n for row in bins) == len(some)
        for row in bins:
            inside = (some >= row.bin_low) & (some < row.bin_high)
            # a score at an edge may fall to either side in single precision
            assert abs(row.n - inside.sum()) <= 1, row
        assert all(one.bin_high == two.bin_low for one, two in pairwise(bins))
        assert bins[0].n
        assert bins[-1].n
    widths = Counter(round((row.bin_high - row.bin_low) / scale, 6) for row in rows)
    assert len(widths) == 1
    edges = {row.bin_low for row in rows}
    assert len(edges) <= MOST_BINS + 1
    assert all(len(f'{edge:g}'.lstrip('-').replace('.', '')) <= 5 for edge in edges)


def test_searches_that_failed_are_in_no_bin(make: Make) -> None:
    """A photograph without a face has no score: as a low one it would look like a wrong person."""
    searches = make(
        [[0.9, 0.1, 0.2], [9.0, 9.0, 9.0], [0.3, 0.2, 0.8]],
        ['a', 'b', 'c'],
        acquired=[True, False, True],
        enrolled=[True, True, False],
    )
    rows = distribution_rows(searches, ATTACK)
    assert [row.n for row in counted(rows, 'mated')] == [1]
    assert sum(row.n for row in counted(rows, 'nonmated')) == 1


def test_nothing_to_compare_is_no_table(make: Make) -> None:
    """Scores without any spread, or of nobody, have no bins; the run must not stop for that."""
    assert distribution_rows(make(np.ones((3, 3)), ['a', 'b', 'c']), ATTACK) == []
    nobody = make(np.ones((2, 2)), ['a', 'b'], acquired=[False, False])
    assert distribution_rows(nobody, ATTACK) == []


@pytest.mark.parametrize('width', [3e-7, 0.001, 0.1, 0.7, 2.0, 49.0, 1e6])
def test_bins_have_round_widths(width: float) -> None:
    """Edges like 0.0371 cannot be read in a table."""
    rounded = round_width(width)
    assert width * (1 - 1e-9) <= rounded <= 2.5 * width
    assert f'{rounded:.0e}'[0] in '125'
