"""How files are written and read: whole or not at all, for their owner, hashed, as JSON.

Whatever is written has a hidden name first, in its own folder, and its own name once it is whole
and on the disk. Nobody reads hidden names; what a killed process left is removed by
`sweep_temporaries`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from bids_reid.bids.text_files import parse_json, read_text
from bids_reid.errors import CannotWriteError, is_refusal
from bids_reid.printable import in_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType

PRIVATE_UMASK = 0o077
"""Files about faces can be read by their owner only."""
HIDDEN = '.bids_reid-'
"""Prefix of the names of files that are not complete yet."""
_LONGEST = 255
"""Longest name of a file in bytes, for most file systems."""
_OF_ANOTHER_VERSION = re.compile(r'\.[a-z0-9_]{8}(?=sub-|group)')
"""Prefix of such names in earlier versions."""
_ABANDONED_S = 86_400
"""Age of a file that nobody writes any more, for file systems without locks."""


class Batch:
    """Files that appear together: each is written under a hidden name before any gets its own.

    What is not published when the ``with`` block ends is removed, and nothing else was touched.

    Raises
    ------
    CannotWriteError
        By the block: one of the files cannot be written.
    """

    def __init__(self) -> None:
        self._pairs: list[tuple[Path, Path]] = []
        self._locks: list[int] = []
        self._last = Path()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        for temporary, _ in self._pairs:
            with suppress(OSError):
                _remove(temporary)
        for lock in self._locks:
            os.close(lock)
        if isinstance(error, OSError):
            raise CannotWriteError(f'cannot write {self._last}: {_why(error)}') from error

    def file(self, path: Path) -> Path:
        """Return the hidden name of an empty file that is to become ``path``, for its owner."""
        return self._new(path, lambda temporary: os.open(temporary, _NEW_FILE, 0o600))

    def folder(self, path: Path) -> Path:
        """Return the hidden name of an empty folder that is to become ``path``."""
        return self._new(path, _new_folder)

    def _new(self, path: Path, create: Callable[[Path], int]) -> Path:
        self._last = path
        make_folder(path.parent)
        while True:
            temporary = _hidden(path)
            lock = create(temporary)
            with suppress(OSError):
                # tells whoever sweeps that it is being written; not all file systems have locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            # it may have been swept between the two
            if os.fstat(lock).st_nlink:
                self._locks.append(lock)
                self._pairs.append((temporary, path))
                return temporary
            os.close(lock)

    def text(self, path: Path, text: str) -> None:
        """Write UTF-8 text; names of files in it need not be UTF-8."""
        self.file(path).write_text(text, encoding='utf-8', errors='backslashreplace', newline='\n')

    def json(self, path: Path, content: Mapping[str, Any]) -> None:
        """Write an indented JSON object."""
        self.text(path, json_text(content))

    def copy(self, source: Path, path: Path) -> None:
        """Copy a file's content."""
        shutil.copyfile(source, self.file(path))

    def replaced(self) -> list[Path]:
        """Return what is there and would not be the same bytes any more."""
        return [path for new, path in self._pairs if os.path.lexists(path) and _differ(new, path)]

    def publish(self, first: Callable[[], None] | None = None) -> None:
        """Give all files their own names, in the order in which they were begun.

        Parameters
        ----------
        first : callable, optional
            Called when everything new is on the disk, before anything gets its name: removes what
            must not stay beside it.
        """
        for (temporary, _), lock in zip(self._pairs, self._locks, strict=True):
            _to_disk(temporary, lock)
        if first is not None:
            first()
        while self._pairs:
            temporary, path = self._pairs[0]
            self._last = path
            _replace(temporary, path)
            self._pairs.pop(0)


_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
_NEW_FILE = os.O_RDWR | os.O_CREAT | os.O_EXCL


def _new_folder(path: Path) -> int:
    path.mkdir(mode=0o700)
    return os.open(path, os.O_RDONLY)


def _hidden(path: Path) -> Path:
    """Return a new name in the same folder: the same disk, so that replacing is one step."""
    start = f'{HIDDEN}{secrets.token_hex(4)}-'
    # the end stays, as libraries tell by it what to write
    end = os.fsencode(path.name)[-(_LONGEST - len(start)) :]
    return path.with_name(start + os.fsdecode(end))


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are not there, for its owner only."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    for one in reversed(missing):
        one.mkdir(mode=0o700, exist_ok=True)


