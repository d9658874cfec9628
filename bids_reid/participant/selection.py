"""Scans that the options choose, those still to be processed, and results of former scans."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bids_reid.bids.derivatives import (
    LEFT_OUT_BY_FILTER,
    is_up_to_date,
    leave_out,
    read_record,
    remove_results,
)
from bids_reid.bids.head_images import head_images, no_magnitude
from bids_reid.bids.inputs import dataset_participants
from bids_reid.bids.layout import ScanFiles, scan_files
from bids_reid.bids.raw_scans import find_scans
from bids_reid.bids.versions import find_versions, version_suffixes
from bids_reid.bids.walk import RealPaths
from bids_reid.faces.extractors import load_extractor
from bids_reid.messages import logger
from bids_reid.participant.asked_for import check_modalities, check_sessions, missing_lines
from bids_reid.participant.not_kept import needed_results
from bids_reid.records import RAW

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from bids_reid.records import Scan, ScanRecord
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
    without_filters : tuple of Scan
        All scans of the participants, clear or not, whatever sessions and filters choose.
    """

    scans: tuple[Scan, ...]
    refused: tuple[tuple[Scan, str], ...] = ()
    versions_among_raw: tuple[Scan, ...] = ()
    without_filters: tuple[Scan, ...] = ()

    @property
    def everything(self) -> tuple[Scan, ...]:
        """All scans that leave a record."""
        return (*self.scans, *(scan for scan, _ in self.refused))


def select(settings: Settings) -> Selection:
    """Find the scans of all conditions; there may be none if nothing narrows the choice.

    Raises
    ------
    NothingSelectedError
        Modalities, sessions or filters leave none, or a participant is not in the dataset, or
        nobody has a session.
    """
    check_sessions(settings)
    check_modalities(settings)
    narrowed = settings.modalities or settings.sessions or settings.filter_file
    raw: Sequence[Scan] = find_scans(
        settings.bids_dir,
        participants=settings.participants,
        sessions=settings.sessions,
        modalities=settings.modalities,
        filter_file=settings.filter_file,
        database_dir=settings.database_dir,
        note=logger.info,
        may_be_none=not narrowed,
    )
    # what the filters leave out is an original all the same
    by_name = head_images(settings.bids_dir, settings.modalities, settings.participants)
    originals = tuple({scan.original: scan for scan in (*by_name, *raw)}.values())
    dataset = dataset_participants(settings.bids_dir)
    found = {
        name: find_versions(
            name,
            folder,
            originals,
            participants=settings.participants or dataset,
            dataset=dataset,
            modalities=settings.modalities,
            note=logger.info,
        )
        for name, folder in settings.derivatives
    }
    taken = {path for some in found.values() for path in some.taken}
    real = RealPaths()
    not_raw = {scan for scan in originals if taken and real(scan.path) in taken}
    unwanted: set[tuple[str, str]] = set()
    if settings.filter_file is not None:
        unwanted = {scan.original for scan in originals} - {scan.original for scan in raw}
    versions = [scan for some in found.values() for scan in some.scans]
    refused = [pair for some in found.values() for pair in some.refused]
    unfiltered = [scan for scan in originals if scan not in not_raw]
    unfiltered += versions + [scan for scan, _ in refused]
    selection = Selection(
        (
            *(scan for scan in raw if scan not in not_raw),
            *(scan for scan in versions if _wanted(scan, unwanted, settings)),
        ),
        tuple((scan, why) for scan, why in refused if _wanted(scan, unwanted, settings)),
        tuple(sorted(not_raw)),
        tuple(unfiltered),
    )
    for line in missing_lines(settings, selection.everything):
        logger.info(line)
    return selection


def came_from(scan: Scan, settings: Settings) -> str | None:
    """Say which condition that of a scan was made from, as the options have it.

    Versions were made from the raw scans, unless it is these that would be shared: then they came
    of the first of the others, as of originals beside a dataset that is de-faced. Without other
    conditions the options say nothing, and what an earlier run knew holds.
    """
    names = [name for name, _ in settings.derivatives]
    if not names:
        record = read_record(ScanFiles.of(scan, settings.output_dir))
        return None if record is None else record.origin.before
    if settings.audited == RAW:
        return names[0] if scan.condition == RAW else None
    return None if scan.condition == RAW else RAW


