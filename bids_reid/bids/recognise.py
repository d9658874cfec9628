"""How a file's content is recognised: marks first, then containers, then text."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from bids_reid.bids.archives import sniff_database, sniff_tar, sniff_zip
from bids_reid.bids.data_arrays import is_mat4, sniff_hdf5, sniff_mat, sniff_mat4, sniff_npy
from bids_reid.bids.fif import sniff_fif
from bids_reid.bids.formats import BINARY, EMPTY, OTHER, Content
from bids_reid.bids.magic import by_marks
from bids_reid.bids.markup import by_header, by_text, is_text, pdf_has_pictures

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = 1 << 16
_BLOCK = 1 << 20
_COMPRESSED = {
    b'\x1f\x8b': lambda file: gzip.GzipFile(fileobj=file),
    b'BZh': bz2.BZ2File,
    b'\xfd7zXZ\0': lzma.LZMAFile,
    b'\x5d\0\0': lzma.LZMAFile,
}
_PACKED = (b'\x1f\x8b\x08', b'BZh', b'\xfd7zXZ\0', b'\x28\xb5\x2f\xfd')
_BROKEN = (zlib.error, lzma.LZMAError, EOFError, gzip.BadGzipFile, ValueError)


def recognise(file: BinaryIO, *, nested: bool = False) -> Content:
    """See `bids_reid.bids.formats.sniff_file`."""
    size = None if nested else file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(HEAD)
    if not head:
        return Content(EMPTY)
    for mark, opener in _COMPRESSED.items():
        if head.startswith(mark):
            return _compressed(file, opener, nested=nested)
    return _plain(file, head, size, nested=nested)


def _plain(file: BinaryIO, head: bytes, size: int | None, *, nested: bool) -> Content:
    """Recognise what is not compressed."""
    content = by_header(head) or by_marks(head, size)
    if content is not None:
        return _series(file) if content.format == 'dicom' else content
    content = _container(file, head, nested=nested)
    if content is not None:
        return content
    if is_text(head):
        return by_text(head, _blocks(file, len(head)))
    return Content(BINARY)


def _container(file: BinaryIO, head: bytes, *, nested: bool) -> Content | None:
    """Recognise what holds several things; in an archive it is not opened."""
    content = None
    if head.startswith((b'PK\x03\x04', b'PK\x05\x06', b'PK\x07\x08')):
        content = Content('archive') if nested else sniff_zip(file)
    elif head[257:262] == b'ustar' or _old_tar(head):
        content = Content('archive') if nested else sniff_tar(file)
    elif head.startswith((b'\x89HDF\r\n\x1a\n', b'MATLAB 7.3')):
        content = Content('array') if nested else sniff_hdf5(file)
    elif head.startswith(b'MATLAB 5.0'):
        content = Content('array') if nested else sniff_mat(file)
    elif is_mat4(head):
        content = sniff_mat4(file)
    elif head.startswith(b'\x93NUMPY'):
        content = sniff_npy(head)
    elif head[:4] == b'\0\0\0\x64' and head[4:8] == b'\0\0\0\x1f':
        content = sniff_fif(file)
    elif head.startswith(b'SQLite format 3\0'):
        content = sniff_database(_blocks(file, 0))
    elif b'%PDF-' in head[:1024]:
        pictures = nested or pdf_has_pictures(_blocks(file, 0))
        content = Content('document' if pictures else OTHER)
    return content


def _compressed(file: BinaryIO, opener: Any, *, nested: bool) -> Content:
    """Recognise what is inside a compressed file."""
    file.seek(0)
    inner = cast('BinaryIO', opener(file))
    try:
        head = inner.read(HEAD)
    except (*_BROKEN, OSError):
        head = _first_bytes(file)
    if not head:
        return Content(BINARY)
    if head.startswith(_PACKED):
        # packed twice: it is not unpacked any further
        return Content('archive')
    if head[257:262] == b'ustar' or _old_tar(head):
        return Content('archive') if nested else sniff_tar(file)
    try:
        return _plain(inner, head, None, nested=True)
    except _BROKEN:
        # the start is whole, and was no image
        return Content(BINARY)


def _first_bytes(file: BinaryIO) -> bytes:
    """What a damaged gzip file, or one that is cut, still gives."""
    file.seek(0)
    try:
        return zlib.decompressobj(31).decompress(file.read(HEAD), HEAD)
    except zlib.error:
        return b''


def _old_tar(head: bytes) -> bool:
    """Whether it is a tar archive without the mark: its first checksum is right."""
    field = head[148:156].strip(b'\0 ')
    if len(head) < 512 or not field or not head[0] or set(field) - set(b'01234567'):
        return False
    return int(field, 8) == sum(head[:148]) + sum(head[156:512]) + 8 * 32


def _blocks(file: BinaryIO, start: int) -> Iterator[bytes]:
    file.seek(start)
    while block := file.read(_BLOCK):
        yield block


def _series(file: BinaryIO) -> Content:
    """DICOM with the UID of its series, if that can be read."""
    import warnings

    try:
        import pydicom
    except ImportError:
        return Content('dicom')
    tags = ['SeriesInstanceUID', 'StudyInstanceUID']
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            file.seek(0)
            header = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=tags)
            series = str(header.get('SeriesInstanceUID', '') or '')
        except Exception:  # noqa: BLE001
            # pydicom raises many kinds of errors for damaged files
            series = ''
    return Content('dicom', (series,) if series else ())
