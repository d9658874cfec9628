"""Measurements are tied to the bytes that were read, because files may be replaced at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from bids_reid.bids.files import file_sha256
from bids_reid.errors import ReidError, ScanError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar('T')
FileState = tuple[int, int, int, int]
CHANGED = 'the file changed while it was read: run again when no other program writes to it'


def file_state(path: Path) -> FileState | None:
    """Return what the file system says of a file, which changes with it; ``None`` without one."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def file_size(path: Path) -> int:
    """Bytes of a file; 0 without one."""
    state = file_state(path)
    return 0 if state is None else state[1]


def read_unchanged(path: Path, read: Callable[[], T]) -> tuple[str, T]:
    """Call a function that reads a file; return the file's SHA-256 and the function's result.

    If the file changed meanwhile it is called once more.

    Raises
    ------
    ScanError
        The file changed again, or is not there.
    Exception
        Whatever the function raises of a file that did not change.
    """
    for _ in range(2):
        before = _bytes_of(path)
        try:
            result = read()
        except (ReidError, OSError, ValueError):
            if _bytes_of(path) == before:
                raise
            continue
        if before is not None and _bytes_of(path) == before:
            return before[0], result
    raise ScanError(f'{path.name}: {CHANGED}')


def _bytes_of(path: Path) -> tuple[str, FileState | None] | None:
    """Return the hash of a file and its state; ``None`` if it cannot be read.

    The state tells of a file that was replaced and put back, the hash of one that was changed
    within one tick of the file system's clock.
    """
    try:
        return file_sha256(path), file_state(path)
    except OSError:
        return None
