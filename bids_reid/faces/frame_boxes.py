"""Where a face is in a render, known from the face frame instead of a detector.

Renders are made in the face frame, so that the face of every scan lies in nearly the same place
of the same camera's render. An attacker who knows how scans are rendered can look there even
where no detector sees a face, as on a scan whose face was removed in part.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.faces.detect import Box

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Camera = tuple[float, float]
"""Yaw and pitch, degrees."""


def median_boxes(heads: Iterable[Mapping[Camera, Box]]) -> dict[Camera, Box]:
    """Median box of each camera over several heads, side by side, in whole pixels."""
    by_camera: dict[Camera, list[Box]] = {}
    for head in heads:
        for camera, box in head.items():
            by_camera.setdefault(camera, []).append(box)
    return {
        camera: Box(*(int(side) for side in np.median(boxes, axis=0).round()))
        for camera, boxes in sorted(by_camera.items())
    }


@cache
def frame_boxes() -> Mapping[Camera, Box]:
    """Read where a face is in renders of the standard size, as benchmarks/face_boxes.py found."""
    text = (resources.files('bids_reid') / 'data' / 'face_boxes.json').read_text('utf-8')
    return {
        (entry['CameraYaw'], entry['CameraPitch']): Box(*entry['Box'])
        for entry in json.loads(text)['Boxes']
    }
