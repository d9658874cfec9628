"""Landmarks are placed on the surface through the same camera that rendered it."""

from __future__ import annotations

import numpy as np

from bids_reid.records import View
from bids_reid.surface.frame import FaceFrame
from bids_reid.views.project import pick, project
from bids_reid.views.render import render_views


def test_points_project_to_where_they_are_rendered() -> None:
    """Otherwise landmarks of different cameras never agree and no face is believed."""
    frame = FaceFrame(np.array([5.0, -3.0, 7.0]), np.array([0.0, 1.0, 0.0]), np.array([0.0, 0, 1]))
    middle = frame.origin + np.array([30.0, 40.0, -20.0])
    corners = np.array([[0, 3, 0], [3, 0, 0], [-3, 0, 0], [0, 0, 3], [0, 0, -3.0]]) + middle
    triangles = np.array([[0, 3, 1], [0, 1, 4], [0, 4, 2], [0, 2, 3]], np.int32)
    for yaw, pitch in ((0.0, 0.0), (20.0, 0.0), (-20.0, 15.0)):
        view = View(0, yaw, pitch, 0.0, 30.0)
        images, _ = render_views(corners.astype(np.float32), triangles, frame, [view])
        rows, columns = np.nonzero(images[0])
        x, y, _ = project(corners, frame, view).mean(axis=0)
        assert abs(columns.mean() - x) < 2
        assert abs(rows.mean() - y) < 2


def test_the_foremost_point_is_picked_and_air_is_nan() -> None:
    """A landmark on the nose must not be one on the back of the head."""
    frame = FaceFrame(np.zeros(3), np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    points = np.array([[0.0, 50.0, 0.0], [0.0, -50.0, 0.0]])
    there = project(points, frame, View(0, 0.0, 0.0, 0.0, 0.0))
    picked = pick(np.array([[239.5, 239.5], [10.0, 10.0]]), points, there)
    np.testing.assert_allclose(picked[0], points[0])
    assert np.isnan(picked[1]).all()
