"""Run the graph that looks at images; what fails leaves a record with the reason."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bids_reid import stopping
from bids_reid.bids.image_records import (
    has_current_look,
    image_record_path,
    read_image_record,
    save_image_record,
)
from bids_reid.engine.execution import forget, run_for_user
from bids_reid.engine.image_graph import image_node_name, init_images_wf
from bids_reid.engine.participant_run import NO_RESULT, RAN_OUT, STOPPED
from bids_reid.messages import logger
from bids_reid.participant.looks import record_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bids_reid.records import Image
    from bids_reid.settings import Settings

    Located = tuple[Path, Image]

PER_GRAPH = 500
"""After each node Nipype goes through all of a graph, which takes hours where there are many."""


def look_at_images(images: Sequence[tuple[Path, Image]], settings: Settings) -> int:
    """Look at images, once per content; each leaves a record.

    Parameters
    ----------
    images : sequence of (Path, Image)
        Each with the folder that its paths start from. Those without a hash have no record that
        could be theirs, and are left out.

    Returns
    -------
    How many could not be looked at.
    """
    by_name = {image_node_name(image): (root, image) for root, image in images if image.sha256}
    if not by_name:
        return 0
    started = time.time()
    failures = _run_all(by_name, settings)
    stopped = settings.stop_on_first_crash and failures
    # a killed worker takes down whatever ran beside it: each once more, alone
    for name in [name for name, reason in failures.items() if reason in RAN_OUT]:
        failures.pop(name)
        failures |= _run({name: by_name[name]}, replace(settings, n_procs=1))
    # what a signal did to workers is no result
    stopping.check()
    n_failed = 0
    for name, (_, image) in by_name.items():
        reason = failures.get(name)
        if reason is None and not _has_result(image, settings, started):
            reason = STOPPED if stopped else NO_RESULT
        if reason is not None and not has_current_look(settings.output_dir, image):
            failed = record_of(image, 'other volume', 'failed', reason)
            save_image_record(settings.output_dir, failed)
        record = read_image_record(settings.output_dir, image.sha256 or '')
        if record is None or record.status == 'failed':
            n_failed += 1
            logger.info(f'NOT LOOKED AT {image.path}: {record.reason if record else NO_RESULT}')
    return n_failed


def _has_result(image: Image, settings: Settings, started: float) -> bool:
    """Whether this run, or an earlier one, left a record that counts."""
    path = image_record_path(settings.output_dir, image.sha256 or '')
    try:
        # file systems keep time coarsely
        new = path.stat().st_mtime >= started - 2
    except OSError:
        return False
    return new or has_current_look(settings.output_dir, image)


def _run_all(by_name: dict[str, Located], settings: Settings) -> dict[str, str]:
    """Run graphs of some images each; return the reason for each node that failed."""
    failures: dict[str, str] = {}
    names = list(by_name)
    for first in range(0, len(names), PER_GRAPH):
        some = {name: by_name[name] for name in names[first : first + PER_GRAPH]}
        failures |= _run(some, settings, n_before=first, n_all=len(names))
        if failures and settings.stop_on_first_crash:
            break
    return failures


def _run(
    by_name: dict[str, Located], settings: Settings, n_before: int = 0, n_all: int = 1
) -> dict[str, str]:
    """Run one graph; return the reason for each node that failed.

    Images are counted from ``n_before`` on, of ``n_all``.
    """
    workflow = init_images_wf(images=list(by_name.values()), output_dir=settings.output_dir)
    started, n_done = time.monotonic(), n_before

    def on_status(node: Any, status: str) -> None:
        nonlocal n_done
        if status == 'exception':
            logger.info(f'failed at {by_name[node.name][1].path}')
        if status == 'end':
            n_done += 1
            seconds = time.monotonic() - started
            path = by_name[node.name][1].path
            logger.info(f'[{n_done}/{n_all}] looked at {path} (after {seconds:.0f} s)')
            forget(settings, workflow.name, node.name)

    failures = run_for_user(workflow, settings, on_status).failures
    for name in by_name:
        forget(settings, workflow.name, name)
    if settings.plugin_file is not None:
        # scripts and pickled steps that were handed to the scheduler
        forget(settings, workflow.name, 'batch')
    return {node.rpartition('.')[2]: reason for node, reason in failures.items()}
