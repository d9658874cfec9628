"""Pictures that others made: opened within bounds, turned upright, and made grey.

A file may be damaged, strange, or made to do harm. Whatever a decoder raises about it is why this
one cannot be read, and ends nothing else. What a file asks for is known from its header before it
is unpacked; two limits, of memory and of time, hold for what no header tells.
"""

from __future__ import annotations

import errno
import io
import os
import resource
import signal
import threading
import time
import warnings
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFile
from pillow_heif import register_heif_opener

from bids_reid.errors import MachineError, PhotoError, ReidError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import FrameType

    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]

DAMAGED = 'not a picture, or damaged'
GONE = 'not there, or a link without content'
FORMATS = (
    *('JPEG', 'PNG', 'GIF', 'TIFF', 'WEBP', 'HEIF', 'AVIF', 'BMP', 'DIB', 'JPEG2000'),
    *('PPM', 'PSD', 'ICO', 'PCX', 'QOI', 'SGI', 'TGA'),
)
"""Formats of Pillow.

EPS is left out: it is a program, and Pillow would start another program for it.
"""
MOST_PIXELS = 150_000_000
"""Largest picture that is unpacked, unless its format can unpack a reduced version."""
MOST_PIXELS_OF = {
    **dict.fromkeys(('WEBP', 'HEIF', 'AVIF', 'GIF', 'TGA'), 60_000_000),
    'JPEG2000': 30_000_000,
    'JPEG': 1_000_000_000,
    'MPO': 1_000_000_000,
}
"""Decoders that take many times the memory of their pixels, and one that can unpack less."""
MOST_DEEP_PIXELS = 40_000_000
"""The same for pictures of more than 8 bits, which are scaled by all of their values."""
MOST_PASSES = 3_000_000_000
"""Largest number of pixels times the passes in which a JPEG file draws them."""
LARGEST_BYTES = 500_000_000
"""Largest file that is read if its decoder reads the whole file."""
MEMORY = 1_500_000_000
"""Memory in bytes that one picture may take in addition to the process."""
SECONDS = 15.0
"""Processor time for unpacking everything that is looked at in a picture."""
BAND_PIXELS = 4_000_000
"""Pixels converted to grey at a time: colours take at least four times the memory of grey."""
_WHOLE = ((8, b'WEBP'), (4, b'ftyp'), (0, b'\xff\xd8\xff'))
"""Signatures of files that are read as a whole."""
_SHORT = (errno.ENOMEM, errno.EMFILE, errno.ENFILE)
"""Errors of a machine that lacks something, whatever the file."""
_JPEG = ('JPEG', 'MPO')
_SCAN = b'\xff\xda'
_ORIENTATION = 0x0112
_OWN_LIMITS: set[int] = set()
"""Memory limits that were set here and are in force."""
_TILE_WIDTH, _TILE_HEIGHT = 322, 323


@contextmanager
def one_picture(said: str = DAMAGED) -> Iterator[None]:
    """Make whatever is raised about one file the reason why it cannot be read.

    Within it Pillow opens pictures of any size and says nothing of its own, and no more than
    `MEMORY` is taken. It may be nested.

    Parameters
    ----------
    said : str
        The reason if there is no better one. No reason holds a name, which may be a person's.

    Raises
    ------
    PhotoError
        It cannot be read.
    MachineError
        The machine lacks memory, or files that may be open.
    """
    with ExitStack() as stack:
        stack.enter_context(_pillow())
        ours = stack.enter_context(_limited_memory())
        try:
            yield
        except ReidError:
            raise
        except FileNotFoundError as error:
            raise PhotoError(GONE) from error
        except MemoryError as error:
            if ours:
                raise PhotoError(f'needs more than {MEMORY / 1e9:g} GB of memory') from error
            raise MachineError('not enough memory to open a picture') from None
        except OSError as error:
            if ours and error.errno == errno.ENOMEM:
                # a file that is mapped into memory as a whole
                raise PhotoError(f'needs more than {MEMORY / 1e9:g} GB of memory') from error
            if error.errno in _SHORT:
                raise MachineError(f'cannot open a picture: {error.strerror}') from None
            refused = error.errno in (errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE)
            why = f'cannot be read: {error.strerror}' if refused else said
            raise PhotoError(why) from error
        except Exception as error:
            # decoders raise IndexError, KeyError, struct.error, RuntimeError and many more
            raise PhotoError(said) from error


