"""Ranks before and after: each test says what a user loses if it fails."""

from __future__ import annotations

import numpy as np

from bids_reid.records import AttackKey
from bids_reid.risk.changes import change_rows
from bids_reid.risk.pairing import reduction_row
from tests.risk.conftest import Make

AFTER = AttackKey('defaced', 'T1w', 'face_recognition', 'best')


def test_ranks_stand_beside_each_other_and_agree_with_the_rates(make: Make) -> None:
    """Otherwise the figure names other people as recognised than the table of reductions."""
    rng = np.random.default_rng(3)
    people = [f'{n:02}' for n in range(12)]
    before = make(rng.normal(size=(12, 12)) + 4 * np.eye(12), people)
    after = make(
        rng.normal(size=(12, 12)) + np.eye(12),
        people,
        acquired=[True] * 11 + [False],
    )
    rows = change_rows(before, after, AFTER, baseline='raw')
    reduction = reduction_row(before, after, AFTER, baseline='raw')
    assert [row.participant_id for row in rows] == [f'sub-{label}' for label in people]
    assert sum(row.rank_before == 1 for row in rows) == reduction.n_before
    still = [row.participant_id[4:] for row in rows if row.rank_after == 1]
    assert tuple(still) == reduction.still_identified
    assert 0 < len(still) < 12
    # a search that failed has no rank
    assert rows[-1].rank_after is None
    assert {(row.baseline, row.condition) for row in rows} == {('raw', 'defaced')}
    assert {(row.n_gallery_before, row.n_gallery_after) for row in rows} == {(12, 12)}
