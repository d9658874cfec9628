"""Run the graph of the participant level; what fails leaves a record with the reason."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bids_reid import stopping
from bids_reid.bids.derivatives import read_record, save_failure, still_holds
from bids_reid.bids.layout import ScanFiles
from bids_reid.bids.unchanged import file_size, file_state
from bids_reid.engine.crashes import NO_MEMORY, scan_failure
from bids_reid.engine.execution import forget, read_plugin, run_for_user
from bids_reid.engine.participant_graph import init_participant_wf, scan_node_name
from bids_reid.engine.plugins import KILLED, KILLED_JOB, TRACEBACK, runs_here
from bids_reid.engine.progress import Clock, Progress, step_name
from bids_reid.engine.workers import Workers
from bids_reid.messages import tell_grouped
from bids_reid.participant.in_words import InWords, scan_in_words, scan_name
from bids_reid.participant.remarks import scan_line
from bids_reid.participant.selection import came_from, unfinished
from bids_reid.records import RAW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from bids_reid.bids.unchanged import FileState
    from bids_reid.records import Scan
    from bids_reid.settings import Settings

WORKFLOW = 'participant_wf'
PER_GRAPH = 64
"""Scans of one graph: its memory, and the time that Nipype takes for it, grow with each."""
PER_PROCESS = 8
"""At least so many scans for each process, as some wait while the last ones of a graph run."""
PER_WORKERS = 512
"""After so many scans the workers are replaced: what their libraries lose is given back."""
PER_JOBS = 512
"""Scans of one graph whose steps are handed to a scheduler, side by side."""
STOPPED = 'not started: the run stopped at the first failure'
NO_RESULT = 'it ended without a result'
CHANGED = 'its file was changed while this run read it: run the participant level again'
RAN_OUT = (KILLED, NO_MEMORY)
"""Reasons that may be those of another scan beside this one: it is tried again, alone."""
UNTRIED = (*RAN_OUT, KILLED_JOB, STOPPED, NO_RESULT, CHANGED)
"""Reasons that say nothing of the scan itself."""


@dataclass
class Failures:
    """Names of files that gave no result now, and the reasons.

    ``kept`` are those of which an earlier run's results still hold.
    """

    failed: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    def tell(self) -> None:
        """Say it at the end of a level, where it is not lost among the lines of other scans."""
        tell_grouped('FAILED', self.failed, 'scan')
        tell_grouped('NOT DONE', self.kept, 'scan', ' (earlier results are kept)')


def kept_workers(settings: Settings) -> AbstractContextManager[Workers | None]:
    """Return the processes that all graphs of a level share; ``None`` if a plugin has its own."""
    return nullcontext() if settings.plugin_file is not None else Workers(settings.n_procs)


def process_scans(
    scans: Sequence[Scan],
    settings: Settings,
    workers: Workers | None = None,
    on_saved: Callable[[Scan], None] = lambda _: None,
) -> Failures:
    """Process scans, the largest first; those that failed leave a record with the reason.

    What an earlier run made of the same bytes, with fewer extractors, is kept whatever fails now.
    ``on_saved`` is called with each scan whose results are there. Return the scans that gave no
    result now.

    Raises
    ------
    MachineError
        The machine refuses something: no scan is to blame, and all that is done is kept.
    """
    left, stopped = Failures(), False
    run = _Run(settings, Progress(len(scans)), workers, on_saved)
    ordered, per_graph = _largest_first(scans), _per_graph(settings)
    n_since = 0
    for first in range(0, len(scans), per_graph):
        some = ordered[first : first + per_graph]
        states = {scan: file_state(scan.path) for scan in some}
        failures = {} if stopped else _try(some, run)
        stopped = stopped or bool(settings.stop_on_first_crash and failures)
        otherwise = STOPPED if stopped else NO_RESULT
        _save_failures(states, failures, settings, otherwise, left, run.progress)
        n_since += len(some)
        if workers is not None and n_since >= PER_WORKERS:
            workers.finish()
            n_since = 0
    return left


@dataclass(frozen=True, slots=True)
class _Run:
    """What all graphs of the level share."""

    settings: Settings
    progress: Progress
    workers: Workers | None
    on_saved: Callable[[Scan], None]


def _largest_first(scans: Sequence[Scan]) -> list[Scan]:
    """Sort scans: one that takes long must not begin when the others are done."""
    return sorted(scans, key=lambda scan: -file_size(scan.path))


def _per_graph(settings: Settings) -> int:
    """Return how many scans a graph has: few, and enough to keep everything busy."""
    if settings.plugin_file is not None and not runs_here(read_plugin(settings.plugin_file)[0]):
        return PER_JOBS
    return max(PER_GRAPH, PER_PROCESS * settings.n_procs)


def _try(scans: Sequence[Scan], run: _Run) -> dict[Scan, str]:
    """Run some scans; return the reason for each that failed."""
    failures = run_scans(scans, run)
    # a killed worker takes down whatever ran beside it: each once more, alone
    for scan in [scan for scan, reason in failures.items() if reason in RAN_OUT]:
        if run.workers is not None:
            run.workers.finish()
        failures.pop(scan)
        failures |= run_scans([scan], replace(run, settings=replace(run.settings, n_procs=1)))
    return failures


def _save_failures(
    states: Mapping[Scan, FileState | None],
    failures: Mapping[Scan, str],
    settings: Settings,
    otherwise: str,
    told: Failures,
    progress: Progress,
) -> None:
    """Leave a record for each scan that failed, unless it keeps its earlier results.

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
    for scan, reason in failures.items():
        # what an earlier run made of these very bytes is as right as it was
        kept = still_holds(scan, settings.output_dir)
        (told.kept if kept else told.failed)[_file_name(scan)] = reason
        if reason != STOPPED and scan not in progress.ended:
            _tell_failure(scan, reason, settings, progress)
        if not kept:
            folder, before = settings.datasets[scan.condition], came_from(scan, settings)
            save_failure(scan, folder, settings.output_dir, reason, before, states[scan])


