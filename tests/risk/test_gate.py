"""Nothing found has to be earned: whatever is found, missing or not known counts against it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from bids_reid.records import AttackKey, Score
from bids_reid.risk.attacks import StrongestRow, headline_interval, strongest_attacks
from bids_reid.risk.gate import (
    OUTCOMES,
    Gate,
    Judged,
    Outcome,
    Reason,
    RiskResult,
    gate,
    named,
    percent,
    planning_sentence,
    risk_result,
)
from bids_reid.risk.intervals import exact_high

Outcomes = dict[AttackKey, tuple[list[Score], int]]
FINDING = Reason('do not share', 'Faces are linked.')
GAP = Reason('look first', 'Controls failed.', ('x',))


@dataclass(frozen=True)
class Shown:
    """An image with a verdict."""

    path: str
    verdict: str | None
    reason: str = 'because'


def images(clean: int = 0, review: int = 0, poor: int = 0, unseen: int = 0) -> list[Judged]:
    """So many images of each verdict."""
    verdicts = ['no findings'] * clean + ['review'] * review
    verdicts += ['could not assess'] * poor + ['not looked at'] * unseen
    return [Shown(f'{i:03}.nii.gz', verdict) for i, verdict in enumerate(verdicts)]


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
    key = {'condition': 'defaced', 'modality': 'T1w', 'extractor': 'orb', 'decision': 'best'}
    if n_gallery is None:
        n_gallery = n - no_template
    return {AttackKey(**(key | attack)): (results, n_gallery)}


def risk(
    searches: Outcomes,
    max_risk: float | None,
    condition: str = 'defaced',
    not_assessed: dict[str, int] | None = None,
    modalities: tuple[str, ...] = ('T1w',),
) -> RiskResult:
    """Judge the searches as a run does: by the rows of the strongest attacks."""
    strongest = strongest_attacks(
        {key: results for key, (results, _) in searches.items()},
        {key: n_gallery for key, (_, n_gallery) in searches.items()},
        {(condition, modality): n for modality, n in (not_assessed or {}).items()},
    )
    result = risk_result(strongest, condition=condition, modalities=modalities, max_risk=max_risk)
    assert result is not None
    return result


def row(n_correct: int, n: int, n_gallery: int, n_attacks: int = 4) -> StrongestRow:
    """The strongest of some attacks."""
    low, high = (float(end) for end in headline_interval(n_correct, n, n, n_attacks))
    return StrongestRow(
        *('defaced', 'T1w', 'orb', 'best', n_attacks, n, n_gallery, 0, 0, n, n_correct),
        rate=n_correct / n,
        ci_low=low,
        ci_high=high,
        ci_low_corrected=low,
        ci_high_corrected=high,
        note='',
    )


def of_row(one: StrongestRow, max_risk: float | None) -> RiskResult:
    result = risk_result([one], condition='defaced', modalities=['T1w'], max_risk=max_risk)
    assert result is not None
    return result


# --- images


@pytest.mark.parametrize(
    ('shown', 'limit', 'outcome'),
    [
        ({'clean': 20}, 0.0, 'nothing found'),
        ({'clean': 19, 'review': 1}, 0.0, 'do not share'),
        ({'clean': 19, 'review': 1}, 0.05, 'nothing found'),
        ({'clean': 18, 'review': 2}, 0.05, 'do not share'),
        ({'review': 20}, 1.0, 'nothing found'),
        ({'clean': 19, 'poor': 1}, 0.0, 'look first'),
        ({'clean': 19, 'poor': 1}, 1.0, 'look first'),
        ({'clean': 19, 'unseen': 1}, 1.0, 'look first'),
        ({'clean': 18, 'review': 1, 'unseen': 1}, 0.0, 'do not share'),
        ({'clean': 18, 'review': 1, 'poor': 1}, 0.1, 'look first'),
        # what nobody looked at does not dilute what was found
        ({'clean': 10, 'review': 1, 'unseen': 9}, 0.05, 'do not share'),
        ({}, 1.0, 'look first'),
    ],
)
def test_images(shown: dict[str, int], limit: float, outcome: Outcome) -> None:
    """A face left on one image, or one image that nobody looked at, gets out."""
    result = gate(images(**shown), condition='defaced', max_findings=limit)
    assert result.outcome == outcome
    assert result.passed is (outcome == 'nothing found')
    assert result.n_images == sum(shown.values())
    counts = (result.n_findings, result.n_not_assessed, result.n_not_looked_at)
    assert counts == tuple(shown.get(name, 0) for name in ('review', 'poor', 'unseen'))


@pytest.mark.parametrize('verdict', [None, '', 'No findings', 'ok', 'failed'])
def test_a_verdict_that_is_not_known_is_a_gap(verdict: str | None) -> None:
    """A new word for an image must not mean that it is safe."""
    result = gate([*images(clean=3), Shown('new', verdict)], condition='raw', max_findings=1.0)
    assert result.outcome == 'look first'
    assert result.reasons[0].paths == ('new',)


def test_a_limit_that_is_no_number_excuses_nothing() -> None:
    some = images(clean=9, review=1)
    assert gate(some, condition='raw', max_findings=math.nan).outcome == 'do not share'
    assert risk(rows(0, 300), math.nan).outcome != 'nothing found'


def test_findings_and_gaps_are_always_told_together() -> None:
    """Who mends the one and runs again would only then hear of the other."""
    result = gate(
        images(clean=5, review=2, poor=1, unseen=1), condition='defaced', gaps=[GAP, FINDING]
    )
    assert [reason.outcome for reason in result.reasons] == ['do not share'] * 2 + [
        'look first'
    ] * 3
    assert FINDING in result.reasons
    assert GAP in result.reasons


def test_images_are_told_by_reason_with_all_paths() -> None:
    """A thousand lines of the same are not read; one without paths cannot be mended."""
    some: list[Judged] = [Shown(f'{i}.nii', 'review', 'a face is there') for i in range(5)]
    some += [Shown('b.nii', 'review', 'brain is cut'), Shown('c.jpg', None, 'too large')]
    some += images(clean=3)
    first, second, third = gate(some, condition='defaced').reasons
    assert first.paths == ('0.nii', '1.nii', '2.nii', '3.nii', '4.nii')
    assert first.sentence == (
        '5 of the 9 defaced images that could be assessed have findings: a face is there '
        '(0.nii, 1.nii, 2.nii and 2 more).'
    )
    assert second.sentence == (
        '1 of the 9 defaced images that could be assessed has a finding: brain is cut (b.nii).'
    )
    assert third.sentence == '1 of 10 defaced images was not looked at: too large (c.jpg).'
    assert third.outcome == 'look first'


def test_reasons_of_one_kind_are_one_reason() -> None:
    """Of a dataset without its content every image has another hash: nobody reads 5,000 lines."""
    some: list[Judged] = [
        Shown(
            f'sub-{i}.nii',
            None,
            f'the content is not on this machine (SHA256E {i:064x}): get it first',
        )
        for i in range(3)
    ]
    some += [Shown(f'{i}.nii', 'could not assess', f'cannot read {i}.nii') for i in range(2)]
    first, second = gate(some, condition='raw').reasons
    assert first.sentence.startswith('2 of 5 raw images could not be assessed, for example: ')
    assert second.paths == ('sub-0.nii', 'sub-1.nii', 'sub-2.nii')
    assert second.sentence.startswith('3 of 5 raw images were not looked at, for example: ')
    assert second.sentence.endswith('(sub-0.nii, sub-1.nii, sub-2.nii).')


@pytest.mark.parametrize(
    'reason',
    [
        'cannot read sub-{i}_T1w.nii.gz: the file ends before the data are complete',
        'cannot read sub-{i}_part-{i}.img: its header sub-{i}.hdr is {i} bytes',
        'its name says sub-{i}A, its folder sub-{i}B',
        'it is a copy of anat/ses-pre{i}_T2w.nii.gz',
    ],
)
def test_sixteen_files_with_one_fault_are_one_reason(reason: str) -> None:
    """The page listed 16 damaged files in 16 lines, and the other reasons came after them."""
    some: list[Judged] = [
        Shown(f'sub-{i}/anat/sub-{i}_T1w.nii.gz', 'could not assess', reason.format(i=i))
        for i in range(16)
    ]
    (only,) = gate([*some, *images(clean=4)], condition='raw').reasons
    assert only.sentence.startswith('16 of 20 raw images could not be assessed')
    assert only.sentence.endswith(' and 13 more).')
    assert len(only.paths) == 16


def test_reasons_that_differ_in_words_stay_apart() -> None:
    some: list[Judged] = [
        Shown('a.nii', 'could not assess', 'cannot read a.nii: its header is damaged'),
        Shown('b.nii', 'could not assess', 'cannot read b.nii: the file is empty'),
    ]
    assert len(gate(some, condition='raw').reasons) == 2


@pytest.mark.parametrize(
    ('shown', 'sentence'),
    [
        ({'clean': 1}, 'Nothing found: the only raw image was looked at.'),
        ({'clean': 1200}, 'Nothing found: all 1,200 raw images were looked at.'),
        (
            {'review': 1},
            'Do not share: 1 of 1 raw image has a finding: because (000.nii.gz).',
        ),
        (
            {'clean': 1, 'poor': 1},
            'Look first: 1 of 2 raw images could not be assessed: because (001.nii.gz).',
        ),
        (
            {'unseen': 2},
            'Look first: 2 of 2 raw images were not looked at: because (000.nii.gz, 001.nii.gz).',
        ),
        ({}, 'Look first: There is no raw image.'),
    ],
)
def test_the_headline(shown: dict[str, int], sentence: str) -> None:
    assert gate(images(**shown), condition='raw').sentence == sentence


def test_the_headline_tells_what_was_put_up_with_and_what_it_leaves_out() -> None:
    """A pass with faces in it must not read like one without."""
    result = gate(images(clean=18, review=2), condition='defaced', max_findings=0.1)
    assert result.passed
    assert result.sentence == (
        'Nothing found: all 20 defaced images were looked at. 2 of 20 defaced images (10%) '
        'have findings, within the limit of 10%.'
    )
    result = gate(images(review=1), condition='raw', gaps=[GAP] * 4)
    assert result.sentence.endswith(' There are 2 more reasons.')
    assert gate(images(review=1), condition='raw', gaps=[GAP] * 3).sentence.endswith(
        ' There is 1 more reason.'
    )


# --- recognition


def test_within_the_limit() -> None:
    result = risk(rows(0, 80), 0.05)
    assert (result.within, result.outcome) == (True, 'nothing found')
    assert (result.n, result.n_exposed) == (80, 0)
    assert result.ci_high == pytest.approx(float(exact_high(0, 80, 0.025)))
    assert result.sentence == (
        '0 of 80 participants were recognised from defaced T1w scans by orb (best); the 95% '
        'interval is 0% to 4.5%. The upper end is within the limit of 5%.'
    )


def test_the_chance_that_a_run_had_is_told() -> None:
    """A pass that was luck, or a finding that was bad luck, reads like a measurement."""
    some = risk(rows(11, 300), 0.05)
    assert planning_sentence(some) == (
        'If the scans identify nobody, a run with 300 people stays within the limit with a '
        f'probability of at least {percent(some.chance_of_pass or 0)}. A probability of 80% '
        f'needs {some.n_needed_80} people; 95% needs {some.n_needed_95}.'
    )
    none = replace(some, chance_of_pass=0.0)
    assert (planning_sentence(none) or '').startswith(
        'Even if the scans identify nobody, a run with 300 people cannot stay within the limit.'
    )
    assert planning_sentence(risk(rows(1, 300), None)) is None
    assert planning_sentence(risk(rows(0, 300), 0.0)) is None
    assert planning_sentence(None) is None


def test_the_upper_end_decides_not_the_rate() -> None:
    """11 of 300 is 3.7%, but may be 6.5%, and there were people enough to tell."""
    result = risk(rows(11, 300), 0.05)
    assert (result.within, result.outcome) == (False, 'do not share')
    assert (result.rate or 1) < 0.05
    assert result.sentence.endswith('. The upper end is above the limit of 5%.')


def test_too_few_people_are_no_pass_and_no_finding() -> None:
    """Nobody recognised among 8 is no evidence of a risk below 5%, nor of one above."""
    result = risk(rows(0, 8), 0.05)
    assert (result.within, result.outcome) == (False, 'look first')
    assert (result.n_needed_80, result.n_needed_95) == (142, 173)
    assert result.chance_of_pass == 0
    assert result.sentence.endswith(
        '. 8 people are too few to tell whether the risk is within the limit of 5%. Even if the '
        'scans identified nobody, this run could not have passed. With 142 people the '
        'probability of a pass is at least 80%, with 173 people at least 95%.'
    )
    assert '. 1 person is too few' in risk(rows(0, 1, n_gallery=5), 0.05).sentence


def test_guesses_among_too_few_people_are_no_finding() -> None:
    """3 of 109 is what guessing gives: perfectly anonymous scans were called a danger."""
    result = of_row(row(3, 109, 109), 0.05)
    assert result.outcome == 'look first'
    assert result.chance_of_pass == pytest.approx(0.018, abs=5e-4)
    assert 'passed with a probability of at least 1.8%' in result.sentence
    # with this many it is a finding
    assert of_row(row(10, 173, 173), 0.05).outcome == 'do not share'
    assert of_row(row(10, 172, 172), 0.05).outcome == 'look first'
    # among 8 people guessing recognises 12.5%, more than the limit: 3 of 8 are no finding
    few = of_row(row(3, 8, 8), 0.05)
    assert (few.ci_low or 0.0) > 0.05
    assert few.outcome == 'look first'


def test_people_recognised_beyond_doubt_are_a_finding_however_few() -> None:
    """8 of 8 recognised need no more people."""
    assert risk(rows(8, 8), 0.05).outcome == 'do not share'


def test_a_limit_of_nothing_cannot_be_reached() -> None:
    result = risk(rows(0, 500), 0.0)
    assert (result.outcome, result.n_needed_80, result.n_needed_95) == ('look first', None, None)
    assert result.sentence.endswith(
        '. No number of people can show a risk within the limit of 0%.'
    )
    # one is what guessing gives
    assert risk(rows(1, 500), 0.0).outcome == 'look first'
    assert risk(rows(9, 500), 0.0).outcome == 'do not share'


@pytest.mark.parametrize(
    ('n_correct', 'n', 'outcome'),
    [
        (0, 24, 'nothing found'),
        (2, 24, 'nothing found'),
        (9, 24, 'do not share'),
        (1, 2, 'look first'),
    ],
)
def test_without_a_limit_people_must_not_be_found_more_often_than_by_guessing(
    n_correct: int, n: int, outcome: Outcome
) -> None:
    """Photographs were given, 9 of 24 people were found, and the run passed."""
    result = of_row(row(n_correct, n, n), None)
    assert result.outcome == outcome
    assert (result.within, result.n_needed_80, result.chance_of_pass) == (None, None, None)
    assert f'Guessing would recognise {percent(1 / n)}' in result.sentence


def test_the_strongest_attack_and_the_worst_modality_decide() -> None:
    """An attacker takes what works best."""
    some = rows(0, 100) | rows(30, 100, extractor='sift', modality='FLAIR')
    some |= rows(50, 100, condition='raw') | rows(2, 100, extractor='sift')
    result = risk(some, 0.2)
    assert (result.modality, result.extractor, result.n_exposed) == ('FLAIR', 'sift', 30)
    assert result.outcome == 'do not share'
    assert [one.modality for one in result.others] == ['T1w']
    assert risk(some, 0.7, 'raw').n_exposed == 50
    assert risk(some, 0.7, 'raw').outcome == 'nothing found'


def test_what_is_missing_in_one_modality_is_told_beside_what_is_found_in_another() -> None:
    """FLAIR is mended, and only then is it told that nobody knows about T1w."""
    some = rows(80, 100) | rows(0, 2, modality='FLAIR')
    result = gate(
        images(clean=5), condition='defaced', risk=risk(some, 0.05, modalities=('T1w', 'T2w'))
    )
    assert [reason.outcome for reason in result.reasons] == [
        'do not share',
        'look first',
        'look first',
    ]
    assert 'T1w' in result.reasons[0].sentence
    told = ' '.join(reason.sentence for reason in result.reasons[1:])
    assert 'FLAIR' in told
    assert 'The risk of defaced T2w scans is not known' in told


def test_a_modality_in_which_nobody_was_photographed_is_a_gap() -> None:
    for limit in (0.05, None):
        result = risk(rows(0, 300), limit, modalities=('FLAIR', 'T1w'))
        assert (result.outcome, result.modality, result.within) == ('look first', 'FLAIR', None)


def test_what_failed_is_no_evidence_of_safety() -> None:
    """Blank photographs and broken scans would otherwise buy a pass."""
    assert risk(rows(0, 100), 0.05).within
    result = risk(rows(0, 100, no_face=60), 0.05)
    assert (result.within, result.n) == (False, 40)
    result = risk(rows(0, 100), 0.05, not_assessed={'T1w': 60})
    assert (result.within, result.n) == (False, 40)


@pytest.mark.parametrize('limit', [0.5, None])
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
def test_nobody_searched_is_a_gap(some: Outcomes, limit: float | None) -> None:
    result = risk(some, limit)
    assert (result.outcome, result.within, result.n) == ('look first', None, 0)
    assert 'not known' in result.sentence


def test_an_attack_that_searched_nobody_is_not_the_strongest() -> None:
    """Otherwise a gate says that it judges by an attack that could not succeed."""
    some = rows(0, 100, no_template=100) | rows(0, 100, no_template=7, extractor='sift')
    result = risk(some, 0.05)
    assert (result.within, result.extractor, result.n) == (True, 'sift', 100)
    assert '0 of 100 participants (7 of whom could not be enrolled)' in result.sentence
    result = risk(rows(0, 100, no_template=7), 0.05, not_assessed={'T1w': 7})
    assert result.n == 93
    assert 'enrolled' not in result.sentence


def test_the_limit_allows_for_all_attacks() -> None:
    """Trying more attacks must not make a pass of what the best of them does not show."""
    some = {k: v for name in 'abcdefgh' for k, v in rows(0, 80, extractor=name).items()}
    result = risk(some, 0.05)
    # the best of eight has found nobody, so none of the eight finds many
    assert result.within
    assert '(best), the strongest of 8 attacks; the 95% interval, allowing for' in result.sentence
    assert 'allowing for all attacks' in result.sentence
    more = risk(some | rows(1, 80, extractor='i'), 0.05)
    assert not more.within
    assert (more.ci_high or 0) > (result.ci_high or 1)


def test_a_pass_is_false_in_few_runs_only() -> None:
    """A gate that lets a danger pass when ten attacks were tried; each would find 5.5%."""
    rng = np.random.default_rng(5)
    found = rng.binomial(150, 0.055, size=(4000, 10)).max(axis=1)
    alone = rng.binomial(150, 0.055, size=4000)
    within = [of_row(row(n, 150, 150, 10), 0.05).within for n in range(40)]
    assert within[0]
    assert np.mean([within[n] for n in found]) <= np.mean([within[n] for n in alone]) <= 0.025


@pytest.mark.parametrize('n', [100, 150])
def test_more_people_recognised_never_lower_the_bound(n: int) -> None:
    """A bound taken from how much attacks agree fell when the first person was recognised."""
    bounds = []
    for n_correct in range(4):
        some = rows(n_correct, n)
        for name in 'abcdefghijk':
            some |= rows(0, n, extractor=name)
        bounds.append(risk(some, 0.06).ci_high)
        agreeing: Outcomes = {}
        for name in 'abcdefghijkl':
            agreeing |= rows(n_correct, n, extractor=name)
        assert risk(agreeing, 0.06).ci_high == bounds[-1]
    assert None not in bounds
    assert bounds == sorted(bounds)


def test_a_limit_without_photographs_was_not_measured() -> None:
    """The limit was given, so somebody relies on it."""
    asked = gate(images(clean=3), condition='raw', max_risk=0.05)
    assert asked.outcome == 'look first'
    assert asked.reasons[0].sentence.startswith('The risk was not measured')
    assert gate(images(clean=3), condition='raw').passed


def test_without_scans_there_is_no_risk_to_tell() -> None:
    assert risk_result([], condition='raw', modalities=[], max_risk=0.05) is None


# --- nothing makes it better


def worse(before: Gate, after: Gate) -> bool:
    return OUTCOMES.index(after.outcome) >= OUTCOMES.index(before.outcome)


@pytest.mark.parametrize('seed', range(60))
def test_no_finding_and_no_gap_makes_an_outcome_better(seed: int) -> None:
    """A dataset with more that is wrong passed, and one with less did not."""
    rng = np.random.default_rng(seed)
    clean, review, poor, unseen = (int(n) for n in rng.integers(0, (9, 3, 2, 2)))
    options: dict[str, Any] = {
        'condition': 'defaced',
        'max_findings': float(rng.choice([0, 0.1, 0.3, 1])),
        'max_risk': 0.05 if rng.random() < 0.2 else None,
        'gaps': [GAP] * int(rng.random() < 0.2),
    }
    some = images(clean, review, poor, unseen)
    before = gate(some, **options)
    for verdict in ('review', 'could not assess', 'not looked at', None):
        if some or verdict != 'review':
            assert worse(before, gate([*some, Shown('z', verdict)], **options)), verdict
        for i in range(len(some)):
            if some[i].verdict == 'no findings':
                changed = [*some[:i], Shown('z', verdict), *some[i + 1 :]]
                assert worse(before, gate(changed, **options)), verdict
    for reason in (GAP, FINDING):
        assert worse(before, gate(some, **(options | {'gaps': [*options['gaps'], reason]})))
    assert worse(before, gate(some, **(options | {'max_risk': 0.05})))


@pytest.mark.parametrize(
    ('limit', 'n', 'n_attacks'),
    list(product([0.0, 0.05, 0.3, None], [1, 8, 40, 119, 223, 260], [1, 4])),
)
def test_no_person_recognised_makes_an_outcome_better(
    limit: float | None, n: int, n_attacks: int
) -> None:
    for n_gallery in (max(n, 2), 2 * n + 5):
        outcomes = [
            OUTCOMES.index(of_row(row(c, n, n_gallery, n_attacks), limit).outcome)
            for c in sorted({*range(min(n, 25) + 1), n})
        ]
        assert outcomes == sorted(outcomes)
        if n >= 8:
            assert outcomes[-1] == OUTCOMES.index('do not share')


def test_a_risk_that_is_worse_is_told_in_the_gate() -> None:
    """The reasons of the gate are those of the risk."""
    some = images(clean=5)
    for n_correct, outcome in ((0, 'nothing found'), (60, 'do not share')):
        one = of_row(row(n_correct, 260, 260), 0.05)
        result = gate(some, condition='defaced', risk=one, max_risk=0.05)
        assert result.outcome == outcome
        assert one.sentence in result.sentence
        assert result.risk == one
    both = gate(some, condition='defaced', risk=replace(one, outcome='look first'), gaps=[FINDING])
    assert [reason.outcome for reason in both.reasons] == ['do not share', 'look first']


def test_words() -> None:
    assert named(['a']) == 'a'
    assert named(['a', 'b', 'c']) == 'a, b, c'
    assert named([*'abcde']) == 'a, b, c and 2 more'
    assert [percent(x) for x in (0, 0.0001, 0.05, 0.123, 0.9999, 1)] == [
        '0%',
        '<0.1%',
        '5%',
        '12.3%',
        '>99.9%',
        '100%',
    ]
