"""Which parts of a face are left, in words and beside a picture that shows no one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bids_reid.group.result import FacesLeft
from bids_reid.records import IDENTIFYING, PART_NAMES
from bids_reid.report import words
from bids_reid.report.findings import group_name
from bids_reid.report.head_picture import (
    SHARES,
    Key,
    overlay_address,
    picture_address,
    shares,
    used,
)
from bids_reid.surface.parts import PARTS, VIEWS

ANSWERS: Mapping[str, str] = {
    'left': 'still there',
    'removed': 'removed',
    'not in the image': 'not in the image',
    'cannot tell': 'cannot tell',
}
"""What the answers of `bids_reid.risk.presence.Presence` are called: a left eye is on the left."""
IDENTIFY = tuple(part for name in IDENTIFYING for part in PART_NAMES[name])
PAIRS = ('eye', 'cheek', 'ear')
VIEWED = f'The average head, seen from its {VIEWS[0]}, its {VIEWS[1]} and its {VIEWS[2]}'


@dataclass(frozen=True, slots=True)
class HeadFigure:
    """A picture of the average head: its address, what it says in words, and its legend."""

    address: str
    alt: str
    legend: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class PartAnswer:
    """An answer, and the names of the parts it concerns.

    It ``alarms`` if one of them is still there that tells people apart: most tools leave ears.
    """

    title: str
    names: str
    alarms: bool


@dataclass(frozen=True, slots=True)
class ScanFace:
    """What is left of the face of a scan: the parts by answer, and the picture.

    The picture has colours only; the page lays them over `head_base` (``head_picture``).
    """

    answers: tuple[PartAnswer, ...]
    figure: HeadFigure | None


@dataclass(frozen=True, slots=True)
class GroupFaces:
    """What is left of the faces of a group of scans.

    ``parts`` are those that were judged, ``counts`` has a line of numbers of scans per answer.
    """

    group: str
    n_scans: int
    n_without: int
    parts: tuple[str, ...]
    counts: tuple[tuple[str, tuple[int, ...]], ...]
    figure: HeadFigure | None


def scan_face(face_map: str | None, parts: Mapping[str, str]) -> ScanFace | None:
    """Show what is left of the face of a scan; ``None`` if nothing is known about it."""
    if face_map is None and not parts:
        return None
    answers = tuple(
        PartAnswer(
            title.capitalize(),
            part_names(part for part in PARTS if parts.get(part) == answer),
            alarms=answer == 'left' and any(parts.get(part) == answer for part in IDENTIFY),
        )
        for answer, title in ANSWERS.items()
        if answer in parts.values()
    )
    if face_map is None:
        return ScanFace(answers, None)
    said = ' '.join(f'{one.title}: {one.names}.' for one in answers) or 'No part was judged.'
    alt = f'{VIEWED}, coloured by what is left of the face. {said}'
    figure = HeadFigure(overlay_address(face_map), alt, used(face_map))
    return ScanFace(answers, figure)


def group_faces(faces: Sequence[FacesLeft], audited: str) -> list[GroupFaces]:
    """Show what is left of the faces of each group of scans, those of ``audited`` first."""
    ordered = sorted(faces, key=lambda one: one.condition != audited)
    return [_group(one) for one in ordered]


def part_names(parts: Iterable[str]) -> str:
    """Join names of parts; those of which one is on each side are one.

    >>> part_names(['left eye', 'right eye', 'nose', 'left ear'])
    'both eyes, nose, left ear'
    """
    names = list(parts)
    for pair in PAIRS:
        if {f'left {pair}', f'right {pair}'} <= set(names):
            names[names.index(f'left {pair}')] = f'both {pair}s'
            names.remove(f'right {pair}')
    return ', '.join(names)


def _group(one: FacesLeft) -> GroupFaces:
    parts = tuple(part for part in PARTS if part in one.answers)
    figure = None
    if one.n_scans:
        letters = shares(one.n_left, one.n_in_view)
        address = picture_address(letters, SHARES)
        figure = HeadFigure(address, _said(one, parts), used(letters, SHARES))
    return GroupFaces(
        group=group_name(one),
        n_scans=one.n_scans,
        n_without=one.n_without,
        parts=parts,
        counts=tuple(
            (title, tuple(one.answers[part].get(answer, 0) for part in parts))
            for answer, title in ANSWERS.items()
        ),
        figure=figure,
    )


def _said(one: FacesLeft, parts: Sequence[str]) -> str:
    """Say in words what the picture of a group shows."""
    shown = (
        f'{VIEWED}, coloured by the share of {words.count(one.n_scans, "scan")} '
        'with skin where their face would continue.'
    )
    if not parts:
        return f'{shown} No part was judged.'
    n_left = {part: one.answers[part].get('left', 0) for part in parts}
    still = sorted((part for part in parts if n_left[part]), key=lambda part: -n_left[part])
    named = ', '.join(f'{part} in {n_left[part]} of {_total(one, part)}' for part in still)
    return f'{shown} Still there: {named or "no part of any"}.'


def _total(one: FacesLeft, part: str) -> int:
    return sum(one.answers[part].values())
