"""What makes a synthetic scan messy."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations

import numpy as np
import pytest

from bids_reid.phantom.anatomy import ASLEEP, anatomy
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


def test_rim_is_bright_on_all_sides_and_thin(scan):
    """The estimate of the air from the volume's border would not be put to the test."""
    rim = artefacts.bright_rim(scan).data
    for axis, edge in ((0, 0), (0, -1), (1, 1), (1, -2), (2, 0), (2, -1)):
        assert (np.take(rim, edge, axis=axis) == scan.contrast.white).all()
    inner = (slice(2, -2),) * 3
    np.testing.assert_array_equal(rim[inner], scan.data[inner])


def test_ringing_fills_the_air_beside_an_edge_and_keeps_the_mean(scan):
    """Interpolated scans, common at half a millimetre, would have edges as sharp as others."""
    rung = artefacts.ring(scan, width=8.0).data
    air = scan.distance > 6
    assert not scan.data[air].any()
    assert rung[air].max() > 0.02 * scan.contrast.white
    assert rung.min() >= 0
    assert rung[scan.distance < -8].mean() == pytest.approx(
        scan.data[scan.distance < -8].mean(), rel=0.02
    )


def test_ratio_images_have_noise_of_all_values_in_air(scan):
    """MP2RAGE scans, whose air is as bright as the head, would not be put to the test."""
    data = artefacts.randomise_air(scan).data
    air, white = data[scan.distance > 4], scan.contrast.white
    assert air.min() < 0.01 * white
    assert air.max() > 1.08 * white
    assert air.mean() == pytest.approx(0.55 * white, rel=0.02)
    bright = scan.data > 0.5 * white
    assert np.abs(data - scan.data)[bright].max() < 0.1 * white


