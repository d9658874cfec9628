"""Files and folders that the user named: whether they can be read, and what lies below."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bids_reid.errors import NoInputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path


def check_there(path: Path, *, folder: bool = False, name: str = '') -> None:
    """Find out whether a file or folder that the user named can be looked at.

    Parameters
    ----------
    folder : bool
        It has to be a folder that can be listed.
    name : str
        The argument that named it; the message begins with it.

    Raises
    ------
    NoInputError
        It cannot.
    """
    try:
        # Path.exists and Path.is_dir raise some errors and hide others
        if folder:
            os.scandir(path).close()
        else:
            path.stat()
    except OSError as error:
        which = f'{name}: ' if name else ''
        raise NoInputError(f'{which}cannot read {path}: {error.strerror}') from error


def files_below(
    folder: Path, above: frozenset[Path] = frozenset(), *, leave_out: Collection[str] = ()
) -> Iterator[Path]:
    """Yield files below ``folder`` but hidden ones; a link that leads back is not followed.

    Parameters
    ----------
    above : frozenset of Path
        The real paths of the folders that led here.
    leave_out : collection of str
        Folders right below ``folder`` that are not looked into.

    Raises
    ------
    NoInputError
        A folder cannot be listed.
    """
    real = folder.resolve()
    if real in above:
        return
    try:
        paths = sorted(folder.iterdir())
        folders = {path for path in paths if path.is_dir()}
    except OSError as error:
        raise NoInputError(f'cannot list {folder}: {error.strerror}') from error
    for path in paths:
        if path.name.startswith('.'):
            continue
        if path not in folders:
            yield path
        elif path.name not in leave_out:
            yield from files_below(path, above | {real})


class RealPaths:
    """Real paths of many files: that of each folder is found once, which takes a while."""

    def __init__(self) -> None:
        self._folders: dict[Path, Path] = {}

    def __call__(self, path: Path) -> Path:
        """Return the path without links, as `Path.resolve` does."""
        return path.resolve() if path.is_symlink() else self.of_link(path)

    def of_link(self, path: Path) -> Path:
        """Return the path without links on the way to it; if it is one itself, it stays one."""
        folder = self._folders.get(path.parent)
        if folder is None:
            folder = self._folders[path.parent] = path.parent.resolve()
        return folder / path.name
