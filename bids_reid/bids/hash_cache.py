"""A cache of contents and hashes of files, by what the file system says of each.

A file is the same if its device, inode, size and both its times are; the time of change (ctime)
cannot be set by a program. One that changed within the last two seconds is not kept: it could
change again without another time.
"""

from __future__ import annotations

import json
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bids_reid import __version__
from bids_reid.bids.files import atomically
from bids_reid.bids.formats import Content
from bids_reid.bids.text_files import parse_json
from bids_reid.errors import CannotWriteError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_VERSION = f'# bids_reid {__version__}: contents of files, 3\n'.encode()
"""Version of the cache.

Another version, or another number here, may take different contents for images.
"""
_SHA256 = re.compile(rb'([0-9a-f]{64})?')
RACY_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Known:
    """What was found out about a file; ``sha256`` is ``None`` if nobody needed it."""

    content: Content
    sha256: str | None


class HashCache:
    """Contents and hashes of files from one run to the next.

    Parameters
    ----------
    path : Path or None
        The file that keeps them; ``None`` keeps them for this run only. It is read now; what is
        damaged or cannot be read counts as not there.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lines: dict[int, bytes] = dict(_read(path))
        self._new: set[int] = set()

    def __len__(self) -> int:
        return len(self._lines)

    def get(self, status: os.stat_result) -> Known | None:
        """Return what is known of a file, ``None`` if it is new or has changed."""
        return self._get(_file(status), _state(status))

    def get_blob(self, name: bytes, size: int) -> Known | None:
        """Return what is known of an object of git, whose name is the hash of its content."""
        return self._get(_blob(name), _blob_state(size))

    def _get(self, file: int, state: bytes) -> Known | None:
        line = self._lines.get(file)
        if line is None or not line.startswith(state):
            return None
        try:
            format_, sha256, details = line.rstrip(b'\n').split(b'\t')[-3:]
            content = Content(format_.decode(), tuple(parse_json(details.decode())))
        except (ValueError, TypeError):
            return None
        return Known(content, sha256.decode() or None)

    def put(self, status: os.stat_result, known: Known) -> None:
        """Keep what was found out about a file, unless it changed just now.

        Parameters
        ----------
        status : os.stat_result
            Of before its content was read.
        """
        if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < RACY_NS:
            return
        self._put(_file(status), _state(status), known)

    def put_blob(self, name: bytes, size: int, known: Known) -> None:
        """Keep what was found out about an object of git."""
        self._put(_blob(name), _blob_state(size), known)

    def _put(self, file: int, state: bytes, known: Known) -> None:
        details = json.dumps(known.content.details)
        rest = f'{known.content.format}\t{known.sha256 or ""}\t{details}\n'
        self._lines[file] = state + rest.encode()
        self._new.add(file)

    def save(self) -> None:
        """Write them, and those that another process wrote meanwhile; errors are passed over."""
        if self._path is None or not self._new:
            return
        lines = dict(_read(self._path))
        lines.update((file, self._lines[file]) for file in self._new)
        try:
            with atomically(self._path) as temporary, temporary.open('wb') as file:
                file.write(_VERSION)
                file.writelines(_written(lines.items()))
        except (CannotWriteError, OSError):
            # the next run has to read the files again, no more
            return
        self._new.clear()


def _file(status: os.stat_result) -> int:
    return status.st_dev << 64 | status.st_ino


def _blob(name: bytes) -> int:
    # far larger than the number of any device
    return (1 << 256 | int.from_bytes(name)) << 64


def _blob_state(size: int) -> bytes:
    return b'%d\t0\t0\t' % size


def _state(status: os.stat_result) -> bytes:
    return b'%d\t%d\t%d\t' % (status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _written(lines: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
    for file, line in lines:
        yield b'%d\t%d\t' % (file >> 64, file & (1 << 64) - 1) + line


def _read(path: Path | None) -> Iterator[tuple[int, bytes]]:
    """Yield the whole lines of a file of this version."""
    if path is None:
        return
    try:
        with path.open('rb') as file:
            if file.readline() != _VERSION:
                return
            for line in file:
                device, inode, rest = [*line.split(b'\t', 2), b'', b''][:3]
                # of longer numbers Python makes none
                numbers = all(each.isdigit() and len(each) < 99 for each in (device, inode))
                if numbers and _is_whole(rest):
                    yield int(device) << 64 | int(inode), rest
    except OSError:
        return


def _is_whole(rest: bytes) -> bool:
    """Whether nothing of a line is missing."""
    fields = rest.split(b'\t')
    return len(fields) == 6 and fields[-1].endswith(b']\n') and bool(_SHA256.fullmatch(fields[4]))
