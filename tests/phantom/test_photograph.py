"""Photographs of synthetic people."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bids_reid.phantom.anatomy import Expression
from bids_reid.phantom.camera import Camera, trace
from bids_reid.phantom.identity import HAIR_STYLES, draw_people
from bids_reid.phantom.photograph import photograph

PERSON = draw_people(1, seed=31)[0]


def test_skin_and_hair_show():
    """Photographs would carry nothing but shape, and colours would be decoration in a table."""
    pale = dataclasses.replace(PERSON, skin=(0.85, 0.6, 0.5), hair_style='bald')
    dark = dataclasses.replace(PERSON, skin=(0.2, 0.1, 0.06), hair_style='bald')
    cheek = (slice(55, 70), slice(40, 70))
    bright = photograph(pale, seed=4, size=100)
    assert bright[cheek].mean() > photograph(dark, seed=4, size=100)[cheek].mean() + 30
    for style in set(HAIR_STYLES) - {'bald'}:
        haired = dataclasses.replace(pale, hair=(0.02, 0.01, 0.01), hair_style=style)
        assert photograph(haired, seed=4, size=100)[10:35].mean() < bright[10:35].mean() - 2


def test_eyes_are_open_in_photographs():
    """A photograph with shut eyes is a failure to acquire in practice."""
    person = dataclasses.replace(PERSON, iris=(0.02, 0.02, 0.02))
    opened = photograph(person, seed=4, size=100, expression=Expression())
    shut = photograph(person, seed=4, size=100, expression=Expression(eyes_open=0.0))
    change = np.abs(opened.astype(int) - shut).max(axis=2)
    assert change.max() > 60


def test_camera_sees_a_ball_where_it_is():
    """Faces would be off the picture, or of the wrong size."""
    camera = Camera(target=(5.0, 0.0, -3.0), yaw=30.0, pitch=10.0, distance=1000.0, view=200.0)
    origin, rays = camera.rays(40)

    def ball(points):
        return np.linalg.norm(points - np.array([5.0, 0.0, -3.0]), axis=1) - 50.0

    hit, depth = trace(ball, origin, rays, np.full(len(rays), 500.0, np.float32), 1500.0)
    assert hit.mean() == pytest.approx(np.pi * 50**2 / 200**2, rel=0.05)
    assert depth[hit].min() == pytest.approx(950.0, abs=0.5)
    assert origin[0] < 0  # yaw is positive towards the person's left, which is -x
    assert origin[2] > 0


@pytest.mark.slow
def test_faces_are_found_by_the_detector():
    """The demo would report failures to acquire instead of identification rates."""
    face_recognition = pytest.importorskip('face_recognition')
    people = draw_people(4, seed=41)
    found = [
        bool(face_recognition.face_locations(photograph(person, seed=[i, yaw + 15], yaw=yaw), 1))
        for i, person in enumerate(people)
        for yaw in (0, 15, -15)
    ]
    assert np.mean(found) >= 0.95
