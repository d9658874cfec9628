"""The group page: the decision, what it rests on, for whom, and how it was measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bids_reid.faces.extractors import descriptions
from bids_reid.group.result import GroupResult, PhotoLine
from bids_reid.records import RAW, STRANGER, TOGETHER, AttackKey
from bids_reid.report.cards import cards
from bids_reid.report.citations import methods
from bids_reid.report.decision import MOST_NAMED, decision
from bids_reid.report.drawing import Drawing, by_kind
from bids_reid.report.findings import (
    attack_of,
    distinct,
    group_findings,
    group_name,
)
from bids_reid.report.group_figures import group_drawings
from bids_reid.report.head_picture import view_widths
from bids_reid.report.html import render_page
from bids_reid.report.image_table import MOST_ROWS, image_groups, image_rows, remarkable
from bids_reid.report.parts_left import group_faces
from bids_reid.report.people import exposure_columns, people
from bids_reid.report.published import studies
from bids_reid.report.statistics import (
    changes,
    completed_sentence,
    differences,
    growths,
    linkage_sentence,
    links,
    presence_sentence,
)
from bids_reid.report.words import captions
from bids_reid.risk.controls import sort_controls
from bids_reid.risk.identification import IdentificationRow, Unit
from bids_reid.risk.strength import strongest_first

UNITS: tuple[Unit, ...] = ('participant', 'photo')
MEASURES = {'breakdown': 'rate', 'verification': 'rate', 'openset': 'fnir'}
"""Tables of which only measured rows are shown, and the column that says so."""
NOTABLE = 0.05
"""Comparisons with a larger adjusted p are not listed."""


@dataclass(frozen=True, slots=True)
class AttackLine:
    """A line of the table of rates: one attack and unit, with a row for each k."""

    attack: AttackKey
    rows: tuple[IdentificationRow, ...]


@dataclass(frozen=True, slots=True)
class PhotoCounts:
    """Numbers of photographs, by whom they show and how they were acquired."""

    n_mated: int
    n_photographed: int
    n_unlabelled: int
    n_strangers: int
    n_unprocessed: int
    mated_statuses: Counter[str]
    distractor_statuses: Counter[str]
    unprocessed_statuses: Counter[str]


def group_page(content: GroupResult, drawings: Sequence[Drawing] | None = None) -> str:
    """Return the group page as one self-contained HTML file.

    No photograph is ever given a candidate's name: nothing in ``content`` holds one.

    Parameters
    ----------
    content : GroupResult
        All that the page is about.
    drawings : sequence of Drawing, optional
        Its figures; drawn here if they are not given.
    """
    linked = links(content.linkage)
    return render_page(
        'group.html.j2',
        scripts=('tables.js',),
        report=content,
        decision=decision(content),
        cards=cards(content),
        findings=group_findings(content),
        presence=presence_sentence(content.images),
        completed=completed_sentence(content.scans),
        links=linked,
        linkage_sentence=linkage_sentence(linked, content.audited),
        group_faces=group_faces(content.faces_left, content.audited),
        view_widths=view_widths(),
        n_templates=sum(scan.status == 'ok' for scan in content.scans),
        most_rows=MOST_ROWS,
        most_named=MOST_NAMED,
        **_changes(content),
        **_images(content),
        **_people(content),
        **_rates(content),
        **_figures(content, drawings),
        **_photographs(content.photos or ()),
        **_statistics(content),
    )


def _changes(content: GroupResult) -> dict[str, Any]:
    """Return the values of the section before and after: raw scans are never after."""
    rows = [row for row in content.reductions if row.condition != RAW]
    return {'changes': changes(rows), 'n_changes': len(rows)}


def _images(content: GroupResult) -> dict[str, Any]:
    """Return the values of the section of images; the page holds the first rows only."""
    rows = image_rows(content.images)
    return {
        'image_groups': image_groups(content.images),
        'image_rows': rows[:MOST_ROWS],
        'remarkable': remarkable,
        'n_image_rows': len(rows),
        'n_remarkable': sum(map(remarkable, rows)),
    }


def _people(content: GroupResult) -> dict[str, Any]:
    """Return the values of the section of participants; those beyond the table are links."""
    everybody = people(content)
    return {
        'people': everybody[:MOST_ROWS],
        'more_people': everybody[MOST_ROWS:],
        'exposed_columns': exposure_columns(content),
        'unprocessed': [f'sub-{label}' for label in content.unprocessed],
        'pages': {f'sub-{scan.participant}' for scan in content.scans},
    }


def _figures(content: GroupResult, drawings: Sequence[Drawing] | None) -> dict[str, Any]:
    """Return the figures by kind, the methods, and the works that page and figures cite."""
    shown = by_kind(group_drawings(content) if drawings is None else drawings)
    told = methods(content)
    works = {work.key: work for work in told.works}
    if 'published' in shown:
        works |= {study.study: study.reference for study in studies()}
    return {
        'drawings': shown,
        'methods': told,
        'studies': studies(),
        'works': sorted(works.values(), key=lambda work: work.plain),
    }


def _rates(content: GroupResult) -> dict[str, Any]:
    """Return the values of the section of identification rates."""
    searching = distinct(row.extractor for row in content.rows)
    return {
        'rate_groups': _rate_groups(content.rows),
        'n_not_searched': len({row.attack for row in content.rows if row.rate is None}),
        'ks': sorted({row.k for row in content.rows if row.k == 1 or row.k < row.n_gallery}),
        'n_photo_lines': len({row.attack for row in content.rows}),
        'extractors': [name for name in searching if TOGETHER not in name],
        'teams': [name for name in searching if TOGETHER in name],
        'extractor_captions': {**descriptions(), **captions()['extractors']},
        'decisions': distinct(row.decision for row in content.rows),
    }


def _photographs(photos: Sequence[PhotoLine]) -> dict[str, Any]:
    """Return the values of the section of photographs."""
    return {
        'photo_counts': _photo_counts(photos),
        'excluded_photos': [photo for photo in photos if photo.status != 'ok'],
        'marked_photos': [photo for photo in photos if photo.n_faces > 1 or photo.turned],
        'strangers': [photo for photo in photos if photo.participant == STRANGER],
        'unprocessed_photos': _unprocessed_photos(photos),
    }


def _statistics(content: GroupResult) -> dict[str, Any]:
    """Return the values beside the rates; details are shown of the strongest attacks only."""
    statistics = content.statistics
    strongest = {attack_of(row) for row in statistics.strongest}

    def of_strongest(rows: Iterable[Any]) -> list[Any]:
        return [row for row in rows if attack_of(row) in strongest]

    return {
        'growths': growths(content),
        'controls': sort_controls(statistics.controls),
        **{
            name: measured(of_strongest(getattr(statistics, name)), column)
            for name, column in MEASURES.items()
        },
        'n_not_measured': sum(
            getattr(row, column) is None
            for name, column in MEASURES.items()
            for row in of_strongest(getattr(statistics, name))
        ),
        'comparisons': differences(
            [row for row in statistics.comparisons if row.p_holm < NOTABLE]
        ),
    }


def measured(rows: Iterable[Any], column: str) -> list[Any]:
    """Leave out the rows that have no value."""
    return [row for row in rows if getattr(row, column) is not None]


def _rate_groups(
    rows: Sequence[IdentificationRow],
) -> list[tuple[str, dict[Unit, list[AttackLine]]]]:
    """Sort the rows into lines, and the lines into groups of scans; the strongest line first."""
    groups = []
    for group in distinct(group_name(row) for row in rows):
        units: dict[Unit, list[AttackLine]] = {}
        for unit in UNITS:
            members = [
                row
                for row in rows
                if group_name(row) == group and row.unit == unit and row.rate is not None
            ]
            lines = []
            for attack in distinct(row.attack for row in members):
                line = [row for row in members if row.attack == attack]
                lines.append(AttackLine(attack, tuple(sorted(line, key=lambda row: row.k))))
            order = strongest_first(
                [line.rows[0].rate or 0 for line in lines],
                [line.rows[0].n_gallery for line in lines],
            )
            units[unit] = [lines[place] for place in order]
        groups.append((group, units))
    return groups


def _photo_counts(photos: Sequence[PhotoLine]) -> PhotoCounts:
    mated = [photo for photo in photos if photo.mated]
    return PhotoCounts(
        n_mated=len(mated),
        n_photographed=len({photo.participant for photo in mated if photo.status != 'unreadable'}),
        n_unlabelled=sum(photo.participant is None for photo in photos),
        n_strangers=sum(photo.participant == STRANGER for photo in photos),
        n_unprocessed=sum(photo.unprocessed for photo in photos),
        mated_statuses=Counter(photo.status for photo in mated),
        distractor_statuses=Counter(photo.status for photo in photos if not photo.labelled),
        unprocessed_statuses=Counter(photo.status for photo in photos if photo.unprocessed),
    )


def _unprocessed_photos(photos: Sequence[PhotoLine]) -> list[tuple[str, list[str]]]:
    """Participants who were photographed but have no processed scan, with their photographs."""
    names: dict[str, list[str]] = {}
    for photo in photos:
        if photo.unprocessed and photo.participant is not None:
            names.setdefault(photo.participant, []).append(photo.name)
    return sorted(names.items())
