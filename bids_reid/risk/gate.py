"""Pass or not: a measured risk against the limit that the steward gave.

A pass has to be earned: too few people, photographs without a face, scans that could not be
assessed, people without a result and controls that failed never make one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bids_reid.risk.identification import IdentificationRow
from bids_reid.risk.intervals import CONFIDENCE, normal_quantile, wilson
from bids_reid.risk.strength import MIN_GALLERY, counted, strongest_first

NO_FINDINGS = 'no findings'
"""The only verdict on a scan that counts as safe."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the risk of a condition is within the limit, and the numbers behind it.

    Attributes
    ----------
    passed
        Whether it is; never without enough people to tell.
    kind
        ``risk``: from photographs. ``presence``: from the shapes of the scans alone.
    condition
        What was audited.
    max_risk
        The limit, 0 to 1.
    n
        Participants searched for with a face (risk), or scans (presence).
    n_exposed
        Of these, recognised at first rank by the strongest attack, or not without findings.
    rate, ci_high
        Their proportion; upper end of its 95% interval, which allows for all attacks tried
        (``None`` for presence, where every scan is counted).
    n_needed
        Participants needed for a pass if none is recognised, where n is too small for one.
    modality, extractor, decision
        The strongest attack, on the group of scans that decides.
    sentence
        All this for people.
    """

    passed: bool
    kind: Literal['risk', 'presence']
    condition: str
    max_risk: float
    n: int
    n_exposed: int
    rate: float | None
    ci_high: float | None
    n_needed: int | None
    modality: str | None
    extractor: str | None
    decision: str | None
    sentence: str


def people_needed(max_risk: float, quantile: float | None = None) -> int | None:
    """Return the smallest n for which 0 of n has an upper bound of at most ``max_risk``.

    The bound is Wilson's, z^2 / (n + z^2), z = ``quantile`` (1.96 by default); ``None`` if no
    number is enough.
    """
    if max_risk <= 0:
        return None
    z = normal_quantile() if quantile is None else quantile
    return max(1, math.ceil(z**2 * (1 - max_risk) / max_risk - 1e-9))


def risk_verdict(
    rows: Iterable[IdentificationRow],
    *,
    condition: str,
    max_risk: float,
    not_assessed: Mapping[str, int] | None = None,
) -> Verdict:
    """Judge a condition by the strongest attack on each of its groups of scans.

    The worst group decides: an attacker takes the modality that gives most away. Which attack is
    the strongest, and which are not counted, `bids_reid.risk.strength` says. It was picked after
    its result was known, so the interval allows for all attacks that count (Bonferroni: how much
    attacks agree cannot be measured where next to nobody is recognised, and a bound that took it
    from the data could fall when one more is). Participants in
    whose photographs no face was found, and those whose scans could not be processed, are left
    out of n, as they tell nothing about safety. People whose processed scans gave no template
    stay in it.

    Parameters
    ----------
    rows
        Rows of all series; participant unit and rank 1 are looked at.
    condition, max_risk
        What is audited, and the limit.
    not_assessed
        Modality to the number of photographed participants whose scans all failed.
    """
    groups: dict[str, list[IdentificationRow]] = {}
    for row in rows:
        if (row.condition, row.unit, row.k) == (condition, 'participant', 1):
            groups.setdefault(row.modality, []).append(row)
    left_out = not_assessed or {}
    worst: Verdict | None = None
    for modality, tried in groups.items():
        galleries = [row.n_gallery for row in tried]
        n_tried = sum(counted(galleries)) or len(tried)
        z = normal_quantile(1 - (1 - CONFIDENCE) / n_tried)
        row = tried[strongest_first([row.rate or 0 for row in tried], galleries)[0]]
        verdict = _judge(row, max_risk, left_out.get(modality, 0), n_tried, z)
        if worst is None or (verdict.ci_high or 1) > (worst.ci_high or 1):
            worst = verdict
    if worst is None:
        return _nobody(condition, max_risk, None, people_needed(max_risk))
    return worst


def _judge(
    row: IdentificationRow, max_risk: float, not_assessed: int, n_tried: int, z: float
) -> Verdict:
    n = max(row.n_probes - row.n_failed_acquire - not_assessed, row.n_correct)
    needed = people_needed(max_risk, z)
    n_searched = row.n_probes - row.n_failed_acquire - row.n_failed_enrol
    if not n or not n_searched or row.n_gallery < MIN_GALLERY:
        return _nobody(row.condition, max_risk, row, needed)
    high = float(wilson(row.n_correct / n, n, z)[1])
    too_few = needed is None or n < needed
    said = _said(row, n, max(row.n_failed_enrol - not_assessed, 0), n_tried, high)
    if too_few:
        enough = f'at least {needed}' if needed else 'no number of'
        sentence = (
            f'Not passed: {said}. With {n} participants nothing can show a risk of at most '
            f'{max_risk:.1%}; {enough} would be {"needed" if needed else "enough"}.'
        )
    elif high > max_risk:
        sentence = f'Not passed: {said}, which is above the limit of {max_risk:.1%}.'
    else:
        sentence = f'Passed: {said}, which is within the limit of {max_risk:.1%}.'
    return Verdict(
        passed=not too_few and high <= max_risk,
        kind='risk',
        condition=row.condition,
        max_risk=max_risk,
        n=n,
        n_exposed=row.n_correct,
        rate=row.n_correct / n,
        ci_high=high,
        n_needed=needed if too_few else None,
        modality=row.modality,
        extractor=row.extractor,
        decision=row.decision,
        sentence=sentence,
    )


def _said(row: IdentificationRow, n: int, n_not_enrolled: int, n_tried: int, high: float) -> str:
    attack = f'{row.extractor} ({row.decision})'
    several = n_tried > 1
    who = f'{attack}, the strongest of {n_tried} attacks,' if several else attack
    without = f' ({n_not_enrolled} of whom could not be enrolled)' if n_not_enrolled else ''
    return (
        f'{who} recognised {row.n_correct} of {n} participants{without} from {row.condition} '
        f'{row.modality} scans, at most {high:.1%} with 95% confidence'
        f'{", allowing for all attacks" if several else ""}'
    )


def _nobody(
    condition: str, max_risk: float, row: IdentificationRow | None, needed: int | None
) -> Verdict:
    return Verdict(
        passed=False,
        kind='risk',
        condition=condition,
        max_risk=max_risk,
        n=0,
        n_exposed=0,
        rate=None,
        ci_high=None,
        n_needed=needed,
        modality=row.modality if row else None,
        extractor=row.extractor if row else None,
        decision=row.decision if row else None,
        sentence=(
            f'Not passed: nobody with a {condition} {row.modality + " " if row else ""}scan could '
            'be searched for among others with a photograph, so the risk is not known.'
        ),
    )


def presence_verdict(
    verdicts: Sequence[str | None], *, condition: str, max_risk: float
) -> Verdict:
    """Judge a condition by what is left of faces on its scans, without photographs.

    Parameters
    ----------
    verdicts
        The verdict on every scan of the condition, failed ones too; only ``no findings`` is safe.
    condition, max_risk
        What is audited, and the largest share of other scans that passes.
    """
    n = len(verdicts)
    n_exposed = sum(verdict != NO_FINDINGS for verdict in verdicts)
    passed = n > 0 and n_exposed / n <= max_risk
    if not n:
        sentence = f'Not passed: there is no {condition} scan.'
    else:
        sentence = (
            f'{"Passed" if passed else "Not passed"}: {n_exposed} of {n} {condition} scans '
            f'({n_exposed / n:.1%}) have findings (a face, a part of one, or cut brain) or could '
            f'not be assessed, which is {"within" if passed else "above"} the limit of '
            f'{max_risk:.1%}; no photographs were searched with.'
        )
    return Verdict(
        passed=passed,
        kind='presence',
        condition=condition,
        max_risk=max_risk,
        n=n,
        n_exposed=n_exposed,
        rate=n_exposed / n if n else None,
        ci_high=None,
        n_needed=None,
        modality=None,
        extractor=None,
        decision=None,
        sentence=sentence,
    )


def doubted(verdict: Verdict, doubts: Sequence[str]) -> Verdict:
    """Take a pass back for reasons that the numbers of a verdict do not hold, and say them."""
    if not doubts:
        return verdict
    said = verdict.sentence.removeprefix('Passed: ').removeprefix('Not passed: ')
    link = 'But' if verdict.passed else 'Besides,'
    return replace(
        verdict, passed=False, sentence=f'Not passed: {said} {link} {", and ".join(doubts)}.'
    )
