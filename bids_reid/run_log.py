"""The log file of a run: every message with its time, and the settings beside it.

It lies in ``logs`` of the output folder, which people pass on. So it names no user, no machine, no
folder above the dataset and no photograph. Two runs never share a log, also where their numbers
and their second are the same, as in containers of a job array.
"""

from __future__ import annotations

import logging
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from bids_reid.errors import CannotWriteError
from bids_reid.messages import logger
from bids_reid.printable import printable, without_folders

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = 'logs'
PREFIX = 'bids-reid_'
"""How the names of logs and of the settings beside them begin."""
HIDDEN = '[photograph]'


class RunLog(logging.Handler):
    """Keeps messages in memory until the output folder is this run's, then in a file.

    A run that may not write there, or has nothing to do, leaves no log.

    Parameters
    ----------
    settings : str
        The settings of the run, as TOML.
    folders : iterable of Path
        Folders that the run reads or writes: only their last names are written.
    """

    def __init__(self, settings: str, folders: Iterable[Path]) -> None:
        super().__init__(logging.DEBUG)
        self._settings = settings
        self._folders = tuple(folders)
        self._private: re.Pattern[str] | None = None
        self._waiting: list[str] = []
        self._file: TextIO | None = None
        self.path: Path | None = None
        formatter = logging.Formatter(
            '%(asctime)s %(levelname)-7s %(message)s', '%Y-%m-%dT%H:%M:%SZ'
        )
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def hide(self, names: Iterable[str]) -> None:
        """Write none of these names, which are those of photographs."""
        some = sorted(filter(None, set(names)), key=len, reverse=True)
        if some:
            self._private = re.compile('|'.join(map(re.escape, some)))

    def discreet(self, text: str) -> str:
        """Take folders and names of photographs out of a text."""
        text = without_folders(text, *self._folders)
        return text if self._private is None else self._private.sub(HIDDEN, text)

    def open(self, output_dir: Path) -> None:
        """Begin the file, with what was said before; a second call changes nothing.

        Raises
        ------
        CannotWriteError
            The folder cannot be written.
        """
        if self._file is not None:
            return
        folder = output_dir / FOLDER
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path, self._file = _new_file(folder)
            self._file.writelines(self._waiting)
            self._file.flush()
            if self._settings:
                with _private_file(self.path.with_suffix('.toml')) as file:
                    file.write(self.discreet(self._settings))
        except OSError as error:
            raise CannotWriteError(f'cannot write {folder}: {error.strerror}') from error
        self._waiting.clear()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; a disk that is full ends the run elsewhere, with a reason."""
        try:
            line = printable(self.discreet(self.format(record)), keep='\n\t') + '\n'
        except (TypeError, ValueError, KeyError):
            # a library's message that does not fit its arguments ends no run
            self.handleError(record)
            return
        if self._file is None:
            self._waiting.append(line)
            return
        with suppress(OSError, ValueError):
            self._file.write(line)
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None
        super().close()


def begin_log(output_dir: Path) -> None:
    """Begin the log file of the run that is going on, if it keeps one.

    Raises
    ------
    CannotWriteError
        The folder cannot be written.
    """
    for handler in logger.handlers:
        if isinstance(handler, RunLog):
            handler.open(output_dir)


def hide_in_log(names: Iterable[str]) -> None:
    """Keep names of photographs out of the log."""
    names = list(names)
    for handler in logger.handlers:
        if isinstance(handler, RunLog):
            handler.hide(names)


def _new_file(folder: Path) -> tuple[Path, TextIO]:
    """Make a file that no other run has.

    Raises
    ------
    OSError
        It cannot be made.
    """
    stem = f'{PREFIX}{time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())}_{os.getpid()}'
    number = 1
    while True:
        path = folder / (f'{stem}.log' if number == 1 else f'{stem}-{number}.log')
        try:
            return path, _private_file(path)
        except FileExistsError:
            number += 1


def _private_file(path: Path) -> TextIO:
    """Make a new text file for its owner only.

    Raises
    ------
    OSError
        It is there, or cannot be made.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    return os.fdopen(handle, 'w', encoding='utf-8', errors='backslashreplace')