def test_plastic_mask_lies_on_forehead_and_cheeks_only(ct):
    """Masks of radiotherapy, which hide the skin, would not be put to the test."""
    fine = expose(PERSON, modality='CT', spacing=2.0, pose=POSE)
    gain = artefacts.add_mask(fine).data - fine.data
    assert gain[(fine.distance > 0.5) & (fine.distance < 1.0)].max() > 500
    assert not gain[(fine.distance > 5) | (fine.distance < -2)].any()
    assert not gain[:, : gain.shape[1] // 2 - 10].any()


def test_zeros_around_and_outside_a_brick(scan):
    """Conformed and resampled scans, with zeros beyond their air, would not be put to the test."""
    noisy = replace(scan, data=scan.data + 20)
    padded = artefacts.pad_zeros(noisy, width=12.0)
    assert padded.data.shape == tuple(n + 6 for n in scan.data.shape)
    assert not padded.data[:3].any()
    assert not padded.data[:, :, -3:].any()
    assert value(padded, 0.0, -60.0, 60.0) == value(noisy, 0.0, -60.0, 60.0)
    brick = artefacts.keep_brick(noisy, low=(-80.0, -150.0, -90.0), high=(80.0, 20.0, 90.0))
    assert value(brick, 0.0, -60.0, 95.0) == 0
    assert value(brick, 0.0, -60.0, 85.0) == value(noisy, 0.0, -60.0, 85.0)
    dim = artefacts.threshold_background(noisy, share=0.2).data
    kept = noisy.data >= 0.2 * scan.contrast.white
    np.testing.assert_array_equal(dim, np.where(kept, noisy.data, 0))


def test_ct_without_negative_values_is_moved_only(ct):
    """CT stored as unsigned numbers would not be put to the test."""
    whole = replace(ct, data=ct.data.astype(np.int16))
    moved = artefacts.offset(whole)
    assert moved.data.dtype == np.int16
    np.testing.assert_array_equal(moved.data - 1024, whole.data)


def test_blur_has_the_width_asked_for(scan):
    """PET phantoms would be sharper or smoother than real scans."""
    point = np.zeros(scan.data.shape, np.float32)
    point[25, 30, 32] = 1000.0
    data = artefacts.blur(replace(scan, data=point), width=16.0).data
    profile = data[:, 30, 32] / data.max()
    assert profile[23] == pytest.approx(0.5, abs=0.05)  # 8 mm to the side
    assert artefacts.blur(replace(scan, data=-point)).data.min() == 0


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


def test_metal_takes_teeth_and_lip_only(scan):
    """Voids of dental metal, common in gradient-echo scans, would not reach the skin."""
    void = artefacts.add_metal(scan)
    assert value(void, 0.0, FACE.front - 2.0, FACE.mouth_z + 8.0) == 0
    gone = (scan.data > 100) & (void.data == 0)
    assert (scan.distance[gone] > -3).any()
    assert (void.data > 1.2 * scan.data).any()
    for point in ((0.0, -80.0, 60.0), (0.0, FACE.tip_y - 6.0, FACE.tip_z + 10.0)):
        assert value(void, *point) == pytest.approx(value(scan, *point), rel=0.05)


def test_background_is_zero_beyond_3_mm_only(scan):
    """Scanners' masks, which leave no noise to measure, would not be put to the test."""
    noisy = replace(scan, data=scan.data + 20)
    masked = artefacts.zero_background(noisy).data
    assert (masked[scan.distance > 3] == 0).all()
    assert (masked[scan.distance <= 3] >= 20).all()


def test_ct_is_padded_outside_its_circle(ct):
    """Padding of CT, far below air, would not be put to the test."""
    padded = artefacts.pad_circle(ct)
    assert padded.data[0, 0, 0] == padded.data[-1, -1, -1] == -3024
    middle = tuple(n // 2 for n in ct.data.shape)
    assert padded.data[middle] == ct.data[middle]
    gain = artefacts.add_table(ct).data - ct.data
    assert gain.max() > 500
    assert not gain[ct.distance < -4].any()
    assert (gain[(ct.distance > 0) & (ct.distance < 5)] > 50).any()  # foam touches the head
    assert not gain[:, ct.data.shape[1] // 2 + 5 :].any()


def test_cut_keeps_what_is_left_in_its_place(scan):
    """Truth and cut scan would be apart by the part that was cut off."""
    cut = artefacts.crop(scan, low=(-np.inf, -np.inf, 0.0), high=(np.inf, 20.0, np.inf))
    assert cut.data.shape[0] == scan.data.shape[0]
    assert cut.data.shape[1] < scan.data.shape[1]
    assert cut.data.shape[2] < scan.data.shape[2]
    assert value(cut, 0.0, -60.0, 60.0) == value(scan, 0.0, -60.0, 60.0)
    eyes = move(np.zeros((1, 3)), np.linalg.inv(cut.to_head @ cut.affine))
    assert eyes[0, 2] == pytest.approx(0.0, abs=0.6)


def test_faces_are_taken_away_and_replaced(scan):
    """Scans without a face of their own could not be told from others in tests."""
    nose, brain, back = (0.0, FACE.tip_y - 6.0, FACE.tip_z), (0.0, -80.0, 60.0), (0.0, -160.0, 0.0)
    defaced = artefacts.deface(scan)
    assert value(defaced, *nose) == 0
    assert value(scan, *nose) > 0
    stripped = artefacts.strip_skull(scan)
    assert value(stripped, *nose) == value(stripped, 0.0, -60.0, -60.0) == 0
    for other in (defaced, stripped, artefacts.reface(scan, OTHER)):
        assert value(other, *brain) == value(scan, *brain)
    assert value(defaced, *back) == value(scan, *back)
    theirs = expose(OTHER, modality='T1w', spacing=4.0, pose=POSE)
    refaced = artefacts.reface(scan, OTHER)
    index = move(np.array([[0.0, 10.0, -30.0]]), np.linalg.inv(scan.to_head @ scan.affine))
    around = tuple(slice(round(float(i)) - 2, round(float(i)) + 3) for i in index[0])
    np.testing.assert_allclose(refaced.data[around], theirs.data[around], atol=1e-2)
    assert (refaced.data[around] != scan.data[around]).any()


def test_every_storage_shows_the_same_image(scan):
    """Some of the 48 orders and directions of axes would hold another head."""
    points = np.random.default_rng(0).uniform((-60, -150, -60), (60, 20, 90), (200, 3))
    where = move(points, np.linalg.inv(scan.to_head))

    def values(stored):
        index = np.rint(move(where, np.linalg.inv(stored.affine))).astype(int)
        return stored.data[tuple(index.T)], stored.distance[tuple(index.T)]

    expected, seen = values(scan), set()
    for order in permutations(range(3)):
        for count in range(4):
            for flips in combinations(range(3), count):
                stored = artefacts.store(scan, order, flips)
                seen.add(tuple(np.rint(stored.affine[:3, :3]).ravel()))
                for found, wanted in zip(values(stored), expected, strict=True):
                    np.testing.assert_array_equal(found, wanted)
    assert len(seen) == 48


def test_oblique_grid_takes_the_head_along(scan):
    """The truth would stay behind when the grid is turned."""
    turned = artefacts.turn_grid(scan, Pose(rotation=(20.0, 0.0, 10.0)).to_world())
    np.testing.assert_allclose(
        turned.to_head @ turned.affine, scan.to_head @ scan.affine, atol=1e-9
    )
    assert abs(turned.affine[1, 2]) > 1