def new_private_file(path: Path) -> BinaryIO:
    """Open a new file for writing that only its owner can read, whatever the umask."""
    return os.fdopen(os.open(path, _NEW_FILE, 0o600), 'wb')


def _to_disk(path: Path, handle: int) -> None:
    """Wait until a file, or all files of a folder, would outlive a power cut."""
    if path.is_dir():
        for below in path.iterdir():
            with below.open('rb') as file:
                _sync(file.fileno())
    _sync(handle)


def _sync(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        # some file systems cannot, above all for folders; anything else is a write that failed
        if error.errno not in _NO_SYNC:
            raise


def _replace(temporary: Path, path: Path) -> None:
    """Give a file or folder its name, also where a folder has it that is not empty."""
    if not (temporary.is_dir() and path.is_dir()):
        temporary.replace(path)
    elif _differ(temporary, path):
        # for a moment there is neither
        former = _hidden(path)
        path.rename(former)
        temporary.rename(path)
        _remove(former)
    else:
        shutil.rmtree(temporary)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _differ(one: Path, other: Path) -> bool:
    """Whether two files, or the files in two folders, are not the same bytes."""
    if one.is_dir() and other.is_dir():
        names = {path.name for path in one.iterdir()}
        return names != {path.name for path in other.iterdir()} or any(
            _differ(one / name, other / name) for name in names
        )
    try:
        return one.read_bytes() != other.read_bytes()
    except OSError:
        return True


def _why(error: OSError) -> str:
    return error.strerror or str(error)


@contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """Yield a hidden path that becomes ``path`` when the block ends well.

    Raises
    ------
    CannotWriteError
        The file cannot be written.
    """
    with Batch() as batch:
        yield batch.file(path)
        batch.publish()


def sweep_temporaries(folder: Path, *, below: bool = False) -> int:
    """Remove what killed processes left under hidden names; return how many files and folders.

    What another process writes at this moment stays.

    Parameters
    ----------
    folder : Path
        It need not be there.
    below : bool
        Whether the folders in it are swept, too.
    """
    number = 0
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return 0
    for path in paths:
        if path.name.startswith(HIDDEN) or _OF_ANOTHER_VERSION.match(path.name):
            number += _sweep(path)
        elif below and path.is_dir() and not path.is_symlink():
            number += sweep_temporaries(path, below=True)
    return number


def _sweep(path: Path) -> bool:
    """Remove a file or folder if nobody is writing it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        if _is_abandoned(handle):
            _remove(path)
            return True
    except OSError:
        # the folder may not be written; nobody reads the file
        return False
    finally:
        os.close(handle)
    return False


def _is_abandoned(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return time.time() - os.fstat(handle).st_mtime > _ABANDONED_S
    return True


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text; names of files in it need not be UTF-8.

    Raises
    ------
    CannotWriteError
        The file cannot be written.
    """
    with Batch() as batch:
        batch.text(path, text)
        batch.publish()


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write an indented JSON object.

    Raises
    ------
    CannotWriteError
        The file cannot be written.
    """
    with Batch() as batch:
        batch.json(path, content)
        batch.publish()


def json_text(content: Mapping[str, Any]) -> str:
    """Return the text of an indented JSON object, in which no control character is left."""
    return in_json(json.dumps(content, indent=2, ensure_ascii=False)) + '\n'


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; an empty one if there is none or it is damaged.

    Raises
    ------
    OSError
        The machine refuses something: the file may be whole.
    """
    try:
        content = parse_json(read_text(path))
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and is_refusal(error):
            raise
        return {}
    return content if isinstance(content, dict) else {}


def objects(content: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the objects in a list of a JSON object; none if it is anything else."""
    listed = content.get(key)
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []


def file_sha256(path: Path) -> str:
    """Hash of a file's content, hexadecimal."""
    with path.open('rb') as content:
        return hashlib.file_digest(content, 'sha256').hexdigest()


def packaged_text(name: str) -> str:
    """Text of a file of the package's data folder."""
    return (resources.files('bids_reid') / 'data' / name).read_text('utf-8')
