"""Pass or not: a measured risk against the limit that the steward gave.

A pass has to be earned: too few people, photographs without a face, scans that could not be
assessed, people without a result and controls that failed never make one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bids_reid.risk.attacks import StrongestRow
from bids_reid.risk.intervals import normal_quantile
from bids_reid.risk.strength import MIN_GALLERY

NO_FINDINGS = 'no findings'
"""The only verdict on a scan that counts as safe."""


@dataclass(frozen=True, slots=True)
class Gate:
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


def risk_gate(
    rows: Iterable[StrongestRow], *, condition: str, modalities: Iterable[str], max_risk: float
) -> Gate:
    """Judge a condition by the strongest attack on each of its groups of scans.

    The worst group decides: an attacker takes the modality that gives most away.

    Parameters
    ----------
    rows
        Of all conditions; their corrected interval is compared with the limit.
    condition, modalities, max_risk
        What is audited, and the limit. A modality in which nobody was photographed is never
        within it.
    """
    attacked = {row.modality: row for row in rows if row.condition == condition}
    gates = [
        _judged(attacked[modality], max_risk)
        if modality in attacked
        else _nobody(condition, modality, max_risk)
        for modality in sorted(set(modalities) | set(attacked))
    ]
    if not gates:
        return _nobody(condition, None, max_risk)
    return max(gates, key=lambda gate: gate.ci_high or 1)


def _judged(row: StrongestRow, max_risk: float) -> Gate:
    n, high = row.n_assessed, row.ci_high_corrected
    needed = people_needed(max_risk, row.quantile)
    n_searched = row.n_people - row.n_failed_acquire - row.n_failed_enrol
    if high is None or not n_searched or row.n_gallery < MIN_GALLERY:
        return _nobody(row.condition, row.modality, max_risk, row)
    too_few = needed is None or n < needed
    result = _result(row, high)
    if too_few:
        enough = f'at least {needed}' if needed else 'no number of'
        sentence = (
            f'Not passed: {result}. With {n} participants nothing can show a risk of at most '
            f'{max_risk:.1%}; {enough} would be {"needed" if needed else "enough"}.'
        )
    elif high > max_risk:
        sentence = f'Not passed: {result}, which is above the limit of {max_risk:.1%}.'
    else:
        sentence = f'Passed: {result}, which is within the limit of {max_risk:.1%}.'
    return Gate(
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


def _result(row: StrongestRow, high: float) -> str:
    """Say how many were recognised by which attack."""
    attack = f'{row.extractor} ({row.decision})'
    several = row.n_attacks > 1
    who = f'{attack}, the strongest of {row.n_attacks} attacks,' if several else attack
    not_processed = row.n_people - row.n_failed_acquire - row.n_assessed
    n_not_enrolled = max(row.n_failed_enrol - not_processed, 0)
    without = f' ({n_not_enrolled} of whom could not be enrolled)' if n_not_enrolled else ''
    return (
        f'{who} recognised {row.n_correct} of {row.n_assessed} participants{without} from '
        f'{row.condition} {row.modality} scans, at most {high:.1%} with 95% confidence'
        f'{", allowing for all attacks" if several else ""}'
    )


def _nobody(
    condition: str, modality: str | None, max_risk: float, row: StrongestRow | None = None
) -> Gate:
    scan = f'{condition} {modality} scan' if modality else f'{condition} scan'
    return Gate(
        passed=False,
        kind='risk',
        condition=condition,
        max_risk=max_risk,
        n=0,
        n_exposed=0,
        rate=None,
        ci_high=None,
        n_needed=people_needed(max_risk, row.quantile if row else None),
        modality=modality,
        extractor=row.extractor if row else None,
        decision=row.decision if row else None,
        sentence=(
            f'Not passed: nobody with a {scan} could be searched for among others with a '
            'photograph, so the risk is not known.'
        ),
    )


def presence_gate(verdicts: Sequence[str | None], *, condition: str, max_risk: float) -> Gate:
    """Judge a condition by what is left of faces on its scans, without photographs.

    Parameters
    ----------
    verdicts
        The verdict on every scan of the condition, failed ones too; only ``no findings`` is safe.
    condition, max_risk
        What is audited, and the largest share of scans with another verdict that passes.
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
    return Gate(
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


def doubted(gate: Gate, doubts: Sequence[str]) -> Gate:
    """Take a pass back for reasons that its numbers do not hold, and say them."""
    if not doubts:
        return gate
    result = gate.sentence.removeprefix('Passed: ').removeprefix('Not passed: ')
    link = 'But' if gate.passed else 'Besides,'
    return replace(
        gate, passed=False, sentence=f'Not passed: {result} {link} {", and ".join(doubts)}.'
    )
