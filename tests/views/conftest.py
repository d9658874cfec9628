"""A small head: an ellipsoid with a nose, and something on its left cheek only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import pyvista as pv
from numpy.typing import NDArray

from bids_reid.surface.frame import FaceFrame


class Head(NamedTuple):
    """A closed mesh, millimetres, and its frame."""

    points: NDArray[np.float32]
    triangles: NDArray[np.int32]
    frame: FaceFrame


def small_head() -> Head:
    ball = pv.Icosphere(radius=1, nsub=5)
    directions = np.asarray(ball.points, float)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    # towards the participant's left is -x
    nose = 25 * np.exp(-((directions - [0, 1, -0.1]) ** 2).sum(axis=1) / 0.03)
    cheek = 12 * np.exp(-((directions - [-0.6, 0.75, -0.3]) ** 2).sum(axis=1) / 0.02)
    points = directions * [75, 95, 110] + directions * (nose + cheek)[:, None]
    points += [10, -20, 30]
    frame = FaceFrame(
        np.array([10.0, -20, 25]), np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
    )
    return Head(points.astype(np.float32), ball.regular_faces.astype(np.int32), frame)


@pytest.fixture(scope='session')
def head() -> Head:
    return small_head()
