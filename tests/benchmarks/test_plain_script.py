"""Two programs are compared: they must do the same work."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np

from bids_reid.surface.frame import FaceFrame
from bids_reid.views import render
from bids_reid.views.cameras import standard_views

PLAIN = Path(__file__).parents[2] / 'benchmarks' / 'plain_script.py'


def test_the_plain_script_looks_from_the_same_views() -> None:
    plain = runpy.run_path(str(PLAIN))
    views = [
        (v.camera_yaw, v.camera_pitch, v.light_azimuth, v.light_elevation)
        for v in standard_views()
    ]
    assert plain['view_angles']() == views
    assert plain['PIXELS'] == render.IMAGE_PIXELS
    assert (plain['DISTANCE_MM'], plain['FIELD_MM']) == (render.CAMERA_MM, render.FIELD_MM)
    axes = FaceFrame(np.zeros(3), np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(plain['direction'](20, 15), axes.direction(20, 15))
