"""A flat JSON file for each image, which scripts can join with the results of other programs."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bids_reid.bids.entities import entities_of
from bids_reid.bids.files import json_text, write_text
from bids_reid.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FOLDER = 'verdicts'
_LONGEST = 240
"""Longest name in bytes.

File systems allow 255, and a name is longer while the file is written.
"""


def write_verdicts(output_dir: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write the row of each image to ``verdicts/<condition>/<path>.json``.

    ``bids_name`` is the name up to its extension, as in the tables of MRIQC. Where no file can
    have the path of its image, it has the SHA-256 of that path for a name. A file whose content
    stays is not written again; those of images that are gone are removed.

    Parameters
    ----------
    rows : iterable of mapping
        Rows of ``group_images.tsv``.
    """
    folder = output_dir / FOLDER
    old = set(folder.rglob('*.json')) if folder.is_dir() else set()
    for row in rows:
        path = folder / str(row['condition']) / _place(str(row['path']))
        old.discard(path)
        content: dict[str, Any] = {'bids_name': entities_of(str(row['path'])).bids_name, **row}
        text = json_text(content)
        if not _holds(path, text):
            write_text(path, text)
    for path in old:
        path.unlink(missing_ok=True)
    _remove_empty(folder)


def _place(path: str) -> Path:
    """Where the verdict on an image is, below the folder of its condition."""
    *folders, name = path.rstrip('/').split('/')
    # no repository is made, and no folder has the name of a file beside it
    clear = not any(part == '.git' or part.endswith('.json') for part in folders)
    # no name reaches into the terminal of whoever lists the folder
    clear = clear and printable(path) == path
    if clear and name != '.git' and len(os.fsencode(name)) <= _LONGEST:
        return Path(*folders, f'{name}.json')
    return Path(f'{hashlib.sha256(os.fsencode(path)).hexdigest()}.json')


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_text(encoding='utf-8') == text
    except (OSError, ValueError):
        return False


def _remove_empty(folder: Path) -> None:
    """Remove folders without any file."""
    for below in sorted(folder.rglob('*'), reverse=True):
        if below.is_dir():
            with suppress(OSError):
                below.rmdir()
