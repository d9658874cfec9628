"""Text that is an image, or has pictures in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bids_reid.bids.formats import BINARY, TEXT, Content

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CONTROLS = bytes(set(range(32)) - set(b'\t\n\r\f\b\x1b')) + b'\x7f'
_PICTURE = re.compile(
    rb'data:(image|video|model)/[\w.+-]+(;[\w=-]+)*;base64,\s*[A-Za-z0-9+/]{32}'
    # what viewers keep in their pages: packed, NIfTI, PNG, JPEG, GIF
    rb'|(?<![A-Za-z0-9+/])(H4sI|XAEAA|AAABX|HAIAAG|iVBORw0KGgo|/9j/|R0lGOD)'
    rb'([A-Za-z0-9+/]|\\[nr]|\s){120}'
    rb'|"image/(png|jpeg|gif|webp|tiff|bmp)"\s*:\s*\[?\s*"[A-Za-z0-9+/]{32}'
    rb'|\\pict[\\\s{]'
)
"""Pictures, films and volumes in pages and drawings, in outputs of notebooks, and in RTF."""
_SIGNS = (
    *(b'data:image/', b'data:video/', b'data:model/', b'"image/', b'\\pict'),
    *(b'H4sI', b'XAEAA', b'AAABX', b'HAIAAG', b'iVBORw0KGgo', b'/9j/', b'R0lGOD'),
)
"""Short strings that are quicker to find than the pattern."""
_LONGEST = 512
"""At least the length of the longest match of the patterns."""
_STARTS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb'solid\b[^\n]*\s+facet\s'), 'stl'),
    (re.compile(rb'(ST)?C?N?4?n?OFF\b'), 'off'),
    (re.compile(rb'type\s*=\s*(string|integer|float)-attribute'), 'afni'),
    (re.compile(rb'<\?xml[^>]*>\s*(<!DOCTYPE[^>]*>\s*)?(<!--.*?-->\s*)*<GIFTI\b', re.S), 'gifti'),
    (re.compile(rb'(<\?xml[^>]*>\s*)?<VTKFile\b'), 'vtk'),
    (re.compile(rb'(<\?xml[^>]*>\s*)?(<!DOCTYPE[^>]*>\s*)?<(X3D|COLLADA)\b'), 'scene'),
    (
        re.compile(
            rb'(#[^\n]*\n|\s|(mtllib|o|g|s|usemtl|vn|vt|vp)\b[^\n]*\n)*v(\s+[-+.\deE]+){3}'
        ),
        'obj',
    ),
)
_METAIMAGE = re.compile(rb'\s*(ObjectType|NDims|Comment|ObjectSubType)\s*=')
_DATA_FILE = re.compile(rb'^ElementDataFile\s*=\s*([^\n]*)', re.MULTILINE)


def is_text(block: bytes) -> bool:
    """Whether bytes are text; UTF-16 is if it says so."""
    if block.startswith((b'\xff\xfe', b'\xfe\xff')):
        try:
            block = block[: len(block) // 4 * 4].decode('utf-16').encode()
        except ValueError:
            return False
    return block.translate(None, _CONTROLS) == block


def by_header(head: bytes) -> Content | None:
    """Recognise formats whose header is text; their data need not be."""
    if head.startswith(b'NRRD000'):
        return Content('nrrd', _nrrd_data(head))
    if head.startswith(b'mrtrix image'):
        files = re.findall(rb'^file:\s*(\S+)', head, re.MULTILINE)
        return Content('mrtrix', _elsewhere(files))
    if head.startswith(b'# === DATA DESCRIPTION FILE'):
        return Content('parrec', ('{}.REC', '{}.rec'))
    data = _DATA_FILE.search(head) if _METAIMAGE.match(head) else None
    if data is not None:
        names = data[1].split() if not data[1].startswith(b'LIST') else head[data.end() :].split()
        # a pattern is followed by first, last and step
        return Content('metaimage', _elsewhere(names[:1] if b'%' in data[1] else names))
    return None


def _nrrd_data(head: bytes) -> tuple[str, ...]:
    header = re.split(rb'\r?\n\r?\n', head, maxsplit=1)[0]
    data = re.search(rb'^data ?file:\s*(.*)$', header, re.MULTILINE)
    if data is None:
        return ()
    if data[1].startswith(b'LIST'):
        return _elsewhere(header[data.end() :].split())
    return _elsewhere([data[1].strip().split()[0] if b'%' in data[1] else data[1].strip()])


def _elsewhere(names: Iterable[bytes]) -> tuple[str, ...]:
    """Names of files, without those that stand for the header's own."""
    decoded = (name.decode('utf-8', 'surrogateescape').strip() for name in names)
    return tuple(name for name in decoded if name not in ('', '.', 'LOCAL', 'local'))


def by_text(head: bytes, rest: Iterable[bytes]) -> Content:
    """Recognise text; the rest of it is searched for pictures.

    Parameters
    ----------
    rest : iterable of bytes
        The blocks behind ``head``.
    """
    start = head.removeprefix(b'\xef\xbb\xbf').lstrip()
    for pattern, format_ in _STARTS:
        if pattern.match(start):
            return Content(format_, ('{}.BRIK', '{}.BRIK.gz') if format_ == 'afni' else ())
    before = b''
    for block in _and_first(_plain(head), rest):
        both = before + block
        if any(sign in both for sign in _SIGNS) and _PICTURE.search(both):
            return Content('document')
        if b'\0' in block:
            return Content(BINARY)
        before = block[-_LONGEST:]
    return Content(TEXT)


def _plain(head: bytes) -> bytes:
    """Text of UTF-16 has a zero for every other byte."""
    return head.replace(b'\0', b'') if head.startswith((b'\xff\xfe', b'\xfe\xff')) else head


def _and_first(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    if not first.startswith((b'\xff\xfe', b'\xfe\xff')):
        yield from rest


def pdf_has_pictures(blocks: Iterable[bytes]) -> bool:
    """Whether a PDF has pictures, or parts in which they cannot be seen from outside."""
    before = b''
    for block in blocks:
        if re.search(rb'/Image\b|/ObjStm\b|/Encrypt\b', before + block):
            return True
        before = block[-_LONGEST:]
    return False
