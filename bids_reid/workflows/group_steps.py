"""The steps of the group level between files: it reads what the participant level wrote."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.bids.derivatives import made_with, read_template
from bids_reid.bids.outputs import read_json, write_json, write_table, write_text
from bids_reid.errors import NoInputError, PhotoError, ScanError
from bids_reid.faces.extractors import bids_label, load_extractor
from bids_reid.match.scores import DECISIONS, probe_scores
from bids_reid.records import Photo, Score, Template
from bids_reid.report.content import Curve, GroupReport, PhotoLine, ScanLine
from bids_reid.report.summary import group_summary
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
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

IDENTIFICATION_TABLES = ('group_identification', 'group_ranks')


@dataclass(frozen=True, slots=True)
class Choice:
    """Whose scans are searched: labels without prefix; no session or modality means all of them.

    ``dataset`` holds all participants of the dataset: a photograph of anybody else is a
    distractor, and only that.
    """

    dataset: tuple[str, ...]
    participants: tuple[str, ...]
    sessions: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()


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
    choice: Choice,
    photos: Sequence[Photo] | None,
    encoded: dict[str, Path],
) -> Path:
    """Search, count, and write the tables, the summary and the page; return the page's path.

    Parameters
    ----------
    choice : Choice
        Whose scans are searched.
    photos : sequence of Photo or None
        ``None`` if there are none: then only the scans are reported.
    encoded : dict
        Extractor to the file that `encode_photographs` wrote for ``photos``.
    """
    scans = read_scans(output_dir, choice.participants, choice.sessions, choice.modalities)
    known = {scan.line.participant for scan in scans}
    results: list[Identification] = []
    lines: tuple[PhotoLine, ...] | None = None
    for extractor, file in encoded.items() if photos is not None else ():
        with np.load(file) as content:
            features, statuses = content['features'], content['statuses']
        lines = tuple(_photo_lines(photos or (), statuses, choice.dataset, known))
        results += _identify(scans, lines, features, extractor)
    _write_identification(output_dir, results if photos is not None else None)
    scan_lines = [scan.line for scan in scans]
    write_table(output_dir / 'group_scans.tsv', 'group_scans', map(_scan_row, scan_lines))
    report = GroupReport(
        dataset=dataset,
        scans=tuple(scan_lines),
        provenance=provenance_of(scans, list(encoded), command),
        photos=lines,
        unprocessed=tuple(sorted(set(choice.participants) - known)),
        rows=tuple(row for result in results for row in result.rows),
        curves=tuple(result.curve for result in results),
        ranks=tuple((result.series, tuple(result.by_participant)) for result in results),
    )
    write_json(output_dir / 'group_summary.json', group_summary(report))
    # figures take long to import
    from bids_reid.report.group import group_page

    page = output_dir / 'group.html'
    write_text(page, group_page(report))
    return page


def read_rows(output_dir: Path) -> list[IdentificationRow]:
    """Read the identification rates from ``group_summary.json``; none without photographs."""
    rows = read_json(output_dir / 'group_summary.json').get('Identification', ())
    return [IdentificationRow(**row) for row in rows]


def _photo_lines(
    photos: Sequence[Photo],
    statuses: NDArray[np.str_],
    dataset: Collection[str],
    searched: Collection[str],
) -> Iterator[PhotoLine]:
    """Say what each photograph is; a distractor gets a number: its file may bear a name."""
    n_distractors = 0
    for photo, (status, reason) in zip(photos, statuses, strict=True):
        name, in_dataset = photo.name, photo.participant in dataset
        if not in_dataset:
            n_distractors += 1
            name = f'distractor {n_distractors}'
        yield PhotoLine(
            name=name,
            participant=photo.participant,
            in_dataset=in_dataset,
            searched=photo.participant in searched,
            status=str(status),
            reason=str(reason),
        )


def _identify(
    scans: Sequence[EnrolledScan],
    lines: Sequence[PhotoLine],
    features: NDArray[np.float32],
    extractor: str,
) -> Iterator[Identification]:
    """Search each group of scans (same condition and modality) under every decision."""

    def kind(scan: EnrolledScan) -> tuple[str, str]:
        return (scan.line.condition, scan.line.modality)

    model = load_extractor(extractor)
    identity = model.identity()
    for (condition, modality), members in groupby(sorted(scans, key=kind), key=kind):
        gallery = list(members)
        owners = {scan.line.participant for scan in gallery}
        probes = [
            number
            for number, line in enumerate(lines)
            if line.participant in owners and line.status != 'unreadable'
        ]
        templates = [_template(scan, extractor, identity) for scan in gallery]
        acquired = np.array([lines[n].status == 'ok' for n in probes], dtype=bool)
        usable = [n for n in probes if lines[n].status == 'ok']
        for decision in DECISIONS:
            scores = np.full((len(probes), len(gallery)), np.nan, np.float32)
            scores[acquired] = probe_scores(
                features[usable], templates, similarity=model.similarity, decision=decision
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


def _template(scan: EnrolledScan, extractor: str, model: dict[str, str]) -> Template:
    """Return the template, an empty one for a scan that failed to enrol.

    Raises
    ------
    NoInputError
        The participant level ran without this extractor: that is no failure to enrol.
    ScanError
        The template is damaged, or of another model than the photographs' features.
    """
    template = read_template(scan.files, extractor)
    if template is not None:
        if not made_with(scan.files, extractor, model):
            raise ScanError(
                f'{scan.files.template(bids_label(extractor))} was made with another version of '
                f'{extractor} than is installed: run the participant level again'
            )
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


def _write_identification(output_dir: Path, results: Sequence[Identification] | None) -> None:
    """Write the tables of rates and ranks; without photographs take away earlier ones."""
    if results is None:
        for name in IDENTIFICATION_TABLES:
            (output_dir / f'{name}.tsv').unlink(missing_ok=True)
            (output_dir / f'{name}.json').unlink(missing_ok=True)
        return
    rates, ranks = IDENTIFICATION_TABLES
    write_table(
        output_dir / f'{rates}.tsv',
        rates,
        (asdict(row) for result in results for row in result.rows),
    )
    write_table(
        output_dir / f'{ranks}.tsv',
        ranks,
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
