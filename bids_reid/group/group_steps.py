"""The steps of the group level between files: it reads what the participant level wrote."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bids_reid.bids.outputs import (
    read_json,
    remove_table,
    write_json,
    write_table,
    write_text,
)
from bids_reid.errors import PhotoError
from bids_reid.faces.extractors import load_extractor
from bids_reid.group.comparison_steps import judge, reductions
from bids_reid.group.linkage_steps import (
    SURFACE,
    linkage_rows,
    linkage_tables,
    linked_scans,
)
from bids_reid.group.result import Curve, GroupResult, PhotoLine, Statistics
from bids_reid.group.search_steps import (
    galleries,
    merge_shards,
    photograph_scores,
    read_encoded,
)
from bids_reid.group.statistics_steps import Collected, write_statistics
from bids_reid.participant.content import ScanLine
from bids_reid.participant.library import (
    left_out,
    provenance_of,
    read_scans,
    searchable_extractors,
)
from bids_reid.records import RAW, Photo, Score
from bids_reid.report.summary import group_summary
from bids_reid.risk.identification import (
    IdentificationRow,
    Searches,
    Series,
    cmc,
    identification_rows,
    mated_ranks,
)
from bids_reid.risk.pairing import ReductionRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bids_reid.faces.detect import Box
    from bids_reid.group.comparison_steps import Searched
    from bids_reid.participant.library import EnrolledScan
    from bids_reid.risk.linkage import LinkageRow

UNASKED = 'it was not asked for'
PHOTOGRAPHS_ONLY = 'it searches with photographs, and there are none'
IDENTIFICATION_TABLES = ('group_identification', 'group_ranks')
REDUCTION_TABLE = 'group_reduction'


@dataclass(frozen=True, slots=True)
class Choice:
    """Whose scans are searched: labels without prefix; no session or modality means all of them.

    ``dataset`` holds all participants of the dataset: a photograph of anybody else is a
    distractor, and only that. ``audited`` is the condition that has to be within ``max_risk``.
    ``against`` is an earlier output that scans are linked with, ``variables`` the columns of
    participants.tsv to break rates down by (name to participant to value), ``seed`` that of all
    random draws. ``without_result`` are participants chosen who have a head image and no result;
    they are looked for if there is a ``max_risk``.
    """

    dataset: tuple[str, ...]
    participants: tuple[str, ...]
    sessions: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    audited: str = RAW
    max_risk: float | None = None
    against: Path | None = None
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    seed: int = 0
    without_result: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identification:
    """All results of one search: rows and curve, and the searches of both units."""

    series: Series
    rows: list[IdentificationRow]
    curve: Curve
    by_photo: list[Score]
    by_participant: list[Score]


def encode_photographs(photos: Sequence[Photo], extractor: str, target: Path) -> None:
    """Crop and encode photographs as the study did; one status and reason per photograph.

    The file holds the extractor's arrays, with nothing, or rows of NaN, for those without a face.
    """
    from bids_reid.faces.photographs import loose_crop, read_photograph

    crops: list[tuple[NDArray[np.uint8], Box]] = []
    statuses: list[tuple[str, str]] = []
    for photo in photos:
        try:
            cropped = loose_crop(read_photograph(photo.path))
        except PhotoError as error:
            statuses.append(('unreadable', str(error)))
        else:
            if cropped is None:
                statuses.append(('no_face', 'no face was found'))
            else:
                crops.append(cropped)
                statuses.append(('ok', ''))
    images, boxes = zip(*crops, strict=True) if crops else ((), ())
    found = np.array([status == 'ok' for status, _ in statuses], dtype=bool)
    arrays = _for_all(found, load_extractor(extractor).features(images, boxes))
    arrays['statuses'] = np.array(statuses, dtype=str).reshape(-1, 2)
    np.savez(target, **arrays)  # type: ignore[arg-type]


def _for_all(
    found: NDArray[np.bool_], arrays: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Spread arrays of the photographs with a face over all photographs (n,)."""
    if 'offsets' in arrays:
        counts = np.zeros(len(found) + 1, np.int64)
        counts[1:][found] = np.diff(arrays['offsets'])
        return {**arrays, 'offsets': np.cumsum(counts)}
    features = arrays['features']
    spread = np.full((len(found), features.shape[1]), np.nan, np.float32)
    spread[found] = features
    return {'features': spread}


