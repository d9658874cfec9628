"""The participant level: every scan gets a template or a reason why it has none."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bids_reid.bids.derivatives import is_up_to_date, save_failure
from bids_reid.bids.inputs import find_scans
from bids_reid.bids.outputs import prepare_output
from bids_reid.errors import Exit
from bids_reid.faces.extractors import load_extractor
from bids_reid.levels.common import dataset_name, forget, run, say
from bids_reid.settings import DEFAULT_MODALITIES
from bids_reid.views.selftest import check_rendering
from bids_reid.workflows.library import read_scans
from bids_reid.workflows.pages import write_participant_page
from bids_reid.workflows.participant import init_participant_wf, scan_node_name
from bids_reid.workflows.plugin import KILLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bids_reid.records import Scan
    from bids_reid.settings import Settings


def participant_level(settings: Settings) -> Exit:
    """Process the scans that need it and write the pages of all that were chosen."""
    scans = find_scans(
        settings.bids_dir,
        participants=settings.participants,
        sessions=settings.sessions,
        modalities=settings.modalities or DEFAULT_MODALITIES,
        filter_file=settings.filter_file,
        database_dir=settings.database_dir,
        note=say,
    )
    stale = _to_do(scans, settings)
    people = {scan.participant for scan in scans}
    say(f'{len(scans)} scans of {len(people)} participants, {len(stale)} to do')
    if settings.dry_run:
        for scan in stale:
            say(f'  {scan.path}')
        return Exit.OK
    prepare_output(settings.output_dir, settings.bids_dir)
    if stale and not settings.reports_only:
        say(f'rendering with {check_rendering()}')
        _process(stale, settings)
    return _report(scans, settings)


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


def _process(scans: Sequence[Scan], settings: Settings) -> None:
    """Run the graph over ``scans``; those that failed leave a record with the reason."""
    failures = _run_scans(scans, settings)
    # a killed worker takes down whatever ran beside it: each once more, alone
    for scan in [scan for scan, reason in failures.items() if reason == KILLED]:
        failures.pop(scan)
        failures |= _run_scans([scan], replace(settings, n_procs=1))
    stopped = settings.stop_on_first_crash and failures
    for scan in _to_do(scans, settings):
        failures.setdefault(
            scan,
            'not run: stopped at the first failure' if stopped else 'it ended without a result',
        )
    for scan, reason in failures.items():
        say(f'FAILED {scan.path.name}: {reason}')
        save_failure(scan, settings.bids_dir, settings.output_dir, reason)


def _run_scans(scans: Sequence[Scan], settings: Settings) -> dict[Scan, str]:
    """Run the graph over ``scans``; return the reason for each scan that failed."""
    by_name = {scan_node_name(scan): scan for scan in scans}
    workflow = init_participant_wf(
        scans=scans,
        bids_dir=settings.bids_dir,
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
            say(f'failed at {name}.{node.name}')
        # some plugins also call it the end when a node was left out after a failure
        if status == 'end' and node.name == 'save' and name not in failed:
            done += 1
            seconds = time.monotonic() - started
            say(f'[{done}/{len(scans)}] {by_name[name].path.name} (after {seconds:.0f} s)')
            forget(settings, workflow.name, name)

    reasons = run(workflow, settings, on_status)
    for name in by_name:
        forget(settings, workflow.name, name)
    return {by_name[node.split('.')[1]]: reason for node, reason in reasons.items()}


def _report(scans: Sequence[Scan], settings: Settings) -> Exit:
    """Write the pages, with faces or without as asked now; tell which scans gave no template."""
    sources = {scan.path.relative_to(settings.bids_dir).as_posix() for scan in scans}
    found = read_scans(settings.output_dir, {scan.participant for scan in scans})
    lines = [scan.line for scan in found if scan.line.source in sources]
    dataset = dataset_name(settings)
    for participant in sorted({line.participant for line in lines}):
        write_participant_page(
            settings.output_dir,
            participant,
            dataset=dataset,
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
