"""Archives: their contents, recognised by the first bytes of each member."""

from __future__ import annotations

import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO

from bids_reid.bids.formats import EMPTY, OTHER, TEMPLATE, TEXT, Content, image_format, sniff_file
from bids_reid.bids.markup import by_text
from bids_reid.messages import count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_HEAD = 1 << 16
_BLOCK = 1 << 20
_PICTURE_IN_DATABASE = re.compile(rb'\x89PNG\r\n\x1a\n|\xff\xd8\xff[\xdb\xe0-\xef]|n\+1\0|DICM')
_BROKEN = (
    *(OSError, ValueError, EOFError, RuntimeError, NotImplementedError, KeyError),
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError),
)
"""Errors of members that are encrypted, damaged or compressed in an unknown way."""
_ARCHIVE = Content('archive')
_TEMPLATES = (
    frozenset(('view.npy', 'found.npy', 'features.npy')),
    frozenset(('view.npy', 'found.npy', 'descriptors.npy', 'positions.npy', 'offsets.npy')),
)
"""Arrays of the templates that `bids_reid.bids.template_files` writes, of vectors or keypoints."""


@dataclass(frozen=True, slots=True)
class ArchiveContent:
    """The members of an archive by type.

    Attributes
    ----------
    counts : mapping
        Type (a format, or the last part of the name of what is no image) to number of files.
    n_images : int
        Members that can show a head.
    problem : str or None
        Why it cannot be listed, or not to its end.
    """

    counts: Mapping[str, int]
    n_images: int = 0
    problem: str | None = None

    def __str__(self) -> str:
        """Return it in words: ``12 files: 10 json, 2 nifti``."""
        total = sum(self.counts.values())
        if not total:
            return self.problem or 'no files'
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        kinds = ', '.join(f'{number} {kind}' for kind, number in ordered)
        words = f'{count(total, "file")}: {kinds}'
        return f'{words}; {self.problem}' if self.problem else words


def describe_archive(path: Path) -> ArchiveContent:
    """List an archive by type; one that cannot be listed has the reason."""
    counts: Counter[str] = Counter()
    n_images = 0
    try:
        with path.open('rb') as file:
            for name, member in _members(file):
                kind, image = _kind(name, member)
                counts[kind] += 1
                n_images += image
    except _BROKEN as error:
        reason = getattr(error, 'strerror', None) or str(error) or type(error).__name__
        return ArchiveContent(dict(counts), n_images, f'its contents cannot be listed ({reason})')
    return ArchiveContent(dict(counts), n_images)


_Member = tuple[str, IO[bytes] | None]


def _members(file: BinaryIO) -> Iterator[_Member]:
    """Yield each member, open, by name; ``None`` for one that cannot be read."""
    mark = file.read(4)
    file.seek(0)
    if mark[:2] == b'PK':
        yield from _zip_members(file)
    else:
        yield from _tar_members(file)


def _zip_members(file: BinaryIO) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            try:
                member = archive.open(info)
            except _BROKEN:
                yield info.filename, None
                continue
            with member:
                yield info.filename, member


def _tar_members(file: BinaryIO) -> Iterator[_Member]:
    file.seek(0)
    with tarfile.open(fileobj=file, mode='r:*') as archive:
        for info in archive:
            # it keeps all it has read
            archive.members.clear()  # type: ignore[attr-defined]
            if info.isfile():
                yield info.name, archive.extractfile(info)


def _kind(name: str, member: IO[bytes] | None) -> tuple[str, bool]:
    """Type of a member, and whether it is an image."""
    if member is None:
        return 'unreadable', True
    try:
        head = member.read(_HEAD)
        content = sniff_file(io.BytesIO(head), nested=True)
        if content.format == TEXT and len(head) == _HEAD:
            # pages have their pictures behind their style
            content = by_text(head, iter(partial(member.read, _BLOCK), b''))
    except _BROKEN:
        return 'unreadable', True
    found = image_format(content, name)
    if found is not None:
        return found, True
    suffix = Path(name).suffix.lstrip('.').lower()
    return suffix or (content.format if content.format in (TEXT, EMPTY) else OTHER), False


def sniff_tar(file: BinaryIO) -> Content:
    """Tell whether a tar archive, compressed or not, has an image in it.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    try:
        images = any(_kind(name, member)[1] for name, member in _tar_members(file))
    except _BROKEN:
        return _ARCHIVE
    return _ARCHIVE if images else Content(OTHER)


def sniff_zip(file: BinaryIO) -> Content:
    """Recognise a zip archive: with an image in it, arrays, an office file or other."""
    try:
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            names = [info.filename for info in archive.infolist() if not info.is_dir()]
        known = _by_members(names)
        if known is None and not any(_kind(*member)[1] for member in _zip_members(file)):
            known = OTHER
        if known is not None:
            return Content(known)
    except _BROKEN:
        return _ARCHIVE
    if all(name.endswith('.npy') for name in names):
        return Content('array')
    if {'[Content_Types].xml', 'mimetype'} & set(names):
        return Content('document')
    return Content(OTHER) if _is_tractogram(names) else _ARCHIVE


def _by_members(names: Collection[str]) -> str | None:
    """Return the format that the names of the members tell; ``None`` if they tell none."""
    if any(name.startswith('3D/') for name in names):
        return 'scene'
    return TEMPLATE if any(arrays <= set(names) for arrays in _TEMPLATES) else None


def sniff_database(blocks: Iterable[bytes]) -> Content:
    """Tell by its bytes whether a database of SQLite has pictures among its values."""
    before = b''
    for block in blocks:
        if _PICTURE_IN_DATABASE.search(before + block):
            return _ARCHIVE
        before = block[-16:]
    return Content(OTHER)


def _is_tractogram(names: list[str]) -> bool:
    """Whether it is TRX: streamlines as bare numbers."""
    starts = ('header.json', 'positions.', 'offsets.', 'dp', 'dps', 'dpv', 'dpg', 'groups')
    return 'header.json' in names and all(name.startswith(starts) for name in names)
