"""The result in sentences: the strongest attack on each group of scans."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from bids_reid.records import RAW, AttackKey
from bids_reid.report import words
from bids_reid.risk.identification import IdentificationRow
from bids_reid.risk.strength import counted, strongest_first

if TYPE_CHECKING:
    from bids_reid.group.result import GroupResult
    from bids_reid.risk.attacks import StrongestRow

T = TypeVar('T')


class _Grouped(Protocol):
    @property
    def condition(self) -> str: ...
    @property
    def modality(self) -> str: ...


class _OfAttack(_Grouped, Protocol):
    @property
    def extractor(self) -> str: ...
    @property
    def decision(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """The strongest attack on one group of scans (participant unit, rank 1), in words.

    The interval of ``row`` allows for all attacks tried.
    """

    group: str
    row: IdentificationRow
    sentence: str
    notes: tuple[str, ...]
    attack: str
    interval: str
    n_tried: int


def group_findings(result: GroupResult) -> list[Finding]:
    """Find the strongest attack on each group of scans, the most surely exposed group first.

    Groups of the audited condition come before all others.

    Only the participant unit is looked at: its probes are independent, so its interval holds.
    Which attack is the strongest, and which are not counted, `bids_reid.risk.strength` says. The
    interval is the one of ``group_strongest.tsv`` that allows for all attacks tried.
    """
    first = [row for row in result.rows if row.unit == 'participant' and row.k == 1]
    corrected = {group_name(row): row for row in result.statistics.strongest}
    findings = []
    for group in distinct(group_name(row) for row in first):
        tried = [row for row in first if group_name(row) == group]
        galleries = [row.n_gallery for row in tried]
        row = tried[strongest_first([row.rate or 0 for row in tried], galleries)[0]]
        n_tried = sum(counted(galleries)) or len(tried)
        strongest = corrected.get(group)
        row = _corrected(row, strongest)
        interval = _interval(row, strongest)
        findings.append(
            Finding(
                group,
                row,
                _sentence(row, interval, n_tried),
                _notes(row),
                attack_name(row.attack),
                interval=interval,
                n_tried=n_tried,
            )
        )
    # The lower bound, not the rate: three of three people say less than twenty of twenty-four.
    # The sort is stable: groups that are equally exposed keep their order.
    return sorted(
        findings,
        key=lambda finding: (finding.row.condition == result.audited, finding.row.ci_low or 0),
        reverse=True,
    )


def group_name(line: _Grouped) -> str:
    """Name a group of scans."""
    return f'{line.modality} · {line.condition}'


def attack_of(row: _OfAttack) -> AttackKey:
    """Return the attack of a row, of any table with the columns of an `AttackKey`."""
    return AttackKey(row.condition, row.modality, row.extractor, row.decision)


def attack_name(attack: AttackKey) -> str:
    """Name the extractor of an attack, and the decision where it is not the plain one."""
    if attack.decision == 'best':
        return attack.extractor
    return f'{attack.extractor} ({attack.decision})'


def distinct(values: Iterable[T]) -> list[T]:
    """Return each value once, in the order of first appearance."""
    return list(dict.fromkeys(values))


def _sentence(row: IdentificationRow, interval: str, n_tried: int) -> str:
    scan = row.modality if row.condition == RAW else f'{row.condition} {row.modality}'
    if not row.n_probes:
        return f'Nobody with a {scan} scan was photographed, so recognition was not measured.'
    if not row.n_gallery:
        return f'No {scan} scan gave a template, so nobody could be searched for.'
    strength = f', the strongest of {n_tried} attacks tried' if n_tried > 1 else ''
    verb = 'was' if row.n_probes == 1 else 'were'
    return (
        f'With {attack_name(row.attack)}{strength}, {row.n_correct or "none"} of '
        f'{words.count(row.n_probes, "participant")} ({words.percent(row.rate)}, '
        f'{interval}) {verb} recognised at first '
        f'rank from their {scan} scan, each searched among '
        f'{words.count(row.n_gallery, "participant")}; '
        f'guessing would give {words.percent(row.chance)}.'
    )


def _corrected(row: IdentificationRow, strongest: StrongestRow | None) -> IdentificationRow:
    """Give the row of the strongest attack the interval that allows for all attacks tried."""
    if strongest is None:
        return row
    return replace(row, ci_low=strongest.ci_low_corrected, ci_high=strongest.ci_high_corrected)


def _interval(row: IdentificationRow, strongest: StrongestRow | None) -> str:
    """Quote the interval of a row."""
    if strongest is not None and not strongest.n_assessed:
        return 'no interval, as nobody could be assessed'
    interval = f'95% interval {words.interval(row.ci_low, row.ci_high)}'
    if strongest is not None and strongest.n_attacks > 1:
        interval += f', allowing for all {strongest.n_attacks} attacks'
    return interval


def _notes(row: IdentificationRow) -> tuple[str, ...]:
    """Return the notes that must stand beside the rate."""
    notes = []
    if row.n_gallery == 1:
        notes.append(
            'Only one participant could be searched for, so every search finds the right one: '
            'this says nothing about the risk.'
        )
    elif row.ci_low is not None and row.chance is not None and row.ci_low <= row.chance:
        notes.append(
            'The interval includes guessing: with this number of people the two cannot be told '
            'apart.'
        )
    if row.n_failed_acquire:
        notes.append(
            f'{words.count(row.n_failed_acquire, "participant")} with no face found in any '
            'photograph: counted as not recognised.'
        )
    if row.n_failed_enrol:
        notes.append(
            f'{words.count(row.n_failed_enrol, "participant")} with no template from any scan: '
            'counted as not recognised.'
        )
    return tuple(notes)
