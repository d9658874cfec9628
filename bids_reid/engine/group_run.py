"""Running the graph of the group level; its results come back as values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bids_reid.engine.execution import forget, run_for_user
from bids_reid.engine.group_graph import RESULTS, init_group_wf
from bids_reid.engine.participant_run import RAN_OUT
from bids_reid.engine.plugins import KILLED_JOB
from bids_reid.engine.progress import GroupProgress
from bids_reid.errors import MachineError, ReidError
from bids_reid.group.assembly import Parts
from bids_reid.group.merging import read_result
from bids_reid.messages import count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bids_reid.group.selection import Extractors, Selection
    from bids_reid.settings import Settings


def search(settings: Settings, selection: Selection, extractors: Extractors) -> Parts:
    """Search, summarise and link as the user asked.

    Raises
    ------
    MachineError
        The machine refuses something, or memory ran out.
    ReidError
        A step failed.
    """
    workflow = init_group_wf(selection=selection, extractors=extractors)
    progress = GroupProgress(workflow)
    try:
        done = run_for_user(workflow, settings, progress.on_status, collected=RESULTS)
        if done.failures:
            raise _error(done.failures)
        summaries, controls, links = (
            [read_result(file) for file in done.files[name]] for name in RESULTS
        )
    finally:
        forget(settings, workflow.name)
    return Parts([gallery for part in summaries for gallery in part], controls, links)


def _error(failures: Mapping[str, str]) -> ReidError:
    """Say why steps failed: shards of one gallery fail alike, and one reason is enough."""
    first, *others = dict.fromkeys(failures.values())
    kind = MachineError if first in (*RAN_OUT, KILLED_JOB) else ReidError
    more = count(len(others), 'more reason')
    return kind(f'{first} (and {more}: see logs)' if others else first)
