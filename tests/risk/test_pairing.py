"""Before and after: the same people, the same photographs, the same gallery."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bids_reid.records import AttackKey, Score
from bids_reid.risk.comparisons import holm, paired_interval
from bids_reid.risk.identification import Searches, mated_ranks
from bids_reid.risk.pairing import (
    ReductionRow,
    for_all_attacks,
    pair_searches,
    reduction_row,
    restrict,
    still_identified,
)

ATTACK = AttackKey('defaced', 'T1w', 'orb', 'best')


def searches(scores: list[list[float]], people: str, scans: str) -> Searches:
    return Searches(
        scores=np.array(scores, np.float32),
        photos=tuple(f'{who}.jpg' for who in people),
        photo_participants=tuple(people),
        acquired=np.ones(len(people), dtype=bool),
        scan_participants=tuple(scans),
        enrolled=np.ones(len(scans), dtype=bool),
        distractors=np.arange(2 * len(scans), dtype=np.float32).reshape(2, -1),
    )


RAW = searches(
    [[9, 1, 1, 8, 0], [1, 9, 1, 2, 1], [1, 1, 5, 9, 1], [0, 0, 0, 9, 0]], 'abcd', 'abcdd'
)
"""c loses against d, who has no de-faced scan; d has two scans."""
KEPT = np.array([True, True, True, False, False])


def test_the_gallery_before_is_that_after() -> None:
    """Among 24 people fewer are found than among 8: the gain would be that of the gallery."""
    small = restrict(RAW, KEPT)
    assert small.gallery == ('a', 'b', 'c')
    assert small.photo_participants == ('a', 'b', 'c')
    assert small.distractors is not None
    assert small.distractors.tolist() == [[0, 1, 2], [5, 6, 7]]
    ranks = {result.participant: result.rank for result in mated_ranks(small)}
    assert ranks == {'a': 1, 'b': 1, 'c': 1}
    assert {r.participant: r.rank for r in mated_ranks(RAW)}['c'] == 2


def test_several_photographs_stay_pooled_as_they_were() -> None:
    """A rate before and after would otherwise not be that of the same attack."""
    several = replace(
        searches([[9, 0, 0], [0, 8, 0], [7, 4, 0], [0, 5, 0]], 'aabb', 'abc'), pooling='mean'
    )
    small = restrict(several, np.array([True, True, False]))
    ranks = {result.participant: result.rank for result in mated_ranks(small, 'participant')}
    # by the highest score b would be at rank 2
    assert ranks == {'a': 1, 'b': 1}
    assert small.pooling == 'mean'


def test_one_of_several_scans_may_be_kept() -> None:
    """Of a participant with two sessions only the one that has a version is compared."""
    small = restrict(RAW, np.array([True, False, False, False, True]))
    assert small.scores.tolist() == [[9, 0], [0, 0]]
    assert small.photo_participants == ('a', 'd')


def test_who_remains() -> None:
    """The row that people act on: who has to be de-faced again."""
    after = searches([[3, 1, 1], [9, 1, 1], [9, 1, 1]], 'abc', 'abc')
    row = reduction_row(restrict(RAW, KEPT), after, ATTACK, baseline='raw')
    assert (row.n_people, row.n_before, row.n_after) == (3, 3, 1)
    assert (row.n_gallery_before, row.n_gallery_after) == (3, 3)
    assert (row.n_only_before, row.n_only_after) == (2, 0)
    assert row.still_identified == ('a',)
    assert row.reduction == pytest.approx(2 / 3)
    assert row.relative_reduction == pytest.approx(2 / 3)
    assert row.p == pytest.approx(0.5)
    assert row.ci_low is not None
    assert row.ci_high is not None
    assert row.ci_low < 2 / 3 < row.ci_high


def test_who_is_found_by_elimination_is_not_named() -> None:
    """Somebody would be de-faced again because nobody else could be searched."""
    after = searches([[3, 1, 1], [9, 1, 1], [9, 1, 1]], 'abc', 'abc')
    alone = replace(after, enrolled=np.array([True, False, False]))
    before = restrict(RAW, KEPT)
    row = reduction_row(before, alone, ATTACK, baseline='raw')
    assert (row.n_gallery_after, row.n_after, row.still_identified) == (1, 1, ())


def changed(found: np.ndarray, later: np.ndarray) -> list[ReductionRow]:
    """Rows of attacks that find these people before and after, (n_people, n_attacks)."""
    empty = restrict(RAW, np.zeros(5, dtype=bool))
    template = reduction_row(empty, empty, ATTACK, baseline='raw')
    n = len(found)
    rows = []
    for number, (a, b) in enumerate(zip(found.T, later.T, strict=True)):
        only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
        low, high = paired_interval(int((a & b).sum()), only_a, only_b, int((~a & ~b).sum()))
        total = only_a + only_b
        p = float(stats.binomtest(only_a, total).pvalue) if total else 1.0
        rows.append(
            replace(
                template,
                extractor=f'{number}',
                n_people=n,
                n_before=int(a.sum()),
                n_after=int(b.sum()),
                n_only_before=only_a,
                n_only_after=only_b,
                ci_low=low,
                ci_high=high,
                p=p,
            )
        )
    return rows


def test_the_change_of_the_luckiest_attack_is_no_reduction() -> None:
    """De-facing that does nothing would be said to work, by the attack that was lucky before."""
    rng = np.random.default_rng(0)
    alone, together, p_alone, p_together = [], [], [], []
    for _ in range(200):
        rows = changed(rng.random((60, 10)) < 0.5, rng.random((60, 10)) < 0.5)
        row = max(for_all_attacks(rows), key=lambda one: one.n_before)
        alone.append((row.ci_low or 0) <= 0 <= (row.ci_high or 0))
        together.append((row.ci_low_corrected or 0) <= 0 <= (row.ci_high_corrected or 0))
        p_alone.append((row.p or 0) < 0.05)
        p_together.append((row.p_holm or 0) < 0.05)
    assert np.mean(alone) < 0.93
    assert np.mean(together) >= 0.95
    assert np.mean(p_together) <= 0.05 < np.mean(p_alone)


def test_changes_are_corrected_for_the_attacks_on_the_same_scans() -> None:
    """Rows of another modality, or without anybody, would make intervals too wide."""
    rng = np.random.default_rng(1)
    rows = changed(rng.random((40, 3)) < 0.7, rng.random((40, 3)) < 0.3)
    nobody = reduction_row(*[restrict(RAW, np.zeros(5, dtype=bool))] * 2, ATTACK, baseline='raw')
    other = replace(rows[0], modality='FLAIR')
    first, *rest = for_all_attacks([other, *rows, nobody])
    assert (first.n_tests, first.p_holm) == (1, first.p)
    assert (first.ci_low_corrected, first.ci_high_corrected) == pytest.approx(
        (first.ci_low, first.ci_high)
    )
    assert [row.n_tests for row in rest] == [3, 3, 3, 0]
    assert [row.p_holm for row in rest[:3]] == holm([row.p or 0 for row in rows])
    assert rest[3] == nobody
    for row, plain in zip(rest, rows, strict=False):
        assert (row.ci_low_corrected or 1) < (plain.ci_low or 0)
        assert (row.ci_high_corrected or 0) > (plain.ci_high or 1)


def test_nobody_photographed() -> None:
    empty = restrict(RAW, np.zeros(5, dtype=bool))
    row = reduction_row(empty, empty, ATTACK, baseline='raw')
    assert (row.n_people, row.rate_before, row.p) == (0, None, None)


def test_pairs_are_of_the_same_probe() -> None:
    before = [
        Score('a', '1', 'ok', rank=1),
        Score('a', '2', 'ok', rank=3),
        Score('b', '1', 'ok', 1),
    ]
    after = [
        Score('a', '2', 'ok', rank=1),
        Score('a', '1', 'no_template'),
        Score('c', '1', 'ok', 1),
    ]
    pairs = pair_searches(before, after)
    assert [(p.before.photo, p.found(1)) for p in pairs] == [
        ('1', (True, False)),
        ('2', (False, True)),
    ]
    assert still_identified(pairs) == ('a',)
    with pytest.raises(ValueError, match='twice'):
        pair_searches(before, [*after, after[0]])
