"""The library of enrolled scans, as the participant level left it in the output folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bids_reid import __version__
from bids_reid.bids.outputs import ScanFiles, read_json, scan_records
from bids_reid.errors import NoInputError, NothingSelectedError
from bids_reid.faces.extractors import bids_label
from bids_reid.report.content import Model, Provenance, ScanLine
from bids_reid.risk.presence import assess
from bids_reid.workflows.presence_steps import measured

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
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
) -> list[EnrolledScan]:
    """Read the records of the scans chosen; an empty choice means all.

    Raises
    ------
    NoInputError
        The participant level has not left any.
    NothingSelectedError
        It has, but none of those chosen.
    """
    found = scan_records(output_dir, participants)
    scans = [EnrolledScan(_scan_line(*record), *record) for record in found]
    if not scans and next(scan_records(output_dir), None) is None:
        raise NoInputError(f'{output_dir} holds no results of the participant level: run it first')
    return select_scans(output_dir, scans, participants, sessions, modalities)


def select_scans(
    output_dir: Path,
    scans: Sequence[EnrolledScan],
    participants: Collection[str] = (),
    sessions: Collection[str] = (),
    modalities: Collection[str] = (),
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
    ]
    if not chosen:
        raise NothingSelectedError(f'no result in {output_dir} passes the filters')
    return chosen


def _scan_line(files: ScanFiles, record: dict[str, Any]) -> ScanLine:
    entities = dict(part.partition('-')[::2] for part in files.stem.split('_'))
    found = assess(measured(record))
    return ScanLine(
        participant=entities['sub'],
        session=entities.get('ses'),
        modality=files.modality,
        condition=record['Condition'],
        source=record['Sources'][0].partition('raw:')[2],
        status=record['Status'],
        face_present=found.face_present,
        face_score=found.face_score,
        n_views_with_face=record['ViewsWithFace'],
        verdict=found.verdict,
        brain_loss=found.brain_loss,
        reason=found.reason,
    )


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
