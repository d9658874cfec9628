"""Pass or not: a measured risk against the limit that the steward gave.

A pass has to be earned: too few people, photographs without a face and scans that could not be
assessed never make one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bids_reid.risk.identification import IdentificationRow, wilson_interval

NO_FINDINGS = 'no findings'
"""The only verdict on a scan that counts as safe."""
_Z = 1.959963984540054
"""Of a 95% interval."""


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
        Their proportion; upper end of its 95% interval (``None`` for presence, where every scan
        is counted).
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


def people_needed(max_risk: float) -> int | None:
    """Return the smallest n for which 0 of n has an upper bound of at most ``max_risk``.

    The bound is Wilson's, z^2 / (n + z^2); ``None`` if no number is enough.
    """
    if max_risk <= 0:
        return None
    return max(1, math.ceil(_Z**2 * (1 - max_risk) / max_risk - 1e-9))


def risk_verdict(
    rows: Iterable[IdentificationRow],
    *,
    condition: str,
    max_risk: float,
    not_assessed: Mapping[str, int] | None = None,
) -> Verdict:
    """Judge a condition by the strongest attack on each of its groups of scans.

    The worst group decides: an attacker takes the modality that gives most away. Participants in
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
        strongest = max(tried, key=lambda row: (row.n_correct, row.n_probes))
        verdict = _judge(strongest, max_risk, left_out.get(modality, 0), len(tried))
        if worst is None or (verdict.ci_high or 1) > (worst.ci_high or 1):
            worst = verdict
    if worst is None:
        return _nobody(condition, max_risk, None)
    return worst


def _judge(row: IdentificationRow, max_risk: float, not_assessed: int, n_tried: int) -> Verdict:
    n = max(row.n_probes - row.n_failed_acquire - not_assessed, row.n_correct)
    if not n:
        return _nobody(row.condition, max_risk, row)
    _, high = wilson_interval(row.n_correct, n)
    needed = people_needed(max_risk)
    too_few = wilson_interval(0, n)[1] > max_risk and (needed is None or n < needed)
    attack = f'{row.extractor} ({row.decision})'
    strongest = f'{attack}, the strongest of {n_tried} attacks,' if n_tried > 1 else attack
    said = (
        f'{strongest} recognised {row.n_correct} of {n} participants from {row.condition} '
        f'{row.modality} scans, at most {high:.1%} with 95% confidence'
    )
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


def _nobody(condition: str, max_risk: float, row: IdentificationRow | None) -> Verdict:
    return Verdict(
        passed=False,
        kind='risk',
        condition=condition,
        max_risk=max_risk,
        n=0,
        n_exposed=0,
        rate=None,
        ci_high=None,
        n_needed=people_needed(max_risk),
        modality=row.modality if row else None,
        extractor=row.extractor if row else None,
        decision=row.decision if row else None,
        sentence=(
            f'Not passed: nobody with a {condition} scan could be searched for with a '
            'photograph, so the risk is not known.'
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
            f'({n_exposed / n:.1%}) show a face, may show one or could not be assessed, which is '
            f'{"within" if passed else "above"} the limit of {max_risk:.1%}; no photographs '
            'were searched with.'
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
