"""Pictures inside documents: pages, drawings, notebooks, office files."""

from __future__ import annotations

import base64
import binascii
import re
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple
from zipfile import ZipFile, ZipInfo

from bids_reid.errors import PhotoError
from bids_reid.faces.opened_pictures import one_picture
from bids_reid.faces.pictures import picture_faces
from bids_reid.records import PictureFaces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOST_PICTURES = 300
"""Largest number of pictures taken from a document; further ones count as not readable."""
MOST_FOUND = 100_000
"""Largest number of pictures counted."""
LARGEST_BYTES = 500_000_000
LARGEST_PICTURE_BYTES = 200_000_000
"""Largest size, after decompression, of a picture that is taken from a document."""
LARGEST_TEXT_BYTES = 100_000_000
"""Largest size of text that is compressed or has two bytes per letter."""
DEEPEST = 3
"""Depth to which nested drawings and pages are followed."""
_BASE64 = re.compile(rb'[A-Za-z0-9+/](?:[A-Za-z0-9+/]|\\n|\\r|\s(?=[A-Za-z0-9+/=]))*+={0,2}')
"""Each letter is looked at once: a minimum of letters would look at some hundreds of times."""
_SHORTEST_BASE64 = 400
_SPACES = re.compile(rb'\\n|\\r|\s')
_PICTURES = (b'\xff\xd8\xff', b'\x89PNG', b'GIF8', b'II*\x00', b'MM\x00*', b'BM')
_OTHER_DATA = (
    *(b'\x1f\x8b', b'\x5c\x01\x00\x00', b'\x00\x00\x01\x5c', b'\x1c\x02\x00\x00n+2'),
    *(b'PK\x03\x04', b'%PDF'),
)
"""Compressed files, volumes and archives: they may contain an image, and are not opened."""
_CLOSED = (b'\xd0\xcf\x11\xe0', b'%!PS', b'{\\rtf', b'BZh', b'\xfd7zXZ', b'\x5d\x00\x00')
"""Old office files, PostScript, RTF, and compression other than gzip."""
_UTF_16 = (b'\xff\xfe', b'\xfe\xff')
_SAID = re.compile(rb'data:(image|video|model)/')
_MEDIA = re.compile(
    r'(^|/)(media|pictures|docprops|embeddings|objectreplacements|thumbnails)/', re.I
)
_DRAWN = ('.emf', '.wmf', '.wdp', '.bin', '.ole', '.mp4', '.avi', '.mov', '.mpg', '.wmv')
_TEXT_PICTURES = ('.xml', '.rels', '.txt', '.json', '.svg')
_PNG_COLOURS = {1: 0, 3: 2}
"""Colours of a pixel to PNG's code of them."""
_INDEXED = re.compile(
    rb'/Indexed\s*/DeviceRGB\s+(?P<last>\d+)\s*'
    rb'(?:<(?P<hex>[\da-fA-F\s]*)>|\((?P<text>(?:\\.|[^\\()])*)\))',
    re.DOTALL,
)
"""Colours by number, with the palette at the same place."""
_ESCAPED = re.compile(rb'\\([0-7]{1,3}|.)', re.DOTALL)
_ESCAPES = {b'n': b'\n', b'r': b'\r', b't': b'\t', b'b': b'\b', b'f': b'\f', b'\n': b''}


class _Found(NamedTuple):
    """A picture of a document; ``None`` for one that cannot be taken out."""

    content: bytes | None


def document_faces(path: Path) -> PictureFaces:
    """Ask whether there are faces in the pictures of a document: PDF, office file, page, drawing.

    Raises
    ------
    PhotoError
        It cannot be read, or nothing here reads its kind.
    """
    n_pictures = n_with_face = n_unreadable = 0
    with one_picture('cannot be read, or is damaged: inspect it yourself'):
        if path.stat().st_size > LARGEST_BYTES:
            raise PhotoError(f'too large ({path.stat().st_size:,} bytes): inspect it yourself')
        # one at a time: together they may be much larger than the document
        for number, picture in enumerate(_inside(path)):
            if number >= MOST_FOUND:
                break
            faces = _faces(picture) if number < MOST_PICTURES else None
            if faces is None:
                n_unreadable += 1
                continue
            n_pictures += 1
            n_with_face += faces.n_with_face > 0
            n_unreadable += faces.n_unreadable > 0
    return PictureFaces(n_pictures, n_with_face, n_unreadable)


