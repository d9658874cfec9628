"""Renders that look like photographs: soft light, and open eyes.

A scan shows skin without colour, with the eyes shut, and networks were trained on photographs. So
open eyes are painted on the lids, where landmarks have the corners of the eyes. Nothing of it is
known of the participant: all get the same shades. Brows and lips were tried, too: networks then
find fewer people (``benchmarks/results/attacks.tsv``), as nothing in a scan tells how high brows
are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import dlib
import numpy as np

from bids_reid.faces.detect import landmark_predictor
from bids_reid.views.cameras import standard_views
from bids_reid.views.render import GAMMA, soft_renders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from bids_reid.faces.detect import Box

    Mask = NDArray[np.float32]
    Points = NDArray[np.float64]

# numbers of the 68 landmarks of iBUG 300-W, which dlib's predictor gives
EYES = ((36, 39), (45, 42))
"""Outer and inner corner."""
OUTER_CORNERS = 36, 45
"""Of the eyes; their distance is the size of a face."""
WHITE, IRIS, LASHES, LOWER_LASHES = (1.15, 0.95), (0.12, 0.95), (0.15, 0.8), (0.5, 0.5)
"""Brightness by that of skin, and how much of the skin is hidden."""
_FINE = 4
"""Binary digits of a pixel's fractions in OpenCV's drawings."""


def photo_like_renders(
    renders: NDArray[np.uint8], boxes: Mapping[tuple[float, float], Box]
) -> NDArray[np.uint8]:
    """Make the renders of `bids_reid.views.cameras.photo_like_views`.

    Parameters
    ----------
    renders : (81, h, w) uint8
        Of the standard views, brightness in proportion to light.
    boxes : mapping of (yaw, pitch) to Box
        Where each camera's face is.

    Returns
    -------
    (18, h, w) uint8
        Soft renders of all cameras, then painted ones. Without a box nothing is painted.
    """
    views = standard_views()
    soft = soft_renders(renders, views)
    lit: dict[tuple[float, float], list[NDArray[np.uint8]]] = {}
    for view, render in zip(views, renders, strict=True):
        lit.setdefault(view.camera, []).append(render)
    painted = [
        paint(image, _steady_landmarks(lit[camera], boxes[camera])) if camera in boxes else image
        for image, camera in zip(soft, lit, strict=True)
    ]
    return np.concatenate([soft, np.array(painted)])


def paint(image: NDArray[np.uint8], marks: Points) -> NDArray[np.uint8]:
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


def _steady_landmarks(renders: Sequence[NDArray[np.uint8]], box: Box) -> Points:
    """Find landmarks in the renders of one camera: each light moves them by some pixels."""
    found = [_landmarks(render, box) for render in renders]
    return np.asarray(np.median(found, axis=0))


def _landmarks(image: NDArray[np.uint8], box: Box) -> Points:
    parts = landmark_predictor()(np.ascontiguousarray(image), dlib.rectangle(*box)).parts()
    return np.array([(point.x, point.y) for point in parts], np.float64)


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


def _fine(points: Points) -> NDArray[np.int32]:
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
