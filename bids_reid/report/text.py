"""The result as plain text, for the terminal."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING

from bids_reid.report import words
from bids_reid.report.findings import (
    attack_name,
    attack_of,
    distinct,
    group_findings,
    group_name,
)
from bids_reid.report.statistics import changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bids_reid.bids.sensitive import Amount, Sensitive
    from bids_reid.group.result import GroupResult, PhotoLine
    from bids_reid.risk.identification import IdentificationRow
    from bids_reid.risk.pairing import ReductionRow

_HEADER = ('scans', 'attack', 'unit', 'searches', 'gallery', 'failed')


def result_lines(result: GroupResult) -> list[str]:
    """Say the result in a few lines, the most important ones first and last."""
    lines = [*unread_photographs(result.photos or ())]
    lines += [finding.sentence for finding in group_findings(result)]
    if result.rows:
        lines += rate_table(result.rows).splitlines()
    lines += change_lines(result.reductions)
    return [*lines, *outcome_lines(result)]


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


def outcome_lines(result: GroupResult) -> list[str]:
    """Say whether the release may be shared, and each reason why not."""
    gate = result.gate
    if gate is None:
        return []
    images = words.count(gate.n_images, 'image')
    lines = [f'{gate.outcome.upper()}: {result.release}, {images}']
    if gate.passed:
        lines.append(f'  {gate.sentence}')
    for reason in gate.reasons:
        mark = 'found' if reason.outcome == 'do not share' else 'not known'
        lines.append(f'  {mark}: {reason.sentence}')
    lines += [f'  besides: {remark}' for remark in result.remarks]
    return lines


def rate_table(rows: Sequence[IdentificationRow]) -> str:
    """Lay out one line per attack and unit: rate, count and 95% interval at every rank."""
    ranks = sorted({row.k for row in rows})
    table = [[*_HEADER, *(f'rank {k}' for k in ranks), 'chance']]
    for attack, unit in distinct((row.attack, row.unit) for row in rows):
        line = sorted(
            (row for row in rows if (row.attack, row.unit) == (attack, unit)),
            key=lambda row: row.k,
        )
        first = line[0]
        table.append(
            [
                group_name(attack),
                attack_name(attack),
                unit,
                str(first.n_probes),
                str(first.n_gallery),
                str(first.n_failed_acquire + first.n_failed_enrol),
                *(_rate(row) for row in line),
                words.percent(first.chance),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return '\n'.join(
        '  '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    )


def change_lines(rows: Sequence[ReductionRow]) -> list[str]:
    """Say for each group of scans what became of those who were identified before.

    The attack is the one that identified most people before.
    """
    lines = []
    for change in changes(rows):
        group, row = change.group, change.strongest
        remain = ', '.join(f'sub-{label}' for label in row.still_identified)
        interval = words.points_interval(row.ci_low_corrected, row.ci_high_corrected)
        lines.append(
            f'{group}: {attack_name(attack_of(row))} recognised {row.n_before} of '
            f'{words.count(row.n_people, "participant")} before and {row.n_after} after '
            f'(a reduction of {words.points(row.reduction)} points, 95% interval '
            f'{interval}), searched among the same people'
            + (f'; still recognised: {remain}' if remain else '')
        )
    return lines


def _rate(row: IdentificationRow) -> str:
    return f'{words.percent(row.rate)} [{words.interval(row.ci_low, row.ci_high)}]'
