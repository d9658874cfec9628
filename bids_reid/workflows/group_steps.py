"""The steps of the group level between files: it reads what the participant level wrote."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_reid import __version__
from bids_reid.bids.derivatives import read_template
from bids_reid.bids.outputs import NOT_AVAILABLE, read_table, write_json, write_table, write_text
from bids_reid.errors import NoInputError, PhotoError
from bids_reid.faces.extractors import bids_label, load_extractor
from bids_reid.match.scores import DECISIONS, probe_scores
from bids_reid.records import Photo, Score, Template
from bids_reid.report.content import Curve, GroupReport, PhotoLine, ScanLine
from bids_reid.report.group import group_page
from bids_reid.risk.identification import (
    IdentificationRow,
    Searches,
    Series,
    cmc,
    identification_rows,
    mated_ranks,
)
from bids_reid.workflows.library import EnrolledScan, provenance_of, read_scans

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

IDENTIFICATION_TABLES = ('group_identification', 'group_ranks')


@dataclass(frozen=True, slots=True)
class Identification:
    """All results of one search: rows and curve, and the searches of both units."""

    series: Series
    rows: list[IdentificationRow]
    curve: Curve
    by_photo: list[Score]
    by_participant: list[Score]


def encode_photographs(photos: Sequence[Photo], extractor: str, target: Path) -> None:
    """Crop and encode photographs as the study did; one status and reason per photograph."""
    from bids_reid.faces.photographs import loose_crop, read_photograph

    model = load_extractor(extractor)
    rows: list[NDArray[np.float32]] = []
    statuses: list[tuple[str, str]] = []
    for photo in photos:
        row = np.full(model.dimension, np.nan, np.float32)
        try:
            cropped = loose_crop(read_photograph(photo.path))
        except PhotoError as error:
            statuses.append(('unreadable', str(error)))
        else:
            if cropped is None:
                statuses.append(('no_face', 'no face was found'))
            else:
                row = model.features([cropped[0]], [cropped[1]])[0]
                statuses.append(('ok', ''))
        rows.append(row)
    np.savez(target, features=np.array(rows), statuses=np.array(statuses))


def write_group(
    output_dir: Path,
    *,
    dataset: str,
    command: str,
    photos: Sequence[Photo] | None,
    encoded: dict[str, Path],
    participants: Sequence[str] = (),
) -> Path:
    """Search, count, and write the tables, the summary and the page; return the page's path.

    Parameters
    ----------
    photos : sequence of Photo or None
        ``None`` if there are none: then only the scans are reported.
    encoded : dict
        Extractor to the file that `encode_photographs` wrote for ``photos``.
    participants : sequence of str
        Labels the gallery is limited to; empty for all.
    """
    scans = read_scans(output_dir, participants)
    results: list[Identification] = []
    lines: tuple[PhotoLine, ...] | None = None
    if photos is not None:
        known = {scan.line.participant for scan in scans}
        for extractor, file in encoded.items():
            with np.load(file) as content:
                features, statuses = content['features'], content['statuses']
            lines = tuple(
                PhotoLine(p.name, p.participant, p.participant in known, str(status), str(reason))
                for p, (status, reason) in zip(photos, statuses, strict=True)
            )
            results += _identify(scans, lines, features, extractor)
        _write_identification(output_dir, results)
    else:
        # an earlier run's rates do not belong to this one
        for name in IDENTIFICATION_TABLES:
            (output_dir / f'{name}.tsv').unlink(missing_ok=True)
            (output_dir / f'{name}.json').unlink(missing_ok=True)
    scan_lines = [scan.line for scan in scans]
    write_table(output_dir / 'group_scans.tsv', 'group_scans', map(_scan_row, scan_lines))
    report = GroupReport(
        dataset=dataset,
        scans=tuple(scan_lines),
        provenance=provenance_of(scans, list(encoded), command),
        photos=lines,
        rows=tuple(row for result in results for row in result.rows),
        curves=tuple(result.curve for result in results),
        ranks=tuple((result.series, tuple(result.by_participant)) for result in results),
    )
    write_json(output_dir / 'group_summary.json', _summary(report))
    page = output_dir / 'group.html'
    write_text(page, group_page(report))
    return page


def read_identification(output_dir: Path) -> list[IdentificationRow]:
    """Read the rows of ``group_identification.tsv``; none if no photographs were given."""
    path = output_dir / 'group_identification.tsv'
    return [_parsed(cells) for cells in read_table(path)] if path.exists() else []


def _parsed(cells: dict[str, str]) -> IdentificationRow:
    kinds = {field.name: str(field.type) for field in fields(IdentificationRow)}
    values: dict[str, Any] = {}
    for name, cell in cells.items():
        if cell == NOT_AVAILABLE:
            values[name] = None
        elif kinds[name].startswith('int'):
            values[name] = int(cell)
        else:
            values[name] = float(cell) if kinds[name].startswith('float') else cell
    return IdentificationRow(**values)


def _identify(
    scans: Sequence[EnrolledScan],
    lines: Sequence[PhotoLine],
    features: NDArray[np.float32],
    extractor: str,
) -> Iterator[Identification]:
    """Search each group of scans (same condition and modality) under every decision."""

    def kind(scan: EnrolledScan) -> tuple[str, str]:
        return (scan.line.condition, scan.line.modality)

    similarity = load_extractor(extractor).similarity
    for (condition, modality), members in groupby(sorted(scans, key=kind), key=kind):
        gallery = list(members)
        owners = {scan.line.participant for scan in gallery}
        probes = [
            number
            for number, line in enumerate(lines)
            if line.participant in owners and line.status != 'unreadable'
        ]
        templates = [_template(scan, extractor) for scan in gallery]
        acquired = np.array([lines[n].status == 'ok' for n in probes], dtype=bool)
        usable = [n for n in probes if lines[n].status == 'ok']
        for decision in DECISIONS:
            scores = np.full((len(probes), len(gallery)), np.nan, np.float32)
            scores[acquired] = probe_scores(
                features[usable], templates, similarity=similarity, decision=decision
            )
            searches = Searches(
                scores=scores,
                photos=tuple(lines[n].name for n in probes),
                photo_participants=tuple(lines[n].participant or '' for n in probes),
                acquired=acquired,
                scan_participants=tuple(scan.line.participant for scan in gallery),
                enrolled=np.array([len(t.features) > 0 for t in templates], dtype=bool),
            )
            yield _count(searches, Series(condition, modality, extractor, decision))


def _template(scan: EnrolledScan, extractor: str) -> Template:
    """Return the template, an empty one for a scan that failed to enrol.

    Raises
    ------
    NoInputError
        The participant level ran without this extractor: that is no failure to enrol.
    """
    template = read_template(scan.files, extractor)
    if template is not None:
        return template
    if scan.line.status == 'ok':
        raise NoInputError(
            f'{scan.files.template(bids_label(extractor))} is missing: '
            f'run the participant level with --extractors {extractor}'
        )
    return Template(np.empty((0, 0), np.float32), np.empty(0, np.int32))


def _count(searches: Searches, series: Series) -> Identification:
    by_photo = mated_ranks(searches, 'photo')
    by_participant = mated_ranks(searches, 'participant')
    n_gallery = len(searches.gallery)
    rows = identification_rows(by_photo, series, unit='photo', n_gallery=n_gallery)
    rows += identification_rows(by_participant, series, unit='participant', n_gallery=n_gallery)
    curve = Curve(series, tuple(float(rate) for rate in cmc(by_participant, n_gallery)))
    return Identification(series, rows, curve, by_photo, by_participant)


def _write_identification(output_dir: Path, results: Sequence[Identification]) -> None:
    write_table(
        output_dir / 'group_identification.tsv',
        IDENTIFICATION_TABLES[0],
        (asdict(row) for result in results for row in result.rows),
    )
    write_table(
        output_dir / 'group_ranks.tsv',
        IDENTIFICATION_TABLES[1],
        (
            {
                **asdict(result.series),
                **asdict(score),
                'participant_id': f'sub-{score.participant}',
            }
            for result in results
            for score in result.by_photo
        ),
    )


def _scan_row(line: ScanLine) -> dict[str, object]:
    return {
        **asdict(line),
        'participant_id': f'sub-{line.participant}',
        'session_id': f'ses-{line.session}' if line.session else None,
        'reason': line.reason or None,
    }


def _summary(report: GroupReport) -> dict[str, Any]:
    """Say the result for machines: the strongest attack tried, and what stands behind it."""
    first = [row for row in report.rows if row.k == 1 and row.rate is not None]
    strongest = max(
        (row for row in first if row.unit == 'participant'),
        key=lambda row: row.rate or 0,
        default=None,
    )
    statuses = [scan.status for scan in report.scans]
    photos = report.photos or ()
    return {
        'GeneratedBy': {'Name': 'bids_reid', 'Version': __version__},
        'Dataset': report.dataset,
        'Participants': len({scan.participant for scan in report.scans}),
        'Scans': {status: statuses.count(status) for status in ('ok', 'no_face', 'failed')},
        'Photographs': {
            'Mated': sum(photo.mated for photo in photos),
            'Distractors': sum(not photo.mated for photo in photos),
            'NoFace': sum(photo.status == 'no_face' for photo in photos),
            'Unreadable': sum(photo.status == 'unreadable' for photo in photos),
        }
        if report.photos is not None
        else None,
        'StrongestAttack': asdict(strongest) if strongest else None,
        'Rank1': [asdict(row) for row in first],
    }
