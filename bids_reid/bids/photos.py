"""Photographs and whose they are, from a folder or a table."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from bids_reid.errors import NoInputError, UsageError
from bids_reid.records import Photo

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = ('.jpg', '.jpeg', '.png', '.tif', '.tiff', '.webp', '.heic', '.heif')
_LABEL = re.compile(r'^sub-([A-Za-z0-9+]+)(?=_|\.|$)')


def find_photos(source: Path) -> tuple[Photo, ...]:
    """List photographs with the participant that their name or the table says.

    Parameters
    ----------
    source : Path
        A folder, searched with its subfolders (``sub-01_photo-1.jpg``, ``sub-01/any.jpg``,
        ``sub-01_ses-02_photo.jpg``; other names are distractors), or a TSV with the columns
        ``path`` (relative to the table) and ``participant_id`` (``n/a`` for a distractor).

    Raises
    ------
    NoInputError
        The folder or table, or a photograph in the table, is not there.
    UsageError
        The table lacks a column, or there is no photograph.
    """
    if source.is_dir():
        photos = _from_folder(source)
    elif source.is_file():
        photos = _from_table(source)
    else:
        raise NoInputError(f'no such photographs: {source}')
    if not photos:
        raise UsageError(f'no photographs in {source}: looked for {" ".join(SUFFIXES)}')
    return photos


def _from_folder(folder: Path) -> tuple[Photo, ...]:
    photos = []
    for path in sorted(folder.rglob('*')):
        relative = path.relative_to(folder)
        hidden = any(part.startswith('.') for part in relative.parts)
        if hidden or path.suffix.lower() not in SUFFIXES or not path.is_file():
            continue
        # the file's own name comes first, then the folder next to it
        labels = (_LABEL.match(part) for part in reversed(relative.parts))
        label = next((match[1] for match in labels if match), None)
        photos.append(Photo(relative.as_posix(), label, path))
    return tuple(photos)


def _from_table(table: Path) -> tuple[Photo, ...]:
    photos = []
    with table.open(encoding='utf-8-sig', newline='') as lines:
        reader = csv.DictReader(lines, delimiter='\t')
        missing = {'path', 'participant_id'} - set(reader.fieldnames or ())
        if missing:
            raise UsageError(f'{table} has no column {" and ".join(sorted(missing))}')
        for number, row in enumerate(reader, start=2):
            name, participant = row['path'] or '', row['participant_id'] or 'n/a'
            path = table.parent / name
            if not name or not path.is_file():
                raise NoInputError(f'{table}, line {number}: no such photograph: {path}')
            label = None if participant == 'n/a' else participant.removeprefix('sub-')
            photos.append(Photo(name, label, path))
    return tuple(photos)
