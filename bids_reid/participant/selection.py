"""Which scans the options choose, which of them are to be done, and what is no scan any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bids_reid.bids.derivatives import is_up_to_date, read_record, remove_results
from bids_reid.bids.inputs import dataset_participants, find_scans
from bids_reid.bids.layout import ScanFiles, scan_files
from bids_reid.bids.versions import find_versions
from bids_reid.faces.extractors import load_extractor
from bids_reid.messages import logger
from bids_reid.settings import DEFAULT_MODALITIES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from bids_reid.records import Scan
    from bids_reid.settings import Settings


@dataclass(frozen=True, slots=True)
class Selection:
    """The scans of all conditions that the options choose.

    Attributes
    ----------
    scans : tuple of Scan
        Those that can be processed.
    refused : tuple of (Scan, reason)
        Those that are not clear.
    versions_among_raw : tuple of Scan
        Images of the raw dataset that are not raw, but versions.
    """

    scans: tuple[Scan, ...]
    refused: tuple[tuple[Scan, str], ...] = ()
    versions_among_raw: tuple[Scan, ...] = ()

    @property
    def everything(self) -> tuple[Scan, ...]:
        """All scans that leave a record."""
        return (*self.scans, *(scan for scan, _ in self.refused))


def select(settings: Settings) -> Selection:
    """Find the scans of all conditions.

    Raises
    ------
    NothingSelectedError
        There are none.
    """
    modalities = settings.modalities or DEFAULT_MODALITIES
    raw: Sequence[Scan] = find_scans(
        settings.bids_dir,
        participants=settings.participants,
        sessions=settings.sessions,
        modalities=modalities,
        filter_file=settings.filter_file,
        database_dir=settings.database_dir,
        note=logger.info,
    )
    if not settings.derivatives:
        return Selection(tuple(raw))
    originals = raw
    if settings.sessions or settings.filter_file:
        # what the filters leave out is an original all the same
        originals = find_scans(
            settings.bids_dir,
            participants=settings.participants,
            modalities=modalities,
            database_dir=settings.database_dir,
        )
    dataset = dataset_participants(settings.bids_dir)
    unwanted = {scan.original for scan in set(originals) - set(raw)}
    versions: list[Scan] = []
    refused: list[tuple[Scan, str]] = []
    not_raw: list[Scan] = []
    for name, folder in settings.derivatives:
        of_condition = find_versions(
            name,
            folder,
            originals,
            participants=settings.participants or dataset,
            dataset=dataset,
            modalities=modalities,
            note=logger.info,
        )
        taken = of_condition.taken
        not_raw += [scan for scan in raw if scan.path.resolve() in taken]
        raw = [scan for scan in raw if scan.path.resolve() not in taken]
        versions += [scan for scan in of_condition.scans if _wanted(scan, unwanted, settings)]
        refused += [
            (scan, reason)
            for scan, reason in of_condition.refused
            if _wanted(scan, unwanted, settings)
        ]
    return Selection((*raw, *versions), tuple(refused), tuple(not_raw))


def _wanted(scan: Scan, unwanted: Collection[tuple[str, str]], settings: Settings) -> bool:
    """Whether the filters choose a version: those of its original decide."""
    in_session = not settings.sessions or scan.session in settings.sessions
    return in_session and scan.original not in unwanted


def unfinished(scans: Sequence[Scan], settings: Settings) -> list[Scan]:
    """Scans whose results are missing, or made from another file or with another model."""
    models = {name: load_extractor(name).identity() for name in settings.extractors}
    return [
        scan
        for scan in scans
        if not is_up_to_date(
            scan,
            settings.output_dir,
            models=models,
            keep_renders=settings.keep_renders,
            complete_face=settings.complete_face,
        )
    ]


def remove_stale(selection: Selection, settings: Settings) -> None:
    """Remove what earlier runs left of scans that are none any more.

    An image may have been processed as raw before it was said to be a version, and a failure
    stays on record when its image is gone or is no longer ambiguous. Only what this run would
    have chosen is removed: other participants, sessions and conditions are not its business.
    """
    chosen = {ScanFiles.of(scan, settings.output_dir) for scan in selection.everything}
    stale = {ScanFiles.of(scan, settings.output_dir) for scan in selection.versions_among_raw}
    # a filter file may leave out what is a scan all the same
    if settings.filter_file is None:
        people = settings.participants or sorted(dataset_participants(settings.bids_dir))
        stale |= {
            files
            for files in scan_files(settings.output_dir, people)
            if _in_choice(files, settings) and _has_failed(files)
        }
    for files in sorted(stale - chosen, key=lambda files: files.record):
        if files.record.exists():
            logger.info(f'removed, as it is no scan any more: {files.record.name}')
            remove_results(files)


def _has_failed(files: ScanFiles) -> bool:
    record = read_record(files)
    return record is not None and record.failed


def _in_choice(files: ScanFiles, settings: Settings) -> bool:
    """Whether the options choose the scan that files are of."""
    return (
        files.condition in settings.datasets
        and files.modality in (settings.modalities or DEFAULT_MODALITIES)
        and (not settings.sessions or files.entities.get('ses') in settings.sessions)
    )