def _wanted(scan: Scan, unwanted: Collection[tuple[str, str]], settings: Settings) -> bool:
    """Whether the filters choose a version: those of its original decide."""
    in_session = not settings.sessions or scan.session in settings.sessions
    return in_session and scan.original not in unwanted


def unfinished(scans: Sequence[Scan], settings: Settings) -> list[Scan]:
    """Scans whose results are missing, or made from another file or with another model."""
    models = {name: load_extractor(name).identity() for name in settings.extractors}
    needed = needed_results(settings, scans)
    return [
        scan
        for scan in scans
        if not is_up_to_date(
            scan,
            settings.output_dir,
            models=models,
            keep_renders=settings.keep_renders,
            complete_face=settings.complete_face,
            needed=needed,
        )
    ]


def remove_stale(selection: Selection, settings: Settings) -> None:
    """Remove or mark what earlier runs left of scans that this run does not stand for.

    An image may have been processed as raw before it was said to be a version; it may be gone,
    or be no version any more; a failure stays on record when its image is no longer ambiguous:
    such results are removed, with a line. Those of scans that a filter file leaves out are kept,
    and are marked so that they do not count. Other participants, sessions and conditions are not
    this run's business, and what other modalities there are only as far as they are gone.
    """
    known = _Known.of(selection, settings)
    touched: set[str] = set()
    for files, record in _former(selection, settings):
        reason = _why_stale(files, record, known, settings)
        if reason is not None:
            logger.info(f'removed {files.record.name}: {reason}')
            remove_results(files)
            touched.add(files.entities['sub'])
        elif settings.filter_file is not None and files in known.unfiltered:
            leave_out(files, record, LEFT_OUT_BY_FILTER)
    for label in touched:
        # a page may show faces
        if not scan_files(settings.output_dir, [label]):
            (settings.output_dir / f'sub-{label}.html').unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Known:
    """Files of the scans that there are, and of images that are versions of others.

    Of ``suffixes`` all versions were found.
    """

    unfiltered: frozenset[ScanFiles]
    versions_among_raw: frozenset[ScanFiles]
    suffixes: frozenset[str]

    @classmethod
    def of(cls, selection: Selection, settings: Settings) -> _Known:
        unfiltered, not_raw = (
            frozenset(ScanFiles.of(scan, settings.output_dir) for scan in scans)
            for scans in (selection.without_filters, selection.versions_among_raw)
        )
        suffixes = settings.modalities or version_suffixes(selection.without_filters)
        return cls(unfiltered, not_raw, frozenset(suffixes))


def _former(selection: Selection, settings: Settings) -> Iterator[tuple[ScanFiles, ScanRecord]]:
    """Yield the records that this run has to judge: of scans that it does not choose."""
    chosen = {ScanFiles.of(scan, settings.output_dir) for scan in selection.everything}
    people = settings.participants or sorted(dataset_participants(settings.bids_dir))
    for files in scan_files(settings.output_dir, people):
        in_sessions = not settings.sessions or files.entities.get('ses') in settings.sessions
        if files not in chosen and in_sessions and files.condition in settings.datasets:
            record = read_record(files)
            if record is not None:
                yield files, record


def _why_stale(
    files: ScanFiles, record: ScanRecord, known: _Known, settings: Settings
) -> str | None:
    """Say why a scan that is not chosen is none any more; ``None`` if it is one all the same."""
    folder = settings.datasets[files.condition]
    if not os.path.lexists(folder / record.origin.source):
        # datalad leaves the empty folder of a dataset that is not installed
        places = (folder, folder / f'sub-{files.entities["sub"]}')
        return None if any(map(_is_empty, places)) else f'the image is gone from {folder}'
    if files in known.versions_among_raw:
        return 'the image is a version of another scan'
    if (
        files.condition == RAW
        or files in known.unfiltered
        or files.modality not in known.suffixes
        or no_magnitude(files.stem)
    ):
        return None
    return 'the image is no longer a version of that scan'


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and next(folder.iterdir(), None) is None
