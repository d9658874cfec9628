"""Files below a folder, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bids_reid.errors import NoInputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path


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
    except OSError as error:
        raise NoInputError(f'cannot list {folder}: {error.strerror}') from error
    for path in paths:
        if path.name.startswith('.'):
            continue
        if not path.is_dir():
            yield path
        elif path.name not in leave_out:
            yield from files_below(path, above | {real})
