"""Faces made of one half and its mirror image, for detectors that know whole faces only.

A tool may leave half a face, and a field of view may end below the nose. Each half of the map of
depths is mirrored, and continued by the average's face beyond the field of view, as far forward
as the skin in view; a picture of it is shown to the detectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy import ndimage

from bids_reid.faces.evidence import ask_hog, ask_network
from bids_reid.records import HalfFaces
from bids_reid.surface.relief import BEHIND_MM, NEAR_MM, SQUARE_MM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.surface.relief import FaceDepths, Map

MIN_CORE = 0.5
"""With less of eyes, nose and mouth in view, the picture would show only the average head."""
TIMES = 4
"""Pixels per square of the map."""
SMOOTHING_PIXELS = 2.0
MARGIN_PIXELS = 40
LIGHT_DEGREES = 30.0
"""Height of the light above the camera."""
ASK_NETWORK = 0.0
"""Score of the HOG detector from which on the network is used too."""


def half_faces(depths: FaceDepths) -> HalfFaces | None:
    """Ask detectors about both halves of a face; ``None`` if too little of it is in view."""
    if (depths.core & depths.seen).sum() < MIN_CORE * depths.core.sum():
        return None
    pictures = [picture(half) for half in mirrored(depths)]
    found = [ask_hog(one) for one in pictures]
    scores = [-np.inf if one is None else one.score for one in found]
    better = int(np.argmax(scores))
    if not np.isfinite(scores[better]):
        return HalfFaces()
    network = ask_network(pictures[better]) if scores[better] >= ASK_NETWORK else None
    return HalfFaces(float(scores[better]), None if network is None else network.score)


def mirrored(depths: FaceDepths) -> tuple[Map, Map]:
    """Return the maps of the left and the right half with its mirror image."""
    off = (depths.depth - depths.average)[depths.seen]
    near = off[np.abs(off) < NEAR_MM]
    forward = np.median(near) if near.size else 0.0
    whole = np.where(depths.seen, depths.depth, depths.average + np.float32(forward))
    half = len(whole) // 2
    left, right = whole[:half], whole[half:]
    return np.concatenate([left, left[::-1]]), np.concatenate([right[::-1], right])


def picture(depth: Map) -> NDArray[np.uint8]:
    """Light a map of depths, (h, w) uint8; black where there is nothing."""
    large = cv2.resize(depth.T[::-1], None, fx=TIMES, fy=TIMES, interpolation=cv2.INTER_CUBIC)
    large = ndimage.gaussian_filter(large, SMOOTHING_PIXELS)
    down, right = np.gradient(large * np.float32(TIMES / SQUARE_MM))
    light = np.radians(LIGHT_DEGREES)
    shade = np.sin(light) * down + np.cos(light)
    shade = shade.clip(0) / np.sqrt(1 + down**2 + right**2)
    shade[large < BEHIND_MM + SQUARE_MM] = 0
    return np.pad((255 * shade.clip(0, 1)).astype(np.uint8), MARGIN_PIXELS)
