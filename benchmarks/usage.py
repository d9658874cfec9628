"""What a command and all that it starts use: ``python -m benchmarks.usage COMMAND ...``.

Processor time is the kernel's own count. Workers of Python's forkserver are nobody's children
that a plain ``subprocess.run`` would count, so this process makes itself the one that orphans are
handed to (a child subreaper) and waits for every one of them: each process is waited for exactly
once, here or by its parent, whose count then holds it. Only what ignores its children's end would
be missed, which Python's forkserver does not. Memory is the sum of the proportional set sizes
(shared pages count once) of all processes alive, looked at every 50 ms.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PR_SET_CHILD_SUBREAPER = 36
INTERVAL_S = 0.25


class Usage(NamedTuple):
    """Of a command with all its descendants; ``wall_s`` ends with the command itself."""

    code: int
    wall_s: float
    cpu_s: float
    peak_mb: float


def measure(
    command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str] | None = None
) -> Usage:
    """Run a command to the end of its last descendant; all output goes to ``log``.

    The calling process must have no other children: they would be taken for the command's.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), 'cannot become a child subreaper')
    sampler = _Sampler()
    sampler.start()
    start = time.perf_counter()
    to_log = [
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    words = [str(word) for word in command]
    own = os.posix_spawnp(words[0], words, environment or os.environ, file_actions=to_log)
    code, wall, cpu = -1, 0.0, 0.0
    while True:
        try:
            ended, status, used = os.wait4(-1, 0)
        except ChildProcessError:
            break
        cpu += used.ru_utime + used.ru_stime
        if ended == own:
            code, wall = os.waitstatus_to_exitcode(status), time.perf_counter() - start
    return Usage(code, wall, cpu, sampler.stop())


class _Sampler(threading.Thread):
    """Looks at the memory of all descendants until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._peak_kb = 0
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(INTERVAL_S):
            self._peak_kb = max(self._peak_kb, sum(map(_memory_kb, _descendants(os.getpid()))))

    def stop(self) -> float:
        """Return the peak in MB."""
        self._stopped.set()
        self.join()
        return self._peak_kb / 1024


def _descendants(process: int) -> Iterator[int]:
    for task in _listed(Path(f'/proc/{process}/task')):
        for child in _read(task / 'children').split():
            yield int(child)
            yield from _descendants(int(child))


def _memory_kb(process: int) -> int:
    lines = _read(Path(f'/proc/{process}/smaps_rollup')).splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith('Pss:'))


def _listed(folder: Path) -> list[Path]:
    """Content of a folder; none if the process has ended meanwhile."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding='ascii')
    except OSError:
        return ''


if __name__ == '__main__':
    print(json.dumps(measure(sys.argv[1:], log=Path(os.devnull))._asdict()))
