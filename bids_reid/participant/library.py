"""The library of enrolled scans, as the participant level left it in the output folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bids_reid import __version__
from bids_reid.bids.derivatives import scan_records
from bids_reid.bids.files import read_json
from bids_reid.errors import NoInputError, NothingSelectedError
from bids_reid.faces.extractors import availability, extractor_names, name_clashes
from bids_reid.faces.plugged import USES_NETWORK
from bids_reid.faces.registrations import bids_label
from bids_reid.messages import count
from bids_reid.participant.content import Model, Provenance, ScanLine
from bids_reid.participant.remarks import scan_line
from bids_reid.records import IDENTIFYING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from bids_reid.bids.layout import ScanFiles
    from bids_reid.faces.extractors import Availability
    from bids_reid.records import ScanRecord


@dataclass(frozen=True, slots=True)
class EnrolledScan:
    """A scan as the participant level left it: its line in the tables and where its files are."""

    line: ScanLine
    files: ScanFiles
    record: ScanRecord


def read_scans(
    output_dir: Path,
    participants: Collection[str] = (),
    sessions: Collection[str] = (),
    modalities: Collection[str] = (),
    conditions: Collection[str] = (),
    needed: Collection[str] = IDENTIFYING,
) -> list[EnrolledScan]:
    """Read the records of the scans chosen; an empty choice means all.

    Each is judged by the parts of a face that are needed to be removed.

    Raises
    ------
    NoInputError
        The participant level has not left any, or one of an older version that lacks something.
    NothingSelectedError
        It has, but none of those chosen.
    """
    scans = [
        EnrolledScan(scan_line(files, record, needed), files, record)
        for files, record in scan_records(output_dir, participants)
    ]
    if not scans and next(scan_records(output_dir), None) is None:
        raise NoInputError(
            f'{output_dir} holds no results of the participant level: run the participant level '
            'first'
        )
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
        raise NothingSelectedError(f'no result in {output_dir} matches the filters')
    return chosen


def searchable_extractors(
    scans: Sequence[EnrolledScan], *, allow_network: bool = False
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the extractors that have a template of every scan, and why each other is left out.

    Scans that failed have no template of any; those in which no detector saw a face have one.
    """
    enrolled = [scan.record.extractors for scan in scans if not scan.record.failed]
    known = extractor_names()
    reasons = {
        name: _why_not_searched(
            availability(name, allow_network=allow_network),
            sum(name in names for names in enrolled),
            len(enrolled),
        )
        for name in known
    }
    reasons |= name_clashes()
    gone = sorted({name for names in enrolled for name in names} - set(known))
    reasons |= dict.fromkeys(
        gone, 'scans have templates of this extractor, but no installed package provides it'
    )
    return (
        tuple(name for name, reason in reasons.items() if not reason),
        {name: reason for name, reason in reasons.items() if reason},
    )


def _why_not_searched(runs: Availability, n_templates: int, n_scans: int) -> str:
    """Say why an extractor cannot search ``n_scans``; nothing if it can."""
    if runs.why_not:
        return runs.why_not
    if not n_templates and runs.why_by_name:
        return runs.why_by_name
    if n_scans and not n_templates:
        return 'the participant level ran without this extractor'
    if n_templates < n_scans:
        return (
            f'{n_scans - n_templates} of {count(n_scans, "scan")} have no template of this '
            'extractor'
        )
    return ''


def left_out(reasons: Mapping[str, str], used: Collection[str], otherwise: str) -> dict[str, str]:
    """Say of each extractor that was not used why that is.

    ``reasons`` are those of `searchable_extractors`, ``otherwise`` that of one that could search.
    """
    unused = dict.fromkeys((*extractor_names(), *reasons))
    return {name: reasons.get(name, otherwise) for name in unused if name not in used}


def provenance_of(
    scans: Sequence[EnrolledScan], extractors: Sequence[str], command: str
) -> Provenance:
    """Collect models, versions and renderers from the sidecars of ``scans``."""
    models: dict[Model, None] = {}
    software: dict[tuple[str, str], None] = {}
    renderers: dict[str, None] = {}
    for scan in scans:
        software |= dict.fromkeys(scan.record.origin.software_versions.items())
        if scan.record.renderer:
            renderers[scan.record.renderer] = None
        for name in extractors:
            sidecar = read_json(scan.files.template(bids_label(name)).with_suffix('.json'))
            model = _model(name, sidecar)
            if model is not None:
                models[model] = None
    return Provenance(
        version=__version__,
        command=command,
        software=tuple(software),
        models=tuple(models),
        renderer=', '.join(renderers) or None,
    )


def _model(extractor: str, sidecar: Mapping[str, Any]) -> Model | None:
    """Say by which model the sidecar of a template has it made, and whose that is.

    ``None`` if it does not say so: it is not there, or damaged, and such a template is not
    searched (`bids_reid.bids.template_files.made_with`).
    """
    names = ('Model', 'WeightsSHA256', 'Package', 'PackageVersion')
    model, weights, package, version = (sidecar.get(name) for name in names)
    if not isinstance(model, str) or not isinstance(weights, str | None):
        return None
    return Model(
        extractor,
        model,
        weights,
        package=None if package is None else f'{package} {version}',
        uses_network=sidecar.get(USES_NETWORK) == 'yes',
    )
