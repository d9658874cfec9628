"""Participant, session and suffix, read from the path of an image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

LABEL = '[0-9A-Za-z+]+'
"""Characters that BIDS allows in the label of a participant or session."""
_LABEL = re.compile(LABEL)
_WORD = re.compile(rf'(?:^|[/_.])(sub|ses)-({LABEL})(?=[/_.]|$)')
_PLACE = re.compile(rf'(?P<key>sub|ses)-(?P<label>{LABEL})((_[a-z]+-{LABEL})+(\..+)?|\.long\..+)?')
"""A folder of a participant or a session; FreeSurfer's bear the entities of a scan, too, and after
``.long.`` the template of a participant."""
_SUFFIX = re.compile(r'(?:^|_)(?P<suffix>[A-Za-z0-9]+)\.')


@dataclass(frozen=True, slots=True)
class PathEntities:
    """Labels without prefix, and the name up to its extension; ``None`` where there is none.

    ``contradiction`` is in words: the name says another participant than the folder.
    """

    participant: str | None
    session: str | None
    suffix: str | None
    bids_name: str
    contradiction: str | None = None


def is_label(text: str) -> bool:
    """Whether BIDS allows this label.

    >>> is_label('a+1'), is_label('PAT_001'), is_label('')
    (True, False, False)
    """
    return _LABEL.fullmatch(text) is not None


def entities_of(path: str) -> PathEntities:
    """Take a path apart: folders say whose an image is, and its name only where they do not.

    Of folders the one nearest to the name counts. Nobody is said by a folder ``sub-...`` at the
    top, or ``ses-...`` right below it, whose label BIDS does not allow.

    >>> entities_of('derivatives/freesurfer/sub-01_ses-2/mri/orig.mgz')
    PathEntities(participant='01', session='2', suffix=None, bids_name='orig', contradiction=None)
    >>> entities_of('sub-01/anat/sub-01_T1w.nii.gz').suffix
    'T1w'
    >>> entities_of('sub-PAT_001/anat/sub-PAT_001_T1w.nii.gz').participant is None
    True
    """
    *folders, name = path.split('/')
    by_folder = dict(_WORD.findall('/'.join(folders)))
    by_name = dict(_WORD.findall(name))
    contradiction = None
    participant = by_folder.get('sub', by_name.get('sub'))
    if participant != by_name.get('sub', participant):
        contradiction = f'the file name says sub-{by_name["sub"]}, the folder sub-{participant}'
    session = by_folder.get('ses', by_name.get('ses'))
    if _is_misnamed(folders[:1], 'sub'):
        participant, session, contradiction = None, None, None
    elif folders and folders[0].startswith('sub-') and _is_misnamed(folders[1:2], 'ses'):
        session = None
    first, dot, _ = name.partition('.')
    stem = first if first else PurePosixPath(path).name
    suffix = _SUFFIX.search(f'{first}.') if dot and '-' in first else None
    last = suffix['suffix'] if suffix else None
    return PathEntities(participant, session, last, stem, contradiction)


def _is_misnamed(folders: list[str], key: str) -> bool:
    return any(
        folder.startswith(f'{key}-') and _PLACE.fullmatch(folder) is None for folder in folders
    )
