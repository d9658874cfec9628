"""A pass has to be earned: whatever is not known counts against it."""

from __future__ import annotations

from typing import Any

import pytest

from bids_reid.records import AttackKey, Score
from bids_reid.risk.attacks import strongest_attacks
from bids_reid.risk.gate import Gate, doubted, people_needed, presence_gate, risk_gate
from bids_reid.risk.identification import wilson_interval

Outcomes = dict[AttackKey, tuple[list[Score], int]]


def rows(
    n_correct: int,
    n: int,
    no_face: int = 0,
    no_template: int = 0,
    n_gallery: int | None = None,
    **attack: Any,
) -> Outcomes:
    """Searches of ``n`` participants, the last of whom failed to acquire or enrol."""
    results = [
        Score(str(i), '', 'ok', rank=1 if i < n_correct else 9)
        for i in range(n - no_face - no_template)
    ]
    n_searched = len(results)
    results += [
        Score(str(n_searched + i), '', 'no_face' if i < no_face else 'no_template')
        for i in range(no_face + no_template)
    ]
    named = {'condition': 'defaced', 'modality': 'T1w', 'extractor': 'orb', 'decision': 'best'}
    if n_gallery is None:
        n_gallery = n - no_template
    return {AttackKey(**(named | attack)): (results, n_gallery)}


def gate(
    searches: Outcomes,
    max_risk: float,
    condition: str = 'defaced',
    not_assessed: dict[str, int] | None = None,
    modalities: tuple[str, ...] = (),
) -> Gate:
    """Judge the searches as a run does: by the rows of the strongest attacks."""
    strongest = strongest_attacks(
        {key: results for key, (results, _) in searches.items()},
        {key: n_gallery for key, (_, n_gallery) in searches.items()},
        {(condition, modality): n for modality, n in (not_assessed or {}).items()},
    )
    modalities = modalities or tuple(
        {key.modality for key in searches if key.condition == condition}
    )
    return risk_gate(strongest, condition=condition, modalities=modalities, max_risk=max_risk)


def test_within_the_limit() -> None:
    result = gate(rows(0, 80), 0.05)
    assert result.passed
    assert (result.kind, result.n, result.n_exposed, result.n_needed) == ('risk', 80, 0, None)
    assert result.ci_high == pytest.approx(wilson_interval(0, 80)[1])
    assert result.sentence.startswith('Passed: orb (best) recognised 0 of 80 participants')


def test_the_upper_bound_decides_not_the_rate() -> None:
    """4 of 100 is 4%, but may be 10%."""
    result = gate(rows(4, 100), 0.05)
    assert not result.passed
    assert result.rate == pytest.approx(0.04)
    assert result.n_needed is None
    assert 'above the limit of 5.0%' in result.sentence


def test_too_few_people_never_pass_and_are_told_how_many() -> None:
    """Nobody recognised among 8 is no evidence of a risk below 5%."""
    result = gate(rows(0, 8), 0.05)
    assert not result.passed
    assert result.n_needed == 73
    assert 'at least 73 would be needed' in result.sentence
    assert gate(rows(0, 73), 0.05).passed
    assert not gate(rows(0, 72), 0.05).passed


@pytest.mark.parametrize('limit', [0.01, 0.05, 0.1, 0.5, 0.9])
def test_the_number_needed_is_the_smallest(limit: float) -> None:
    needed = people_needed(limit)
    assert needed is not None
    assert wilson_interval(0, needed)[1] <= limit
    assert needed == 1 or wilson_interval(0, needed - 1)[1] > limit


def test_no_number_of_people_shows_no_risk_at_all() -> None:
    result = gate(rows(0, 500), 0.0)
    assert not result.passed
    assert result.n_needed is None


def test_the_strongest_attack_and_the_worst_modality_decide() -> None:
    """An attacker takes what works best."""
    some = rows(0, 100) | rows(30, 100, extractor='sift', modality='FLAIR')
    some |= rows(50, 100, condition='raw') | rows(2, 100, extractor='sift')
    result = gate(some, 0.1)
    assert not result.passed
    assert (result.modality, result.extractor, result.n_exposed) == ('FLAIR', 'sift', 30)
    result = gate(some, 0.7, 'raw')
    assert result.passed
    assert result.n_exposed == 50


