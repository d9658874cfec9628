"""Evidence of a face in the renders of a scan, by several detectors and by landmarks.

None of them is believed alone: dlib's HOG detector reports faces in the tissue that a tool left
when it cut a face out, and every landmark predictor draws a face wherever it is told to. So its
score is kept, a second detector of another kind (a convolutional network) is asked, and the
landmarks of several cameras have to be the same points of the surface, where a face has them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import cv2
import dlib
import numpy as np

from bids_reid.faces.detect import answers
from bids_reid.faces.networks.dlib_mmod import load_face_network
from bids_reid.faces.weights import models_folder
from bids_reid.records import FaceEvidence
from bids_reid.surface.relief import to_average
from bids_reid.views.project import pick, project

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from bids_reid.faces.networks.dlib_mmod import FaceNetwork
    from bids_reid.records import View
    from bids_reid.surface.frame import FaceFrame

CNN_PIXELS = 160
"""A face fills half of a render.

At this size the network finds it as well as at 480, ten times faster.
"""
SURE_CNN = 0.9
AHEAD_MM = -30.0
"""Points further back in the average head do not count as landmarks."""
PLACES_MM = ((31.0, -1.0), (-31.0, -1.0), (0.0, -34.0), (0.0, -65.0))
"""Right eye, left eye, tip of the nose and mouth in the average head: to the right and up."""
LANDMARKS = (range(36, 42), range(42, 48), range(30, 31), range(48, 68))
"""The same among the 68 landmarks of iBUG 300-W, which dlib's predictor gives."""


class Detection(NamedTuple):
    """The best face of one detector in one render."""

    score: float
    box: dlib.rectangle


def asked_views(views: Sequence[View]) -> list[int]:
    """Numbers of the views that are asked: level cameras, lit from above the camera."""
    return [
        number
        for number, view in enumerate(views)
        if view.camera_pitch == 0 and (view.light_azimuth, view.light_elevation) == (0, 30)
    ]


def face_evidence(
    renders: NDArray[np.uint8],
    views: Sequence[View],
    points: NDArray[np.float32],
    frame: FaceFrame,
) -> FaceEvidence:
    """Ask both detectors, and place landmarks on the surface.

    Parameters
    ----------
    renders : (n, h, w) uint8
        One render per view.
    views : sequence of n View
    points : (m, 3) float32
        Of the surface that was rendered, RAS millimetres.
    frame : FaceFrame
        That it was rendered in.
    """
    asked = asked_views(views)
    hogs = {number: ask_hog(renders[number]) for number in asked}
    cnns: dict[int, Detection | None] = {}
    for number in sorted(asked, key=lambda number: abs(views[number].camera_yaw)):
        cnns[number] = one = ask_network(renders[number])
        if one is not None and one.score > SURE_CNN:
            break
    boxes = {number: _box(hogs[number], cnns.get(number)) for number in asked}
    off, apart = _landmarks(renders, views, boxes, points, frame)
    scores = [one.score for one in hogs.values() if one is not None]
    return FaceEvidence(
        n_cameras=len(asked),
        hog=max(scores, default=None),
        hog_cameras=sum(score > 0 for score in scores),
        cnn=max((one.score for one in cnns.values() if one is not None), default=None),
        landmarks_off_mm=off,
        landmarks_apart_mm=apart,
    )


@cache
def network() -> FaceNetwork:
    """Return dlib's convolutional network (max-margin object detection), read once per process."""
    return load_face_network(models_folder() / 'mmod_human_face_detector.dat')


@cache
def _predictor() -> dlib.shape_predictor:
    return dlib.shape_predictor(str(models_folder() / 'shape_predictor_68_face_landmarks.dat'))


def ask_hog(image: NDArray[np.uint8]) -> Detection | None:
    """Ask dlib's HOG detector for the best face of an image, (h, w) uint8."""
    found = answers(image)
    return Detection(float(found[0][1]), found[0][0]) if found else None


def ask_network(image: NDArray[np.uint8]) -> Detection | None:
    """Ask dlib's convolutional network for the best face of an image, (h, w) uint8."""
    small = cv2.resize(image, (CNN_PIXELS, CNN_PIXELS), interpolation=cv2.INTER_AREA)
    best = network().surest(np.asarray(small, np.uint8))
    if best is None:
        return None
    times = image.shape[0] / CNN_PIXELS
    return Detection(best.score, dlib.rectangle(*(int(side * times) for side in best[1:])))


def _box(hog: Detection | None, cnn: Detection | None) -> dlib.rectangle | None:
    """Where landmarks are looked for: what their predictor was made for, if it is sure."""
    if hog is not None and (hog.score > 0 or cnn is None):
        return hog.box
    return None if cnn is None else cnn.box


def _landmarks(
    renders: NDArray[np.uint8],
    views: Sequence[View],
    boxes: Mapping[int, dlib.rectangle | None],
    points: NDArray[np.float32],
    frame: FaceFrame,
) -> tuple[float | None, float | None]:
    """How far landmarks are from where they should be, and from each other."""
    moved = to_average(points, frame)
    ahead = moved[:, 1] > AHEAD_MM
    points, moved = points[ahead], moved[ahead]
    if not len(points):
        return None, None
    placed = []
    for number, box in boxes.items():
        if box is None:
            continue
        shape = _predictor()(np.ascontiguousarray(renders[number]), box)
        pixels = np.array([(part.x, part.y) for part in shape.parts()], float)
        placed.append(pick(pixels, moved, project(points, frame, views[number])))
    if not placed:
        return None, None
    every = np.array(placed)
    offs = [_off(landmarks) for landmarks in every]
    off = float(np.median(offs)) if np.isfinite(offs).all() else None
    return off, _apart(every)


def _off(landmarks: NDArray[np.floating]) -> float:
    """Mean distance of eyes, nose and mouth from their places; NaN if one is not on skin."""
    gaps = []
    for numbers, place in zip(LANDMARKS, PLACES_MM, strict=True):
        group = landmarks[list(numbers)][:, [0, 2]]
        group = group[np.isfinite(group).all(axis=1)]
        if not len(group):
            return float('nan')
        gaps.append(float(np.linalg.norm(np.median(group, axis=0) - place)))
    return float(np.mean(gaps))


def _apart(every: NDArray[np.floating]) -> float | None:
    """Median over landmarks of the largest distance between cameras, (cameras, 68, 3)."""
    if len(every) < 2:
        return None
    # the outline of a face is another one for every camera
    inner = every[:, 17:]
    gaps = np.linalg.norm(inner[:, None] - inner[None], axis=-1).max(axis=(0, 1))
    gaps = gaps[np.isfinite(gaps)]
    return float(np.median(gaps)) if gaps.size else None
