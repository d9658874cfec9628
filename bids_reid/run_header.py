"""The first lines of a run: which program, which folders, which machine."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bids_reid import __version__
from bids_reid.messages import Line, count
from bids_reid.surroundings import memory_limit

if TYPE_CHECKING:
    from bids_reid.settings import Settings

_MEMORY = Path('/proc/meminfo')
_GB = 1e9


def header_lines(settings: Settings) -> list[Line]:
    """Say what is run on what: five lines that a question about a run needs first."""
    levels = ' and '.join(settings.levels)
    word = 'level' if len(settings.levels) == 1 else 'levels'
    dry = ', dry run' if settings.dry_run else ''
    return [
        Line(f'bids-reid {__version__}: {levels} {word}{dry}', 'heading'),
        Line(f'  dataset:    {settings.bids_dir}'),
        Line(f'  conditions: {_conditions(settings)}'),
        Line(f'  output:     {settings.output_dir}'),
        Line(f'  machine:    {_machine(settings)}'),
    ]


def _conditions(settings: Settings) -> str:
    """Name the conditions, and the one that is to be shared."""
    names = ', '.join(settings.datasets)
    if settings.release is not None:
        return f'{names}; to be shared: {settings.release}'
    return f'{names}; to be shared: {settings.audited}'


def _machine(settings: Settings) -> str:
    cores = count(len(os.sched_getaffinity(0)), 'core')
    memory = available_memory()
    told = [cores] if memory is None else [cores, f'{memory / _GB:.1f} GB of memory available']
    if settings.plugin_file is not None:
        told.append(f'jobs by {settings.plugin_file.name}')
    else:
        told.append(f'{count(settings.n_procs, "process", "processes")} used')
    if settings.memory_gb is not None:
        told.append(f'at most {settings.memory_gb:g} GB')
    return ', '.join(told)


def available_memory() -> float | None:
    """Bytes of memory that this process can still take, as far as the system says."""
    known = []
    with suppress(OSError, ValueError, IndexError, StopIteration):
        lines = _MEMORY.read_text('ascii').splitlines()
        available = next(line for line in lines if line.startswith('MemAvailable:'))
        known.append(1024 * int(available.split()[1]))
    limit = memory_limit()
    if limit is not None:
        known.append(limit.most)
    return min(known, default=None)
