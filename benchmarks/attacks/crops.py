"""The program's extractors with other crops of the face: tighter, and wider."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import dlib
import numpy as np

from bids_reid.faces.detect import Box
from bids_reid.faces.face_recognition import FaceRecognition
from bids_reid.faces.facenet import FaceNet, cut_face
from bids_reid.faces.networks.dlib_resnet import CHIP_PIXELS

Array = np.ndarray
PADDINGS = {'tighter': 0.15, 'wider': 0.35}
"""Of dlib's chip, which has 0.25 in the program."""
SIDES = {'tighter': 1.2, 'wider': 1.42}
"""Of FaceNet's square, which has 1.3."""
CROPS = tuple(PADDINGS)


class OtherChips(FaceRecognition):
    """face_recognition with another margin around the landmarks."""

    def __init__(self, padding: float) -> None:
        self.padding = padding

    def chips(self, images: Sequence[Array], boxes: Sequence[Box]) -> Array:
        """Cut the faces out: (n, 150, 150)."""
        marks = [self.landmarks(image, box) for image, box in zip(images, boxes, strict=True)]
        chips = [
            dlib.get_face_chip(image, found, CHIP_PIXELS, self.padding)
            for image, found in zip(images, marks, strict=True)
        ]
        return np.array(chips)


class OtherSquares(FaceNet):
    """FaceNet with another square."""

    def __init__(self, side: float) -> None:
        self.side = side

    def chips(self, images: Sequence[Array], boxes: Sequence[Box]) -> Array:
        """Cut the faces out: (n, 160, 160)."""
        pairs = zip(images, boxes, strict=True)
        return np.array([cut_face(image, box, side=self.side) for image, box in pairs])


@cache
def with_crop(extractor: str, crop: str) -> FaceRecognition | FaceNet:
    """Load an extractor with one of `CROPS`."""
    if extractor == 'facenet':
        return OtherSquares(SIDES[crop])
    return OtherChips(PADDINGS[crop])
