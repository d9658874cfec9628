"""Open eyes painted onto renders in soft light: tried, and not in the program.

A scan shows skin without colour, with the eyes shut, and networks were trained on photographs. So
open eyes are painted on the lids, where landmarks have the corners of the eyes. Nothing of it is
known of the participant: all get the same shades.
"""

from __future__ import annotations

import cv2
import numpy as np

from bids_reid.views.render import GAMMA

Mask = np.ndarray
Points = np.ndarray
# numbers of the 68 landmarks of iBUG 300-W, which dlib's predictor gives
EYES = ((36, 39), (45, 42))
"""Outer and inner corner."""
OUTER_CORNERS = 36, 45
"""Of the eyes; their distance is the size of a face."""
WHITE, IRIS, LASHES, LOWER_LASHES = (1.15, 0.95), (0.12, 0.95), (0.15, 0.8), (0.5, 0.5)
"""Brightness by that of skin, and how much of the skin is hidden."""
_FINE = 4
"""Binary digits of a pixel's fractions in OpenCV's drawings."""


def paint(image: np.ndarray, marks: Points) -> np.ndarray:
    """Paint open eyes onto a face in soft light, (h, w) uint8.

    Parameters
    ----------
    image : (h, w) uint8
        As bright as a photograph: the root of the light.
    marks : (68, 2) float64
        Landmarks, pixels to the right and down.
    """
    size = max(float(np.linalg.norm(marks[OUTER_CORNERS[0]] - marks[OUTER_CORNERS[1]])), 1.0)
    light = np.asarray((image / np.float32(255)) ** np.float32(GAMMA), np.float32)
    colours = np.ones_like(light)
    eyeballs = np.zeros_like(light)
    for outer, inner in EYES:
        eyeballs = np.maximum(eyeballs, _eye(colours, marks[outer], marks[inner], size))
    # a ball in the shade of its socket has no lid's relief
    even = cv2.GaussianBlur(light, (0, 0), 0.06 * size)
    lit = (light * (1 - eyeballs) + even * eyeballs) * colours
    return np.round(255 * np.clip(lit, 0, 1) ** (1 / GAMMA)).astype(np.uint8)


def _blend(colours: Mask, mask: Mask, tone: tuple[float, float]) -> None:
    """Move brightness towards that of a tone, in place."""
    brightness, cover = tone
    colours += mask * cover * (brightness - colours)


def _eye(colours: Mask, outer: Points, inner: Points, size: float) -> Mask:
    """Paint an open eye between its corners; return the mask of the eyeball."""
    across = inner - outer
    width = max(float(np.linalg.norm(across)), 1.0)
    down = np.array([-across[1], across[0]]) / width
    if down[1] < 0:
        down = -down
    along = np.linspace(0, 1, 13)
    corners = outer + along[:, None] * across
    upper = corners - np.outer(0.24 * width * np.sin(np.pi * along**0.9), down)
    lower = corners + np.outer(0.13 * width * np.sin(np.pi * along), down)
    ball = _smooth(_area(colours.shape, np.concatenate([upper, lower[::-1]])), 0.006 * size)
    _blend(colours, ball, WHITE)
    middle = (outer + inner) / 2 - 0.055 * width * down
    _blend(colours, _disc(colours.shape, middle, 0.205 * width) * ball, IRIS)
    lashes = _line(colours.shape, upper, 0.05 * width)
    _blend(colours, _smooth(lashes, 0.005 * size), LASHES)
    lashes = _line(colours.shape, lower, 0.03 * width)
    _blend(colours, _smooth(lashes, 0.005 * size), LOWER_LASHES)
    return ball


def _fine(points: Points) -> np.ndarray:
    return np.round(points * 2**_FINE).astype(np.int32)


def _area(shape: tuple[int, ...], outline: Points) -> Mask:
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [_fine(outline)], 255, cv2.LINE_AA, _FINE)
    return np.asarray(mask / np.float32(255), np.float32)


def _line(shape: tuple[int, ...], points: Points, width: float) -> Mask:
    mask = np.zeros(shape, np.uint8)
    thickness = max(1, round(width))
    cv2.polylines(mask, [_fine(points)], False, 255, thickness, cv2.LINE_AA, _FINE)
    return np.asarray(mask / np.float32(255), np.float32)


def _disc(shape: tuple[int, ...], middle: Points, radius: float) -> Mask:
    mask = np.zeros(shape, np.uint8)
    x, y = (int(place) for place in _fine(middle))
    cv2.circle(mask, (x, y), round(radius * 2**_FINE), 255, -1, cv2.LINE_AA, _FINE)
    return np.asarray(mask / np.float32(255), np.float32)


def _smooth(mask: Mask, spread: float) -> Mask:
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), max(spread, 0.1)), np.float32)