@contextmanager
def _pillow() -> Iterator[None]:
    """Let Pillow open large pictures, as their size is judged here, and nothing that is cut."""
    register_heif_opener()
    Image.init()
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    # face_recognition makes Pillow fill what a cut file lacks with grey, without a word
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        with warnings.catch_warnings():
            # about metadata and the like, of a file that it does not name
            warnings.simplefilter('ignore')
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


@contextmanager
def _limited_memory() -> Iterator[bool]:
    """Refuse this process more than `MEMORY` besides what it has.

    What a file asks for by a detail that no check knows then fails in its decoder.

    Yields
    ------
    bool
        Whether the limit is this one; else the process had a stricter one before.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _taken() + MEMORY
    if soft != resource.RLIM_INFINITY and soft <= limit:
        yield soft in _OWN_LIMITS
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    _OWN_LIMITS.add(limit)
    try:
        yield True
    finally:
        _OWN_LIMITS.discard(limit)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _taken() -> int:
    """Bytes of address space that this process has."""
    with open('/proc/self/statm', encoding='ascii') as file:  # noqa: PTH123 (called often)
        return int(file.read().split()[0]) * resource.getpagesize()


class OpenedPicture:
    """The frames of a picture; to be used within `one_picture`, which makes errors of a reason.

    Parameters
    ----------
    source : Path or bytes
        A file, or its content.
    smallest_side : int, optional
        A JPEG file is unpacked smaller than it is if both sides stay as long as this, ...
    above : int
        ... and if it has more pixels than this.

    Raises
    ------
    PhotoError
        The file is too large, or opening it takes too long.
    """

    def __init__(
        self, source: Path | bytes, smallest_side: int | None = None, above: int = 0
    ) -> None:
        _check_bytes(source)
        self._source = source
        self._smallest_side = smallest_side
        self._above = above
        self._seconds_left = SECONDS
        with self._timed():
            self._picture = Image.open(
                io.BytesIO(source) if isinstance(source, bytes) else source,
                formats=[name for name in FORMATS if name in Image.OPEN],
            )

    def __enter__(self) -> OpenedPicture:
        """Leave the file open until the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._picture.close()

    @property
    def format(self) -> str:
        """Pillow's name of the format."""
        return self._picture.format or ''

    def n_frames(self) -> int:
        """Count the frames; all of the file may have to be read for it."""
        with self._timed():
            return int(getattr(self._picture, 'n_frames', 1))

    def frame(self, number: int | None = None) -> Image.Image:
        """Unpack a frame; the main one if no number is given.

        Raises
        ------
        PhotoError
            It is too large, or all of the time has been taken.
        """
        with self._timed():
            if number is not None and self._picture.tell() != number:
                self._picture.seek(number)
            self._check_size()
            with _silent_decoder() if self.format == 'TIFF' else nullcontext():
                self._picture.load()
        return self._picture

    def orientation(self) -> int:
        """Return what EXIF says of how a frame that is unpacked lies; 1, upright, if it is broken.

        Everything else shows such a picture, too.
        """
        with self._timed():
            try:
                return int(self._picture.getexif().get(_ORIENTATION, 1))
            except (ReidError, MemoryError):
                raise
            except Exception:  # noqa: BLE001 (whatever is wrong with it)
                return 1

    def _check_size(self) -> None:
        """Find out from the header whether a frame can be unpacked; smaller, if it is a JPEG.

        Raises
        ------
        PhotoError
            It cannot.
        """
        picture, most = self._picture, MOST_PIXELS_OF.get(self.format, MOST_PIXELS)
        if is_deep(picture):
            most = min(most, MOST_DEEP_PIXELS)
        if self.format in _JPEG:
            n_passes = jpeg_passes(_content(self._source))
            if n_passes > 1:
                # until the last pass all of it is kept
                most = min(MOST_PIXELS, MOST_PASSES // n_passes)
        _check_pixels(picture, most)
        if self.format in _JPEG and self._smallest_side is not None:
            if picture.width * picture.height > self._above:
                picture.draft('L', (self._smallest_side, self._smallest_side))
            _check_pixels(picture, MOST_PIXELS)
        if self.format == 'TIFF' and _tile_bytes(picture) > MEMORY:
            raise PhotoError('too large: one of its tiles is')

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Leave a decoder that takes too long at its next step."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        start = time.process_time()
        before = signal.signal(signal.SIGVTALRM, _ring)
        # again after a second, as the code that is left may take it for an error of the file
        signal.setitimer(signal.ITIMER_VIRTUAL, max(self._seconds_left, 0.001), 1)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            signal.signal(signal.SIGVTALRM, before)
            self._seconds_left -= time.process_time() - start


@contextmanager
def _silent_decoder() -> Iterator[None]:
    """Let libtiff say nothing: of a damaged file it complains line by line, past Python."""
    before = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(nowhere)
        os.close(before)


def _ring(_signal: int, _frame: FrameType | None) -> None:
    raise PhotoError('takes too long to unpack')


def _check_pixels(picture: Image.Image, most: int) -> None:
    """Compare the size of a picture with what can be unpacked.

    Raises
    ------
    PhotoError
        It is larger.
    """
    if picture.width * picture.height > most:
        raise PhotoError(f'too large: {picture.width} x {picture.height} pixels')


def _check_bytes(source: Path | bytes) -> None:
    """Find out whether a file that is read whole is too large for it.

    Raises
    ------
    PhotoError
        It is.
    """
    if isinstance(source, bytes) or source.stat().st_size <= LARGEST_BYTES:
        return
    with source.open('rb') as file:
        start = file.read(16)
    if any(start[place:].startswith(mark) for place, mark in _WHOLE):
        raise PhotoError(f'too large: {source.stat().st_size:,} bytes')


def _content(source: Path | bytes) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


def is_deep(picture: Image.Image) -> bool:
    """Whether a picture has more than 8 bits a colour, which nothing says the range of."""
    return picture.mode in ('I', 'F') or picture.mode.startswith('I;16')


def _tile_bytes(picture: Image.Image) -> int:
    """Bytes of one tile of a TIFF file, which may be larger than all of the picture."""
    tags = getattr(picture, 'tag_v2', {})
    width, height = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_HEIGHT, 0)
    return int(width) * int(height) * len(picture.getbands()) * (4 if is_deep(picture) else 1)


