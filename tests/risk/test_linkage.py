"""Linkage counts: an error here hides that re-faced scans find their originals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bids_reid.risk.linkage import (
    MAX_PARTICIPANTS,
    Comparison,
    LinkageRow,
    Member,
    ScanSet,
    compared_participants,
    link,
    plan,
)

RAW, LATER, FLAIR, DEFACED = (
    ScanSet('this', 'raw', '01', 'T1w'),
    ScanSet('this', 'raw', '02', 'T1w'),
    ScanSet('this', 'raw', '01', 'FLAIR'),
    ScanSet('this', 'defaced', '01', 'T1w'),
)


def alike(n: int, m: int) -> np.ndarray:
    """Scores of n scans against m, of which the same numbers show the same people."""
    scores = np.random.default_rng(3).uniform(0.1, 0.4, (n, m))
    np.fill_diagonal(scores, 0.9)
    return scores


def linked(scores: np.ndarray, **changed: object) -> LinkageRow:
    n, m = scores.shape
    given = {
        'probe_participants': [f'{i:02d}' for i in range(n)],
        'gallery_participants': [f'{i:02d}' for i in range(m)],
        'probe_enrolled': np.ones(n, np.bool_),
        'gallery_enrolled': np.ones(m, np.bool_),
        'extractor': 'face_recognition',
        'decision': 'pose',
    } | changed
    return link(Comparison(LATER, RAW), scores.astype(np.float32), **given)  # type: ignore[arg-type]


def test_people_are_linked_and_strangers_are_not() -> None:
    """Links of people are counted; those that chance makes do not pass for them."""
    row = linked(alike(12, 12))
    assert (row.n_correct, row.n_probes, row.n_gallery) == (12, 12, 12)
    assert row.eer == 0
    assert row.p_value is not None
    assert row.p_value < 0.01
    assert row.permuted_rate == pytest.approx(1 / 12, abs=0.02)
    assert linked(np.roll(alike(12, 12), 6, axis=0)).n_correct == 0


def test_failures_stay_in_the_denominator() -> None:
    """A de-faced scan without a template was not linked; leaving it out raises the rate."""
    scores = alike(4, 4)
    scores[0] = np.nan
    gallery = np.array([True, True, True, False])
    row = linked(
        scores, probe_enrolled=np.array([False, True, True, True]), gallery_enrolled=gallery
    )
    assert (row.n_probes, row.n_failed_probe, row.n_failed_gallery) == (4, 1, 1)
    assert row.n_correct == 2
    assert row.rate == 0.5


def test_probes_without_a_mate_are_left_out_and_strangers_in_the_gallery_stay() -> None:
    """Otherwise the rate is that of another question."""
    row = linked(
        alike(6, 6)[2:, :5],
        probe_participants=['02', '03', '04', '05'],
        gallery_participants=['00', '01', '02', '03', '04'],
    )
    assert (row.n_probes, row.n_gallery, row.n_correct) == (3, 5, 3)


def test_scans_without_a_common_view_do_not_match() -> None:
    """A face found in other cameras only says nothing: no score, and no link."""
    assert linked(np.full((1, 3), np.nan)).n_correct == 0


def test_the_equal_error_rate_of_known_scores() -> None:
    """One of four mated below one in four non-mated: a quarter of each is wrong."""
    scores = np.full((4, 4), 0.1)
    scores[:, 0] = 0.5
    np.fill_diagonal(scores, [0.9, 0.8, 0.7, 0.3])
    row = linked(scores)
    assert row.eer == pytest.approx(0.25)
    assert row.eer_ci_low is not None
    assert row.eer_ci_high is not None
    assert row.eer_ci_low < 0.25 < row.eer_ci_high
    assert linked(scores[:, [1, 2, 3, 0]]).eer == pytest.approx(1.0, abs=0.4)
    nothing = linked(scores, probe_enrolled=np.zeros(4, np.bool_))
    assert (nothing.eer, nothing.eer_ci_low, nothing.rate) == (None, None, 0)


def test_sets_that_share_people_are_compared_once_the_shared_one_as_probe() -> None:
    """A pair that is forgotten is a link that nobody is told of."""
    members = [Member(each, who) for each in (DEFACED, LATER, RAW) for who in ('01', '02')]
    members.append(Member(FLAIR, '01'))
    assert plan(members) == [
        Comparison(probe=LATER, gallery=RAW),
        Comparison(probe=DEFACED, gallery=RAW),
        Comparison(probe=DEFACED, gallery=LATER),
    ]


def test_of_large_sets_the_same_people_are_compared() -> None:
    """A biobank's run would not end; and people without a mate would be no test of linkage."""
    both = [f'a{number:04d}' for number in range(1000)]
    probes, gallery = compared_participants(both, [*both, 'b'])
    assert probes == gallery
    assert len(probes) == MAX_PARTICIPANTS
    # from the whole range of labels, of which the first may all be of one site
    assert {label[:2] for label in probes} == {'a0'}
    assert {label[2] for label in probes} == set('0123456789')
    # mates first, then others as far as there is room
    probes, gallery = compared_participants(both[:200], both[100:])
    assert (len(probes), len(gallery)) == (200, MAX_PARTICIPANTS)
    assert set(both[100:200]) == probes & gallery
    assert compared_participants('ab', 'bc') == (set('ab'), set('bc'))


def test_raw_scans_that_would_be_shared_are_the_probes() -> None:
    """A dataset that is de-faced itself, its originals beside it: else a link is backwards."""
    members = [Member(each, who) for each in (RAW, DEFACED) for who in ('01', '02')]
    assert plan(members, 'raw') == [Comparison(probe=RAW, gallery=DEFACED)]
    assert plan(members, 'defaced') == [Comparison(probe=DEFACED, gallery=RAW)]


def test_links_within_another_dataset_are_left_out() -> None:
    """They say nothing of the scans that are audited, and may be its strongest link."""
    theirs = [replace(each, dataset='earlier') for each in (RAW, LATER)]
    members = [Member(each, who) for each in (RAW, *theirs) for who in ('01', '02')]
    assert plan(members) == [Comparison(probe=other, gallery=RAW) for other in theirs]
