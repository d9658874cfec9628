"""What both levels need: talking to the user, running a graph, tidying up."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bids_reid import __version__
from bids_reid.bids.outputs import read_json
from bids_reid.workflows.execute import run_graph

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nipype.pipeline import engine as pe

    from bids_reid.settings import Settings
    from bids_reid.workflows.execute import StatusCallback


def say(message: str) -> None:
    """Tell the user how far things are."""
    print(message, flush=True)


def say_left_out(reasons: Mapping[str, str]) -> None:
    """Tell which extractors do not run, those with the same reason in one line."""
    for reason in dict.fromkeys(reasons.values()):
        names = ', '.join(name for name, said in reasons.items() if said == reason)
        say(f'not run: {names}: {reason}')


def dataset_name(settings: Settings) -> str:
    """Name of the dataset as it calls itself."""
    description = read_json(settings.bids_dir / 'dataset_description.json')
    return str(description.get('Name', settings.bids_dir.name))


def crash_folder(settings: Settings) -> Path:
    """Where Nipype leaves the details of a failure."""
    return settings.output_dir / 'logs'


def run(
    workflow: pe.Workflow, settings: Settings, on_status: StatusCallback | None = None
) -> dict[str, str]:
    """Run a graph as the user asked; return the reason for each node that failed."""
    return run_graph(
        workflow,
        base_dir=_work_folder(settings),
        crash_dir=crash_folder(settings),
        n_procs=settings.n_procs,
        memory_gb=settings.memory_gb,
        plugin_file=settings.plugin_file,
        on_status=on_status,
    )


def forget(settings: Settings, *parts: str) -> None:
    """Remove intermediate files, which show faces, and the folders above that are empty then.

    Runs that share the work folder, as the tasks of a job array do, keep theirs.
    """
    folder = _work_folder(settings).joinpath(*parts)
    shutil.rmtree(folder, ignore_errors=True)
    above: list[Any] = list(folder.parents[: len(parts)])
    if settings.work_dir is None:
        above.append(settings.work)
    for parent in above:
        with suppress(OSError):
            parent.rmdir()


def _work_folder(settings: Settings) -> Path:
    """Folder of this version: another one's intermediate files are not taken up."""
    return settings.work / f'bids_reid-{__version__}'
