"""A pass has to be earned: whatever is not known counts against it."""

from __future__ import annotations

from typing import Any

import pytest

from bids_reid.records import AttackKey, Score
from bids_reid.risk.gate import doubted, people_needed, presence_verdict, risk_verdict
from bids_reid.risk.identification import IdentificationRow, identification_rows, wilson_interval


def rows(
    n_correct: int,
    n: int,
    no_face: int = 0,
    no_template: int = 0,
    n_gallery: int | None = None,
    **attack: Any,
) -> list[IdentificationRow]:
    """Rows of a attack of ``n`` participants, the last of whom failed to acquire or enrol."""
    results = [
        Score(str(i), '', 'ok', rank=1 if i < n_correct else 9)
        for i in range(n - no_face - no_template)
    ]
    results += [Score(f'f{i}', '', 'no_face') for i in range(no_face)]
    results += [Score(f't{i}', '', 'no_template') for i in range(no_template)]
    named = {'condition': 'defaced', 'modality': 'T1w', 'extractor': 'orb', 'decision': 'best'}
    if n_gallery is None:
        n_gallery = n - no_template
    return identification_rows(
        results, AttackKey(**(named | attack)), unit='participant', n_gallery=n_gallery
    )


def test_within_the_limit() -> None:
    verdict = risk_verdict(rows(0, 80), condition='defaced', max_risk=0.05)
    assert verdict.passed
    assert (verdict.kind, verdict.n, verdict.n_exposed, verdict.n_needed) == ('risk', 80, 0, None)
    assert verdict.ci_high == pytest.approx(wilson_interval(0, 80)[1])
    assert verdict.sentence.startswith('Passed: orb (best) recognised 0 of 80 participants')


def test_the_upper_bound_decides_not_the_rate() -> None:
    """4 of 100 is 4%, but may be 10%."""
    verdict = risk_verdict(rows(4, 100), condition='defaced', max_risk=0.05)
    assert not verdict.passed
    assert verdict.rate == pytest.approx(0.04)
    assert verdict.n_needed is None
    assert 'above the limit of 5.0%' in verdict.sentence


def test_too_few_people_never_pass_and_are_told_how_many() -> None:
    """Nobody recognised among 8 is no evidence of a risk below 5%."""
    verdict = risk_verdict(rows(0, 8), condition='defaced', max_risk=0.05)
    assert not verdict.passed
    assert verdict.n_needed == 73
    assert 'at least 73 would be needed' in verdict.sentence
    assert risk_verdict(rows(0, 73), condition='defaced', max_risk=0.05).passed
    assert not risk_verdict(rows(0, 72), condition='defaced', max_risk=0.05).passed


@pytest.mark.parametrize('limit', [0.01, 0.05, 0.1, 0.5, 0.9])
def test_the_number_needed_is_the_smallest(limit: float) -> None:
    needed = people_needed(limit)
    assert needed is not None
    assert wilson_interval(0, needed)[1] <= limit
    assert needed == 1 or wilson_interval(0, needed - 1)[1] > limit


def test_no_number_of_people_shows_no_risk_at_all() -> None:
    verdict = risk_verdict(rows(0, 500), condition='defaced', max_risk=0.0)
    assert not verdict.passed
    assert verdict.n_needed is None


def test_the_strongest_attack_and_the_worst_modality_decide() -> None:
    """An attacker takes what works best."""
    some = rows(0, 100) + rows(30, 100, extractor='sift', modality='FLAIR')
    some += rows(50, 100, condition='raw') + rows(2, 100, extractor='sift')
    verdict = risk_verdict(some, condition='defaced', max_risk=0.1)
    assert not verdict.passed
    assert (verdict.modality, verdict.extractor, verdict.n_exposed) == ('FLAIR', 'sift', 30)
    verdict = risk_verdict(some, condition='raw', max_risk=0.7)
    assert verdict.passed
    assert verdict.n_exposed == 50


def test_a_modality_with_too_few_people_spoils_the_pass() -> None:
    some = rows(0, 100) + rows(0, 2, modality='FLAIR')
    verdict = risk_verdict(some, condition='defaced', max_risk=0.05)
    assert not verdict.passed
    assert verdict.modality == 'FLAIR'


def test_what_failed_is_no_evidence_of_safety() -> None:
    """Blank photographs and broken scans would otherwise buy a pass."""
    verdict = risk_verdict(rows(0, 100, no_face=60), condition='defaced', max_risk=0.05)
    assert (verdict.passed, verdict.n) == (False, 40)
    verdict = risk_verdict(
        rows(0, 100), condition='defaced', max_risk=0.05, not_assessed={'T1w': 60}
    )
    assert (verdict.passed, verdict.n) == (False, 40)


