"""Brows and lips painted onto renders: tried, and not in the program."""

from __future__ import annotations

from functools import cache

import cv2
import dlib
import numpy as np

from benchmarks.attacks.open_eyes import OUTER_CORNERS
from bids_reid.faces.weights import models_folder
from bids_reid.views.render import GAMMA

Array = np.ndarray
# numbers of the 68 landmarks of iBUG 300-W
BROWS = (17, 18, 19, 20, 21), (26, 25, 24, 23, 22)
"""From the outer end to the inner."""
LIPS = tuple(range(48, 60))
BETWEEN_LIPS = (48, 48), (60, 60), (61, 67), (62, 66), (63, 65), (64, 64), (54, 54)
"""Pairs whose middles are on the line from corner to corner of the mouth."""
NOSTRILS = 32, 34
BROW, LIP, MOUTH, NOSTRIL = (0.25, 0.8), (0.6, 0.8), (0.22, 0.8), (0.4, 0.7)
"""Brightness by that of skin, and how much of the skin is hidden."""
BROW_WIDTHS = 0.048, 0.061, 0.075, 0.088
"""From the outer end to the inner, in distances of the outer corners of the eyes."""
_FINE = 4
"""Binary digits of a pixel's fractions in OpenCV's drawings."""


def steady_landmarks(renders: Array, box: tuple[int, int, int, int]) -> Array:
    """Find the 68 landmarks in the renders (n, h, w) of one camera: their medians, (68, 2)."""
    face = dlib.rectangle(*box)
    found = [_predictor()(np.ascontiguousarray(render), face).parts() for render in renders]
    return np.median([[(p.x, p.y) for p in parts] for parts in found], axis=0)


def made_up(image: Array, marks: Array) -> Array:
    """Paint brows, lips and nostrils onto a face, (h, w) uint8, as bright as a photograph."""
    size = max(float(np.linalg.norm(marks[OUTER_CORNERS[0]] - marks[OUTER_CORNERS[1]])), 1.0)
    light = (image / np.float32(255)) ** np.float32(GAMMA)
    colours = np.ones_like(light)

    def blend(mask: Array, spread: float, tone: tuple[float, float]) -> None:
        brightness, cover = tone
        soft = cv2.GaussianBlur(mask, (0, 0), spread * size)
        colours[:] += soft * cover * (brightness - colours)

    for brow in BROWS:
        parts = [
            _line(light.shape, marks[list(brow[n : n + 2])], width * size)
            for n, width in enumerate(BROW_WIDTHS)
        ]
        blend(np.max(parts, axis=0), 0.012, BROW)
    blend(_area(light.shape, marks[list(LIPS)]), 0.01, LIP)
    middles = np.array([marks[list(pair)].mean(axis=0) for pair in BETWEEN_LIPS])
    blend(_line(light.shape, middles, 0.015 * size), 0.008, MOUTH)
    for nostril in NOSTRILS:
        blend(_line(light.shape, marks[[nostril, nostril]], 0.04 * size), 0.01, NOSTRIL)
    return np.round(255 * np.clip(light * colours, 0, 1) ** (1 / GAMMA)).astype(np.uint8)


@cache
def _predictor() -> dlib.shape_predictor:
    return dlib.shape_predictor(str(models_folder() / 'shape_predictor_68_face_landmarks.dat'))


def _fine(points: Array) -> Array:
    return np.round(points * 2**_FINE).astype(np.int32)


def _area(shape: tuple[int, ...], outline: Array) -> Array:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [_fine(outline)], 255, cv2.LINE_AA, _FINE)
    return mask / np.float32(255)


def _line(shape: tuple[int, ...], points: Array, width: float) -> Array:
    mask = np.zeros(shape, np.uint8)
    cv2.polylines(mask, [_fine(points)], False, 255, max(1, round(width)), cv2.LINE_AA, _FINE)
    return mask / np.float32(255)
