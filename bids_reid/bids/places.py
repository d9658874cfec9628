"""Folders that may be written to: never a folder with images that are only read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bids_reid.errors import CannotWriteError

if TYPE_CHECKING:
    from collections.abc import Iterable

DERIVATIVES = 'derivatives'
"""Folder of a dataset in which BIDS puts the output of programs."""
_TEMPORARY = ('TMPDIR', 'TEMP', 'TMP')
_NOT_BELOW = ('sub-', 'sourcedata', 'rawdata')
"""Prefixes of folders in which `DERIVATIVES` has no such meaning."""


def check_places(
    output_dir: Path,
    bids_dir: Path,
    derivatives: Iterable[tuple[str, Path]] = (),
    *,
    release: Path | None = None,
    others: Iterable[tuple[str, Path | None]] = (),
) -> None:
    """Find out, before anything is written, whether it would be among what is only read.

    Parameters
    ----------
    output_dir, bids_dir, derivatives, release
        As on the command line.
    others : iterable of (str, Path or None)
        Further folders that are written to, with the option that names each.

    Raises
    ------
    CannotWriteError
        It would: the folder is a dataset or the release, or is in one, but not among its
        derivatives.
    """
    if output_dir.resolve() == bids_dir.resolve():
        raise CannotWriteError(
            'output_dir is bids_dir, where this program never writes: name another folder'
        )
    datasets = [('bids_dir', bids_dir), *((f'-d {name}', at) for name, at in derivatives)]
    for name, folder in datasets[1:]:
        if output_dir.resolve() == folder.resolve():
            scans = name.removeprefix('-d ')
            raise CannotWriteError(
                f'output_dir holds the scans of {scans}, where this program never writes: name '
                'another folder'
            )
    if release is not None:
        datasets.append(('--release', release))
    # to ask Python for the folder would write to it
    temporary = [(name, Path(os.environ[name])) for name in _TEMPORARY if os.environ.get(name)]
    written = [('output_dir', output_dir), *others, *temporary]
    for what, path in written:
        for name, folder in datasets if path is not None else ():
            if path is not None and _is_among(path, folder):
                raise CannotWriteError(
                    f'{what} {path} is in {folder} ({name}), which is never written to: name a '
                    f'folder beside it, or one in {folder / DERIVATIVES}'
                )


def warnings_of_places(output_dir: Path, work_dir: Path, release: Path) -> list[str]:
    """Say which folders that are written to would be shared with the release.

    Parameters
    ----------
    output_dir, work_dir : Path
        Written to.
    release : Path
        The folder that is to be shared.
    """
    shared = release.resolve()
    inside = [
        (name, path)
        for name, path in (('output', output_dir), ('work folder', work_dir))
        if path.resolve().is_relative_to(shared)
    ]
    if len(inside) == 2 and work_dir.resolve().is_relative_to(output_dir.resolve()):
        del inside[1]
    return [
        f'warning: the {name} is inside the folder to be shared ({release}): choose another '
        f'folder, or move {path.name} out before you share'
        for name, path in inside
    ]


def _is_among(path: Path, folder: Path) -> bool:
    """Whether a folder is a dataset or in one, but not among its derivatives."""
    path, folder = path.resolve(), folder.resolve()
    if not path.is_relative_to(folder):
        return False
    parts = path.relative_to(folder).parts
    if DERIVATIVES not in parts:
        return True
    above = parts[: parts.index(DERIVATIVES)]
    return any(part.startswith(_NOT_BELOW) for part in above)
