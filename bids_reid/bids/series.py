"""The images that the files of one folder make: DICOM series, and headers with their data."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from bids_reid.bids.examine import Examined
from bids_reid.bids.files import file_sha256
from bids_reid.bids.formats import LFS, POINTER, UNKNOWN, image_format
from bids_reid.bids.hash_cache import Known
from bids_reid.bids.tree import absent
from bids_reid.records import Image

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bids_reid.bids.hash_cache import HashCache


def images_of(files: Sequence[Examined], cache: HashCache) -> Iterator[Image]:
    """Yield the images among the files of one folder.

    Parameters
    ----------
    cache : HashCache
        Takes the hashes that are needed only now.
    """
    if files and files[0].found.store:
        yield _store(files, cache)
        return
    by_path = {file.found.path: file for file in files}
    groups = _with_data(by_path)
    taken = {file.found.path for group in groups.values() for file in group}
    series: defaultdict[str, list[Examined]] = defaultdict(list)
    for file in files:
        if file.found.path in groups:
            group = [file, *groups[file.found.path]]
            yield _image(group, cache)
        elif file.found.path in taken:
            continue
        elif file.known and file.known.content.format == 'dicom' and file.known.content.details:
            series[file.known.content.details[0]].append(file)
        else:
            yield from _single(file, cache)
    for members in series.values():
        yield _image(members, cache)


def _single(file: Examined, cache: HashCache) -> Iterator[Image]:
    """Yield the image that a file is, if it is one."""
    found, known = file.found, file.known
    if known is not None and known.content.format == POINTER:
        key, *kept_by = known.content.details
        store = LFS if LFS in kept_by else 'git-annex'
        found = absent(found.folder, found.path, key, store)
        if found.image is not None:
            yield found.image
    elif found.image is not None:
        yield found.image
    elif file.problem is not None:
        size = found.status.st_size if found.status else None
        yield Image(found.path, UNKNOWN, size, None, found.key, absent=file.problem)
    elif known is not None:
        format_ = image_format(known.content, found.path)
        if format_ is not None and not (found.aside and format_ == UNKNOWN):
            yield _image([file], cache)


def _with_data(by_path: dict[str, Examined]) -> dict[str, list[Examined]]:
    """Files of data by the path of the header that names them; a header may have none."""
    headers = {
        path: file.known.content.details
        for path, file in by_path.items()
        if file.known and file.known.content.format not in ('dicom', POINTER)
    }
    lower = {path.lower(): path for path in by_path} if any(headers.values()) else {}
    groups: dict[str, list[Examined]] = {}
    taken: set[str] = set()
    for header, names in headers.items():
        if names:
            data = {path for name in names for path in _data_files(header, name, by_path, lower)}
            data -= {header, *taken}
            groups[header] = [by_path[path] for path in sorted(data)]
            taken |= data
    return groups


def _data_files(
    header: str, name: str, by_path: dict[str, Examined], lower: dict[str, str]
) -> Iterator[str]:
    """Yield the paths in a header's folder that go by a name or pattern."""
    folder, slash, base = header.rpartition('/')
    name = name.replace('{}', re.sub(r'\.[^.]*$', '', base.removesuffix('.gz')))
    wanted = f'{folder}{slash}{name.removeprefix("./")}'
    if '%' in name:
        pattern = re.sub(r'%[0-9]*[du]', '*', wanted)
        yield from (path for path in by_path if fnmatch.fnmatchcase(path, pattern))
    elif wanted in by_path:
        yield wanted
    elif wanted.lower() in lower:
        yield lower[wanted.lower()]


def _image(files: Sequence[Examined], cache: HashCache) -> Image:
    """Return the image of one or several files, named as the first."""
    first = files[0]
    content = first.known.content if first.known else None
    format_ = (image_format(content, first.found.path) if content else None) or UNKNOWN
    hashes = [_hash(file, cache) for file in files]
    problems = [problem for _, _, problem in hashes if problem]
    if len(files) == 1 and content and content.details and format_ != 'dicom':
        problems.append('the data file is missing: put it in the same folder')
    members = tuple(sorted(file.found.path for file in files)) if len(files) > 1 else ()
    sizes = [size for _, size, _ in hashes]
    return Image(
        path=first.found.path,
        format=format_,
        bytes=None if None in sizes else sum(size for size in sizes if size is not None),
        sha256=_of_all(list(zip(files, [one for one, _, _ in hashes], strict=True))),
        annex_key=first.found.key if len(files) == 1 else None,
        members=members,
        absent=problems[0] if problems else None,
    )


def _of_all(hashes: Sequence[tuple[Examined, str | None]], below: str | None = None) -> str | None:
    """Hash of several files: that of the lines of their hashes and names; ``None`` if one lacks.

    Parameters
    ----------
    below : str or None
        The folder that names are relative to, if not each file's own.
    """
    if below is None and len(hashes) == 1:
        return hashes[0][1]
    lines = []
    for file, sha256 in hashes:
        if sha256 is None:
            return None
        path = file.found.path
        lines.append((_name(path) if below is None else path.removeprefix(below), sha256))
    return _of_lines(lines)


def _name(path: str) -> str:
    return path.rpartition('/')[2]


def _of_lines(hashes: Iterable[tuple[str, str]]) -> str:
    """Hash of names and hashes, a line for each."""
    text = ''.join(f'{sha256}  {name}\n' for name, sha256 in sorted(hashes))
    return hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()


def image_sha256(root: Path, image: Image) -> str:
    """Hash of an image as it is now, by what `Image` says of it; all its files are read.

    Parameters
    ----------
    root : Path
        Folder that the image's paths start from.

    Raises
    ------
    OSError
        A file cannot be read.
    """
    if not image.members:
        return file_sha256(root / image.path)
    return _of_lines((_name(path), file_sha256(root / path)) for path in image.members)


def _hash(file: Examined, cache: HashCache) -> tuple[str | None, int | None, str | None]:
    """Return hash and size of a file, and why its content is not there."""
    found, known = file.found, file.known
    if known is not None and known.content.format == POINTER:
        key, *kept_by = known.content.details
        store = LFS if LFS in kept_by else 'git-annex'
        image = absent(found.folder, found.path, key, store).image
        return (image.sha256, image.bytes, image.absent) if image else (None, None, 'not here')
    if found.image is not None:
        return found.image.sha256, found.image.bytes, found.image.absent
    size = found.status.st_size if found.status else None
    if known is None:
        return None, size, file.problem or 'is not here'
    if known.sha256 is None and found.status is not None:
        try:
            known = Known(known.content, file_sha256(Path(found.at)))
        except OSError as error:
            return None, size, f'cannot be read: {error.strerror}'
        cache.put(found.status, known)
    return known.sha256, size, None


def _store(files: Sequence[Examined], cache: HashCache) -> Image:
    """Return the image that all files of a folder are."""
    folder = files[0].found.folder
    hashes = [_hash(file, cache) for file in files]
    sizes = [size for _, size, _ in hashes]
    return Image(
        path=folder,
        format='array',
        bytes=None if None in sizes else sum(size for size in sizes if size is not None),
        sha256=_of_all(list(zip(files, [one for one, _, _ in hashes], strict=True)), folder),
        absent='folders of array chunks (Zarr) are not looked into',
    )
