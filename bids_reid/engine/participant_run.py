"""Run the graph of the participant level; what fails leaves a record with the reason."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bids_reid.bids.derivatives import save_failure, still_holds
from bids_reid.engine.execution import forget, run_for_user
from bids_reid.engine.participant_graph import init_participant_wf, scan_node_name
from bids_reid.engine.plugins import KILLED, KILLED_JOB
from bids_reid.messages import logger
from bids_reid.participant.selection import came_from, unfinished

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bids_reid.records import Scan
    from bids_reid.settings import Settings

WORKFLOW = 'participant_wf'
STOPPED = 'not run: stopped at the first failure'
NO_RESULT = 'it ended without a result'
UNTRIED = (KILLED, KILLED_JOB, STOPPED, NO_RESULT)
"""Reasons that say nothing of the scan itself."""


def process_scans(scans: Sequence[Scan], settings: Settings) -> int:
    """Process scans; those that failed leave a record with the reason.

    Scans that were not run, or whose process was killed, are as good as before: what an earlier
    run made of them, of fewer extractors, is kept. Return the number of these.
    """
    failures = run_scans(scans, settings)
    stopped = settings.stop_on_first_crash and failures
    # a killed worker takes down whatever ran beside it: each once more, alone
    for scan in [scan for scan, reason in failures.items() if reason == KILLED]:
        failures.pop(scan)
        failures |= run_scans([scan], replace(settings, n_procs=1))
    left = dict.fromkeys(unfinished(scans, settings), STOPPED if stopped else NO_RESULT)
    # one may be done and killed before it could say so
    failures = left | {
        scan: why for scan, why in failures.items() if why not in UNTRIED or scan in left
    }
    n_kept = 0
    for scan, reason in failures.items():
        if reason in UNTRIED and still_holds(scan, settings.output_dir):
            logger.info(f'NOT DONE {scan.path.name}: {reason} (its earlier results are kept)')
            n_kept += 1
        else:
            logger.info(f'FAILED {scan.path.name}: {reason}')
            folder, before = settings.datasets[scan.condition], came_from(scan, settings)
            save_failure(scan, folder, settings.output_dir, reason, before)
    return n_kept


def forget_finished(scans: Iterable[Scan], settings: Settings) -> None:
    """Remove what a run that was killed left of scans that are done: it shows faces."""
    for scan in scans:
        forget(settings, WORKFLOW, scan_node_name(scan))


def run_scans(scans: Sequence[Scan], settings: Settings) -> dict[Scan, str]:
    """Run the graph over ``scans``; return the reason for each scan that failed."""
    by_name = {scan_node_name(scan): scan for scan in scans}
    workflow = init_participant_wf(
        scans=scans,
        datasets=settings.datasets,
        came_from={scan: came_from(scan, settings) for scan in scans},
        output_dir=settings.output_dir,
        extractors=settings.extractors,
        keep_renders=settings.keep_renders,
        complete_face=settings.complete_face,
        name=WORKFLOW,
    )
    failed: set[str] = set()
    started, n_done = time.monotonic(), 0

    def on_status(node: Any, status: str) -> None:
        nonlocal n_done
        name = node.fullname.split('.')[1]
        if status == 'exception':
            failed.add(name)
            logger.info(f'failed at {name}.{node.name}')
        # some plugins also call it the end when a node was left out after a failure
        if status == 'end' and node.name == 'save' and name not in failed:
            n_done += 1
            image, seconds = by_name[name].path.name, time.monotonic() - started
            logger.info(f'[{n_done}/{len(scans)}] {image} (after {seconds:.0f} s)')
            forget(settings, workflow.name, name)

    failures = run_for_user(workflow, settings, on_status).failures
    for name in by_name:
        forget(settings, workflow.name, name)
    if settings.plugin_file is not None:
        # scripts and pickled steps that were handed to the scheduler
        forget(settings, workflow.name, 'batch')
    return {by_name[node.split('.')[1]]: reason for node, reason in failures.items()}
