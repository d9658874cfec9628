"""Files of volumes that somebody else wrote: unpacked no further than they say, one typed error.

A damaged header makes a library raise whatever it meets first, and may tell of more numbers than
there is memory for; a small packed file may hold gigabytes of zeros.
"""

from __future__ import annotations

import bz2
import io
import logging
import lzma
import warnings
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nibabel.imageglobals import logger as nibabel_logger

from bids_reid.errors import ReidError, ScanError, is_refusal
from bids_reid.printable import without_folders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Buffer

MOST_BYTES = 4 << 30
"""Largest size of a volume of a head; the finest scans of living people have a quarter of it."""
MOST_HIDDEN = 100_000
"""Largest number of bytes beside the volume in the header; more may be another head."""
_BLOCK = 1 << 20
_SAID = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""Errors whose text is about the file itself; those of other types are about its header."""


class DamagedError(ValueError):
    """A file says something that cannot be; the text says what, without the file's name."""


@contextmanager
def reading(name: str, *hidden: Path) -> Iterator[None]:
    """Turn whatever a library meets in a damaged file into one error that names the file.

    Parameters
    ----------
    name : str
        Of the file, for the message.
    hidden : Path
        Files whose paths a library may put into its message: their name is put there instead.

    Raises
    ------
    ScanError
        The file is damaged.
    OSError, MemoryError
        The machine refuses something: that is nothing about the file.
    """
    try:
        # what a library mends or doubts is said by whoever uses the numbers
        with warnings.catch_warnings(), _silent():
            warnings.simplefilter('ignore')
            yield
    except ReidError:
        raise
    except MemoryError:
        raise
    except OSError as error:
        if is_refusal(error):
            raise
        raise ScanError(f'cannot read {name}: {_words(error, name, *hidden)}') from error
    # libraries raise errors of every type
    except Exception as error:
        raise ScanError(f'cannot read {name}: {_words(error, name, *hidden)}') from error


@contextmanager
def _silent() -> Iterator[None]:
    """Let nibabel's log go nowhere: without any handler Python would print it."""
    before = nibabel_logger.handlers, nibabel_logger.propagate
    nibabel_logger.handlers, nibabel_logger.propagate = [logging.NullHandler()], False
    try:
        yield
    finally:
        nibabel_logger.handlers, nibabel_logger.propagate = before


def _words(error: Exception, name: str, *hidden: Path) -> str:
    """Say in one line what an error says, with names of files instead of their paths."""
    if isinstance(error, KeyError):
        return f'the header does not give {error}'
    text = (getattr(error, 'strerror', None) or str(error)).strip() or type(error).__name__
    for path in hidden:
        text = text.replace(str(path), name)
    text = without_folders(text.splitlines()[0], *(path.parent for path in hidden))
    if isinstance(error, (*_SAID, DamagedError)) or type(error).__module__.startswith('nibabel'):
        return text
    return f'the header is damaged ({text})'


def check_size(n_values: int, item_bytes: int) -> None:
    """Find out whether a volume that a header tells of can be one of a head.

    Raises
    ------
    DamagedError
        It is too large.
    """
    n_bytes = n_values * item_bytes
    if n_bytes > MOST_BYTES:
        raise DamagedError(
            f'the header describes {n_bytes / 1e9:,.1f} GB of data, more than any head scan has'
        )


def packed_as(start: bytes) -> str | None:
    """Name how a file is packed, by its first bytes; ``None`` if it is not."""
    for mark, kind in ((b'\x1f\x8b', 'gz'), (b'BZh', 'bz2'), (b'\xfd7zXZ', 'xz')):
        if start.startswith(mark):
            return kind
    return None


def opened(path: Path, block: int = _BLOCK) -> io.BufferedIOBase:
    """Open a file for reading what is packed in it, or what it holds; content tells.

    It is read ``block`` bytes at a time.
    """
    with path.open('rb') as file:
        packed = packed_as(file.read(6))
    if packed is None:
        return path.open('rb')
    return io.BufferedReader(Unpacked(path, packed, block=block), block)


def some_bytes(source: io.BufferedIOBase, most: int) -> io.BytesIO:
    """Read to the end, or up to ``most`` bytes; memory grows with what is there."""
    content = io.BytesIO()
    while content.tell() < most and (more := source.read(min(_BLOCK, most - content.tell()))):
        content.write(more)
    return content


def check_hidden(n_bytes: int) -> None:
    """Find out whether a file has more in it than the header describes.

    Raises
    ------
    DamagedError
        It has: another volume may be there, which nobody would see.
    """
    if n_bytes > MOST_HIDDEN:
        raise DamagedError(
            f'more than {MOST_HIDDEN:,} bytes in it do not belong to the volume: '
            'inspect it yourself'
        )