@pytest.mark.parametrize(
    'some',
    [
        [],
        rows(0, 5, no_face=5),
        rows(0, 90, condition='raw'),
        rows(0, 100, no_template=100) + rows(0, 100, no_template=100, extractor='sift'),
        rows(0, 100, no_template=100, n_gallery=50),
        rows(1, 100, no_template=99),
    ],
)
def test_nobody_searched_is_not_a_pass(some: list[IdentificationRow]) -> None:
    verdict = risk_verdict(some, condition='defaced', max_risk=0.5)
    assert not verdict.passed
    assert verdict.n == 0
    assert 'not known' in verdict.sentence


def test_an_attack_that_searched_nobody_is_not_the_strongest() -> None:
    """Otherwise a gate says that it judges by an attack that could not succeed."""
    some = rows(0, 100, no_template=100) + rows(0, 100, no_template=7, extractor='sift')
    verdict = risk_verdict(some, condition='defaced', max_risk=0.05)
    assert (verdict.passed, verdict.extractor, verdict.n) == (True, 'sift', 100)
    assert '0 of 100 participants (7 of whom could not be enrolled)' in verdict.sentence
    verdict = risk_verdict(
        rows(0, 100, no_template=7), condition='defaced', max_risk=0.05, not_assessed={'T1w': 7}
    )
    assert verdict.n == 93
    assert 'enrolled' not in verdict.sentence


def test_the_limit_allows_for_all_attacks() -> None:
    """Trying more attacks must not make a pass of what the best of them does not show."""
    some = [row for name in 'abcdefgh' for row in rows(0, 80, extractor=name)]
    assert risk_verdict(some[:3], condition='defaced', max_risk=0.05).passed
    verdict = risk_verdict(some, condition='defaced', max_risk=0.05)
    assert not verdict.passed
    assert verdict.n_needed is not None
    assert verdict.ci_high is not None
    assert verdict.ci_high > wilson_interval(0, 80)[1]
    assert 'allowing for all attacks' in verdict.sentence
    needed = verdict.n_needed
    for n, passed in ((needed, True), (needed - 1, False)):
        more = [row for name in 'abcdefgh' for row in rows(0, n, extractor=name)]
        assert risk_verdict(more, condition='defaced', max_risk=0.05).passed is passed


@pytest.mark.parametrize('n', [100, 150])
def test_more_people_recognised_never_make_a_pass(n: int) -> None:
    """A bound taken from how much attacks agree fell when the first person was recognised."""
    bounds = []
    for n_correct in range(4):
        some = rows(n_correct, n)
        some += [row for name in 'abcdefghijk' for row in rows(0, n, extractor=name)]
        bounds.append(risk_verdict(some, condition='defaced', max_risk=0.06).ci_high)
        agreeing = [row for name in 'abcdefghijkl' for row in rows(n_correct, n, extractor=name)]
        assert risk_verdict(agreeing, condition='defaced', max_risk=0.06).ci_high == bounds[-1]
    assert None not in bounds
    assert bounds == sorted(bounds)


def test_a_doubt_takes_a_pass_back_and_is_said() -> None:
    """Half of the scans were never de-faced, or the controls failed: the rates do not matter."""
    good = risk_verdict(rows(0, 80), condition='defaced', max_risk=0.05)
    assert doubted(good, []) == good
    verdict = doubted(good, ['50 scans have no defaced version', 'controls failed'])
    assert not verdict.passed
    assert verdict.sentence == (
        good.sentence.replace('Passed', 'Not passed')
        + ' But 50 scans have no defaced version, and controls failed.'
    )
    bad = risk_verdict(rows(40, 80), condition='defaced', max_risk=0.05)
    assert doubted(bad, ['x']).sentence == bad.sentence + ' Besides, x.'


@pytest.mark.parametrize(
    ('clear', 'others', 'limit', 'passed'),
    [(10, 0, 0.0, True), (9, 1, 0.1, True), (8, 2, 0.1, False), (0, 0, 1.0, False)],
)
def test_without_photographs_scans_are_counted(
    clear: int, others: int, limit: float, passed: bool
) -> None:
    """Whatever is not without findings counts, also what could not be assessed."""
    verdicts = ['no findings'] * clear + ['review', None][:others]
    verdict = presence_verdict(verdicts, condition='raw', max_risk=limit)
    assert (verdict.passed, verdict.kind, verdict.n_exposed) == (passed, 'presence', others)
    assert not verdict.n or 'cut brain) or could not be assessed' in verdict.sentence
