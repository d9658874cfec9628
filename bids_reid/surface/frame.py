"""Where the face is: the frame that cameras and lights are placed in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERTEX_TO_FACE_MM = 125.0
"""From the top of the head down to the middle of an adult face (between nasion and nose tip)."""
HEAD_MM = 170.0
"""The part below the vertex that tells where the head's middle is; the neck tells nothing."""


@dataclass(frozen=True, slots=True)
class FaceFrame:
    """A right-handed frame in the middle of the head at face height, RAS millimetres.

    ``forward`` leaves the face, ``up`` points to the vertex, ``left`` to the participant's left.
    """

    origin: NDArray[np.float64]
    forward: NDArray[np.float64]
    up: NDArray[np.float64]

    @property
    def left(self) -> NDArray[np.float64]:
        """Towards the participant's left, shape (3,)."""
        return np.cross(self.up, self.forward)

    def direction(self, azimuth: float, elevation: float) -> NDArray[np.float64]:
        """Unit vector at ``azimuth`` (to the left) and ``elevation`` (up), both in degrees."""
        a, e = np.radians([azimuth, elevation])
        ahead = np.cos(a) * self.forward + np.sin(a) * self.left
        return np.asarray(np.cos(e) * ahead + np.sin(e) * self.up)


def face_frame(points: NDArray[np.float32]) -> FaceFrame:
    """Place the face frame by the shape of the head, looking along the scanner's axes.

    Parameters
    ----------
    points : (n, 3) float32
        Skin surface, RAS millimetres.
    """
    top = float(np.percentile(points[:, 2], 99.9))
    head = points[points[:, 2] > top - HEAD_MM]
    low, high = np.percentile(head[:, :2], [2, 98], axis=0)
    x, y = (low + high) / 2
    return FaceFrame(
        origin=np.array([x, y, top - VERTEX_TO_FACE_MM]),
        forward=np.array([0.0, 1.0, 0.0]),
        up=np.array([0.0, 0.0, 1.0]),
    )
