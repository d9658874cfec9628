"""Worker processes that are kept from one graph to the next."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nipype.pipeline.plugins.multiproc import process_initializer

from bids_reid.bids.files import PRIVATE_UMASK
from bids_reid.devices import chosen_devices
from bids_reid.errors import MachineError
from bids_reid.processors import available_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Future
    from typing import Self

logger = logging.getLogger('nipype.workflow')
_PR_SET_PDEATHSIG = 1
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 512 * 2**20
"""Memory that a worker keeps for its next arrays rather than give it back to the system."""
LARGE_BYTES = 32 * 2**20
"""Larger arrays, of which a scan has few, take no part in that."""


class Workers:
    """Processes for steps and other work; each loads its libraries and networks once.

    They are started when there is something to do, and again after `close`, or after one of them
    was killed, which ends the others as well.

    Parameters
    ----------
    n_procs : int
        The most that there are at a time.
    """

    def __init__(self, n_procs: int) -> None:
        self.n_procs = n_procs
        self._pool: ProcessPoolExecutor | None = None
        self._folder = str(Path.cwd())
        self._free: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, work: Callable[..., Any], *given: Any) -> Future[Any]:
        """Let one of the processes do something, after what they were asked before.

        Raises
        ------
        MachineError
            No process can be started.
        """
        try:
            try:
                return self._processes().submit(work, *given)
            except BrokenProcessPool:
                self._pool = None
                return self._processes().submit(work, *given)
        except (EOFError, ConnectionError) as error:
            # the server that they come from has ended, where the system gives no more of them
            raise MachineError(
                'no process can be started: fewer --nprocs, or a higher limit (ulimit -u)'
            ) from error

    def free_memory(self) -> float | None:
        """Bytes that the processes can take together, as far as the system says.

        What they hold already is free for their next steps.
        """
        if self._pool is None:
            self._free = available_memory()
        return self._free

    def close(self) -> None:
        """Wait for what is under way, leave out what has not begun, and end the processes."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(cancel_futures=True)

    def finish(self) -> None:
        """Wait for all that was asked, and end the processes."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()

    def kill(self) -> None:
        """Kill the processes: they may be at something long."""
        if self._pool is not None:
            # Python 3.14 has a public way
            for process in list((self._pool._processes or {}).values()):
                process.kill()

    def _processes(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                max_workers=self.n_procs,
                initializer=_start_worker,
                initargs=(self._folder, logger.level, chosen_devices()),
                # a fork would copy threads and OpenGL contexts in an unknown state
                mp_context=get_context('forkserver'),
            )
        return self._pool


def _start_worker(cwd: str, level: int, devices: Mapping[str, str]) -> None:
    """Let a worker say as much as the main process does, keep files private, and end with it.

    ``devices`` are variables that the server it comes from does not have: it started earlier.
    """
    os.environ |= devices
    # Ctrl-C reaches all processes of a terminal, and the main process ends the others
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _end_with_server()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.umask(PRIVATE_UMASK)
    _keep_memory()
    process_initializer(cwd)
    for name in ('nipype.workflow', 'nipype.interface', 'nipype.utils'):
        logging.getLogger(name).setLevel(level)


def _keep_memory() -> None:
    """Let glibc use memory again that was freed, where this is the library of C.

    By default it soon gives memory back, and the system fills with zeros what is taken again: a
    tenth of the time of a scan.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)


def _end_with_server() -> None:
    """Let Linux end this worker with the server it comes from, whatever it is at then."""
    # the server ends with the main process
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_with_parent() -> None:
    """End this worker once the main process is gone: one that was killed leaves workers behind."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
