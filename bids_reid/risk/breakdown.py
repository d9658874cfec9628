"""For whom is the risk? Identification rates of groups of participants.

Groups of fewer than 10 people are pooled: their rates would be near to naming somebody, and say
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from bids_reid.records import AttackKey, Score
from bids_reid.risk.identification import found_at, wilson_interval

MIN_GROUP = 10
BAND_YEARS = 10
UNKNOWN = 'n/a'
POOLED = 'pooled'
MISSING = ('', 'n/a', 'nan', 'none')


@dataclass(frozen=True, slots=True)
class BreakdownRow:
    """A row of ``group_breakdown.tsv``; fields are its columns, ``None`` is ``n/a``."""

    condition: str
    modality: str
    extractor: str
    decision: str
    variable: str
    group: str
    pooled: str | None
    n_people: int
    n_failed_acquire: int
    n_failed_enrol: int
    n_correct: int
    rate: float | None
    ci_low: float | None
    ci_high: float | None
    reason: str | None


def breakdown_rows(
    results: Sequence[Score],
    attack: AttackKey,
    variables: Mapping[str, Mapping[str, str]],
) -> list[BreakdownRow]:
    """Rank-1 rate per group of participants, with Wilson's 95% interval.

    Parameters
    ----------
    results
        Of `mated_ranks`, unit ``participant``; failures count as not identified.
    attack
        What the rows are about.
    variables
        Name of a column of ``participants.tsv`` to the value of each participant, as text.
        Numbers are put into bands of ten (`bands`), anything else is taken as it is; a
        participant without a value is in the group ``n/a``.

    Returns
    -------
    Per variable, groups of 10 people or more, sorted, then the others as one group ``pooled``,
    ``pooled`` naming them. Its rate is ``None`` if they are not 10 together.
    """
    rows = []
    for variable, values in variables.items():
        labels = bands(
            {result.participant: values.get(result.participant, '') for result in results}
        )
        members: dict[str, list[Score]] = {}
        for result in results:
            members.setdefault(labels[result.participant], []).append(result)
        names = sorted(members, key=_in_order)
        small = [name for name in names if len(members[name]) < MIN_GROUP]
        rows += [
            _row(attack, variable, name, None, members[name])
            for name in names
            if name not in small
        ]
        if small:
            rest = [result for name in small for result in members[name]]
            rows.append(_row(attack, variable, POOLED, '; '.join(small), rest))
    return rows


def _row(
    attack: AttackKey, variable: str, group: str, pooled: str | None, results: Sequence[Score]
) -> BreakdownRow:
    n, statuses = len(results), [result.status for result in results]
    n_correct = int(found_at(results, [1]).sum())
    enough = n >= MIN_GROUP
    low, high = wilson_interval(n_correct, n)
    return BreakdownRow(
        **asdict(attack),
        variable=variable,
        group=group,
        pooled=pooled,
        n_people=n,
        n_failed_acquire=statuses.count('no_face'),
        n_failed_enrol=statuses.count('no_template'),
        n_correct=n_correct,
        rate=n_correct / n if enough else None,
        ci_low=low if enough else None,
        ci_high=high if enough else None,
        reason=None if enough else f'fewer than {MIN_GROUP} people',
    )


def bands(values: Mapping[str, str]) -> dict[str, str]:
    """Put numbers into bands of ten if all values are numbers and they are many.

    Numbers with fewer than ten different values are codes (``sex`` 0 and 1) and stay. BIDS writes
    high ages as ``89+``, which is taken for the number; what cannot be a finite number makes the
    whole variable categorical.

    Returns
    -------
    Participant to ``20-29`` and the like, or to the value itself; ``n/a`` where it is missing.
    """
    present = {
        key: text.strip() for key, text in values.items() if text.strip().lower() not in MISSING
    }
    numbers = {key: _number(text) for key, text in present.items()}
    known = {number for number in numbers.values() if number is not None}
    if None in numbers.values() or len(known) < BAND_YEARS:
        return {key: present.get(key, UNKNOWN) for key in values}
    named = {}
    for key in values:
        number = numbers.get(key)
        if number is None:
            named[key] = UNKNOWN
        else:
            first = math.floor(number / BAND_YEARS) * BAND_YEARS
            named[key] = f'{first}-{first + BAND_YEARS - 1}'
    return named


def _number(text: str) -> float | None:
    try:
        number = float(text.removesuffix('+'))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _in_order(name: str) -> tuple[bool, float, str]:
    """Bands by their numbers, others by name, unknown last."""
    start = name[:1] + name[1:].split('-', maxsplit=1)[0]
    number = _number(start)
    return name == UNKNOWN, math.inf if number is None else number, name