def test_a_modality_with_too_few_people_spoils_the_pass() -> None:
    some = rows(0, 100) | rows(0, 2, modality='FLAIR')
    result = gate(some, 0.05)
    assert not result.passed
    assert result.modality == 'FLAIR'


def test_what_failed_is_no_evidence_of_safety() -> None:
    """Blank photographs and broken scans would otherwise buy a pass."""
    result = gate(rows(0, 100, no_face=60), 0.05)
    assert (result.passed, result.n) == (False, 40)
    result = gate(rows(0, 100), 0.05, not_assessed={'T1w': 60})
    assert (result.passed, result.n) == (False, 40)


@pytest.mark.parametrize(
    'some',
    [
        {},
        rows(0, 5, no_face=5),
        rows(0, 90, condition='raw'),
        rows(0, 100, no_template=100) | rows(0, 100, no_template=100, extractor='sift'),
        rows(0, 100, no_template=100, n_gallery=50),
        rows(1, 100, no_template=99),
    ],
)
def test_nobody_searched_is_not_a_pass(some: Outcomes) -> None:
    result = gate(some, 0.5)
    assert not result.passed
    assert result.n == 0
    assert 'not known' in result.sentence


def test_an_attack_that_searched_nobody_is_not_the_strongest() -> None:
    """Otherwise a gate says that it judges by an attack that could not succeed."""
    some = rows(0, 100, no_template=100) | rows(0, 100, no_template=7, extractor='sift')
    result = gate(some, 0.05)
    assert (result.passed, result.extractor, result.n) == (True, 'sift', 100)
    assert '0 of 100 participants (7 of whom could not be enrolled)' in result.sentence
    result = gate(rows(0, 100, no_template=7), 0.05, not_assessed={'T1w': 7})
    assert result.n == 93
    assert 'enrolled' not in result.sentence


def test_the_limit_allows_for_all_attacks() -> None:
    """Trying more attacks must not make a pass of what the best of them does not show."""
    some = {k: v for name in 'abcdefgh' for k, v in rows(0, 80, extractor=name).items()}
    assert gate(dict(list(some.items())[:1]), 0.05).passed
    result = gate(some, 0.05)
    assert not result.passed
    assert result.n_needed is not None
    assert result.ci_high is not None
    assert result.ci_high > wilson_interval(0, 80)[1]
    assert 'allowing for all attacks' in result.sentence
    needed = result.n_needed
    for n, passed in ((needed, True), (needed - 1, False)):
        more = {k: v for name in 'abcdefgh' for k, v in rows(0, n, extractor=name).items()}
        assert gate(more, 0.05).passed is passed


@pytest.mark.parametrize('n', [100, 150])
def test_more_people_recognised_never_make_a_pass(n: int) -> None:
    """A bound taken from how much attacks agree fell when the first person was recognised."""
    bounds = []
    for n_correct in range(4):
        some = rows(n_correct, n)
        for name in 'abcdefghijk':
            some |= rows(0, n, extractor=name)
        bounds.append(gate(some, 0.06).ci_high)
        agreeing: Outcomes = {}
        for name in 'abcdefghijkl':
            agreeing |= rows(n_correct, n, extractor=name)
        assert gate(agreeing, 0.06).ci_high == bounds[-1]
    assert None not in bounds
    assert bounds == sorted(bounds)


def test_a_doubt_takes_a_pass_back_and_is_said() -> None:
    """Half of the scans were never de-faced, or the controls failed: the rates do not matter."""
    good = gate(rows(0, 80), 0.05)
    assert doubted(good, []) == good
    result = doubted(good, ['50 scans have no defaced version', 'controls failed'])
    assert not result.passed
    assert result.sentence == (
        good.sentence.replace('Passed', 'Not passed')
        + ' But 50 scans have no defaced version, and controls failed.'
    )
    bad = gate(rows(40, 80), 0.05)
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
    result = presence_gate(verdicts, condition='raw', max_risk=limit)
    assert (result.passed, result.kind, result.n_exposed) == (passed, 'presence', others)
    assert not result.n or 'cut brain) or could not be assessed' in result.sentence