def write_group(
    output_dir: Path,
    *,
    dataset: str,
    command: str,
    choice: Choice,
    photos: Sequence[Photo] | None,
    encoded: Mapping[str, Sequence[Path]],
    searched: Sequence[Path] = (),
) -> Path:
    """Merge the searches, count, and write tables, summary and page; return the page's path.

    Parameters
    ----------
    choice : Choice
        Whose scans are searched.
    photos : sequence of Photo or None
        ``None`` if there are none: then only the scans are reported.
    encoded : mapping
        Extractor to the files that `encode_photographs` wrote for ``photos``, in their order.
    searched : sequence of Path
        What `search_shard` wrote: extractor by extractor, gallery by gallery, shard by shard.
    """
    scans = read_scans(
        output_dir, choice.participants, choice.sessions, choice.modalities, choice.conditions
    )
    known = {scan.line.participant for scan in scans}
    results: list[Identification] = []
    collected = Collected(seed=choice.seed, variables=choice.variables)
    compared: dict[Series, Searched] = {}
    several = len({scan.line.condition for scan in scans}) > 1
    lines: tuple[PhotoLine, ...] | None = None
    shards = iter(searched)
    for extractor, files in encoded.items() if photos is not None else ():
        arrays, statuses = read_encoded(files)
        lines = tuple(_photo_lines(photos or (), statuses, set(choice.dataset), known))
        seen = [number for number, line in enumerate(lines) if line.status == 'ok']
        people = [lines[n].participant if lines[n].in_dataset else None for n in seen]
        collected.add_photographs(photograph_scores(arrays, seen, extractor), people, extractor)
        for gallery in galleries(scans):
            for decision, searches in merge_shards(gallery, lines, arrays, extractor, shards):
                series = Series(gallery.condition, gallery.modality, extractor, decision)
                results.append(_count(searches, series, choice.seed))
                collected.add(searches, series, results[-1].by_participant)
                if several:
                    compared[series] = (gallery, searches)
    changes = tuple(reductions(compared, choice.audited))
    _write_identification(output_dir, results if photos is not None else None)
    _write_reductions(output_dir, changes)
    statistics = Statistics() if lines is None else collected.statistics(lines)
    write_statistics(output_dir, None if lines is None else statistics)
    searchable, reasons = searchable_extractors(scans)
    linking = [name for name in searchable if _gives_vectors(name)]
    linkage = _link(output_dir, scans, choice, linking)
    scan_lines = [scan.line for scan in scans]
    write_table(output_dir / 'group_scans.tsv', 'group_scans', map(_scan_row, scan_lines))
    rows = tuple(row for result in results for row in result.rows)
    verdict = None
    if choice.max_risk is not None:
        verdict = judge(
            choice.audited,
            choice.max_risk,
            scans,
            lines,
            rows,
            statistics.controls,
            choice.without_result,
        )
    used = list(dict.fromkeys([*encoded, *linking]))
    report = GroupResult(
        dataset=dataset,
        scans=tuple(scan_lines),
        provenance=provenance_of(scans, used, command),
        photos=lines,
        unprocessed=tuple(sorted(set(choice.participants) - known)),
        rows=rows,
        reductions=changes,
        verdict=verdict,
        statistics=statistics,
        linkage=linkage,
        audited=choice.audited,
        curves=tuple(result.curve for result in results),
        not_run=left_out(reasons, used, otherwise=UNASKED if encoded else PHOTOGRAPHS_ONLY),
    )
    write_json(output_dir / 'group_summary.json', group_summary(report))
    # figures take long to import
    from bids_reid.report.group import group_page

    page = output_dir / 'group.html'
    write_text(page, group_page(report))
    return page


def _link(
    output_dir: Path, scans: Sequence[EnrolledScan], choice: Choice, extractors: Sequence[str]
) -> tuple[LinkageRow, ...]:
    """Link scans with each other, and with those of an earlier output, and write the table."""
    linked = linked_scans(scans, choice.against, choice.modalities)
    ways = [*extractors, SURFACE]
    found = tuple(linkage_tables(linked, ways, audited=choice.audited, seed=choice.seed))
    write_table(output_dir / 'group_linkage.tsv', 'group_linkage', linkage_rows(found))
    return found


def _gives_vectors(extractor: str) -> bool:
    return load_extractor(extractor).kind == 'vector'


def read_rows(output_dir: Path) -> list[IdentificationRow]:
    """Read the identification rates from ``group_summary.json``; none without photographs."""
    rows = read_json(output_dir / 'group_summary.json').get('Identification', ())
    return [IdentificationRow(**row) for row in rows]


def read_reductions(output_dir: Path) -> list[ReductionRow]:
    """Read from ``group_summary.json`` how rates changed between conditions."""
    rows = read_json(output_dir / 'group_summary.json').get('Reductions', ())
    return [
        ReductionRow(**{**row, 'still_identified': tuple(row['still_identified'])}) for row in rows
    ]


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


def _count(searches: Searches, series: Series, seed: int) -> Identification:
    by_photo = mated_ranks(searches, 'photo')
    by_participant = mated_ranks(searches, 'participant')
    n_gallery = len(searches.gallery)
    count = partial(identification_rows, series=series, n_gallery=n_gallery, seed=seed)
    rows = count(by_photo, unit='photo') + count(by_participant, unit='participant')
    curve = Curve(series, tuple(float(rate) for rate in cmc(by_participant, n_gallery)))
    return Identification(series, rows, curve, by_photo, by_participant)


def _write_identification(output_dir: Path, results: Sequence[Identification] | None) -> None:
    """Write the tables of rates and ranks; without photographs take away earlier ones."""
    if results is None:
        for name in IDENTIFICATION_TABLES:
            remove_table(output_dir / f'{name}.tsv')
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


def _write_reductions(output_dir: Path, changes: Sequence[ReductionRow]) -> None:
    """Write the table of changes between conditions; without any take away an earlier one."""
    path = output_dir / f'{REDUCTION_TABLE}.tsv'
    if not changes:
        remove_table(path)
        return
    write_table(
        path,
        REDUCTION_TABLE,
        (
            {
                **asdict(row),
                'still_identified': ','.join(f'sub-{who}' for who in row.still_identified) or None,
            }
            for row in changes
        ),
    )


def _scan_row(line: ScanLine) -> dict[str, object]:
    return {
        **asdict(line),
        'participant_id': f'sub-{line.participant}',
        'session_id': f'ses-{line.session}' if line.session else None,
        'reason': line.reason or None,
    }
