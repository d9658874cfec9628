"""How many processes a run may use here, by processors and memory that are free."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bids_reid.surroundings import control_groups, limit_of_memory, memory_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

GB_EACH = 1.5
"""Memory of a process at a usual scan, GB; the steps of larger ones wait until they fit."""
SHORTEST_S = 0.3
"""The kernel counts in hundredths of a second: a shorter look says little."""
_PROC = Path('/proc')


@dataclass(frozen=True, slots=True)
class Choice:
    """How many processes, and why not more.

    Attributes
    ----------
    n_procs : int
        At least 1.
    cores : int
        Those that this process may use.
    busy : int
        How many of them others keep busy.
    short_of_memory : bool
        Whether memory, and not processors, sets the limit.
    """

    n_procs: int
    cores: int
    busy: int = 0
    short_of_memory: bool = False


def allowed_cores() -> int:
    """Return how many processors this process may use: its affinity, and its group's quota.

    A quota is rounded down, as processes that wait for it are slower than none.
    """
    cores = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):
        for group in control_groups('cpu'):
            with suppress(OSError, ValueError, ZeroDivisionError):
                cores = min(cores, max(1, int(_quota(group))))
    return cores


def _quota(group: Path) -> float:
    """Processors that a control group may keep busy.

    Raises
    ------
    OSError, ValueError
        It has no limit.
    """
    if (group / 'cpu.max').exists():
        quota, period = map(int, (group / 'cpu.max').read_text('ascii').split())
    else:
        quota, period = (
            int((group / f'cpu.cfs_{name}_us').read_text('ascii')) for name in ('quota', 'period')
        )
    if quota < 0:
        raise ValueError('no limit')
    return quota / period


def available_memory() -> float | None:
    """Bytes of memory that this process can still take, as far as the system says."""
    known: list[float] = []
    with suppress(OSError, ValueError, IndexError, StopIteration):
        lines = (_PROC / 'meminfo').read_text('ascii').splitlines()
        available = next(line for line in lines if line.startswith('MemAvailable:'))
        known.append(1024 * int(available.split()[1]))
    limit = memory_limit()
    if limit is not None:
        known.append(limit.most)
    return min([*known, *_left_in_groups()], default=None)


def _left_in_groups() -> Iterator[float]:
    """Yield the bytes that each control group with a limit has left.

    What it keeps of files that nobody has used lately makes room for what is needed.
    """
    with suppress(OSError, ValueError):
        for group in control_groups('memory'):
            with suppress(OSError, ValueError):
                limit, new = limit_of_memory(group), (group / 'memory.current').exists()
                name = 'memory.current' if new else 'memory.usage_in_bytes'
                used = int((group / name).read_text('ascii'))
                rows = (group / 'memory.stat').read_text('ascii').splitlines()
                kept = dict(row.split(' ', 1) for row in rows)
                old_files = kept['inactive_file' if new else 'total_inactive_file']
                yield max(0, limit - max(0, used - int(old_files)))


class _Sample(NamedTuple):
    """Seconds since the system was started, of the processors that this process may use."""

    time: float
    busy: float
    own: float


class Watch:
    """Looks how much others work from when it is made until `choose`.

    The average load of the system is no help: it holds what has ended minutes ago, such as the
    last run.
    """

    def __init__(self) -> None:
        self._first = _sample()

    def busy(self) -> int:
        """Return how many processors others kept busy meanwhile; 0 if it cannot be known."""
        last = _sample()
        if self._first is None or last is None or last.time - self._first.time < SHORTEST_S:
            return 0
        others = last.busy - self._first.busy - (last.own - self._first.own)
        return max(0, int(others / (last.time - self._first.time) + 0.5))

    def choose(self) -> Choice:
        """Choose as many processes as there are free processors, and memory for."""
        cores = allowed_cores()
        # a quota is a group's own: others on the same processors take nothing from it
        every = len(os.sched_getaffinity(0))
        busy = max(0, self.busy() - (every - cores))
        n_procs = max(1, cores - busy)
        memory = available_memory()
        fits = n_procs if memory is None else max(1, int(memory / 1e9 / GB_EACH))
        return Choice(min(n_procs, fits), cores, busy, short_of_memory=fits < n_procs)


def _sample() -> _Sample | None:
    """Read how long processors were busy, and this process and those that it started."""
    try:
        ticks = os.sysconf('SC_CLK_TCK')
        lines = (_PROC / 'stat').read_text('ascii').splitlines()
        names = {f'cpu{number}' for number in os.sched_getaffinity(0)}
        busy = sum(_busy_ticks(line) for line in lines if line.split(' ')[0] in names)
        own = sum(map(_own_ticks, {os.getpid(), *_children(os.getpid())}))
    except (OSError, ValueError, IndexError):
        return None
    return _Sample(time.monotonic(), busy / ticks, own / ticks)


def _busy_ticks(line: str) -> int:
    """Ticks of a line of /proc/stat: user, nice, system, interrupts, and what was stolen."""
    user, nice, system, _idle, _wait, hard, soft, stolen = map(int, line.split()[1:9])
    return user + nice + system + hard + soft + stolen


def _own_ticks(process: int) -> int:
    """Ticks of a process and of its children that have ended; 0 if it has ended itself."""
    try:
        # the name of the program may hold blanks
        fields = (_PROC / str(process) / 'stat').read_text('utf-8').rpartition(')')[2].split()
    except OSError:
        return 0
    return sum(map(int, fields[11:15]))


def _children(process: int) -> Iterator[int]:
    for task in (_PROC / str(process) / 'task').glob('*/children'):
        with suppress(OSError):
            for child in map(int, task.read_text('ascii').split()):
                yield child
                yield from _children(child)
