"""What makes a synthetic scan messy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bids_reid.phantom.anatomy import ASLEEP, anatomy
from bids_reid.phantom.defacing import reface
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.sampling import move
from bids_reid.phantom.scanner import Pose, expose
from tests.support import artefacts

PERSON, OTHER = draw_people(2, seed=21)
FACE = anatomy(PERSON, ASLEEP)
POSE = Pose(rotation=(6.0, -3.0, 4.0), shift=(3.0, -2.0, 5.0))


@pytest.fixture(scope='module')
def scan():
    made = expose(PERSON, modality='T1w', spacing=4.0, pose=POSE)
    made.data.flags.writeable = False  # functions leave it as it is
    return made


@pytest.fixture(scope='module')
def ct():
    return expose(PERSON, modality='CT', spacing=4.0, pose=POSE)


def value(scan, *point):
    """What a scan shows at a point of the head."""
    index = move(np.array([point]), np.linalg.inv(scan.to_head @ scan.affine))
    return scan.data[tuple(np.rint(index)[0].astype(int))]


def test_coil_at_the_back_leaves_a_third_at_the_nose(scan):
    """Thresholds would never be tried against a face much dimmer than the rest."""
    even = replace(scan, data=np.ones_like(scan.data))
    dim = artefacts.dim_front(even)
    back = value(dim, 0.0, 17.0 - PERSON.cranium_depth, 20.0)
    assert value(dim, 0.0, FACE.tip_y, FACE.tip_z) / back == pytest.approx(1 / 3, rel=0.05)
    assert value(dim, 0.0, FACE.chin_y, FACE.chin_z) / back < 0.5
    assert dim.data[scan.distance < 0].mean() == pytest.approx(1.0, abs=1e-3)


def test_ghosts_lie_in_air_and_head_at_their_share(scan):
    """Ghosts of real scans would be of another size, or missing."""
    gain = artefacts.ghost(scan, share=0.07).data - scan.data
    assert gain.max() == pytest.approx(2 * 0.07 * scan.data.max(), rel=0.6)
    assert (gain[scan.distance > 10] > 0.02 * scan.contrast.white).any()
    assert (gain[scan.distance < -10] > 0).any()


def test_wrapped_nose_is_behind_the_head_and_nothing_is_lost(scan):
    """Aliasing of a short field of view would be nothing but a cut."""
    wrapped = artefacts.fold(scan, high=(np.inf, 15.0, np.inf))
    lost = scan.data.shape[1] - wrapped.data.shape[1]
    assert lost > 3
    np.testing.assert_allclose(wrapped.data.sum(), scan.data.sum(), rtol=1e-5)
    gain = wrapped.data - scan.data[:, :-lost]
    np.testing.assert_allclose(gain[:, :lost], scan.data[:, -lost:], atol=1e-3)
    assert not gain[:, lost:].any()
    back = artefacts.fold(scan, low=(-np.inf, -150.0, -np.inf))
    np.testing.assert_allclose(back.data.sum(), scan.data.sum(), rtol=1e-5)


@pytest.mark.parametrize(
    'add',
    [
        artefacts.add_markers,
        artefacts.add_cushions,
        artefacts.add_headphones,
        artefacts.add_tube,
    ],
)
def test_things_lie_beside_the_head_and_touch_it(scan, ct, add):
    """The true skin would no longer be where it is said to be."""
    for bare in (scan, ct):
        gain = add(bare).data - bare.data
        deep = bare.distance < -4
        assert not gain[deep].any()
        assert gain[~deep].min() >= -1e-3
        assert (gain > 0).any()
        if add is not artefacts.add_markers:
            assert gain.max() < 0.3 * (bare.contrast.muscle - bare.contrast.outside)
        assert (gain[(bare.distance > 0) & (bare.distance < 8)] > 0).any()


def test_markers_are_bright_balls_in_front(scan):
    """Vitamin E capsules, which stick on many foreheads, would be dim or inside the head."""
    fine = expose(PERSON, modality='T1w', spacing=2.0, pose=POSE)
    marked = artefacts.add_markers(fine, seed=3)
    ball = (marked.data - fine.data) > 0.5 * fine.contrast.fat
    assert 4 * 300 < ball.sum() * 8 < 4 * 700  # mm3: a ball of 10 mm has 524
    assert 7 < fine.distance[ball].max() < 11
    other = artefacts.add_markers(fine, seed=4).data
    np.testing.assert_array_equal(marked.data, artefacts.add_markers(fine, seed=3).data)
    assert (other != marked.data).any()


def test_faces_are_taken_away_and_replaced(scan):
    """Scans without a face of their own could not be told from others in tests."""
    nose, brain, back = (0.0, FACE.tip_y - 6.0, FACE.tip_z), (0.0, -80.0, 60.0), (0.0, -160.0, 0.0)
    defaced = artefacts.deface(scan)
    assert value(defaced, *nose) == 0
    assert value(scan, *nose) > 0
    stripped = artefacts.strip_skull(scan)
    assert value(stripped, *nose) == value(stripped, 0.0, -60.0, -60.0) == 0
    for other in (defaced, stripped, reface(scan, OTHER)):
        assert value(other, *brain) == value(scan, *brain)
    assert value(defaced, *back) == value(scan, *back)
    theirs = expose(OTHER, modality='T1w', spacing=4.0, pose=POSE)
    refaced = reface(scan, OTHER)
    index = move(np.array([[0.0, 10.0, -30.0]]), np.linalg.inv(scan.to_head @ scan.affine))
    around = tuple(slice(round(float(i)) - 2, round(float(i)) + 3) for i in index[0])
    np.testing.assert_allclose(refaced.data[around], theirs.data[around], atol=1e-2)
    assert (refaced.data[around] != scan.data[around]).any()
