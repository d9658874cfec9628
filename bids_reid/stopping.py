"""SIGTERM, SIGHUP and Ctrl-C: one orderly end within seconds, whatever the program is at."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from multiprocessing import active_children, forkserver
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LONGEST_S = 4.0
"""After this time the program ends even if it is at something that cannot be interrupted."""
RESUME = 'results so far are kept: run the same command again to continue'
_DONE = b'\0'


class Stopped(BaseException):
    """The program is to end, as a signal says; no error, so that nothing takes it for one."""

    def __init__(self, number: int) -> None:
        super().__init__(f'stopped ({_name(number)}); {RESUME}')
        self.exit_code = 128 + number


_requested: list[int] = []
"""The signal that came; signals are of a process, and so is this."""
_said: list[int] = []


def check() -> None:
    """End here if a signal came: between C and Python, the exception for it may have got lost.

    Raises
    ------
    Stopped
        One came.
    """
    if _requested:
        raise Stopped(_requested[0])


@contextmanager
def stoppable(program: str) -> Iterator[None]:
    """Let signals end the block with `Stopped`, and the children with it.

    A signal that is ignored, as under ``nohup``, stays so. A second one ends the process at once,
    and so does a watch after some seconds.

    Parameters
    ----------
    program : str
        Name for the line that is printed where the block cannot end by itself.

    Raises
    ------
    Stopped
        A signal came, whatever became of its exception on the way.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    taken = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]

    def stop(number: int, _frame: object) -> None:
        if _requested:
            _end_now(program, number)
        _requested.append(number)
        _kill_children()
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in taken}
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watch = threading.Thread(target=_watch, args=(program, reader, taken), daemon=True)
    watch.start()
    try:
        yield
        check()
    except BaseException as error:
        if not isinstance(error, Stopped):
            check()
        raise
    finally:
        if not _requested:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.write(writer, _DONE)
            watch.join()
            os.close(reader)
            os.close(writer)


def _watch(program: str, reader: int, taken: list[signal.Signals]) -> None:
    """Wait for a signal; end the process if it has not ended some seconds later."""
    number = 0
    while number not in taken:
        number = os.read(reader, 1)[0]
        if bytes([number]) == _DONE:
            return
    time.sleep(LONGEST_S)
    _end_now(program, number)


def _end_now(program: str, number: int) -> NoReturn:
    """End this process and its children without anything else."""
    _kill_children()
    if not _said:
        with suppress(OSError):
            os.write(2, f'{program}: {Stopped(number)}\n'.encode())
    os._exit(128 + number)


def _kill_children() -> None:
    """Kill the processes that this one started, and the server that they come from.

    They may be at something long, and what they leave half-written is nobody's result.
    """
    # one that ends meanwhile, or is only being started
    with suppress(Exception):
        for child in active_children():
            child.kill()
        server = getattr(forkserver._forkserver, '_forkserver_pid', None)
        if server is not None:
            os.kill(server, signal.SIGKILL)


def _name(number: int) -> str:
    return 'Ctrl-C' if number == signal.SIGINT else signal.Signals(number).name


def say(program: str, stopped: Stopped) -> int:
    """Print how to go on; return the exit code."""
    _said.append(stopped.exit_code)
    with suppress(OSError, ValueError):
        print(f'{program}: {stopped}', file=sys.stderr)
    return stopped.exit_code