def forget_finished(scans: Iterable[Scan], settings: Settings) -> None:
    """Remove what a run that was killed left of scans that are done: it shows faces."""
    for scan in scans:
        forget(settings, WORKFLOW, scan_node_name(scan))


def _tell_failure(scan: Scan, reason: str, settings: Settings, progress: Progress) -> None:
    """Say that a scan failed, among the lines of those that are done."""
    word = 'NOT DONE' if still_holds(scan, settings.output_dir) else 'FAILED'
    name = scan_name(scan, several=len(settings.datasets) > 1)
    progress.end(scan, name, f'{word}: {reason}', toned=word, tone='bad')


def _tell_result(scan: Scan, settings: Settings, progress: Progress) -> None:
    """Say what was found on a scan whose results are saved."""
    found = _result(scan, settings)
    # a face on an original is no surprise
    tone = found.tone if found and scan.condition == settings.audited else None
    name = scan_name(scan, several=len(settings.datasets) > 1)
    progress.end(scan, name, found.words if found else 'done', tone=tone)


def _file_name(scan: Scan) -> str:
    """Name the file of a scan; of a version, which may have its original's name, the condition."""
    return scan.path.name if scan.condition == RAW else f'{scan.path.name} ({scan.condition})'


def _result(scan: Scan, settings: Settings) -> InWords | None:
    """Read the result of a scan that was saved; ``None`` if its record is not there yet."""
    files = ScanFiles.of(scan, settings.output_dir)
    record = read_record(files)
    if record is None:
        return None
    return scan_in_words(scan_line(files, record, settings.parts), settings.parts)


def run_scans(scans: Sequence[Scan], run: _Run) -> dict[Scan, str]:
    """Run one graph over ``scans``; return the reason for each scan that failed."""
    settings, progress = run.settings, run.progress
    by_name = {scan_node_name(scan): scan for scan in scans}
    workflow = init_participant_wf(
        scans=scans,
        datasets=settings.datasets,
        came_from={scan: came_from(scan, settings) for scan in scans},
        output_dir=settings.output_dir,
        extractors=settings.extractors,
        keep_renders=settings.keep_renders,
        keep_skins=settings.keep_skins,
        complete_face=settings.complete_face,
        name=WORKFLOW,
    )
    failed: set[str] = set()
    states = {scan: file_state(scan.path) for scan in scans}
    clock = Clock()

    def on_status(node: Any, status: str) -> None:
        name = node.fullname.split('.')[1]
        scan = by_name[name]
        clock.note(node, status, f'{scan_name(scan, several=True)}: {step_name(node)}')
        if status == 'start':
            progress.start(scan)
        if status == 'exception':
            failed.add(name)
            reason = scan_failure(getattr(node, TRACEBACK, ''))
            # what may be tried again is told when it is known what became of it
            if reason and reason not in UNTRIED and scan not in progress.ended:
                _tell_failure(scan, reason, settings, progress)
            progress.forget(scan)
        # some plugins also call it the end when a node was left out after a failure
        if status == 'end' and node.name == 'save' and name not in failed:
            # of a file that changed meanwhile the result does not count
            if file_state(scan.path) == states[scan]:
                _tell_result(scan, settings, progress)
            run.on_saved(scan)
            forget(settings, workflow.name, name)

    failures = run_for_user(workflow, settings, on_status, workers=run.workers).failures
    for name in by_name:
        forget(settings, workflow.name, name)
    if settings.plugin_file is not None:
        # scripts and pickled steps that were handed to the scheduler
        forget(settings, workflow.name, 'batch')
    return {by_name[node.split('.')[1]]: reason for node, reason in failures.items()}
