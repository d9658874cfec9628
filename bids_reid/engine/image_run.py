"""Run the graph that looks at images; what fails leaves a record with the reason."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bids_reid import stopping
from bids_reid.bids.entities import entities_of
from bids_reid.bids.image_records import (
    has_current_look,
    image_record_path,
    read_image_record,
    save_image_record,
)
from bids_reid.engine.execution import forget, run_for_user
from bids_reid.engine.image_graph import image_node_name, init_images_wf
from bids_reid.engine.participant_run import NO_RESULT, RAN_OUT, STOPPED
from bids_reid.engine.progress import Progress
from bids_reid.messages import tell_grouped
from bids_reid.participant.in_words import look_in_words
from bids_reid.participant.looks import record_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bids_reid.engine.workers import Workers
    from bids_reid.records import Image
    from bids_reid.settings import Settings

    Located = tuple[Path, Image]

PER_GRAPH = 500
"""After each node Nipype goes through all of a graph, which takes hours where there are many."""


def look_at_images(
    images: Sequence[tuple[Path, Image]], settings: Settings, workers: Workers | None = None
) -> int:
    """Look at images, once per content; each leaves a record.

    Parameters
    ----------
    images : sequence of (Path, Image)
        Each with the folder that its paths start from. Those without a hash have no record that
        could be theirs, and are left out.
    workers : Workers, optional
        Processes that have worked on scans; by default there are new ones.

    Returns
    -------
    How many could not be looked at.
    """
    known = [(root, image) for root, image in images if image.sha256]
    # one that takes long must not begin when the others are done
    known.sort(key=lambda located: -(located[1].bytes or 0))
    by_name = {image_node_name(image): (root, image) for root, image in known}
    if not by_name:
        return 0
    started = time.time()
    progress = Progress(len(by_name))
    failures = _run_all(by_name, settings, progress, workers)
    stopped = settings.stop_on_first_crash and failures
    # a killed worker takes down whatever ran beside it: each once more, alone
    for name in [name for name, reason in failures.items() if reason in RAN_OUT]:
        if workers is not None:
            workers.finish()
        failures.pop(name)
        alone = replace(settings, n_procs=1)
        failures |= _run({name: by_name[name]}, alone, progress, workers)
    # what a signal did to workers is no result
    stopping.check()
    without: dict[str, str] = {}
    for name, (_, image) in by_name.items():
        reason = failures.get(name)
        if reason is None and not _has_result(image, settings, started):
            reason = STOPPED if stopped else NO_RESULT
        if reason is not None and not has_current_look(settings.output_dir, image):
            if reason != STOPPED:
                said = f'FAILED: {reason}'
                progress.end(name, image.path, said, toned='FAILED', tone='bad')
            failed = record_of(image, 'other volume', 'failed', reason)
            save_image_record(settings.output_dir, failed)
        record = read_image_record(settings.output_dir, image.sha256 or '')
        if record is None or record.status == 'failed':
            without[image.path] = (record.reason if record else None) or NO_RESULT
    tell_grouped('NOT ASSESSED', without, 'image')
    return len(without)


def _has_result(image: Image, settings: Settings, started: float) -> bool:
    """Whether this run, or an earlier one, left a record that counts."""
    path = image_record_path(settings.output_dir, image.sha256 or '')
    try:
        # file systems keep time coarsely
        new = path.stat().st_mtime >= started - 2
    except OSError:
        return False
    return new or has_current_look(settings.output_dir, image)


def _run_all(
    by_name: dict[str, Located], settings: Settings, progress: Progress, workers: Workers | None
) -> dict[str, str]:
    """Run graphs of some images each; return the reason for each node that failed."""
    failures: dict[str, str] = {}
    names = list(by_name)
    for first in range(0, len(names), PER_GRAPH):
        if first and workers is not None:
            # what their libraries lose is given back
            workers.finish()
        some = {name: by_name[name] for name in names[first : first + PER_GRAPH]}
        failures |= _run(some, settings, progress, workers)
        if failures and settings.stop_on_first_crash:
            break
    return failures


def _run(
    by_name: dict[str, Located], settings: Settings, progress: Progress, workers: Workers | None
) -> dict[str, str]:
    """Run one graph; return the reason for each node that failed."""
    workflow = init_images_wf(images=list(by_name.values()), output_dir=settings.output_dir)

    def on_status(node: Any, status: str) -> None:
        image = by_name[node.name][1]
        if status == 'start':
            progress.start(node.name)
        if status == 'exception':
            progress.forget(node.name)
        if status == 'end':
            record = read_image_record(settings.output_dir, image.sha256 or '')
            if record is None:
                progress.end(node.name, image.path, 'done')
            else:
                found = look_in_words(record, entities_of(image.path).suffix, settings.parts)
                progress.end(node.name, image.path, found.words, tone=found.tone)
            forget(settings, workflow.name, node.name)

    failures = run_for_user(workflow, settings, on_status, workers=workers).failures
    for name in by_name:
        forget(settings, workflow.name, name)
    if settings.plugin_file is not None:
        # scripts and pickled steps that were handed to the scheduler
        forget(settings, workflow.name, 'batch')
    return {node.rpartition('.')[2]: reason for node, reason in failures.items()}