def _faces(picture: _Found) -> PictureFaces | None:
    """Look at a picture of a document; ``None`` if it cannot be read."""
    if picture.content is None:
        return None
    try:
        return picture_faces(picture.content)
    except PhotoError:
        return None


def _inside(path: Path) -> Iterator[_Found]:
    """Pictures of a document; its first bytes tell what it is.

    Raises
    ------
    PhotoError
        Nothing here takes pictures out of such a document.
    """
    with path.open('rb') as file:
        start = file.read(1024)
    if start.startswith(b'PK'):
        return _office(path)
    if start.startswith(_CLOSED):
        raise PhotoError('cannot read this type of document: inspect it yourself')
    content = path.read_bytes()
    if start.startswith(_UTF_16):
        if len(content) > LARGEST_TEXT_BYTES:
            raise PhotoError('the text is too large (two bytes per letter): inspect it yourself')
        content = content.decode('utf-16').encode()
    return _pdf(content) if b'%PDF-' in start else _encoded(content, DEEPEST)


def _encoded(content: bytes, depth: int) -> Iterator[_Found]:
    """Pictures in base64, as pages, drawings and notebooks hold them."""
    if content.startswith((b'\x1f\x8b',)):
        content = _gunzipped(content)
    for match in _BASE64.finditer(content):
        if match.end() - match.start() <= _SHORTEST_BASE64:
            continue
        text = _SPACES.sub(b'', match[0])
        try:
            data = base64.b64decode(text[: len(text) // 4 * 4])
        except (binascii.Error, ValueError):
            continue
        before = content[max(0, match.start() - 60) : match.start()].lower()
        if data.startswith(_PICTURES) or data[8:12] == b'WEBP' or data[4:8] == b'ftyp':
            yield _Found(data)
        elif b'<svg' in data[:2000].lower() or b'image/svg' in before:
            if depth:
                yield from _encoded(data, depth - 1)
            else:
                yield _Found(None)
        elif data.startswith(_OTHER_DATA) or _SAID.search(before):
            yield _Found(None)


def _office(path: Path) -> Iterator[_Found]:
    """Pictures of an office document, which is an archive."""
    with ZipFile(path) as file:
        for member in file.infolist():
            name = member.filename
            if member.is_dir() or not _MEDIA.search(name) or name.endswith(_TEXT_PICTURES):
                continue
            small = member.file_size <= LARGEST_PICTURE_BYTES
            yield _Found(
                _member(file, member) if small and not name.lower().endswith(_DRAWN) else None
            )


def _member(file: ZipFile, member: ZipInfo) -> bytes | None:
    """Unpack a file of an archive; ``None`` if it is damaged, locked or packed otherwise."""
    try:
        with one_picture(), file.open(member) as packed:
            # what its entry says of its size need not be true
            content = packed.read(LARGEST_PICTURE_BYTES + 1)
    except PhotoError:
        return None
    return content if len(content) <= LARGEST_PICTURE_BYTES else None


def _pdf(content: bytes) -> Iterator[_Found]:
    """Pictures of a PDF file: its streams whose dictionary says so."""
    if b'/Encrypt' in content:
        yield _Found(None)
        return
    for match in re.finditer(rb'(?<!end)stream\r?\n', content):
        start = content.rfind(b' obj', max(0, match.start() - 4000), match.start())
        header = content[start if start >= 0 else match.start() - 1000 : match.start()]
        if not re.search(rb'/Subtype\s*/Image\b', header):
            continue
        end = content.find(b'endstream', match.end())
        data = content[match.end() : end if end >= 0 else len(content)]
        yield _Found(_pdf_picture(header, data))


def _pdf_picture(header: bytes, data: bytes) -> bytes | None:
    """Take a picture out of its stream; ``None`` if it is packed otherwise."""
    filters = re.findall(rb'/(\w+Decode)\b', header)
    if filters in ([b'DCTDecode'], [b'JPXDecode']):
        return data
    if filters == [b'FlateDecode', b'DCTDecode']:
        return _inflated(data)
    if filters == [b'FlateDecode']:
        return _bitmap(header, data)
    return None


def _gunzipped(content: bytes) -> bytes:
    """Unpack a drawing.

    Raises
    ------
    PhotoError
        It is too large, or cut.
    """
    unpacking = zlib.decompressobj(31)
    text = unpacking.decompress(content, LARGEST_TEXT_BYTES)
    if not unpacking.eof:
        raise PhotoError('truncated, or too large after decompression: inspect it yourself')
    return text


def _inflated(data: bytes) -> bytes | None:
    """Unpack; ``None`` if it is damaged, or unpacks to more than `LARGEST_PICTURE_BYTES`."""
    unpacking = zlib.decompressobj()
    try:
        content = unpacking.decompress(data, LARGEST_PICTURE_BYTES)
    except zlib.error:
        return None
    return None if unpacking.unconsumed_tail else content


def _bitmap(header: bytes, data: bytes) -> bytes | None:
    """Make a PNG file of bare pixels, eight bits a colour, each its own brightness."""
    width, height = (_entry(header, key) for key in (b'Width', b'Height'))
    if not 0 < width * height <= LARGEST_PICTURE_BYTES:
        return None
    if _entry(header, b'BitsPerComponent') != 8:
        return None
    pixels = _inflated(data)
    if pixels is None:
        return None
    # each line of what was filtered, as PNG filters, begins with the filter's number
    filtered = _entry(header, b'Predictor') >= 10
    n_colours = (len(pixels) // height - filtered) // width
    colours = _palette(header)
    if n_colours not in _PNG_COLOURS or (n_colours == 1 and colours is None):
        return None
    length = width * n_colours + filtered
    lines = [pixels[start : start + length] for start in range(0, length * height, length)]
    content = b''.join(lines) if filtered else b''.join(b'\0' + line for line in lines)
    code = 3 if colours else _PNG_COLOURS[n_colours]
    size = struct.pack('>2I5B', width, height, 8, code, 0, 0, 0)
    packed = zlib.compress(content, 1)
    chunks = [(b'IHDR', size), (b'PLTE', colours or b''), (b'IDAT', packed), (b'IEND', b'')]
    if not colours:
        del chunks[1]
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(one)) + name + one + struct.pack('>I', zlib.crc32(name + one))
        for name, one in chunks
    )


def _palette(header: bytes) -> bytes | None:
    """Red, green and blue of each number; none if they are grey; ``None`` if that is elsewhere."""
    if re.search(rb'/(Device|Cal)Gray\b', header) and b'/Indexed' not in header:
        return b''
    found = _INDEXED.search(header)
    if found is None:
        return None
    if found['hex'] is not None:
        colours = bytes.fromhex(found['hex'].decode('ascii'))
    else:
        colours = _ESCAPED.sub(_unescaped, found['text'])
    return colours if len(colours) == 3 * (int(found['last']) + 1) else None


def _unescaped(match: re.Match[bytes]) -> bytes:
    """Byte that an escape in a string of PDF stands for."""
    code = match[1]
    return bytes([int(code, 8) & 255]) if code.isdigit() else _ESCAPES.get(code, code)


def _entry(header: bytes, key: bytes) -> int:
    """A number of a stream's dictionary; 0 if it has none, or only a reference to one."""
    found = re.search(rb'/%s\s+(\d+)(?!\d|\s+\d+\s+R)' % key, header)
    return int(found[1]) if found else 0
