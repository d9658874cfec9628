"""Sentences about photographs with several faces, and about those that were turned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bids_reid.messages import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bids_reid.group.result import PhotoLine

NAMED = 5
"""Number of photographs named in a sentence."""


def photo_remarks(photos: Iterable[PhotoLine]) -> Iterator[str]:
    """Say of how many photographs somebody else's face may have been taken, and of which.

    Those of distractors are counted only: the name of a file may be a person's.
    """
    photos = tuple(photos)
    several = [photo for photo in photos if photo.n_faces > 1]
    alike = [photo for photo in photos if photo.n_alike > 1]
    turned = [photo for photo in photos if photo.turned]
    if several:
        shows = count(len(several), 'photograph shows', 'photographs show')
        remark = f'{shows} more than one face; the largest face was used: {_names(several)}'
        if alike:
            remark += (
                f'. On {len(alike)} of them another face is about as large, so the wrong face '
                f'may have been used: {_names(alike)}'
            )
        yield remark
    if turned:
        was = count(len(turned), 'photograph was', 'photographs were')
        yield f'{was} rotated until a face was upright: {_names(turned)}'


def _names(photos: Sequence[PhotoLine]) -> str:
    """Name photographs of participants, and count others."""
    named = [photo.name for photo in photos if photo.labelled]
    n_others = len(photos) - len(named)
    parts = [', '.join(named[:NAMED])] if named else []
    if len(named) > NAMED:
        parts[0] += ', ...'
    if n_others:
        parts.append(count(n_others, 'distractor'))
    return ' and '.join(parts)
