"""The parts of a face on the skin of the average head, made by ``tools/face_parts.py``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS = (
    *('brow', 'left eye', 'right eye', 'nose', 'mouth', 'chin'),
    *('left cheek', 'right cheek', 'left ear', 'right ear'),
)
"""Names of the numbers in ``FaceParts.part``; left and right are the participant's."""
ALL, TOP = 'this region holds the whole imaged body', 'this is the upper part of the imaged body'
"""End of the note about the region of a field of view that was looked at.

It gives the reason for the choice.
"""
MIN_IN_VIEW = 0.15
"""Smallest share of a part in the image with which the part is judged."""
VIEWS = ('right side', 'front', 'left side')
"""Views in the picture, from the left.

The front view shows the participant's right on the left.
"""
BACKGROUND, ELSEWHERE = -1, -2
"""In ``FaceParts.shown``: pixels outside the head, and skin without any of the points."""


@dataclass(frozen=True, slots=True)
class FaceParts:
    """Skin of the average head's front and ears.

    Attributes
    ----------
    points, normals : (n, 3) float32
        In head coordinates, mm (`bids_reid.surface.average`), and outward unit normals.
    part : (n,) int8
        Indices into `PARTS`; -1 for skin of none of them.
    shown : (h, w) int16
        A picture of the average head, its `VIEWS` side by side: the point that each pixel shows,
        else `BACKGROUND` or `ELSEWHERE`.
    shade : (h, w) uint8
        Light that the skin gives back there.
    ends : (3,) int16
        The column after the last one of each view.
    """

    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    part: NDArray[np.int8]
    shown: NDArray[np.int16]
    shade: NDArray[np.uint8]
    ends: NDArray[np.int16]


MAP_LETTERS = frozenset('.abcdef')
"""Of a face map: `bids_reid.surface.traces` says what they stand for."""


@cache
def face_parts() -> FaceParts:
    """Read the parts, once per process."""
    with (files('bids_reid') / 'data' / 'face_parts.npz').open('rb') as file:
        content = dict(np.load(file))
    return FaceParts(**content)


def known_map(letters: str | None) -> str | None:
    """Return a face map; ``None`` for one of another version, of other points or letters."""
    if letters is None or len(letters) != len(face_parts().points):
        return None
    return letters if set(letters) <= MAP_LETTERS else None
