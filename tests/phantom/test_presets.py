"""Messy scans by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.sampling import move
from tests.support.presets import PRESETS, scan_preset

PERSON = draw_people(1, seed=21)[0]


@pytest.mark.parametrize('name', PRESETS)
def test_truth_goes_with_the_scan(name):
    """Distances from the true skin would be those of another pose, size or storage."""
    scan = scan_preset(name, PERSON, seed=[1, 2], spacing=4.0)
    assert scan.data.dtype == np.int16
    assert scan.data.shape == scan.distance.shape
    index = np.argwhere(np.abs(scan.distance) < 3)[::7]
    said = scan.skin_distance(move(index, scan.affine))
    np.testing.assert_allclose(said, scan.distance[tuple(index.T)], atol=0.05)
    inside, outside = scan.data[scan.distance < -2], scan.data[scan.distance > 4]
    assert inside.mean() > outside.mean() + 0.3 * abs(scan.contrast.muscle - outside.mean())


@pytest.mark.parametrize(
    'name', [name for name, how in PRESETS.items() if how.before or how.after]
)
def test_what_makes_a_scan_messy_shows(name, monkeypatch):
    """A scan would be tried that is as clean as the others."""
    messy = scan_preset(name, PERSON, seed=[1], spacing=5.0)
    monkeypatch.setitem(PRESETS, name, replace(PRESETS[name], before=(), after=()))
    clean = scan_preset(name, PERSON, seed=[1], spacing=5.0)
    stored = (messy.data, messy.affine), (clean.data, clean.affine)
    assert not all(map(np.array_equal, *stored))


def test_same_seed_same_scan():
    """A row of the benchmark could not be repeated."""
    first, again, other = (
        scan_preset('markers', PERSON, seed=[seed], spacing=5.0) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.data, again.data)
    assert (first.data != other.data).any()


def test_child_is_smaller_and_field_of_view_holds_a_tilted_head():
    """Children would be adults, and tilted heads cut by their field of view."""
    adult, child = (scan_preset(name, PERSON, seed=[1], spacing=4.0) for name in ('t1w', 'child'))
    crown = adult.affine[2, 2] * np.flatnonzero((adult.distance < 0).any(axis=(0, 1))).max()
    low = child.affine[2, 2] * np.flatnonzero((child.distance < 0).any(axis=(0, 1))).max()
    assert child.scale == pytest.approx(0.75)
    assert 20 < crown - low < 40
    for name in ('tilt-x25', 'tilt-x-25', 'tilt-y25', 'tilt-z25', 'tilt-mixed'):
        scan = scan_preset(name, PERSON, seed=[1], spacing=4.0)
        edges = [scan.distance[:, -1], scan.distance[:, :, -1], scan.distance[0]]
        assert min(edge[..., edge.shape[-1] // 2 :].min() for edge in edges) > 0
