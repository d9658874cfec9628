"""All files of a folder, whatever they are, with those that a copy of the folder would carry."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from bids_reid.bids.annex import absence, key_of_link, parse_key
from bids_reid.bids.formats import OWN_OUTPUT, UNKNOWN, format_of_absent
from bids_reid.bids.git_history import GitHistory, NoHistoryError, unread_history
from bids_reid.records import Image

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from bids_reid.bids.hash_cache import HashCache

_ZARR = frozenset(('.zarray', '.zgroup', 'zarr.json'))
_BARE = frozenset(('HEAD', 'objects', 'refs'))
"""Sign of a bare repository."""
_STORES = ('annex/objects', 'annex/tmp', 'annex/bad', 'lfs/objects')
"""Folders of ``.git`` that hold complete contents of files."""
_Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Found:
    """A file, or an image that is reported without a look into it.

    Attributes
    ----------
    folder, path : str
        Below the release, with ``/``; the folder ends with it, or is empty.
    at : str
        Where it is in the file system.
    status : os.stat_result or None
        Of the file; ``None`` if there is only ``image``.
    key : str or None
        Of git-annex.
    store : bool
        It is a part of the folder, which is one image as a whole.
    aside : bool
        It belongs to a program, and counts only if its content is that of an image.
    """

    folder: str
    path: str
    at: str
    status: os.stat_result | None = None
    key: str | None = None
    image: Image | None = None
    store: bool = False
    aside: bool = False


@dataclass(frozen=True, slots=True)
class _Folder:
    at: str
    path: str
    root: Path
    above: frozenset[_Identity] = frozenset()
    git: bool = False


def found_below(folder: Path, own: Collection[Path], cache: HashCache) -> Iterator[Found]:
    """Yield everything below a folder, all of one folder before the folders in it.

    Folders come by path. Links are followed, but for those that lead back. The cache is for the
    history of git.
    """
    ours = _identities(own) - _identities((folder.resolve(), *folder.resolve().parents))
    waiting = [_Folder(str(folder), '', folder.resolve())]
    while waiting:
        place = waiting.pop()
        if place.git:
            yield from _git(place, cache)
            continue
        try:
            status = os.stat(place.at)  # noqa: PTH116
            with os.scandir(place.at) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield _told(place.path, place.path, f'cannot be listed: {error.strerror}')
            continue
        identity = status.st_dev, status.st_ino
        if identity in ours:
            yield Found(
                place.path, place.path, '', image=Image(place.path, OWN_OUTPUT, None, None)
            )
        elif identity not in place.above:
            folders: list[_Folder] = []
            above = place.above | {identity}
            if {entry.name for entry in entries} >= _BARE and _is_repository(Path(place.at)):
                yield from _git(place, cache)
            elif _is_store(place.path, entries):
                yield from _store(place)
            else:
                yield from _files(place, entries, above, folders)
            waiting += sorted(folders, key=lambda one: one.path, reverse=True)


def found_file(path: Path) -> Found:
    """Find out about one file that is looked for, without opening it."""
    return _file('', path.name, str(path))


def _files(
    place: _Folder,
    entries: list[os.DirEntry[str]],
    above: frozenset[_Identity],
    folders: list[_Folder],
) -> Iterator[Found]:
    """Yield the files of a folder; the folders in it are added to ``folders``."""
    for entry in entries:
        path = place.path + entry.name
        if not _is_folder(entry):
            yield _file(place.path, path, entry.path)
            if entry.name == '.git' and _outer_repository(entry.path, place.root):
                folders.append(_Folder(entry.path, f'{path}/', place.root, git=True))
        elif entry.name == '.git' and _is_repository(Path(entry.path)):
            folders.append(_Folder(entry.path, f'{path}/', place.root, git=True))
        else:
            folders.append(_Folder(entry.path, f'{path}/', place.root, above))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _file(folder: str, path: str, at: str) -> Found:
    """Find out about a file, without opening it."""
    try:
        status = os.stat(at)  # noqa: PTH116
    except OSError as error:
        return _missing(folder, path, at, error)
    if not stat.S_ISREG(status.st_mode):
        return _told(
            folder,
            path,
            'pipes, sockets and devices are not opened: remove this one from the release',
        )
    return Found(folder, path, at, status, key=_link_key(at))


def _link_key(at: str) -> str | None:
    try:
        return key_of_link(os.readlink(at))  # noqa: PTH115
    except OSError:
        # most files are no links
        return None


def _missing(folder: str, path: str, at: str, error: OSError) -> Found:
    """Report a link whose content is not here, if it may be an image."""
    key = _link_key(at)
    if key is not None:
        return absent(folder, path, key)
    if not os.path.islink(at):  # noqa: PTH114
        return _told(folder, path, f'cannot be read: {error.strerror}')
    format_ = format_of_absent(path)
    reason = (
        f'the target of the link cannot be read ({error.strerror}): get it, or remove the link'
    )
    image = format_ and Image(path, format_, None, None, absent=reason)
    return Found(folder, path, at, image=image or None)


def absent(folder: str, path: str, key: str, store: str = 'git-annex') -> Found:
    """Report content that is kept elsewhere, by its key, if its name or key may be of an image."""
    parsed = parse_key(key)
    format_ = format_of_absent(path)
    if parsed is None or (format_ == UNKNOWN and parsed.suffix):
        format_ = format_of_absent(parsed.suffix if parsed else path)
    if format_ is None or parsed is None:
        return Found(folder, path, '')
    annex_key = key if store == 'git-annex' else None
    return Found(
        folder,
        path,
        '',
        image=Image(
            path,
            format_,
            parsed.size,
            parsed.sha256,
            annex_key,
            absent=absence(parsed, store),
        ),
    )


def _told(folder: str, path: str, reason: str) -> Found:
    return Found(folder, path, '', image=Image(path, UNKNOWN, None, None, absent=reason))


def _identities(folders: Collection[Path]) -> set[_Identity]:
    """Device and inode of those folders that are there."""
    found = set()
    for folder in folders:
        try:
            status = folder.stat()
        except OSError:
            continue
        found.add((status.st_dev, status.st_ino))
    return found


def _is_store(path: str, entries: list[os.DirEntry[str]]) -> bool:
    """Whether a folder is one array in many files (Zarr)."""
    # a release as a whole is no image
    marked = bool(path) and any(entry.name in _ZARR for entry in entries)
    return marked or path.lower().endswith('.zarr/')


def _store(place: _Folder) -> Iterator[Found]:
    for at, folders, names in os.walk(place.at):
        folders.sort()
        below = place.path + at[len(place.at) :].strip('/')
        for name in sorted(names):
            path = f'{below.rstrip("/")}/{name}' if below else name
            found = _file(place.path, path, f'{at}/{name}')
            yield Found(place.path, path, found.at, found.status, found.key, found.image, True)


def _is_repository(folder: Path) -> bool:
    return (folder / 'HEAD').is_file() and (folder / 'objects').is_dir()


def _outer_repository(file: str, root: Path) -> Path | None:
    """Return the repository that a file ``.git`` names, unless it lies in the release itself.

    There it is a submodule's, and found in the ``.git`` of the dataset above.
    """
    try:
        with open(file, encoding='utf-8', errors='surrogateescape') as lines:  # noqa: PTH123
            line = lines.readline(4096).strip()
    except OSError:
        return None
    if not line.startswith('gitdir:'):
        return None
    folder = (Path(file).parent / line.removeprefix('gitdir:').strip()).resolve()
    outer = (folder / 'HEAD').is_file() and not folder.is_relative_to(root)
    return folder if outer else None


def _git(place: _Folder, cache: HashCache) -> Iterator[Found]:
    """Yield what the repositories in a ``.git`` have beyond the files of the work tree."""
    git = Path(place.at)
    if git.is_file():
        outer = _outer_repository(place.at, place.root)
        repositories = [(outer, git.parent, place.path)] if outer else []
    else:
        repositories = [(git, git.parent, place.path)]
        repositories += [(one, one, _below(place, one)) for one in _modules(git / 'modules')]
    for git_dir, work_tree, path in repositories:
        yield from _stored(place, git_dir, work_tree)
        try:
            for image in GitHistory(git_dir, work_tree).images(path, cache):
                yield Found(place.path, image.path, '', image=image)
        except (NoHistoryError, OSError) as error:
            image = unread_history(path, str(error))
            yield Found(place.path, path, '', image=image)


def _below(place: _Folder, folder: Path) -> str:
    return f'{place.path}{folder.relative_to(place.at).as_posix()}/'


def _modules(folder: Path) -> Iterator[Path]:
    """Yield the repositories of submodules, those in each other, too."""
    for at, folders, _ in os.walk(folder):
        if _is_repository(Path(at)):
            yield Path(at)
            # submodules of a submodule
            folders[:] = [name for name in folders if name == 'modules']


def _stored(place: _Folder, git_dir: Path, work_tree: Path) -> Iterator[Found]:
    """Yield the files in ``.git`` to which nothing in the work tree leads."""
    if Path(place.at).is_file():
        return
    errors: list[OSError] = []
    for at in _files_below(str(git_dir), errors, ('objects', 'modules', *_STORES)):
        yield replace(_in_git(place, at), aside=True)
    objects = chain.from_iterable(_files_below(str(git_dir / store), errors) for store in _STORES)
    for at in sorted(_orphans(objects, git_dir, work_tree)):
        yield _in_git(place, at)
    for error in errors:
        path = place.path + os.path.relpath(error.filename, place.at)
        yield _told(place.path, f'{path}/', f'cannot be listed: {error.strerror}')


def _in_git(place: _Folder, at: str) -> Found:
    found = _file(place.path, place.path + os.path.relpath(at, place.at), at)
    return replace(found, key=_name(at) if parse_key(_name(at)) else None)


def _orphans(objects: Iterator[str], git_dir: Path, work_tree: Path) -> Iterator[str]:
    """Yield the objects of git-annex and Git LFS that no file of the work tree stands for."""
    first = next(objects, None)
    if first is None:
        return
    linked = _linked_keys(work_tree)
    unlinked = [at for at in chain((first,), objects) if hash(_name(at)) not in linked]
    pointed: set[str] = set()
    if unlinked:
        # without git, what a pointer leads to is an image once more, no worse
        with suppress(NoHistoryError, OSError):
            pointed = GitHistory(git_dir, work_tree).keys()
    yield from (at for at in unlinked if _name(at) not in pointed)


def _name(at: str) -> str:
    return at.rpartition('/')[2]


def _files_below(
    folder: str, errors: list[OSError], leave_out: Collection[str] = ()
) -> Iterator[str]:
    """Yield the files below a folder, but for some folders in it, and collect errors."""
    if not os.path.isdir(folder):  # noqa: PTH112
        return
    for at, folders, names in os.walk(folder, onerror=errors.append):
        below = at[len(folder) + 1 :]
        folders[:] = sorted(
            name
            for name in folders
            if os.path.join(below, name) not in leave_out  # noqa: PTH118
        )
        yield from (f'{at}/{name}' for name in sorted(names))


def _linked_keys(work_tree: Path) -> set[int]:
    """Keys to which links lead, as numbers: there may be a million."""
    keys = set()
    for at, folders, names in os.walk(work_tree):
        folders[:] = [name for name in folders if name != '.git']
        for name in names:
            key = _link_key(f'{at}/{name}')
            if key is not None:
                keys.add(hash(key))
    return keys