def check_behind(packed: Unpacked, notes: list[str]) -> None:
    """Note bytes behind the end of what is packed.

    Raises
    ------
    DamagedError
        They are so many that a head may be in them.
    """
    if not packed.n_behind:
        return
    text = f'{packed.n_behind:,} bytes follow the end of the compressed data'
    if packed.n_behind > MOST_HIDDEN:
        raise DamagedError(f'{text}: inspect it yourself')
    notes.append(f'{text}: ignored')


def count_bytes(source: io.BufferedIOBase, most: int) -> int:
    """Count the bytes to the end, or ``most`` if there are more, without keeping them."""
    n_bytes = 0
    while n_bytes < most and (more := source.read(min(_BLOCK, most - n_bytes))):
        n_bytes += len(more)
    return n_bytes


def unpacked_bytes(packed: bytes, most: int) -> int:
    """Count the bytes that zlib packed, as far as they are no more than ``most``.

    Raises
    ------
    zlib.error
        It did not pack them.
    """
    zipped = zlib.decompressobj()
    n_bytes = len(zipped.decompress(packed, _BLOCK))
    while zipped.unconsumed_tail and n_bytes <= most:
        n_bytes += len(zipped.decompress(zipped.unconsumed_tail, _BLOCK))
    return n_bytes


class _Deflated:
    """A member of a gzip file, or a stream of zlib, by the names that `bz2` and `lzma` use."""

    def __init__(self) -> None:
        # either is told by its start
        self._inner = zlib.decompressobj(47)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


_UNPACKERS: dict[str, Any] = {
    'gz': _Deflated,
    'zlib': _Deflated,
    'bz2': bz2.BZ2Decompressor,
    'xz': lzma.LZMADecompressor,
}


class Unpacked(io.RawIOBase):
    """What is packed in a file, unpacked as far as it is read, with its checksums.

    Going back starts from the beginning. Several members one behind the other are one content;
    zeros may fill the file up.

    Parameters
    ----------
    packed : str
        How: gz, zlib, bz2 or xz.
    start : int
        Where in the file what is packed begins.
    block : int
        Bytes that are read at a time.

    Attributes
    ----------
    n_behind : int
        Bytes behind the end of what is packed, known at its end.
    """

    def __init__(self, path: Path, packed: str, start: int = 0, block: int = _BLOCK) -> None:
        self._file = path.open('rb')
        self._start, self._block = start, block
        self._make = _UNPACKERS[packed]
        self._packed = packed
        self._restart()

    def _restart(self) -> None:
        self._file.seek(self._start)
        self._one = self._make()
        self._at, self._rest, self.n_behind = 0, b'', 0
        self._ended = False

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that places can be gone to."""
        return True

    def tell(self) -> int:
        """Place in what is unpacked."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, from the start or from here."""
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation('the end is not known')
        target = offset + (self._at if whence == io.SEEK_CUR else 0)
        if target < self._at:
            self._restart()
        while self._at < target and self._more(min(_BLOCK, target - self._at)):
            pass
        return self._at

    def readinto(self, buffer: Buffer) -> int:
        """Fill a buffer, or a part of it; 0 at the end.

        Raises
        ------
        DamagedError
            The file ends too early.
        """
        view = memoryview(buffer).cast('B')
        found = self._more(len(view))
        view[: len(found)] = found
        return len(found)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _more(self, n_bytes: int) -> bytes:
        found = b''
        while not found and not self._ended and n_bytes:
            if self._one.eof:
                self._next_member()
                continue
            packed = b''
            if self._one.needs_input:
                packed, self._rest = self._rest or self._file.read(self._block), b''
            found = self._one.decompress(packed, n_bytes)
            if not packed and not found and self._one.needs_input and not self._one.eof:
                raise DamagedError('the compressed data end too early')
        self._at += len(found)
        return found

    def _next_member(self) -> None:
        rest = self._one.unused_data + self._rest
        # zeros fill up blocks of a tape
        while not (rest := rest.lstrip(b'\0')) and (more := self._file.read(_BLOCK)):
            rest = more
        rest += self._file.read(6 - len(rest)) if len(rest) < 6 else b''
        if packed_as(rest) == self._packed:
            self._one, self._rest = self._make(), rest
            return
        self._ended = True
        self.n_behind = len(rest) + self._left()

    def _left(self) -> int:
        here = self._file.tell()
        return self._file.seek(0, io.SEEK_END) - here
