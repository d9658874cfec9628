"""The synthetic scan."""

from __future__ import annotations

import numpy as np
import pytest

from bids_reid.phantom.anatomy import ASLEEP
from bids_reid.phantom.head_shape import head_mesh, head_sdf
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.sampling import move
from bids_reid.phantom.scanner import Pose, coil, expose, scan_volume
from bids_reid.phantom.tissues import CONTRASTS

PERSON = draw_people(1, seed=21)[0]
POSE = Pose(rotation=(6.0, -3.0, 4.0), shift=(3.0, -2.0, 5.0))


def scan(**change):
    return scan_volume(PERSON, **({'seed': 1, 'spacing': 4.0} | change))


def test_skin_in_the_volume_is_where_the_distance_says():
    """Surfaces made from the volume could not be judged against the truth, to sub-voxel."""
    data, affine = scan(spacing=2.0, noise=0.0, bias=0.0, pose=POSE)
    to_head = POSE.to_head() @ affine
    # Along y through the forehead, where the signal goes from air to scalp and stays.
    column = np.rint(np.linalg.inv(to_head) @ [8.0, 0.0, 55.0, 1.0])[:3].astype(int)
    line = data[column[0], :, column[2]].astype(float)
    level = 0.5 * CONTRASTS['T1w'].skin
    j = np.flatnonzero(line > level).max()
    crossing = j + (line[j] - level) / (line[j] - line[j + 1])
    where = move(np.array([[column[0], crossing, column[2]]]), to_head)
    assert abs(head_sdf(where, PERSON, ASLEEP)[0]) < 0.4


def test_mesh_moved_by_the_pose_lies_on_the_volume_s_skin():
    """The pose could not be used to bring truth and scan together."""
    data, affine = scan(spacing=3.0, noise=0.0, bias=0.0, pose=POSE)
    points, _ = head_mesh(PERSON, ASLEEP, spacing=4.0, to_world=POSE.to_world())
    points = points[points[:, 2] > -100]
    index = np.rint(move(points, np.linalg.inv(affine))).astype(int)
    values = data[tuple(index.T)]
    # Voxels that the skin passes through are partly filled: neither empty nor as bright as fat.
    assert np.mean((values > 0) & (values < CONTRASTS['T1w'].fat)) > 0.95
    unmoved, _ = head_mesh(PERSON, ASLEEP, spacing=4.0)
    missed = data[tuple(np.rint(move(unmoved, np.linalg.inv(affine))).astype(int).T)]
    assert np.mean((missed > 0) & (missed < CONTRASTS['T1w'].fat)) < 0.8


def test_noise_is_rician_with_the_deviation_asked_for():
    """Noise levels in the demo would not be what its sidecar and page say."""
    data, _ = scan(noise=0.05, bias=0.0)
    corner = data[:8, :8].astype(float)
    sigma = 0.05 * CONTRASTS['T1w'].white
    assert corner.mean() == pytest.approx(sigma * np.sqrt(np.pi / 2), rel=0.05)
    assert np.sqrt((corner**2).mean() / 2) == pytest.approx(sigma, rel=0.05)
    assert scan(noise=0.0, bias=0.0)[0][:8, :8].max() == 0


def test_coil_varies_smoothly_and_as_much_as_asked():
    """Thresholds would never be tried against an uneven coil."""
    field = coil((30, 32, 34), 0.4, np.random.default_rng(0))
    assert np.ptp(field) == pytest.approx(0.4, abs=1e-4)
    assert field.mean() == pytest.approx(1.0, abs=1e-4)
    assert max(np.abs(np.diff(field, axis=axis)).max() for axis in range(3)) < 0.06
    assert (coil((5, 5, 5), 0.0, np.random.default_rng(0)) == 1).all()


def test_head_fits_into_the_field_of_view():
    """Cut noses and ears would make the demo's scans unusable."""
    for seed in range(3):
        data, _ = scan(seed=seed, noise=0.0)
        inside = data > 100
        assert not inside[0].any()
        assert not inside[-1].any()
        assert not inside[:, 0].any()
        assert not inside[:, -1].any()
        assert not inside[:, :, -1].any()


