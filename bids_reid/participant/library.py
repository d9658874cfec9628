"""The library of enrolled scans, as the participant level left it in the output folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bids_reid import __version__
from bids_reid.bids.outputs import ScanFiles, read_json, scan_records
from bids_reid.errors import NoInputError, NothingSelectedError
from bids_reid.faces.extractors import EXTRACTORS, bids_label, load_extractor
from bids_reid.participant.content import Model, Provenance, ScanLine
from bids_reid.participant.measures import measured
from bids_reid.participant.steps import completed_line
from bids_reid.risk.deidentification import contradiction
from bids_reid.risk.presence import assess

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class EnrolledScan:
    """A scan as the participant level left it: its line in the tables and where its files are."""

    line: ScanLine
    files: ScanFiles
    record: dict[str, Any]


def read_scans(
    output_dir: Path,
    participants: Collection[str] = (),
    sessions: Collection[str] = (),
    modalities: Collection[str] = (),
    conditions: Collection[str] = (),
) -> list[EnrolledScan]:
    """Read the records of the scans chosen; an empty choice means all.

    Raises
    ------
    NoInputError
        The participant level has not left any, or one of an older version that lacks something.
    NothingSelectedError
        It has, but none of those chosen.
    """
    scans = [_read_scan(*found) for found in scan_records(output_dir, participants)]
    if not scans and next(scan_records(output_dir), None) is None:
        raise NoInputError(f'{output_dir} holds no results of the participant level: run it first')
    return select_scans(output_dir, scans, participants, sessions, modalities, conditions)


def select_scans(
    output_dir: Path,
    scans: Sequence[EnrolledScan],
    participants: Collection[str] = (),
    sessions: Collection[str] = (),
    modalities: Collection[str] = (),
    conditions: Collection[str] = (),
) -> list[EnrolledScan]:
    """Select from the scans of ``output_dir``; an empty choice means all.

    Raises
    ------
    NothingSelectedError
        None of them is chosen.
    """
    labels = frozenset(participants)
    chosen = [
        scan
        for scan in scans
        if (not labels or scan.line.participant in labels)
        and (not sessions or scan.line.session in sessions)
        and (not modalities or scan.line.modality in modalities)
        and (not conditions or scan.line.condition in conditions)
    ]
    if not chosen:
        raise NothingSelectedError(f'no result in {output_dir} passes the filters')
    return chosen


def searchable_extractors(scans: Sequence[EnrolledScan]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the extractors that have a template of every scan, and why each other is left out.

    Scans that failed have no template of any; those in which no detector saw a face have one.
    """
    enrolled = [
        scan.record.get('Extractors', ()) for scan in scans if scan.line.status != 'failed'
    ]
    reasons = {
        name: _why_not_searched(name, sum(name in names for names in enrolled), len(enrolled))
        for name in EXTRACTORS
    }
    return (
        tuple(name for name, reason in reasons.items() if not reason),
        {name: reason for name, reason in reasons.items() if reason},
    )


def _why_not_searched(name: str, n_templates: int, n_scans: int) -> str:
    """Say why an extractor cannot search ``n_scans``; nothing if it can."""
    availability = load_extractor(name).available()
    if availability.why_not:
        return availability.why_not
    if n_scans and not n_templates:
        return availability.why_by_name or 'the participant level ran without it'
    if n_templates < n_scans:
        return f'{n_scans - n_templates} of {n_scans} scans have no template of it'
    return ''


def left_out(reasons: Mapping[str, str], used: Collection[str], otherwise: str) -> dict[str, str]:
    """Say of each extractor that was not used why that is.

    ``reasons`` are those of `searchable_extractors`, ``otherwise`` that of one that could search.
    """
    return {name: reasons.get(name, otherwise) for name in EXTRACTORS if name not in used}


def _read_scan(files: ScanFiles, record: dict[str, Any]) -> EnrolledScan:
    """Take a record as a scan.

    Raises
    ------
    NoInputError
        It lacks what every record of this version has.
    """
    try:
        return EnrolledScan(_scan_line(files, record), files, record)
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise NoInputError(
            f'{files.record} is damaged or of an older version: run the participant level again, '
            'or delete it'
        ) from error


def _scan_line(files: ScanFiles, record: dict[str, Any]) -> ScanLine:
    entities = dict(part.partition('-')[::2] for part in files.stem.split('_'))
    found = assess(measured(record))
    claimed = record.get('Deidentification', {}).get('Claimed')
    # what could not be looked at contradicts nothing
    seen = None if found.verdict == 'could not assess' else found.face_present
    reasons = (found.reason, completed_line(record), contradiction(claimed, seen))
    return ScanLine(
        participant=entities['sub'],
        session=entities.get('ses'),
        modality=files.modality,
        condition=record['Condition'],
        source=record['Sources'][0].split(':', 2)[2],
        status=record['Status'],
        face_present=found.face_present,
        face_score=found.face_score,
        n_views_with_face=record['ViewsWithFace'],
        verdict=found.verdict,
        brain_loss=found.brain_loss,
        reason='; '.join(filter(None, reasons)),
        deidentification='claimed' if claimed else 'none',
        face_completed=_face_completed(record),
    )


def _face_completed(record: dict[str, Any]) -> str | None:
    """Say whether a part of the face was completed; ``None`` if it was not to be, or failed."""
    if not record.get('CompleteFace'):
        return None
    return 'yes' if record.get('FaceCompleted') else 'no'


def provenance_of(
    scans: Sequence[EnrolledScan], extractors: Sequence[str], command: str
) -> Provenance:
    """Collect models, versions and renderers from the sidecars of ``scans``."""
    models: dict[Model, None] = {}
    software: dict[tuple[str, str], None] = {}
    renderers: dict[str, None] = {}
    for scan in scans:
        software |= dict.fromkeys(scan.record.get('SoftwareVersions', {}).items())
        if 'Renderer' in scan.record:
            renderers[scan.record['Renderer']] = None
        for name in extractors:
            sidecar = read_json(scan.files.template(bids_label(name)).with_suffix('.json'))
            if sidecar:
                model = Model(name, sidecar['Model'], sidecar.get('WeightsSHA256'))
                models[model] = None
    return Provenance(
        version=__version__,
        command=command,
        software=tuple(software),
        models=tuple(models),
        renderer=', '.join(renderers) or None,
    )
