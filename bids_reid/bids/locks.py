"""File locks that keep runs on one output folder apart.

POSIX locks of byte ranges: the system gives them back when their process ends, however it ends,
and they hold between the nodes of a cluster. They belong to the process: once it closes a file,
however often that is open, its locks are gone.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import struct
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from bids_reid.bids.layout import sweep_output
from bids_reid.errors import CannotWriteError
from bids_reid.messages import logger

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

LOCKS = '.locks'
"""File in an output folder, with one byte per participant."""
_HELD = (errno.EACCES, errno.EAGAIN)
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_FLOCK = struct.Struct('hhqqi4x')
"""C's ``struct flock`` on Linux: type, whence, start, length, process."""


class NoLocksError(Exception):
    """The file system knows no locks."""


class _HeldError(Exception):
    """Another process has a lock in a range of bytes; length 0 has no end."""

    def __init__(self, start: int, length: int) -> None:
        super().__init__()
        self.range = start, length


@contextmanager
def locked_output(output_dir: Path, participants: Collection[str] = ()) -> Iterator[None]:
    """Keep other runs away from what this one writes, as long as the block runs.

    Runs of different participants go on side by side. Where the file system knows no locks, a line
    says so. What killed runs left half-written is removed.

    Parameters
    ----------
    output_dir : Path
        Made if it is not there.
    participants : collection of str
        Labels of those whose results may be written; without any, everything.

    Raises
    ------
    CannotWriteError
        Another run writes there, or the folder cannot be written.
    """
    try:
        output_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(output_dir / LOCKS, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotWriteError(f'cannot write {output_dir}: {error.strerror}') from error
    try:
        try:
            _lock_all(handle, participants)
        except NoLocksError:
            logger.info(
                f'the file system of {output_dir} does not support locks: make sure that no '
                'other run writes there'
            )
        except _HeldError as held:
            raise CannotWriteError(
                f'{output_dir} is being written by another run{_who(handle, held, output_dir)}: '
                'wait until it ends, or name another output folder'
            ) from None
        sweep_output(output_dir, participants)
        try:
            yield
        except BaseException:
            # whoever wrote was killed, or could not go on
            sweep_output(output_dir, participants)
            raise
    finally:
        os.close(handle)


def _lock_all(handle: int, participants: Collection[str]) -> None:
    """Lock the bytes of participants, or all there can be."""
    if not participants:
        _lock(handle, 0, 0)
    for label in sorted(set(participants)):
        _lock(handle, _place(label), 1)


def _lock(handle: int, start: int, length: int) -> None:
    """Lock a range, without waiting.

    Raises
    ------
    _HeldError
        Another process has a lock there.
    NoLocksError
        The file system knows none.
    """
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB, length, start)
    except OSError as error:
        if error.errno in _HELD:
            raise _HeldError(start, length) from None
        if error.errno in _NO_LOCKS:
            raise NoLocksError from error
        raise CannotWriteError(f'cannot lock the output folder: {error.strerror}') from error


def _place(participant: str) -> int:
    """Byte of a participant: one of so many that no two people share it."""
    return int.from_bytes(hashlib.sha256(participant.encode()).digest()[:8], 'big') >> 2


def _who(handle: int, held: _HeldError, output_dir: Path) -> str:
    """Say which process has a lock, and on whom, as far as the system tells."""
    if not sys.platform.startswith('linux'):
        return ''
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, *held.range, 0)
    try:
        kind, _, start, length, process = _FLOCK.unpack(fcntl.fcntl(handle, fcntl.F_GETLK, asked))
    except OSError:
        return ''
    # of another machine, or of another container, there is no number that says anything here
    known = kind != fcntl.F_UNLCK and process > 0
    told = [f'process {process}'] if known else []
    if length == 1:
        labels = (folder.name.removeprefix('sub-') for folder in output_dir.glob('sub-*'))
        told += [f'sub-{label}' for label in labels if _place(label) == start]
    return f' ({", ".join(dict.fromkeys(told))})' if told else ''


def hold(path: Path) -> int | None:
    """Lock a whole file, which is made if it is not there.

    Returns
    -------
    The open file, which is to be closed at the end; ``None`` if another process has it, or removed
    it meanwhile.

    Raises
    ------
    NoLocksError
        The file system knows no locks.
    OSError
        The file cannot be opened.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(handle, 0, 0)
        if os.path.samestat(os.fstat(handle), path.stat()):
            return handle
    except (_HeldError, FileNotFoundError):
        pass
    except BaseException:
        os.close(handle)
        raise
    with suppress(OSError):
        os.close(handle)
    return None
