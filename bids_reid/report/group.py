"""The group page: what was found, for whom, how, and what to make of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

from markupsafe import Markup

from bids_reid.records import Score
from bids_reid.report.content import Curve, GroupReport, PhotoLine, ScanLine
from bids_reid.report.figures import attack_styles, cmc_figure
from bids_reid.report.findings import attack_name, distinct, group_findings, group_name
from bids_reid.report.html import render_page
from bids_reid.risk.identification import IdentificationRow, Series


@dataclass(frozen=True, slots=True)
class SeriesLine:
    """A line of the table of rates: one series and unit, with a row for each k."""

    series: Series
    rows: tuple[IdentificationRow, ...]


@dataclass(frozen=True, slots=True)
class ScanGroup:
    """How the scans of one condition and modality fared."""

    group: str
    n_participants: int
    n_scans: int
    statuses: Counter[str]
    faces: Counter[str | None]


@dataclass(frozen=True, slots=True)
class PhotoCounts:
    """What the photographs given were, and what became of them."""

    n_mated: int
    n_photographed: int
    n_unlabelled: int
    n_strangers: int
    n_unprocessed: int
    mated_statuses: Counter[str]
    distractor_statuses: Counter[str]
    unprocessed_statuses: Counter[str]


@dataclass(frozen=True, slots=True)
class RankLine:
    """The rank of one participant in each series; ``None`` where there was no search."""

    participant: str
    results: tuple[Score | None, ...]


def group_page(content: GroupReport) -> str:
    """Return the group page as one self-contained HTML file.

    No photograph is ever given a candidate's name: nothing in ``content`` holds one.
    """
    photos = content.photos or ()
    return render_page(
        'group.html.j2',
        report=content,
        findings=group_findings(content.rows),
        rate_groups=_rate_groups(content.rows),
        ks=sorted({row.k for row in content.rows}),
        figures=_figures(content.curves, content.rows),
        scan_groups=_scan_groups(content.scans),
        n_templates=sum(scan.status == 'ok' for scan in content.scans),
        remarkable_scans=[scan for scan in content.scans if _remarkable(scan)],
        photo_counts=_photo_counts(photos),
        excluded_photos=[photo for photo in photos if photo.status != 'ok'],
        strangers=[photo for photo in photos if _is_stranger(photo)],
        unprocessed_photos=_unprocessed_photos(photos),
        rank_columns=[(group_name(series), attack_name(series)) for series, _ in content.ranks],
        rank_lines=_rank_lines(content.ranks),
        extractors=distinct(row.extractor for row in content.rows),
        decisions=distinct(row.decision for row in content.rows),
    )


def _remarkable(scan: ScanLine) -> bool:
    """Whether a scan is something else than a whole head with a face."""
    whole = scan.status == 'ok' and scan.face_present == 'yes' and scan.brain_loss != 'yes'
    return bool(scan.reason) and not whole


def _rate_groups(
    rows: Sequence[IdentificationRow],
) -> list[tuple[str, list[SeriesLine]]]:
    """Sort the rows into lines, and the lines into groups of scans, in the order given."""
    groups = []
    for group in distinct(group_name(row) for row in rows):
        members = [row for row in rows if group_name(row) == group]
        lines = []
        for series, unit in distinct((row.series, row.unit) for row in members):
            line = [row for row in members if (row.series, row.unit) == (series, unit)]
            lines.append(SeriesLine(series, tuple(sorted(line, key=lambda row: row.k))))
        groups.append((group, lines))
    return groups


def _figures(
    curves: Sequence[Curve], rows: Sequence[IdentificationRow]
) -> list[tuple[str, Markup]]:
    """Draw one CMC for each group of scans."""
    # A series without searches has NaN for rates.
    drawn = [curve for curve in curves if curve.rates and not isnan(curve.rates[0])]
    independent = [row for row in rows if row.unit == 'participant']
    styles = attack_styles(distinct(attack_name(curve.series) for curve in drawn))
    figures = []
    for group in distinct(group_name(curve.series) for curve in drawn):
        shown = {
            attack_name(curve.series): curve
            for curve in drawn
            if group_name(curve.series) == group
        }
        # Markup is right: matplotlib escapes the text it draws, figures.py what it adds.
        drawing = cmc_figure(group, shown, independent, styles)
        figures.append((group, Markup(drawing)))  # noqa: S704
    return figures


def _scan_groups(scans: Sequence[ScanLine]) -> list[ScanGroup]:
    groups = []
    for group in distinct(group_name(scan) for scan in scans):
        members = [scan for scan in scans if group_name(scan) == group]
        groups.append(
            ScanGroup(
                group,
                n_participants=len({scan.participant for scan in members}),
                n_scans=len(members),
                statuses=Counter(scan.status for scan in members),
                faces=Counter(scan.face_present for scan in members),
            )
        )
    return groups


def _photo_counts(photos: Sequence[PhotoLine]) -> PhotoCounts:
    mated = [photo for photo in photos if photo.mated]
    return PhotoCounts(
        n_mated=len(mated),
        n_photographed=len({photo.participant for photo in mated if photo.status != 'unreadable'}),
        n_unlabelled=sum(photo.participant is None for photo in photos),
        n_strangers=sum(_is_stranger(photo) for photo in photos),
        n_unprocessed=sum(photo.unprocessed for photo in photos),
        mated_statuses=Counter(photo.status for photo in mated),
        distractor_statuses=Counter(photo.status for photo in photos if not photo.labelled),
        unprocessed_statuses=Counter(photo.status for photo in photos if photo.unprocessed),
    )


def _is_stranger(photo: PhotoLine) -> bool:
    """Whether a photograph is labelled with somebody who is not in the dataset."""
    return photo.participant is not None and not photo.in_dataset


def _unprocessed_photos(photos: Sequence[PhotoLine]) -> list[tuple[str, list[str]]]:
    """Participants who were photographed but have no processed scan, with their photographs."""
    names: dict[str, list[str]] = {}
    for photo in photos:
        if photo.unprocessed and photo.participant is not None:
            names.setdefault(photo.participant, []).append(photo.name)
    return sorted(names.items())


def _rank_lines(ranks: Sequence[tuple[Series, tuple[Score, ...]]]) -> list[RankLine]:
    by_series = [{result.participant: result for result in results} for _, results in ranks]
    participants = sorted({participant for results in by_series for participant in results})
    return [
        RankLine(participant, tuple(results.get(participant) for results in by_series))
        for participant in participants
    ]
