"""The first lines of a run: which program, which folders, which machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bids_reid import __version__
from bids_reid.messages import Line, count
from bids_reid.processors import available_memory

if TYPE_CHECKING:
    from bids_reid.processors import Choice
    from bids_reid.settings import Settings

_GB = 1e9


def header_lines(settings: Settings, choice: Choice | None = None) -> list[Line]:
    """Say what is run on what: five lines that a question about a run needs first.

    ``choice`` is that of the number of processes, unless the user has made it.
    """
    levels = ' and '.join(settings.levels)
    word = 'level' if len(settings.levels) == 1 else 'levels'
    dry = ', dry run' if settings.dry_run else ''
    return [
        Line(f'bids-reid {__version__}: {levels} {word}{dry}', 'heading'),
        Line(f'  dataset:    {settings.bids_dir}'),
        Line(f'  conditions: {_conditions(settings)}'),
        Line(f'  output:     {settings.output_dir}'),
        Line(f'  machine:    {_machine(settings, choice)}'),
    ]


def _conditions(settings: Settings) -> str:
    """Name the conditions, and the one that is to be shared."""
    names = ', '.join(settings.datasets)
    if settings.release is not None:
        return f'{names}; to be shared: {settings.release}'
    return f'{names}; to be shared: {settings.audited}'


def _machine(settings: Settings, choice: Choice | None) -> str:
    cores = count(len(os.sched_getaffinity(0)) if choice is None else choice.cores, 'core')
    if choice is not None and choice.busy:
        cores += f' ({choice.busy} busy)'
    memory = available_memory()
    told = [cores] if memory is None else [cores, f'{memory / _GB:.1f} GB of memory available']
    if settings.plugin_file is not None:
        told.append(f'jobs by {settings.plugin_file.name}')
    else:
        limit = ' as memory allows' if choice is not None and choice.short_of_memory else ''
        told.append(f'{count(settings.n_procs, "process", "processes")} used{limit}')
    if settings.memory_gb is not None:
        told.append(f'at most {settings.memory_gb:g} GB')
    return ', '.join(told)
