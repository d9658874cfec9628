"""Participant, session and suffix, read from the path of an image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

_LABEL = re.compile(r'(?:^|[/_.])(sub|ses)-([A-Za-z0-9]+)(?=[/_.]|$)')
_SUFFIX = re.compile(r'(?:^|_)(?P<suffix>[A-Za-z0-9]+)\.')


@dataclass(frozen=True, slots=True)
class PathEntities:
    """Labels without prefix, and the name up to its extension; ``None`` where there is none."""

    participant: str | None
    session: str | None
    suffix: str | None
    bids_name: str


def entities_of(path: str) -> PathEntities:
    """Take a path apart; of a label that comes twice, the one nearest to the name counts.

    >>> entities_of('derivatives/freesurfer/sub-01_ses-2/mri/orig.mgz')
    PathEntities(participant='01', session='2', suffix=None, bids_name='orig')
    >>> entities_of('sub-01/anat/sub-01_T1w.nii.gz')
    PathEntities(participant='01', session=None, suffix='T1w', bids_name='sub-01_T1w')
    """
    labels = dict(_LABEL.findall(path))
    name = PurePosixPath(path).name
    first, dot, _ = name.partition('.')
    stem = first if first else name
    suffix = _SUFFIX.search(f'{first}.') if dot and '-' in first else None
    last = suffix['suffix'] if suffix else None
    return PathEntities(labels.get('sub'), labels.get('ses'), last, stem)
