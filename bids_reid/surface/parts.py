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


@dataclass(frozen=True, slots=True)
class FaceParts:
    """Skin of the average head's front and ears.

    Attributes
    ----------
    points, normals : (n, 3) float32
        In head coordinates, mm (`bids_reid.surface.average`), and outward unit normals.
    part : (n,) int8
        Indices into `PARTS`; -1 for skin of none of them.
    """

    points: NDArray[np.float32]
    normals: NDArray[np.float32]
    part: NDArray[np.int8]


@cache
def face_parts() -> FaceParts:
    """Read the parts, once per process."""
    with (files('bids_reid') / 'data' / 'face_parts.npz').open('rb') as file:
        content = dict(np.load(file))
    return FaceParts(**content)
