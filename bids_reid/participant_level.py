"""The participant level: every scan gets a template or a reason why it has none."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bids_reid.bids.derivatives import (
    FAILED,
    is_up_to_date,
    remove_results,
    renew_claim,
    save_failure,
    still_holds,
)
from bids_reid.bids.description import prepare_output
from bids_reid.bids.inputs import dataset_name, dataset_participants, find_scans
from bids_reid.bids.layout import ScanFiles, scan_records
from bids_reid.bids.versions import find_versions
from bids_reid.engine.execution import forget, read_plugin, run_for_user
from bids_reid.engine.participant_graph import init_participant_wf, scan_node_name
from bids_reid.engine.plugins import KILLED, KILLED_JOB, runs_here
from bids_reid.errors import Exit
from bids_reid.faces.extractors import available_extractors, load_extractor
from bids_reid.messages import logger, say_not_run
from bids_reid.participant.library import read_scans
from bids_reid.participant.page import participant_report
from bids_reid.records import RAW
from bids_reid.report.participant import write_participant_page
from bids_reid.settings import DEFAULT_MODALITIES
from bids_reid.views.selftest import check_rendering

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from bids_reid.records import Scan
    from bids_reid.settings import Settings

STOPPED = 'not run: stopped at the first failure'
NO_RESULT = 'it ended without a result'
UNTRIED = (KILLED, KILLED_JOB, STOPPED, NO_RESULT)
"""Reasons that say nothing of the scan itself."""


def participant_level(settings: Settings) -> Exit:
    """Process the scans that need it and write the pages of all that were chosen."""
    if not settings.extractors:
        names, left_out = available_extractors()
        logger.info(f'extractors: {", ".join(names)}')
        say_not_run(left_out)
        settings = replace(settings, extractors=names)
    scans, refused, taken = _choose(settings)
    stale = _to_do(scans, settings)
    people = {scan.participant for scan in scans}
    logger.info(f'{len(scans)} scans of {len(people)} participants, {len(stale)} to do')
    if settings.dry_run:
        for scan in stale:
            logger.info(f'  {scan.path}')
        return Exit.OK
    prepare_output(settings.output_dir, settings.bids_dir, settings.derivatives)
    _remove_stale([*scans, *(scan for scan, _ in refused)], taken, settings)
    for scan, reason in refused:
        _save_failure(scan, settings, reason)
    for scan in scans:
        renew_claim(scan, settings.datasets[scan.condition], settings.output_dir)
    kept = 0
    if stale and not settings.reports_only:
        _check_rendering(settings.plugin_file)
        kept = _process(stale, settings)
    return _report([*scans, *(scan for scan, _ in refused)], settings, kept)


def _check_rendering(plugin_file: Path | None) -> None:
    """Find out before any work whether there can be renders, if they are made on this machine.

    Raises
    ------
    RenderingError
        There cannot.
    """
    plugin = None if plugin_file is None else read_plugin(plugin_file)[0]
    if plugin is None or runs_here(plugin):
        logger.info(f'rendering with {check_rendering()}')
    else:
        logger.info(f'rendering is left to the jobs of {plugin}, and is not tried on this machine')


def _choose(settings: Settings) -> tuple[list[Scan], list[tuple[Scan, str]], list[Scan]]:
    """Find the scans of all conditions, those that are not clear, with the reason, and others.

    The others are images of the raw dataset that are not raw, but versions.
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
        return list(raw), [], []
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
    taken: list[Scan] = []
    for name, folder in settings.derivatives:
        found = find_versions(
            name,
            folder,
            originals,
            participants=settings.participants or dataset,
            dataset=dataset,
            modalities=modalities,
            note=logger.info,
        )
        taken += [scan for scan in raw if scan.path.resolve() in found.taken]
        raw = [scan for scan in raw if scan.path.resolve() not in found.taken]
        versions += [scan for scan in found.scans if _wanted(scan, unwanted, settings)]
        refused += [entry for entry in found.refused if _wanted(entry[0], unwanted, settings)]
    return [*raw, *versions], refused, taken


def _remove_stale(scans: Sequence[Scan], taken: Sequence[Scan], settings: Settings) -> None:
    """Remove what earlier runs left of scans that are none any more.

    An image may have been processed as raw before it was said to be a version (``taken``), and a
    failure stays on record when its image is gone or is no longer ambiguous. Only what this run
    would have chosen is removed: other participants, sessions and conditions are not its business.
    """
    chosen = {ScanFiles.of(scan, settings.output_dir) for scan in scans}
    stale = {ScanFiles.of(scan, settings.output_dir) for scan in taken}
    # a filter file may leave out what is a scan all the same
    if settings.filter_file is None:
        people = settings.participants or sorted(dataset_participants(settings.bids_dir))
        stale |= {
            files
            for files, record in scan_records(settings.output_dir, people)
            if record['Status'] == FAILED and _in_choice(files, settings)
        }
    for files in sorted(stale - chosen, key=lambda files: files.record):
        if files.record.exists():
            logger.info(f'removed, as it is no scan any more: {files.record.name}')
            remove_results(files)