def jpeg_passes(content: bytes) -> int:
    """Count the passes in which a JPEG file draws its picture: above 1, all of it is kept."""
    place = 2
    while content[place : place + 1] == b'\xff':
        code = content[place + 1 : place + 2]
        if code == _SCAN[1:]:
            # neither mark is among the coded numbers
            end = content.find(b'\xff\xd9', place)
            return content.count(_SCAN, place, end if end >= 0 else len(content))
        place += 1 if code == b'\xff' else 2 + int.from_bytes(content[place + 2 : place + 4])
    # something else lies between its parts, where decoders skip it
    return content.count(_SCAN)


def in_grey(picture: Image.Image, *, on_paper: bool) -> Grey:
    """Make a picture of up to 8 bits a colour grey (h, w), upright if the file says how it lies.

    Parameters
    ----------
    picture : PIL.Image.Image
        Unpacked.
    on_paper : bool
        Whether what is behind a transparent picture is white; else transparency is left aside.
    """
    width, height = picture.size
    grey = np.empty((height, width), np.uint8)
    rows = max(1, BAND_PIXELS // width)
    transparent = on_paper and ('A' in picture.getbands() or 'transparency' in picture.info)
    for start in range(0, height, rows):
        band = picture.crop((0, start, width, min(start + rows, height)))
        if transparent:
            band = band.convert('RGBA')
            band = Image.alpha_composite(Image.new('RGBA', band.size, 'white'), band)
        grey[start : start + rows] = np.asarray(band.convert('RGB').convert('L'))
    return grey


def turned(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turn or mirror pixels (h, w) as one of EXIF's eight orientations says; others are none."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.T
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
