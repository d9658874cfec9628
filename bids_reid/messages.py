"""Messages for the user: log records, printed as lines on standard output.

Lines have colours on a terminal only. Files, pipes and CI get the same words without them.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal, NamedTuple

from bids_reid.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TextIO

logger = logging.getLogger('bids_reid')
Tone = Literal['good', 'caution', 'bad', 'heading']
_CODES: dict[str, str] = {'good': '32', 'caution': '33', 'bad': '1;31', 'heading': '1'}
_not_run: dict[str, str] = {}
"""Extractors that do not run, and why: said once, at the end of a run."""
NAMED = 3
"""Names in a line that stands for many files; the log file has a line for each."""


class Line(NamedTuple):
    """A line for people, and how it is coloured: a heading whole, others up to a colon."""

    text: str
    tone: Tone | None = None


class _StandardOutput(logging.StreamHandler):  # type: ignore[type-arg]
    """A handler that looks ``sys.stdout`` up for each line, as it may be exchanged."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self.addFilter(lambda record: not getattr(record, 'only_in_log', False))

    @property
    def stream(self) -> TextIO:
        """Standard output as it is now."""
        return sys.stdout

    @stream.setter
    def stream(self, _: TextIO) -> None:
        """Keep to standard output."""

    def format(self, record: logging.LogRecord) -> str:
        """Show what names of files would do to a terminal; each message is one line."""
        line = printable(super().format(record))
        tone: Tone | None = getattr(record, 'tone', None)
        if tone is None or not has_colours(self.stream):
            return line
        words = printable(getattr(record, 'toned', ''))
        if not words:
            words = line if tone == 'heading' else line.partition(':')[0]
        return line.replace(words, f'\x1b[{_CODES[tone]}m{words}\x1b[0m', 1)

    def handleError(self, _record: logging.LogRecord) -> None:  # noqa: N802
        """Raise what the output raised: a reader that has left ends the program."""
        raise  # noqa: PLE0704


def has_colours(stream: TextIO) -> bool:
    """Whether lines may be coloured: on a terminal, or if ``FORCE_COLOR`` is set.

    ``NO_COLOR`` turns colours off, whatever else is set.
    """
    if os.environ.get('NO_COLOR'):
        return False
    if os.environ.get('FORCE_COLOR', '0') not in ('', '0'):
        return True
    return os.environ.get('TERM') != 'dumb' and stream.isatty()


def complain(program: str, line: str) -> None:
    """Say on standard error why a program ends; nobody may be there to read it."""
    with suppress(OSError, ValueError):
        print(printable(f'{program}: {line}'), file=sys.stderr, flush=True)


def say(line: str) -> None:
    """Print a line on standard output, with others' control characters shown as escapes."""
    print(printable(line), flush=True)


def show_messages(verbosity: int = 0) -> None:
    """Print messages from now on; a library that is only imported prints none.

    Parameters
    ----------
    verbosity : int
        From 1 on, messages of level DEBUG are printed, too.
    """
    shown = next((one for one in logger.handlers if isinstance(one, _StandardOutput)), None)
    if shown is None:
        shown = _StandardOutput()
        logger.addHandler(shown)
        # Nipype and others configure the root logger, which would print each line twice
        logger.propagate = False
    shown.setLevel(logging.DEBUG if verbosity else logging.INFO)
    # a log file gets everything
    logger.setLevel(logging.DEBUG)


def tell(lines: Iterable[Line]) -> None:
    """Print lines in their colours."""
    for line in lines:
        logger.info('%s', line.text, extra={'tone': line.tone})


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Write a number with its noun.

    >>> count(1, 'scan'), count(1200, 'scan'), count(2, 'is', 'are')
    ('1 scan', '1,200 scans', '2 are')
    """
    return f'{number:,} {noun if number == 1 else plural or noun + "s"}'


def some_of(names: Iterable[str], most: int = NAMED) -> str:
    """Name the first few.

    >>> some_of(['a', 'b', 'c', 'd', 'e'])
    'a, b, c and 2 more'
    """
    names = list(names)
    more = len(names) - most
    return ', '.join(names[:most]) + (f' and {more:,} more' if more > 0 else '')


def tell_grouped(word: str, reasons: Mapping[str, str], noun: str, remark: str = '') -> None:
    """Warn of files by name; those with the same reason share a line.

    Parameters
    ----------
    word : str
        What the line begins with, such as ``FAILED``.
    reasons : mapping
        Name of each file to its reason.
    noun : str
        What the files are, for the number of those that share a line.
    remark : str
        To stand at the end of each line.
    """
    groups: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        # a reason often names its own file
        groups.setdefault(reason.replace(PurePath(name).name, 'the file'), []).append(name)
    for reason, names in groups.items():
        if len(names) == 1:
            said = f'{word} {names[0]}: {reasons[names[0]]}{remark}'
        else:
            said = f'{word} {count(len(names), noun)}: {reason}{remark}: {some_of(names)}'
        logger.warning('%s', said, extra={'tone': 'bad', 'toned': word})
        if len(names) > NAMED:
            logger.debug('%s %s: all of them: %s', word, count(len(names), noun), ', '.join(names))


def say_not_run(reasons: Mapping[str, str]) -> None:
    """Keep in mind which extractors do not run; `tell_not_run` says it."""
    _not_run.update(reasons)


def forget_not_run() -> None:
    """Forget what an earlier run of this process did not get to say."""
    _not_run.clear()


def tell_not_run() -> None:
    """Say once which extractors did not run; those with the same reason share a line."""
    for reason in dict.fromkeys(_not_run.values()):
        names = [name for name, own in _not_run.items() if own == reason]
        logger.info('not run: %s: %s', ', '.join(names), reason)
    _not_run.clear()
