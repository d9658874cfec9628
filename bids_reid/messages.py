"""Messages for the user: log records of level INFO, printed as plain lines on standard output."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from bids_reid.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TextIO

logger = logging.getLogger('bids_reid')


class _StandardOutput(logging.StreamHandler):  # type: ignore[type-arg]
    """A handler that looks ``sys.stdout`` up for each line, as it may be exchanged."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)

    @property
    def stream(self) -> TextIO:
        """Standard output as it is now."""
        return sys.stdout

    @stream.setter
    def stream(self, _: TextIO) -> None:
        """Keep to standard output."""

    def format(self, record: logging.LogRecord) -> str:
        """Show what names of files would do to a terminal; each message is one line."""
        return printable(super().format(record))

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802
        """Raise what the output raised: a reader that has left ends the program."""
        raise  # noqa: PLE0704


def complain(program: str, line: str) -> None:
    """Say on standard error why a program ends; nobody may be there to read it."""
    with suppress(OSError, ValueError):
        print(printable(f'{program}: {line}'), file=sys.stderr, flush=True)


def say(line: str) -> None:
    """Print a line on standard output, with others' control characters shown as escapes."""
    print(printable(line), flush=True)


def show_messages() -> None:
    """Print messages from now on; a library that is only imported prints none."""
    if not logger.handlers:
        logger.addHandler(_StandardOutput())
        logger.setLevel(logging.INFO)
        # Nipype and others configure the root logger, which would print each line twice
        logger.propagate = False


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun.

    >>> count(1, 'scan'), count(1200, 'scan'), count(2, 'is', 'are')
    ('1 scan', '1,200 scans', '2 are')
    """
    return f'{number:,} {noun if number == 1 else plural or noun + "s"}'


def say_not_run(reasons: Mapping[str, str]) -> None:
    """Say which extractors do not run; those with the same reason share a line."""
    for reason in dict.fromkeys(reasons.values()):
        names = ', '.join(name for name, own in reasons.items() if own == reason)
        logger.info('not run: %s: %s', names, reason)
