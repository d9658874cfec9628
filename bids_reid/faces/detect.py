"""Find the face in an image with dlib's HOG detector, and in the renders of a scan."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import dlib
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from bids_reid.records import View


class Box(NamedTuple):
    """A face box in pixels, x to the right and y down; ``right`` and ``bottom`` are inside."""

    left: int
    top: int
    right: int
    bottom: int


class Face(NamedTuple):
    """A face that the detector found, and how sure it is: 0 is its own limit."""

    box: Box
    score: float


FLOOR = -1.0
"""Lowest score of the detector that is requested of a render."""
REMEMBERED = 16
"""Renders whose answers are kept: more than the cameras, which are asked about first."""


@cache
def detector() -> dlib.fhog_object_detector:
    """Return dlib's detector of frontal faces, read once per process: that takes half a second."""
    return dlib.get_frontal_face_detector()


def find_faces(image: NDArray[np.uint8], *, enlarge: int = 0) -> list[Face]:
    """Find all faces, the largest first.

    Parameters
    ----------
    image : (h, w) or (h, w, 3) uint8
        Grey or RGB.
    enlarge : int
        How often the image is doubled first: once finds faces from 40 pixels, none from 80.
    """
    # dlib asks for the stride of one column, which numpy leaves open if there is just one
    boxes, scores, _ = detector().run(np.array(image, order='C'), enlarge, 0.0)
    return _largest_first(zip(boxes, scores, strict=True), image.shape)


def _largest_first(
    found: Iterable[tuple[dlib.rectangle, float]], shape: tuple[int, ...]
) -> list[Face]:
    """Cut boxes off at the border of the image."""
    height, width = shape[:2]
    return [
        Face(
            Box(
                max(box.left(), 0),
                max(box.top(), 0),
                min(box.right(), width - 1),
                min(box.bottom(), height - 1),
            ),
            float(score),
        )
        for box, score in sorted(found, key=lambda one: -one[0].area())
    ]


def find_face_of_render(render: NDArray[np.uint8]) -> Box | None:
    """Find what `find_face` finds, in a render (h, w) uint8 that other steps ask about too."""
    sure = [one for one in answers(render) if one[1] >= 0]
    return _largest_first(sure, render.shape)[0].box if sure else None


def answers(render: NDArray[np.uint8]) -> tuple[tuple[dlib.rectangle, float], ...]:
    """Ask the detector about a render, (h, w) uint8: boxes and scores from `FLOOR` on.

    The surest come first. The last renders are remembered, for several steps ask about the same.
    """
    return _answers(render.tobytes(), render.shape)


@lru_cache(maxsize=REMEMBERED)
def _answers(content: bytes, shape: tuple[int, int]) -> tuple[tuple[dlib.rectangle, float], ...]:
    render = np.frombuffer(content, np.uint8).reshape(shape)
    boxes, scores, _ = detector().run(render, 0, FLOOR)
    return tuple(zip(boxes, scores, strict=True))


def find_face(image: NDArray[np.uint8]) -> Box | None:
    """Find the largest face in an image, (h, w) or (h, w, 3) uint8."""
    faces = find_faces(image)
    return faces[0].box if faces else None


def find_faces_by_camera(
    renders: NDArray[np.uint8], views: Sequence[View]
) -> dict[tuple[float, float], Box]:
    """Find one face box per camera; it holds for all its lights, which move nothing.

    Lights are tried from the one nearest to the camera on, because the detector misses faces lit
    from the side.

    Parameters
    ----------
    renders : (n, h, w) uint8
        One render per view.
    views : sequence of n View

    Returns
    -------
    dict
        (yaw, pitch) of the camera to the box; cameras without a face are missing.
    """
    boxes: dict[tuple[float, float], Box] = {}

    def off_axis(number: int) -> float:
        azimuth, elevation = views[number].light
        # light from above shows a face best, as daylight does
        return abs(azimuth) + abs(elevation - 30)

    for number in sorted(range(len(views)), key=off_axis):
        camera = views[number].camera
        if camera in boxes:
            continue
        box = find_face_of_render(renders[number])
        if box is not None:
            boxes[camera] = box
    return boxes
