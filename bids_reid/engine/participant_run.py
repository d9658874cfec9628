"""Run the graph of the participant level; what fails leaves a record with the reason."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bids_reid import stopping
from bids_reid.bids.derivatives import save_failure, still_holds
from bids_reid.bids.unchanged import file_state
from bids_reid.engine.crashes import NO_MEMORY
from bids_reid.engine.execution import forget, read_plugin, run_for_user
from bids_reid.engine.participant_graph import init_participant_wf, scan_node_name
from bids_reid.engine.plugins import KILLED, KILLED_JOB, runs_here
from bids_reid.messages import logger
from bids_reid.participant.selection import came_from, unfinished

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bids_reid.bids.unchanged import FileState
    from bids_reid.records import Scan
    from bids_reid.settings import Settings

WORKFLOW = 'participant_wf'
PER_GRAPH = 64
"""Scans of one graph: its memory, and the time that Nipype takes for it, grow with each."""
PER_PROCESS = 8
"""At least so many scans for each process, as some wait while the last ones of a graph run."""
PER_JOBS = 512
"""Scans of one graph whose steps are handed to a scheduler, side by side."""
STOPPED = 'not run: stopped at the first failure'
NO_RESULT = 'it ended without a result'
CHANGED = 'its file was changed while this run read it: run the participant level again'
RAN_OUT = (KILLED, NO_MEMORY)
"""Reasons that may be those of another scan beside this one: it is tried again, alone."""
UNTRIED = (*RAN_OUT, KILLED_JOB, STOPPED, NO_RESULT, CHANGED)
"""Reasons that say nothing of the scan itself."""


def process_scans(scans: Sequence[Scan], settings: Settings) -> int:
    """Process scans; those that failed leave a record with the reason.

    What an earlier run made of the same bytes, with fewer extractors, is kept whatever fails now.
    Return the number of these scans.

    Raises
    ------
    MachineError
        The machine refuses something: no scan is to blame, and all that is done is kept.
    """
    n_kept, stopped = 0, False
    progress, per_graph = Progress(len(scans)), _per_graph(settings)
    for first in range(0, len(scans), per_graph):
        some = scans[first : first + per_graph]
        states = {scan: file_state(scan.path) for scan in some}
        failures = {} if stopped else _try(some, settings, progress)
        stopped = stopped or bool(settings.stop_on_first_crash and failures)
        n_kept += _save_failures(states, failures, settings, STOPPED if stopped else NO_RESULT)
    return n_kept


def _per_graph(settings: Settings) -> int:
    """Return how many scans a graph has: few, and enough to keep everything busy."""
    if settings.plugin_file is not None and not runs_here(read_plugin(settings.plugin_file)[0]):
        return PER_JOBS
    return max(PER_GRAPH, PER_PROCESS * settings.n_procs)


def _try(scans: Sequence[Scan], settings: Settings, progress: Progress) -> dict[Scan, str]:
    """Run some scans; return the reason for each that failed."""
    failures = run_scans(scans, settings, progress)
    # a killed worker takes down whatever ran beside it: each once more, alone
    for scan in [scan for scan, reason in failures.items() if reason in RAN_OUT]:
        failures.pop(scan)
        failures |= run_scans([scan], replace(settings, n_procs=1), progress)
    return failures


def _save_failures(
    states: Mapping[Scan, FileState | None],
    failures: Mapping[Scan, str],
    settings: Settings,
    otherwise: str,
) -> int:
    """Leave a record for each scan that failed; return how many keep their earlier results.

    ``states`` are of the scans' files before they were read; ``otherwise`` is the reason of scans
    that are not done and have none.
    """
    # what a signal did to workers is no result
    stopping.check()
    left = {
        scan: otherwise if file_state(scan.path) == states[scan] else CHANGED
        for scan in unfinished(list(states), settings)
    }
    # one may be done and killed before it could say so
    failures = left | {
        scan: why for scan, why in failures.items() if why not in UNTRIED or scan in left
    }
    n_kept = 0
    for scan, reason in failures.items():
        # what an earlier run made of these very bytes is as right as it was
        if still_holds(scan, settings.output_dir):
            logger.info(f'NOT DONE {scan.path.name}: {reason} (its earlier results are kept)')
            n_kept += 1
        else:
            logger.info(f'FAILED {scan.path.name}: {reason}')
            folder, before = settings.datasets[scan.condition], came_from(scan, settings)
            save_failure(scan, folder, settings.output_dir, reason, before, states[scan])
    return n_kept


def forget_finished(scans: Iterable[Scan], settings: Settings) -> None:
    """Remove what a run that was killed left of scans that are done: it shows faces."""
    for scan in scans:
        forget(settings, WORKFLOW, scan_node_name(scan))


@dataclass
class Progress:
    """How many scans are done, of how many, since when."""

    n_all: int
    n_done: int = 0
    started: float = field(default_factory=time.monotonic)

    def tell(self, scan: Scan) -> None:
        """Say that one more is done."""
        self.n_done += 1
        seconds = time.monotonic() - self.started
        logger.info(f'[{self.n_done}/{self.n_all}] {scan.path.name} (after {seconds:.0f} s)')


def run_scans(scans: Sequence[Scan], settings: Settings, progress: Progress) -> dict[Scan, str]:
    """Run one graph over ``scans``; return the reason for each scan that failed."""
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

    def on_status(node: Any, status: str) -> None:
        name = node.fullname.split('.')[1]
        if status == 'exception':
            failed.add(name)
            logger.info(f'failed at {name}.{node.name}')
        # some plugins also call it the end when a node was left out after a failure
        if status == 'end' and node.name == 'save' and name not in failed:
            progress.tell(by_name[name])
            forget(settings, workflow.name, name)

    failures = run_for_user(workflow, settings, on_status).failures
    for name in by_name:
        forget(settings, workflow.name, name)
    if settings.plugin_file is not None:
        # scripts and pickled steps that were handed to the scheduler
        forget(settings, workflow.name, 'batch')
    return {by_name[node.split('.')[1]]: reason for node, reason in failures.items()}