def _in_choice(files: ScanFiles, settings: Settings) -> bool:
    """Whether the options choose the scan that files are of."""
    session = files.folder.parent.name.removeprefix('ses-')
    return (
        files.condition in settings.datasets
        and files.modality in (settings.modalities or DEFAULT_MODALITIES)
        and (not settings.sessions or session in settings.sessions)
    )


def _wanted(scan: Scan, unwanted: Collection[tuple[str, str]], settings: Settings) -> bool:
    """Whether the filters choose a version: those of its original decide."""
    in_session = not settings.sessions or scan.session in settings.sessions
    return in_session and scan.original not in unwanted


def _save_failure(scan: Scan, settings: Settings, reason: str) -> None:
    save_failure(scan, settings.datasets[scan.condition], settings.output_dir, reason)


def _to_do(scans: Sequence[Scan], settings: Settings) -> list[Scan]:
    """Scans whose results are missing, or made from another file or with another model."""
    models = {name: load_extractor(name).identity() for name in settings.extractors}
    keep = _keep_renders(settings)
    return [
        scan
        for scan in scans
        if not is_up_to_date(
            scan,
            settings.output_dir,
            models=models,
            keep_renders=keep,
            complete_face=settings.complete_face,
        )
    ]


def _keep_renders(settings: Settings) -> bool:
    return settings.keep == 'renders' or settings.report_faces


def _process(scans: Sequence[Scan], settings: Settings) -> int:
    """Run the graph over ``scans``; those that failed leave a record with the reason.

    Scans that were not run, or whose process was killed, are as good as before: what an earlier
    run made of them, of fewer extractors, is kept. Return the number of these.
    """
    failures = _run_scans(scans, settings)
    stopped = settings.stop_on_first_crash and failures
    # a killed worker takes down whatever ran beside it: each once more, alone
    for scan in [scan for scan, reason in failures.items() if reason == KILLED]:
        failures.pop(scan)
        failures |= _run_scans([scan], replace(settings, n_procs=1))
    left = dict.fromkeys(_to_do(scans, settings), STOPPED if stopped else NO_RESULT)
    # one may be done and killed before it could say so
    failures = left | {
        scan: why for scan, why in failures.items() if why not in UNTRIED or scan in left
    }
    kept = 0
    for scan, reason in failures.items():
        if reason in UNTRIED and still_holds(scan, settings.output_dir):
            logger.info(f'NOT DONE {scan.path.name}: {reason} (its earlier results are kept)')
            kept += 1
        else:
            logger.info(f'FAILED {scan.path.name}: {reason}')
            _save_failure(scan, settings, reason)
    return kept


def _run_scans(scans: Sequence[Scan], settings: Settings) -> dict[Scan, str]:
    """Run the graph over ``scans``; return the reason for each scan that failed."""
    by_name = {scan_node_name(scan): scan for scan in scans}
    workflow = init_participant_wf(
        scans=scans,
        datasets=settings.datasets,
        output_dir=settings.output_dir,
        extractors=settings.extractors,
        keep_renders=_keep_renders(settings),
        complete_face=settings.complete_face,
    )
    failed: set[str] = set()
    started, done = time.monotonic(), 0

    def on_status(node: Any, status: str) -> None:
        nonlocal done
        name = node.fullname.split('.')[1]
        if status == 'exception':
            failed.add(name)
            logger.info(f'failed at {name}.{node.name}')
        # some plugins also call it the end when a node was left out after a failure
        if status == 'end' and node.name == 'save' and name not in failed:
            done += 1
            seconds = time.monotonic() - started
            logger.info(f'[{done}/{len(scans)}] {by_name[name].path.name} (after {seconds:.0f} s)')
            forget(settings, workflow.name, name)

    reasons = run_for_user(workflow, settings, on_status)
    for name in by_name:
        forget(settings, workflow.name, name)
    if settings.plugin_file is not None:
        # scripts and pickled steps that were handed to the scheduler
        forget(settings, workflow.name, 'batch')
    return {by_name[node.split('.')[1]]: reason for node, reason in reasons.items()}


def _report(scans: Sequence[Scan], settings: Settings, kept: int) -> Exit:
    """Write the pages, with faces or without as asked now; tell which scans gave no template.

    ``kept`` scans have results, but not those that were asked for.
    """
    chosen = {ScanFiles.of(scan, settings.output_dir) for scan in scans}
    found = read_scans(settings.output_dir, {scan.participant for scan in scans})
    lines = [scan.line for scan in found if scan.files in chosen]
    dataset = dataset_name(settings.bids_dir)
    for participant in sorted({line.participant for line in lines}):
        content = participant_report(
            settings.output_dir,
            participant,
            dataset=dataset,
            command=settings.command,
            show_faces=settings.report_faces,
        )
        write_participant_page(settings.output_dir, content)
    counts = Counter(line.status for line in lines)
    logger.info(
        f'participant level done: {counts["ok"]} scans with a template, '
        f'{counts["no_face"]} without a face, {counts["failed"]} failed'
        + (f'; of {kept} only earlier results' if kept else '')
    )
    for line in lines:
        if line.status == 'no_face':
            condition = '' if line.condition == RAW else f'{line.condition}: '
            logger.info(f'  no face: {condition}{line.source}: {line.reason}')
    return Exit.SOME_FAILED if counts['failed'] or kept else Exit.OK
