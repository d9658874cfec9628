"""Photographs and whose they are, from a folder or a table."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from bids_reid.bids.files import read_json
from bids_reid.bids.formats import BY_NAME, SURFACES, VOLUMES
from bids_reid.bids.user_rows import MISSING, read_rows
from bids_reid.bids.walk import check_there, files_below
from bids_reid.errors import NoInputError, UsageError
from bids_reid.messages import count
from bids_reid.records import Photo

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SUFFIXES = (
    *('.jpg', '.jpeg', '.jfif', '.png', '.tif', '.tiff', '.webp', '.heic', '.heif'),
    *('.bmp', '.gif'),
)
NOTES = ('.json', '.tsv', '.csv', '.txt', '.md', '.html', '.pdf')
"""Files that may lie beside photographs; any other file with a label counts as a photograph."""
_LABEL = re.compile(
    r'(?:sub[-_ ]+)+(?P<label>[a-z0-9+]+)|sub(?P<number>[0-9][a-z0-9+]*)', re.IGNORECASE
)
"""Also ``Sub-01.jpg``, ``sub_01.jpg``, ``sub-sub-01.jpg``, ``sub01.jpg`` and ``sub-01 (1).jpg``:
taken for distractors they would hide a risk."""
_SCANS = tuple(end for end, kind in BY_NAME.items() if kind in (*VOLUMES, *SURFACES))
_DICOM_MARK = (128, b'DICM')
DESCRIPTION = 'dataset_description.json'


def find_photos(
    source: Path, may_open: Callable[[str | None], bool] = lambda _: True
) -> tuple[Photo, ...]:
    """List photographs with the participant that their name or the table says.

    Parameters
    ----------
    source : Path
        A folder, searched with its subfolders (``sub-01_photo-1.jpg``, ``sub-01/any.jpg``,
        ``sub-01_ses-02_photo.jpg``; other names are distractors), or a TSV with the columns
        ``path`` (relative to the table) and ``participant_id`` (``n/a`` for a distractor).
        Links are followed; one without content is listed, as is any file whose name says whose
        it is: a photograph that cannot be read is told, not left out.
    may_open : callable
        Says of a label, as it is typed, whether a file with it may be opened. It is listed anyway.

    Raises
    ------
    NoInputError
        The folder or table, or a photograph in the table, is not there or cannot be listed.
    UsageError
        The table lacks a column, there is no photograph, or the folder holds scans or results of
        a program, whose pictures are no photographs.
    """
    check_there(source)
    if source.is_dir():
        photos = _from_folder(source, may_open)
    elif source.is_file():
        photos = _from_table(source)
    else:
        raise NoInputError(f'{source} is neither a folder nor a table of photographs')
    if not photos:
        raise UsageError(f'no photographs in {source}: looked for {" ".join(SUFFIXES)}')
    return photos


def _from_folder(folder: Path, may_open: Callable[[str | None], bool]) -> tuple[Photo, ...]:
    photos, scans = [], Counter[str]()
    for path in files_below(folder):
        relative = path.relative_to(folder)
        suffix = path.suffix.lower()
        labelled = _LABEL.match(path.name) and suffix not in NOTES
        # the file's own name comes first, then the folder next to it
        labels = map(label_of, reversed(relative.parts))
        label = next((one for one in labels if one), None)
        kind = _kind_by_name(path) or (_kind_by_mark(path) if may_open(label) else None)
        if kind:
            scans[kind] += 1
        elif labelled or suffix in SUFFIXES:
            photos.append(Photo(relative.as_posix(), label, path))
    _check_holds_photographs(folder, photos, scans)
    return tuple(photos)


def label_of(name: str) -> str | None:
    """Label at the start of the name of a file or folder."""
    match = _LABEL.match(name)
    return match and (match['label'] or match['number'])


def _kind_by_name(path: Path) -> str | None:
    """Kind of a file with a volume or a surface: the end of its name."""
    name = path.name.lower()
    if name.endswith(SUFFIXES):
        return None
    return max((end for end in _SCANS if name.endswith(end)), key=len, default=None)


def _kind_by_mark(path: Path) -> str | None:
    """Whether a file without the name of a picture is DICOM, which a mark tells."""
    if path.name.lower().endswith((*SUFFIXES, *NOTES)):
        return None
    start, mark = _DICOM_MARK
    try:
        if not path.is_file():
            return None
        with path.open('rb') as file:
            return 'DICOM' if file.read(start + len(mark))[start:] == mark else None
    except OSError:
        # a link without content is told when it is to be read
        return None


def _check_holds_photographs(
    folder: Path, photos: Sequence[Photo], scans: Mapping[str, int]
) -> None:
    """Find out whether a folder is one of photographs.

    Raises
    ------
    UsageError
        It is one of scans or of results: what is shown there was not photographed. The message
        names no file: a scan may bear a person's name.
    """
    description = read_json(folder / DESCRIPTION)
    if description.get('DatasetType') == 'derivative' or 'PipelineDescription' in description:
        name = description.get('Name') or 'a program'
        raise UsageError(f'--photos {folder} holds results of {name}, not photographs')
    n_pictures = sum(photo.path.suffix.lower() in SUFFIXES for photo in photos)
    n_scans = sum(scans.values())
    if scans and (n_pictures <= n_scans or description):
        files = f'{count(n_scans, "file")} of {", ".join(scans)}'
        raise UsageError(
            f'--photos {folder} is a folder of scans ({files}; '
            f'{count(n_pictures, "picture")}): name a folder of photographs, or a TSV that lists '
            'them'
        )


def _from_table(table: Path) -> tuple[Photo, ...]:
    photos: list[Photo] = []
    names: set[str] = set()
    for row in read_rows(table, ('path', 'participant_id')).rows:
        name, participant = row['path'], row['participant_id']
        path = table.parent / name
        if not name or not (path.is_file() or path.is_symlink()):
            raise NoInputError(f'{table}, line {row.line}: this photograph does not exist: {path}')
        label = participant.removeprefix('sub-') if participant not in MISSING else None
        # folders of this machine are nobody's business
        name = _unique(path.name if Path(name).is_absolute() else name, names)
        names.add(name)
        photos.append(Photo(name, label, path))
    return tuple(photos)


def _unique(name: str, taken: set[str]) -> str:
    """Return the name, with a number behind it if it is taken."""
    numbered, number = name, 1
    while numbered in taken:
        number += 1
        numbered = f'{name} ({number})'
    return numbered
