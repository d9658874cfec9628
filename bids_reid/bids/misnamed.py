"""Images in the folders of participants that are no scans, because BIDS has other names or places.

They are checked for faces like every image of a release, but get no template: whoever meant them
as scans has to know.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bids_reid.bids.entities import entities_of, is_label
from bids_reid.bids.formats import VOLUMES, format_by_name
from bids_reid.bids.head_images import HEAD_DATATYPES, HEAD_SUFFIXES, scan_of, why_no_suffix
from bids_reid.bids.walk import files_below
from bids_reid.errors import NoInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_OTHER_DATATYPES = frozenset(
    (
        *('func', 'dwi', 'fmap', 'perf', 'mrs', 'meg', 'eeg', 'ieeg', 'emg', 'nirs', 'micr'),
        *('motion', 'beh'),
    )
)
"""BIDS folders whose images do not show a head that could be searched."""
_ENDS = ('.nii', '.nii.gz')
_LIKE_AN_IMAGE = re.compile(r'\.(nii|img|mg[hz])\b', re.IGNORECASE)
_NOTES = ('.json', '.tsv', '.csv', '.txt', '.bval', '.bvec', '.md', '.log')


def misnamed_images(bids_dir: Path, participants: Iterable[str] = ()) -> list[tuple[Path, str]]:
    """Return the images that could be scans of heads but for their names or places, with reasons.

    Parameters
    ----------
    bids_dir : Path
        Raw BIDS dataset. Of what cannot be listed nothing is returned.
    participants : iterable of str
        Labels without prefix; empty for all, also those whose label BIDS does not allow.

    Returns
    -------
    list of (Path, str)
        By path; of a pair of header and data the header.
    """
    people = [bids_dir / f'sub-{label}' for label in participants]
    found = []
    for person in people or sorted(bids_dir.glob('sub-*')):
        for path in _files(person):
            reason = _why_no_scan(path, bids_dir) if _may_be_image(path) else None
            if reason is not None:
                found.append((path, reason))
    return sorted(found)


def _files(person: Path) -> Iterator[Path]:
    if person.is_dir():
        try:
            yield from files_below(person)
        except NoInputError:
            # the walk through the release gives such a folder its own row
            return


def _may_be_image(path: Path) -> bool:
    """Whether the name is one of a volume, perhaps with something behind it."""
    name = path.name.lower()
    if name.endswith('.img') and path.with_suffix('.hdr').is_file():
        return False
    if format_by_name(name) in VOLUMES:
        return True
    return not name.endswith(_NOTES) and _LIKE_AN_IMAGE.search(name) is not None


def _why_no_scan(path: Path, bids_dir: Path) -> str | None:
    """Say why an image is no scan; ``None`` if it is one, or is meant as something else."""
    if scan_of(path, bids_dir) is not None:
        twin = path.with_name(f'{path.name}.gz')
        return f'the same scan also exists as {twin.name}' if _is_there(twin) else None
    person, *inner = path.relative_to(bids_dir).parts[:-1]
    place = [person]
    if inner and inner[0].startswith('ses-'):
        place.append(inner.pop(0))
    if inner and inner[0] in _OTHER_DATATYPES and _suffix(path) not in HEAD_SUFFIXES:
        return None
    for folder in place:
        if not is_label(folder[4:]):
            return (
                f'BIDS does not allow the label of the folder {folder} (only letters, digits and '
                '+)'
            )
    return _why_not_of(place, path) or _why_not_there(inner) or _why_not_named(path)


def _is_there(path: Path) -> bool:
    return path.is_file() or path.is_symlink()


def _suffix(path: Path) -> str:
    return path.name.partition('.')[0].rpartition('_')[2]


def _why_not_of(place: list[str], path: Path) -> str | None:
    """Compare the labels of an image's name with its folders of participant and session."""
    said = entities_of(path.name)
    names = (said.participant, said.session)
    for folder, key, label in zip(place, ('sub', 'ses'), names, strict=False):
        if label is not None and label != folder[4:]:
            return f'the file name says {key}-{label}, the folder {folder}'
    expected = '_'.join(place)
    if not re.match(rf'{re.escape(expected)}([_.]|$)', path.name):
        return f'the file name does not start with {expected}'
    return None


def _why_not_there(inner: list[str]) -> str | None:
    """Judge the folders between those of participant and session and the image."""
    if len(inner) == 1 and inner[0] in HEAD_DATATYPES:
        return None
    if len(inner) == 1 and inner[0].lower() in HEAD_DATATYPES:
        return f'the folder is {inner[0]}, not {inner[0].lower()}'
    where = '/'.join(inner) or 'the folder of the participant or session itself'
    return (
        f'the file is in {where}, not in {", ".join(HEAD_DATATYPES[:-1])} or {HEAD_DATATYPES[-1]}'
    )


def _why_not_named(path: Path) -> str | None:
    """Judge the end of an image's name."""
    name = path.name
    if not name.endswith(_ENDS):
        first, dot, rest = name.partition('.')
        if f'{dot}{rest}'.lower() in _ENDS:
            return f'the file name ends with {dot}{rest}, not {dot}{rest.lower()}'
        ending = f'{dot}{rest}' if dot else first
        return f'the file name ends with {ending}, not .nii.gz or .nii'
    before, _, last = name.partition('.')[0].rpartition('_')
    if not re.fullmatch('[A-Za-z0-9]+', last):
        return f'the file name ends with {last!r}, not with a suffix such as T1w'
    return why_no_suffix(before, last) or 'the file name does not follow BIDS'
