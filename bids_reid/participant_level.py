"""The participant level: every scan gets a template or a reason why it has none."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING

from bids_reid.bids.derivatives import renew_record, save_failure
from bids_reid.bids.description import check_output, prepare_output
from bids_reid.bids.inputs import dataset_name
from bids_reid.bids.layout import ScanFiles
from bids_reid.bids.locks import locked_output
from bids_reid.engine.execution import other_machines
from bids_reid.engine.image_run import look_at_images
from bids_reid.engine.participant_run import (
    Failures,
    forget_finished,
    kept_workers,
    process_scans,
)
from bids_reid.engine.run_folders import own_work_folder
from bids_reid.errors import Exit, MachineError, NothingSelectedError
from bids_reid.faces.card_check import check_card
from bids_reid.faces.extractors import (
    available_extractors,
    networked_extractors,
    sends_images,
)
from bids_reid.messages import count, logger, say_not_run, some_of
from bids_reid.participant.library import read_scans
from bids_reid.participant.not_kept import drop_skins, not_kept
from bids_reid.participant.selection import came_from, remove_stale, select, unfinished
from bids_reid.participant.unseen import has_images, unseen_images
from bids_reid.report.pages import Pages
from bids_reid.run_log import begin_log
from bids_reid.views.selftest import check_rendering

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bids_reid.engine.workers import Workers
    from bids_reid.participant.content import ScanLine
    from bids_reid.participant.library import EnrolledScan
    from bids_reid.participant.selection import Selection
    from bids_reid.records import Scan
    from bids_reid.settings import Settings


def participant_level(settings: Settings) -> Exit:
    """Process the scans that need it and write the pages of all that were chosen.

    Raises
    ------
    NothingSelectedError
        There is neither a scan nor another image.
    CannotWriteError
        Another run writes there.
    """
    if not settings.extractors:
        names, left_out = available_extractors(allow_network=settings.allow_network)
        logger.info(f'extractors: {", ".join(names)}')
        say_not_run(left_out)
        settings = replace(settings, extractors=names)
    selection = select(settings)
    if not selection.everything and not has_images(settings):
        folders = ' and '.join(map(str, settings.releases))
        raise NothingSelectedError(f'there is no image to look at in {folders}')
    if settings.dry_run:
        _plan(selection, settings)
        return Exit.OK
    check_output(settings.output_dir, settings.bids_dir, settings.derivatives)
    with locked_output(settings.output_dir, settings.participants):
        begin_log(settings.output_dir)
        to_do = _to_do(selection, settings)
        _bring_up_to_date(selection, settings)
        if not (settings.keep_skins or settings.reports_only):
            drop_skins(set(selection.scans) - set(to_do), settings)
        with own_work_folder(settings) as own, kept_workers(settings) as workers:
            failures = _process(selection, to_do, own, workers)
            if not settings.reports_only:
                _look_at_the_rest(selection, settings, own, workers)
            if workers is not None:
                # the last pages
                workers.finish()
        lines = _write_pages(selection, settings)
    _announce(lines, failures)
    failed = any(line.status == 'failed' for line in lines)
    return Exit.SOME_FAILED if failed or failures.kept else Exit.OK


def _to_do(selection: Selection, settings: Settings) -> list[Scan]:
    """Return the scans that need to be processed, and say how many there are."""
    to_do = unfinished(selection.scans, settings)
    for scan in sorted(set(selection.scans) - set(to_do)):
        logger.debug(f'up to date: {scan.path.name} ({scan.condition})')
    people = {scan.participant for scan in selection.scans}
    scans = count(len(selection.scans), 'scan')
    logger.info(f'{scans} of {count(len(people), "participant")}, {len(to_do):,} to do')
    again = sum(bool(not_kept(scan, settings.output_dir)) for scan in to_do)
    if again:
        logger.info(
            f'{count(again, "scan")} of them processed again: an earlier run did not keep what is '
            'needed now (--keep nothing)'
        )
    return to_do


def _plan(selection: Selection, settings: Settings) -> None:
    """List what would be done."""
    for scan in _to_do(selection, settings):
        logger.info(f'  {scan.path}')
    for folder, image in unseen_images(settings, selection.scans):
        logger.info(f'  a look: {folder / image.path}')


def _process(
    selection: Selection, to_do: Sequence[Scan], settings: Settings, workers: Workers | None
) -> Failures:
    """Process the scans that need it; return those that gave no result now."""
    forget_finished(set(selection.scans) - set(to_do), settings)
    if not to_do or settings.reports_only:
        return Failures()
    _check_machine(settings)
    networked = networked_extractors(settings.extractors)
    if networked:
        logger.info(sends_images(networked))
    if workers is None:
        return process_scans(to_do, settings)
    return process_scans(to_do, settings, workers, _EarlyPages(to_do, settings, workers).saved)


class _EarlyPages:
    """Lets workers write the page of each participant as soon as the last scan is saved.

    A page that fails does no harm: in the end each one is written unless it is right.
    """

    def __init__(self, to_do: Sequence[Scan], settings: Settings, workers: Workers) -> None:
        self._n_left = Counter(scan.participant for scan in to_do)
        self._pages = _pages(settings)
        self._workers = workers

    def saved(self, scan: Scan) -> None:
        """Note that the results of a scan are there."""
        self._n_left[scan.participant] -= 1
        if self._n_left[scan.participant] == 0:
            with suppress(MachineError):
                self._workers.submit(self._pages.write_early, scan.participant)


def _pages(settings: Settings) -> Pages:
    """Return what writes the pages of a run."""
    return Pages(
        settings.output_dir,
        dataset=dataset_name(settings.bids_dir),
        command=settings.command,
        parts=settings.parts,
        show_faces=settings.report_faces,
    )


def _bring_up_to_date(selection: Selection, settings: Settings) -> None:
    """Prepare the output folder: what earlier runs left of these scans, and what needs no work."""
    extractors = () if settings.reports_only else settings.extractors
    prepare_output(settings.output_dir, settings.bids_dir, settings.derivatives, extractors)
    remove_stale(selection, settings)
    for scan, reason in selection.refused:
        folder, before = settings.datasets[scan.condition], came_from(scan, settings)
        save_failure(scan, folder, settings.output_dir, reason, before)
    for scan in selection.scans:
        folder, before = settings.datasets[scan.condition], came_from(scan, settings)
        renew_record(scan, folder, settings.output_dir, before)


def _look_at_the_rest(
    selection: Selection, settings: Settings, own: Settings, workers: Workers | None
) -> None:
    """Look at what else the release holds: other images, surfaces, photographs.

    ``own`` has the work folder of this run; beside that are those of others.
    """
    unseen = unseen_images(settings, selection.everything)
    if unseen:
        logger.info(f'looking at {count(len(unseen), "more image")} of the release')
        look_at_images(unseen, own, workers)


def _check_machine(settings: Settings) -> None:
    """Find out before any work what renders and runs networks, if that happens on this machine.

    Raises
    ------
    MachineError
        There can be no renders, or networks have to run on a graphics card and cannot.
    """
    plugin = other_machines(settings.plugin_file)
    if plugin is not None:
        logger.info(f'rendering is left to the jobs of {plugin}, and is not tried on this machine')
        return
    logger.info(f'rendering with {check_rendering()}')
    said = check_card(settings.extractors)
    if said:
        logger.info(said)


def _write_pages(selection: Selection, settings: Settings) -> list[ScanLine]:
    """Write the pages, with faces or without as asked now; return the lines of the scans."""
    if not selection.everything:
        return []
    chosen = {ScanFiles.of(scan, settings.output_dir) for scan in selection.everything}
    enrolled = read_scans(
        settings.output_dir,
        {scan.participant for scan in selection.everything},
        needed=settings.parts,
    )
    lines = [scan.line for scan in enrolled if scan.files in chosen]
    scans_of: dict[str, list[EnrolledScan]] = defaultdict(list)
    for scan in enrolled:
        scans_of[scan.line.participant].append(scan)
    pages = _pages(settings)
    for participant in sorted({line.participant for line in lines}):
        pages.write(participant, scans_of[participant], anew=settings.reports_only)
    return lines


def _announce(lines: Sequence[ScanLine], failures: Failures) -> None:
    """Say what became of the scans: failures last, where nobody overlooks them."""
    _tell_without_face(lines)
    logger.info(done_sentence(lines, len(failures.kept)))
    failures.tell()


def done_sentence(lines: Sequence[ScanLine], n_kept: int) -> str:
    """Count the scans by their status; whether a face is left is for the verdicts to say."""
    counts = Counter(line.status for line in lines)
    kept = f'; {n_kept:,} with earlier results only' if n_kept else ''
    return (
        f'participant level done: {count(len(lines), "scan")}; the face detector reacted to '
        f'{counts["ok"]:,} and not to {counts["no_face"]:,}, {counts["failed"]:,} failed{kept}'
    )


def _tell_without_face(lines: Sequence[ScanLine]) -> None:
    """Name a few of the scans on which the detector saw no face; other measures may see one."""
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for line in lines:
        if line.status == 'no_face':
            groups[line.condition, line.reason].append(PurePath(line.source).name)
    for (condition, reason), names in groups.items():
        scans = count(len(names), f'{condition} scan')
        logger.info(f'no face detected on {scans}: {reason}: {some_of(names)}')
