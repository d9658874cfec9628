"""The gate: may a condition be shared? Three outcomes, and the reasons for them.

- ``do not share``: there is a finding, on an image or because people are recognised.
- ``look first``: there is none, but a gap: something was not looked at, or is not known.
- ``nothing found``: every image was looked at, and there is neither.

Nothing found has to be earned: a clean list of findings never outweighs a gap. Findings and gaps
are always reported together: somebody who mends one should know of the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal, Protocol

from bids_reid.messages import count
from bids_reid.risk.attacks import StrongestRow, headline_interval
from bids_reid.risk.planning import chance_of_pass, people_needed
from bids_reid.risk.strength import MIN_GALLERY

Outcome = Literal['do not share', 'look first', 'nothing found']
FINDING: Literal['do not share'] = 'do not share'
GAP: Literal['look first'] = 'look first'
CLEAN: Literal['nothing found'] = 'nothing found'
OUTCOMES: tuple[Outcome, ...] = (CLEAN, GAP, FINDING)
"""From best to worst."""

Kind = Literal[
    'images',
    'not assessed',
    'not looked at',
    'recognition',
    'no photographs',
    'linkage',
    'own results',
    'missing',
    'controls',
    'no images',
]
"""The source of a reason; the group page groups the reasons by it."""

NO_FINDINGS, REVIEW, NOT_ASSESSED = 'no findings', 'review', 'could not assess'
"""Verdicts on images. Any other verdict, or none, means that the image was not looked at."""
_KINDS: Mapping[str, Kind] = {REVIEW: 'images', NOT_ASSESSED: 'not assessed'}
_DETAILS = re.compile(
    r'\b[0-9a-f]{32,}\b|\b(?:sub|ses)-[0-9A-Za-z+]+|\S*\w\.[A-Za-z]\w*(?:\.\w+)*|\d+(?:\.\d+)?'
)
"""Hashes, labels of participants and sessions, names of files, and numbers."""
NAMED = 3
"""Number of paths, and of reasons, named in a sentence."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a condition should not be shared, or not yet.

    ``paths`` are those of all images concerned; ``sentence`` names a few of them. ``kind`` is the
    source of the reason.
    """

    outcome: Literal['do not share', 'look first']
    sentence: str
    paths: tuple[str, ...] = ()
    kind: Kind = 'images'


class Judged(Protocol):
    """An image of the condition, and the verdict on it."""

    @property
    def path(self) -> str:
        """Below the folder that is to be shared."""
        ...

    @property
    def verdict(self) -> str | None:
        """``None`` if nobody looked at it."""
        ...

    @property
    def reason(self) -> str:
        """Of the verdict."""
        ...


@dataclass(frozen=True, slots=True)
class RiskResult:
    """How many people are recognised with photographs, and whether that is within the limit.

    Attributes
    ----------
    condition, modality, extractor, decision
        The strongest attack on the group of scans that decides.
    max_risk
        The limit, 0 to 1; without one recognition must not be shown to be above chance.
    n
        People assessed: photographed, with a face on a photograph and a scan that was processed.
    n_exposed, rate, ci_low, ci_high
        Of these, recognised at first rank. The interval allows for all attacks tried.
    chance
        Rate of guessing.
    within
        Whether the upper end is within the limit; ``None`` if no person could be searched for, or
        there is no limit.
    n_needed_80, n_needed_95
        People with whom scans that give nobody away pass with these chances, or better; ``None``
        if no number is enough, or there is no limit.
    chance_of_pass
        The least chance that this run had, were its scans anonymous; ``None`` without a limit.
    outcome
        What follows for the gate.
    sentence
        All this for people.
    others
        The other modalities, the worst first: findings and gaps there are reported as well.
    """

    condition: str
    modality: str | None
    extractor: str | None
    decision: str | None
    max_risk: float | None
    n: int
    n_exposed: int
    rate: float | None
    ci_low: float | None
    ci_high: float | None
    chance: float | None
    within: bool | None
    n_needed_80: int | None
    n_needed_95: int | None
    chance_of_pass: float | None
    outcome: Outcome
    sentence: str
    others: tuple[RiskResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """The outcome for a condition, and why.

    Attributes
    ----------
    reasons
        All findings, then all gaps.
    n_images
        Images of the condition, whatever became of them.
    n_findings, n_not_assessed, n_not_looked_at
        Of these, with the verdict ``review``, with ``could not assess``, and with neither of them
        nor ``no findings``.
    max_findings
        The largest share of images with findings that is tolerated, of those assessed.
    max_risk
        The limit of the risk; ``None`` if none was given.
    """

    outcome: Outcome
    reasons: tuple[Reason, ...]
    condition: str
    n_images: int
    n_findings: int
    n_not_assessed: int
    n_not_looked_at: int
    max_findings: float
    max_risk: float | None
    risk: RiskResult | None
    sentence: str

    @property
    def passed(self) -> bool:
        """Whether there is neither a finding nor a gap."""
        return self.outcome == CLEAN


def gate(
    images: Sequence[Judged],
    *,
    condition: str,
    max_findings: float = 0.0,
    max_risk: float | None = None,
    risk: RiskResult | None = None,
    gaps: Sequence[Reason] = (),
    cleared: str = '',
) -> Gate:
    """Judge a condition by its images, by who is recognised, and by what is missing.

    Parameters
    ----------
    images
        All of the condition, those that nobody could look at too.
    max_findings
        Share of the images with a verdict, 0 to 1, up to which findings on images are
        tolerated. Images without a verdict are never tolerated.
    max_risk
        The limit that ``risk`` was held against: with one, the risk has to be measured.
    risk
        From `risk_result`, if there were photographs.
    gaps
        What else is missing (versions, results, controls that failed), and what else was found.
    cleared
        A sentence about images that pass by the word of a person alone; a pass has to say it.
    """
    found, not_assessed, not_looked_at = _sorted(images)
    n_judged = len(images) - len(not_assessed) - len(not_looked_at)
    excused = not found or len(found) / n_judged <= max_findings
    everything = count(len(images), f'{condition} image')
    judged = everything
    if n_judged < len(images):
        judged = f'the {count(n_judged, f"{condition} image")} that could be assessed'
    reasons = [
        *([] if excused else _by_reason(found, judged)),
        *_by_reason(not_assessed, everything),
        *_by_reason(not_looked_at, everything),
        *_of_risk(risk, asked=max_risk is not None),
        *gaps,
    ]
    if not images:
        reasons.append(Reason(GAP, f'There is no {condition} image.', kind='no images'))
    # the sort is stable
    reasons.sort(key=lambda reason: reason.outcome != FINDING)
    put_up_with = ''
    if found and excused:
        put_up_with = (
            f'{len(found):,} of {judged} ({percent(len(found) / n_judged)}) '
            f'{_finding(len(found))}, within the limit of {limit_of(max_findings)}.'
        )
    return Gate(
        outcome=reasons[0].outcome if reasons else CLEAN,
        reasons=tuple(reasons),
        condition=condition,
        n_images=len(images),
        n_findings=len(found),
        n_not_assessed=len(not_assessed),
        n_not_looked_at=len(not_looked_at),
        max_findings=max_findings,
        max_risk=max_risk,
        risk=risk,
        sentence=_headline(
            reasons, _looked_at(len(images), condition, cleared), risk, put_up_with
        ),
    )


def risk_result(
    rows: Iterable[StrongestRow],
    *,
    condition: str,
    modalities: Iterable[str],
    max_risk: float | None,
) -> RiskResult | None:
    """Judge a condition by the strongest attack on each of its modalities.

    The worst decides: an attacker takes the modality that gives most away.

    Parameters
    ----------
    rows
        Of all conditions; their corrected interval is compared with the limit.
    modalities
        Of the condition. One in which nobody was photographed is not known to be safe.
    max_risk
        The limit, 0 to 1; ``None``: recognition must not be shown to be above chance.

    Returns
    -------
    ``None`` if there is neither a scan nor a result.
    """
    attacked = {row.modality: row for row in rows if row.condition == condition}
    results = [
        _of_row(attacked[modality], max_risk)
        if modality in attacked
        else _not_known(condition, modality, max_risk)
        for modality in sorted(set(modalities) | set(attacked))
    ]
    results.sort(key=_badness, reverse=True)
    return replace(results[0], others=tuple(results[1:])) if results else None


def _badness(result: RiskResult) -> tuple[int, float, float]:
    high = 1.0 if result.ci_high is None else result.ci_high
    return OUTCOMES.index(result.outcome), high, result.ci_low or 0.0


def _of_row(row: StrongestRow, max_risk: float | None) -> RiskResult:
    n_searched = row.n_people - row.n_failed_acquire - row.n_failed_enrol
    low, high = row.ci_low_corrected, row.ci_high_corrected
    if low is None or high is None or n_searched < 1 or row.n_gallery < MIN_GALLERY:
        return _not_known(row.condition, row.modality, max_risk, row)
    result = RiskResult(
        condition=row.condition,
        modality=row.modality,
        extractor=row.extractor,
        decision=row.decision,
        max_risk=max_risk,
        n=row.n_assessed,
        n_exposed=row.n_correct,
        rate=row.n_correct / row.n_assessed,
        ci_low=low,
        ci_high=high,
        chance=1 / row.n_gallery,
        within=None if max_risk is None else high <= max_risk,
        n_needed_80=None,
        n_needed_95=None,
        chance_of_pass=None,
        outcome=CLEAN,
        sentence=_recognised(row, low, high),
    )
    if max_risk is None:
        return _against_chance(result, row)
    return _against_limit(_planned(result, row, max_risk), max_risk)


def _planned(result: RiskResult, row: StrongestRow, max_risk: float) -> RiskResult:
    """Say how many people would be needed, and what chance this run had."""
    n, g, k = row.n_assessed, row.n_gallery, row.n_attacks
    return replace(
        result,
        n_needed_80=people_needed(max_risk, k, power=0.8, n_gallery=g),
        n_needed_95=people_needed(max_risk, k, power=0.95, n_gallery=g),
        chance_of_pass=chance_of_pass(n, g, k, max_risk),
    )


def _against_limit(result: RiskResult, max_risk: float) -> RiskResult:
    """With a limit: a rate that guessing gives, too, is no finding among too few people."""
    limit = f'the limit of {limit_of(max_risk)}'
    if result.within:
        within = f'The upper end is within {limit}.'
        return replace(result, sentence=f'{result.sentence}. {within}')
    enough = result.n_needed_80 is not None and result.n >= result.n_needed_80
    if enough or (result.ci_low or 0.0) > max(max_risk, result.chance or 0.0):
        above = f'The upper end is above {limit}.'
        return replace(result, outcome=FINDING, sentence=f'{result.sentence}. {above}')
    return replace(
        result,
        outcome=GAP,
        sentence=f'{result.sentence}. {_too_few(result, limit)}',
    )


def planning_sentence(risk: RiskResult | None) -> str | None:
    """Say the chance that a run of this size had; ``None`` without a limit that can be reached."""
    if risk is None or risk.chance_of_pass is None or risk.n_needed_80 is None:
        return None
    people = count(risk.n, 'person', 'people')
    passes = (
        f'If the scans identify nobody, a run with {people} stays within the limit with a '
        f'probability of at least {percent(risk.chance_of_pass)}.'
        if risk.chance_of_pass
        else f'Even if the scans identify nobody, a run with {people} cannot stay within the '
        'limit.'
    )
    return (
        f'{passes} A probability of 80% needs '
        f'{risk.n_needed_80:,} people; 95% needs {risk.n_needed_95:,}.'
    )


def _too_few(result: RiskResult, limit: str) -> str:
    if result.n_needed_80 is None:
        return f'No number of people can show a risk within {limit}.'
    chance = result.chance_of_pass or 0.0
    passed = (
        f'If the scans identified nobody, this run would have passed with a probability of at '
        f'least {percent(chance)}.'
        if chance
        else 'Even if the scans identified nobody, this run could not have passed.'
    )
    return (
        f'{count(result.n, "person is", "people are")} too few to tell whether the risk is within '
        f'{limit}. {passed} With {result.n_needed_80:,} people the probability of a pass is at '
        f'least 80%, with {result.n_needed_95:,} people at least 95%.'
    )


def _against_chance(result: RiskResult, row: StrongestRow) -> RiskResult:
    """Without a limit: people must not be found more often than by guessing."""
    chance = 1 / row.n_gallery
    guessing = f'Guessing would recognise {percent(chance)}'
    if (result.ci_low or 0.0) > chance:
        return replace(result, outcome=FINDING, sentence=f'{result.sentence}. {guessing}.')
    everybody, _ = headline_interval(row.n_people, row.n_people, row.n_people, row.n_attacks)
    if not everybody > chance:
        return replace(
            result,
            outcome=GAP,
            sentence=f'{result.sentence}. {guessing}. With so few people, even a rate of '
            '100% could not be distinguished from guessing.',
        )
    return replace(
        result,
        sentence=f'{result.sentence}. {guessing}: the difference may be due to chance.',
    )


def _recognised(row: StrongestRow, low: float, high: float) -> str:
    """Say how many were recognised by which attack; without an end."""
    several = row.n_attacks > 1
    attack = f'{row.extractor} ({row.decision})'
    if several:
        attack = f'{attack}, the strongest of {row.n_attacks} attacks'
    not_processed = row.n_people - row.n_failed_acquire - row.n_assessed
    n_not_enrolled = max(row.n_failed_enrol - not_processed, 0)
    without = f' ({n_not_enrolled:,} of whom could not be enrolled)' if n_not_enrolled else ''
    return (
        f'{row.n_correct:,} of {count(row.n_assessed, "participant")}{without} '
        f'{"was" if row.n_correct == 1 else "were"} recognised from {row.condition} '
        f'{row.modality} scans by {attack}; the 95% interval'
        f'{", allowing for all attacks," if several else ""} is {percent(low)} to {percent(high)}'
    )


def _not_known(
    condition: str, modality: str, max_risk: float | None, row: StrongestRow | None = None
) -> RiskResult:
    return RiskResult(
        condition=condition,
        modality=modality,
        extractor=row.extractor if row else None,
        decision=row.decision if row else None,
        max_risk=max_risk,
        n=0,
        n_exposed=0,
        rate=None,
        ci_low=None,
        ci_high=None,
        chance=None,
        within=None,
        n_needed_80=None,
        n_needed_95=None,
        chance_of_pass=None,
        outcome=GAP,
        sentence=(
            f'The risk of {condition} {modality} scans is not known: no participant could be '
            'searched for among others with a photograph.'
        ),
    )


def _sorted(
    images: Sequence[Judged],
) -> tuple[list[Judged], list[Judged], list[Judged]]:
    """Images with findings, those that could not be assessed, and those nobody looked at."""
    found = [image for image in images if image.verdict == REVIEW]
    not_assessed = [image for image in images if image.verdict == NOT_ASSESSED]
    known = (NO_FINDINGS, REVIEW, NOT_ASSESSED)
    return found, not_assessed, [image for image in images if image.verdict not in known]


def _by_reason(images: Sequence[Judged], of_all: str) -> list[Reason]:
    """One reason for all images of one verdict with the same kind of reason, most images first.

    Reasons of as many images are in the order of their first paths.
    Reasons are of one kind if they differ only in `_DETAILS` or in the image's own name.
    ``of_all`` names the images that these are some of.
    """
    groups: dict[str, list[Judged]] = {}
    for image in images:
        plain = image.reason.replace(PurePosixPath(image.path).name, '...')
        groups.setdefault(_DETAILS.sub('...', plain), []).append(image)
    by_path = [sorted(some, key=lambda image: image.path) for some in groups.values()]
    by_path.sort(key=lambda some: (-len(some), some[0].path))
    return [_about(some, of_all) for some in by_path]


def _about(images: Sequence[Judged], of_all: str) -> Reason:
    """Say what is the matter with images of one verdict, by the reason of the first."""
    n, verdict, text = len(images), images[0].verdict, images[0].reason
    outcome = FINDING if verdict == REVIEW else GAP
    if verdict == REVIEW:
        said = _finding(n)
    elif verdict == NOT_ASSESSED:
        said = 'could not be assessed'
    else:
        said = 'was not looked at' if n == 1 else 'were not looked at'
    alike = all(image.reason == text for image in images)
    why = f'{": " if alike else ", for example: "}{text}' if text else ''
    paths = tuple(image.path for image in images)
    sentence = f'{n:,} of {of_all} {said}{why} ({named(paths)}).'
    return Reason(outcome, sentence, paths, _KINDS.get(verdict or '', 'not looked at'))


def _finding(n: int) -> str:
    return 'has a finding' if n == 1 else 'have findings'


def _of_risk(risk: RiskResult | None, *, asked: bool) -> list[Reason]:
    """What is found or missing in any modality."""
    if risk is None:
        text = 'The risk was not measured: provide photographs of participants with --photos.'
        return [Reason(GAP, text, kind='no photographs')] if asked else []
    return [
        Reason(result.outcome, result.sentence, kind='recognition')
        for result in (risk, *risk.others)
        if result.outcome != CLEAN
    ]


def _headline(
    reasons: Sequence[Reason],
    looked_at: str,
    risk: RiskResult | None,
    put_up_with: str,
) -> str:
    """Say the outcome, the first reasons, and how many there are beside."""
    more = [put_up_with] if put_up_with else []
    if not reasons:
        more += [one.sentence for one in (risk, *risk.others)] if risk else []
        return ' '.join([f'Nothing found{looked_at}', *more])
    label = 'Do not share' if reasons[0].outcome == FINDING else 'Look first'
    told = [reason.sentence for reason in reasons[:NAMED]]
    n_left = len(reasons) - len(told)
    if n_left:
        more.append(f'There {"is" if n_left == 1 else "are"} {count(n_left, "more reason")}.')
    return ' '.join([f'{label}: {told[0]}', *told[1:], *more])


def _looked_at(n_images: int, condition: str, cleared: str) -> str:
    """Say what a pass rests on: the program's verdicts, or the word of people."""
    if cleared:
        return f', but {cleared}'
    if n_images == 1:
        return f': the only {condition} image was looked at.'
    return f': all {n_images:,} {condition} images were looked at.'


def named(paths: Sequence[str]) -> str:
    """Name a few of the paths: ``a, b, c and 4 more``."""
    told = ', '.join(paths[:NAMED])
    n_left = len(paths) - NAMED
    return f'{told} and {n_left:,} more' if n_left > 0 else told


def percent(fraction: float) -> str:
    """Write a fraction as a percentage, never rounding to 0% or 100% what is neither."""
    if 0 < fraction < 0.0005:
        return '<0.1%'
    if 0.9995 <= fraction < 1:
        return '>99.9%'
    return f'{fraction:.1%}'.replace('.0%', '%')


def limit_of(fraction: float) -> str:
    """Write a limit as it was given, without rounding.

    >>> limit_of(0.05), limit_of(0.125), limit_of(0.0025)
    ('5%', '12.5%', '0.25%')
    """
    return f'{100 * fraction:.6g}%'
