"""Linkage counts: an error here hides that re-faced scans find their originals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bids_reid.records import Template
from bids_reid.risk.linkage import (
    DECISIONS,
    MAX_PARTICIPANTS,
    Comparison,
    Decision,
    LinkageRow,
    Member,
    ScanSet,
    compared_participants,
    found_under_other_light,
    link,
    linkage_scores,
    plan,
)

RAW, LATER, FLAIR, DEFACED = (
    ScanSet('this', 'raw', '01', 'T1w'),
    ScanSet('this', 'raw', '02', 'T1w'),
    ScanSet('this', 'raw', '01', 'FLAIR'),
    ScanSet('this', 'defaced', '01', 'T1w'),
)


def people(
    n: int, seed: int, *, noise: float, shift: float = 0.0, views: int = 5
) -> list[Template | None]:
    """Templates of the same people under another noise and a common shift."""
    own = np.random.default_rng(1).normal(size=(n, 16))
    rng = np.random.default_rng(seed)
    return [
        Template(
            (row + shift + noise * rng.normal(size=(views, 16))).astype(np.float32),
            np.arange(views, dtype=np.int32),
        )
        for row in own
    ]


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


@pytest.mark.parametrize('decision', DECISIONS)
def test_people_are_linked_and_strangers_are_not(decision: Decision) -> None:
    """Both decisions find people; what is found by chance does not pass for it."""
    first = people(12, 2, noise=0.3)
    row = linked(linkage_scores(people(12, 3, noise=0.3), first, decision))
    assert (row.n_correct, row.n_probes, row.n_gallery) == (12, 12, 12)
    assert row.eer == 0
    assert row.p_value is not None
    assert row.p_value < 0.01
    assert row.permuted_rate == pytest.approx(1 / 12, abs=0.02)
    others = linkage_scores(
        [*people(12, 3, noise=0.3)[6:], *people(12, 3, noise=0.3)[:6]], first, decision
    )
    assert linked(others).n_correct == 0


def test_centring_takes_away_what_a_condition_adds_to_all() -> None:
    """De-facing makes all heads alike: without centring the risk that remains is missed."""
    raw, defaced = people(12, 2, noise=0.5), people(12, 3, noise=0.5, shift=30.0)
    raw.append(Template(np.full((5, 16), 25.0, np.float32), np.arange(5, dtype=np.int32)))
    plain = linked(linkage_scores(defaced, raw, 'pose'))
    centred = linked(linkage_scores(defaced, raw, 'centred'))
    assert plain.n_correct == 0
    assert centred.n_correct > 8


def test_failures_stay_in_the_denominator() -> None:
    """A de-faced scan without a template was not linked; leaving it out raises the rate."""
    scores = linkage_scores([None, *people(4, 3, noise=0.1)[1:]], people(4, 2, noise=0.1), 'pose')
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
        linkage_scores(people(6, 3, noise=0.1)[2:], people(6, 2, noise=0.1)[:5], 'pose'),
        probe_participants=['02', '03', '04', '05'],
        gallery_participants=['00', '01', '02', '03', '04'],
    )
    assert (row.n_probes, row.n_gallery, row.n_correct) == (3, 5, 3)


def test_scans_without_a_common_view_do_not_match() -> None:
    """A face found in other cameras only says nothing: no score, and no link."""
    apart = Template(np.zeros((1, 16), np.float32), np.array([9], np.int32))
    scores = linkage_scores([apart], people(3, 2, noise=0.1), 'pose')
    assert np.isnan(scores).all()
    assert linked(scores).n_correct == 0


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


@pytest.mark.parametrize('decision', DECISIONS)
def test_scans_find_themselves_unless_features_say_nothing(decision: Decision) -> None:
    """The control of an extractor that is blind: its 0% of links would be told as safety."""
    rng = np.random.default_rng(3)
    views = np.arange(27, dtype=np.int32)
    own = rng.normal(size=(12, 1, 16))
    owners = [f'{number // 2:02}' for number in range(12)]

    def control(noise: float) -> float | None:
        rows = (own + noise * rng.normal(size=(12, 27, 16))).astype(np.float32)
        templates: list[Template | None] = [Template(one, views) for one in rows]
        return found_under_other_light([*templates, None], [*owners, 'x'], decision)

    sure, blind = control(0.2), control(1000.0)
    assert sure == 1
    assert blind is not None
    assert blind < 0.6
    alone: list[Template | None] = [Template(np.ones((27, 16), np.float32), views), None]
    assert found_under_other_light(alone, ['a', 'b'], decision) is None


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


def test_unknown_decisions_and_other_features_are_refused() -> None:
    """Features of two extractors compared with each other are noise that looks like safety."""
    with pytest.raises(ValueError, match='unknown decision'):
        linkage_scores([], [], 'best')  # type: ignore[arg-type]
    short = Template(np.zeros((1, 8), np.float32), np.zeros(1, np.int32))
    with pytest.raises(ValueError, match='length'):
        linkage_scores([short], people(2, 1, noise=0.1), 'pose')