@pytest.mark.parametrize('modality', sorted(CONTRASTS))
def test_tissues_have_their_contrast(modality):
    """A FLAIR scan would look like a T1-weighted one."""
    pose = Pose()
    data, affine = scan(modality=modality, noise=0.0, bias=0.0, spacing=2.0, pose=pose)
    contrast = CONTRASTS[modality]
    eye = (PERSON.eye_spacing / 2, -PERSON.eye_depth, 0.0)
    skull = (0.0, 17.0 - PERSON.cranium_depth / 2, PERSON.cranium_height - 6.0)
    around = {}
    for name, point in (('eye', eye), ('skull', skull)):
        voxel = np.rint(move(np.array([point]), np.linalg.inv(affine)))[0].astype(int)
        around[name] = data[tuple(slice(v - 1, v + 2) for v in voxel)]
    assert np.median(around['eye']) == pytest.approx(contrast.fluid, abs=30)
    # Each table of the skull is thinner than these voxels.
    assert around['skull'].min() < 0.5 * contrast.skin
    low = np.rint(move(np.array([[15.0, -110.0, 40.0]]), np.linalg.inv(affine)))[0].astype(int)
    brain = np.median(data[tuple(slice(v, v + 12) for v in low)])
    matter = sorted((contrast.grey, contrast.white))
    assert 0.9 * matter[0] <= brain <= 1.1 * matter[1]


def test_poses_of_sessions_differ_and_turn_back():
    """Two sessions of one person would be the same scan, or the truth could not be aligned."""
    np.testing.assert_allclose(POSE.to_head() @ POSE.to_world(), np.eye(4), atol=1e-12)
    assert np.linalg.det(POSE.to_world()[:3, :3]) == pytest.approx(1.0)
    nose_up = Pose(rotation=(10.0, 0.0, 0.0)).to_world() @ [0.0, 50.0, 0.0, 1.0]
    assert nose_up[2] > 5


def test_thick_slices_are_means_of_thin_ones():
    """Clinical scans' partial volume along the slice would be missing from the benchmark."""
    settings = {'modality': 'T2w', 'pose': POSE}
    thin = expose(PERSON, spacing=2.0, field_of_view=(200.0, 240.0, 256.0), **settings)
    thick = expose(
        PERSON, spacing=(2.0, 2.0, 8.0), field_of_view=(200.0, 240.0, 256.0), **settings
    )
    blocks = thin.data.reshape(100, 120, 32, 4)
    np.testing.assert_allclose(thick.data, blocks.mean(axis=3), atol=0.1)
    where = move(np.argwhere(np.abs(thick.distance) < 2), thick.affine)
    near = thick.distance[np.abs(thick.distance) < 2]
    # not the same where the skin bends
    assert np.median(np.abs(thick.skin_distance(where) - near)) < 0.1
    first = move(np.array([[0, 0, 1.5]]), thin.affine)
    np.testing.assert_allclose(thick.affine[:3, 3], first[0], atol=1e-4)


def test_ct_has_hounsfield_units_and_gaussian_noise():
    """CT phantoms would lack the negative values that real ones have."""
    data, _ = scan(modality='CT', noise=0.02, bias=0.0)
    corner = data[:8, :8].astype(float)
    assert corner.mean() == pytest.approx(-1000, abs=3)
    assert corner.std() == pytest.approx(20, rel=0.1)
    assert data.max() > 500


def test_vessels_of_an_angiogram_outshine_the_rest():
    """Brightness taken from the brightest voxels would never be put to the test."""
    data, _ = scan(modality='angio', noise=0.0, bias=0.0, spacing=2.0)
    tissue = np.median(data[data > 30])
    assert data.max() > 5 * tissue
    assert np.mean(data > 3 * tissue) < 0.01
