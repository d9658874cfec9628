"""Asking a child process what may end the process that tries it: drivers and their libraries."""

from __future__ import annotations

import os
import signal
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from bids_reid.errors import MachineError
from bids_reid.surroundings import not_enough_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    Question = Callable[..., None]


class NoAnswerError(Exception):
    """The child is still at it."""


def ask_child(question: Question, *arguments: Any, seconds: float) -> Any:
    """Ask a child process; return its answer, ``None`` if it ends without one.

    Parameters
    ----------
    question : callable
        Gets a connection, into which it sends the answer, and the arguments. The child's
        environment is that of the server of processes.
    seconds : float
        How long it may take.

    Raises
    ------
    NoAnswerError
        There is no answer in time.
    MachineError
        The child was killed for memory, or could not be started.
    """
    context = get_context('forkserver')
    answer, asked = context.Pipe(duplex=False)
    child = context.Process(target=question, args=(asked, *arguments), daemon=True)
    try:
        try:
            child.start()
        except OSError as error:
            raise MachineError(f'cannot start a process: {error.strerror}') from None
        asked.close()
        if not answer.poll(seconds):
            raise NoAnswerError
        return answer.recv()
    except (EOFError, OSError):
        child.join(seconds)
        # what ends a process that takes too much says nothing
        if child.exitcode == -signal.SIGKILL:
            raise not_enough_memory() from None
        return None
    finally:
        if child.pid is not None:
            child.kill()
            child.join()


def be_silent() -> None:
    """Show nothing of what drivers complain about in their own words."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
