"""The result as plain text, for the terminal: in ASCII, which any terminal and log can show."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING

from bids_reid.messages import Line, some_of
from bids_reid.records import RAW
from bids_reid.report import words
from bids_reid.report.decision import decision
from bids_reid.report.findings import attack_name, attack_of, group_findings
from bids_reid.report.statistics import changes
from bids_reid.risk.gate import CLEAN, FINDING
from bids_reid.risk.strength import MIN_GALLERY, counted
from bids_reid.text_table import aligned

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bids_reid.bids.sensitive import Amount, Sensitive
    from bids_reid.group.result import GroupResult, PhotoLine
    from bids_reid.messages import Tone
    from bids_reid.records import AttackKey
    from bids_reid.report.statistics import Change
    from bids_reid.risk.identification import IdentificationRow

MOST_ATTACKS = 6
"""Lines of the table; all attacks are in group_identification.tsv."""
MOST_CHANGES = 6
_HEADER = ('scans', 'attack', 'recognised', 'rate', '95% interval', 'guessing', 'failed')
_ASCII = str.maketrans({words.EN_DASH: '-', words.MINUS: '-', '\N{MIDDLE DOT}': ','})


def result_lines(result: GroupResult) -> list[Line]:
    """Say the result in a few lines: rates, changes, then the outcome with its reasons."""
    return [*rate_lines(result), *change_lines(result), *outcome_lines(result)]


def sensitive_lines(output_dir: Path, amounts: Mapping[Sensitive, Amount]) -> list[str]:
    """Say how many files of the output can give a face back, and how to be rid of them."""
    n_files = sum(amount.files for amount in amounts.values())
    if not n_files:
        return []
    can = words.count(n_files, 'file')
    return [
        f'{can} of the output can give a face back: when you are done, '
        f'bids-reid-purge {shlex.quote(str(output_dir))} --keep-report deletes them'
    ]


def unread_photographs(photos: Iterable[PhotoLine]) -> Iterator[str]:
    """Name the photographs that cannot be read, as scans that failed; distractors are counted."""
    others = Counter[str]()
    for photo in photos:
        if photo.status == 'unreadable' and photo.labelled:
            yield f'NOT READ {photo.name}: {photo.reason}'
        elif photo.status == 'unreadable':
            others[photo.reason] += 1
    for reason, number in others.items():
        yield f'NOT READ {words.count(number, "photograph")} of distractors: {reason}'


def outcome_lines(result: GroupResult) -> list[Line]:
    """Say whether the release may be shared, each reason why not, and the next step."""
    gate = result.gate
    if gate is None:
        return []
    images = words.count(gate.n_images, 'image')
    tones: dict[str, Tone] = {CLEAN: 'good', FINDING: 'bad'}
    headline = f'{gate.outcome.upper()}: {result.release}, {images}'
    lines = [Line(headline, tones.get(gate.outcome, 'caution'))]
    if gate.passed:
        lines.append(Line(f'  {gate.sentence}'))
    for reason in gate.reasons:
        found = reason.outcome == FINDING
        lines.append(
            Line(
                f'  {"found" if found else "not known"}: {reason.sentence}',
                'bad' if found else 'caution',
            )
        )
    lines += [Line(f'  besides: {remark}') for remark in result.remarks]
    decided = decision(result)
    if decided is not None:
        lines.append(Line(f'  next: {decided.next_step}'))
    return [Line(line.text.translate(_ASCII), line.tone) for line in lines]


def rate_lines(result: GroupResult) -> list[Line]:
    """Lay out the strongest attacks on the audited condition: participants, first rank.

    Where nobody could be searched for, say why.
    """
    rows = strongest_rows(result.rows, result.audited)
    if not rows:
        findings = (one for one in group_findings(result) if one.row.condition == result.audited)
        return [Line(finding.sentence.translate(_ASCII)) for finding in findings]
    shown = rows[:MOST_ATTACKS]
    title = f'participants recognised from {result.audited} scans (first rank), by attack'
    if len(rows) > len(shown):
        title += f' (the strongest {len(shown)} of {len(rows)}; all: group_identification.tsv)'
    return [
        Line(title, 'heading'),
        *(Line(f'  {line}') for line in aligned([_HEADER, *map(_cells, shown)])),
    ]


def strongest_rows(rows: Sequence[IdentificationRow], condition: str) -> list[IdentificationRow]:
    """Sort the attacks on the scans of a condition, the strongest first; participants, rank 1.

    Those that searched among far fewer people than others come last, and those that searched
    among one or none are left out.
    """
    first = [
        row
        for row in rows
        if (row.condition, row.unit, row.k) == (condition, 'participant', 1)
        and row.n_probes
        and row.n_gallery >= MIN_GALLERY
    ]
    counts: dict[AttackKey, bool] = {}
    for modality in {row.modality for row in first}:
        members = [row for row in first if row.modality == modality]
        galleries = [row.n_gallery for row in members]
        counts |= dict(zip(map(attack_of, members), counted(galleries), strict=True))
    # the sort is stable: equals keep their order
    return sorted(
        first,
        key=lambda row: (counts[attack_of(row)], row.rate or 0, row.n_gallery),
        reverse=True,
    )


def _cells(row: IdentificationRow) -> tuple[str, ...]:
    cells = (
        row.modality,
        attack_name(row.attack),
        f'{row.n_correct:,} of {row.n_probes:,}',
        words.percent(row.rate),
        words.interval(row.ci_low, row.ci_high),
        words.percent(row.chance),
        f'{row.n_failed_acquire + row.n_failed_enrol:,}',
    )
    return tuple(cell.translate(_ASCII) for cell in cells)


def change_lines(result: GroupResult) -> list[Line]:
    """Say for each group of scans what became of those who were identified before.

    The attack is the one that identified most people before. The audited condition comes first.
    """
    found = [change for change in changes(result.reductions) if change.strongest.n_people > 1]
    found.sort(key=lambda change: change.strongest.condition != result.audited)
    lines = [Line(_change(change).translate(_ASCII)) for change in found[:MOST_CHANGES]]
    if len(found) > MOST_CHANGES:
        more = words.count(len(found) - MOST_CHANGES, 'more change')
        lines.append(Line(f'  {more}: group_reduction.tsv'))
    if not lines:
        return []
    title = 'participants recognised before -> after, searched among the same people'
    return [Line(title, 'heading'), *lines]


def _change(change: Change) -> str:
    row = change.strongest
    before = '' if row.baseline == RAW else f' ({row.baseline} before)'
    less = None if row.reduction is None else 0.0 - row.reduction
    low, high = row.ci_low_corrected, row.ci_high_corrected
    # not minus 0
    interval = words.points_interval(
        None if high is None else 0.0 - high, None if low is None else 0.0 - low
    )
    remain = some_of([f'sub-{label}' for label in row.still_identified])
    return (
        f'  {row.modality} {row.condition}{before}: {row.n_before:,} -> {row.n_after:,} of '
        f'{words.count(row.n_people, "participant")} by {attack_name(attack_of(row))} '
        f'({words.points(less)} points, 95% interval {interval})'
        + (f'; recognised after: {remain}' if remain else '')
    )
