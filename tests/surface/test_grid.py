"""Short cuts on grids must give what the general functions give, or the face is another one."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from bids_reid.surface.grid import (
    block_mean,
    coarser,
    contiguous,
    enlarged,
    filled,
    finer,
    gaussian,
    squared_distance,
)
from bids_reid.surface.neighbours import opened

RANDOM = np.random.default_rng(20)
VALUES = RANDOM.random((23, 18, 31), dtype=np.float32)


@pytest.mark.parametrize('spacing', [(2.0, 2.0, 2.0), (2.4, 1.8, 2.1), (4.0, 1.0, 1.5)])
@pytest.mark.parametrize('reach', [4.0, 12.0])
def test_short_distances_are_euclidean(spacing: tuple[float, ...], reach: float) -> None:
    """The skin lies where the distance to the head says; long distances must only be long."""
    target = ndimage.gaussian_filter(VALUES, 2) > 0.55
    assert target.any()
    expected = ndimage.distance_transform_edt(~target, sampling=spacing)
    found = np.sqrt(squared_distance(target, np.array(spacing), reach))
    near = expected <= reach
    assert near.any()
    # to a 128th of a square millimetre per axis
    assert np.abs(found[near] ** 2 - expected[near] ** 2).max() <= 1.5 / 128
    assert (found[~near] > reach).all()


def test_distances_where_there_is_nothing_are_long() -> None:
    nothing = np.zeros((5, 6, 7), bool)
    assert (squared_distance(nothing, np.full(3, 2.0), 8.0) > 64).all()


@pytest.mark.parametrize('factor', [(2, 2, 2), (1, 3, 2), (1, 1, 1), (4, 1, 1)])
def test_blocks_are_averaged(factor: tuple[int, int, int]) -> None:
    """The last block of an axis goes on with the edge's values."""
    missing = [(0, -n % f) for n, f in zip(VALUES.shape, factor, strict=True)]
    whole = np.pad(VALUES, missing, mode='edge')
    a, b, c = factor
    i, j, k = (n // f for n, f in zip(whole.shape, factor, strict=True))
    expected = whole.reshape(i, a, j, b, k, c).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(block_mean(VALUES, np.array(factor)), expected, rtol=1e-5)


@pytest.mark.parametrize('factor', [(2, 2, 2), (1, 3, 2), (1, 1, 1)])
def test_a_coarse_grid_is_interpolated_at_the_voxels(factor: tuple[int, int, int]) -> None:
    """Half a voxel off and every surface moves."""
    times = np.array(factor)
    shape = tuple(np.array(VALUES.shape) * times - (times > 1))
    # block b covers voxels b*f .. b*f+f-1: its centre is voxel b*f + (f-1)/2
    expected = ndimage.affine_transform(
        VALUES,
        1 / times,
        offset=-(times - 1) / 2 / times,
        output_shape=shape,
        order=1,
        mode='nearest',
    )
    np.testing.assert_allclose(enlarged(VALUES, times, shape), expected, atol=1e-5)


@pytest.mark.parametrize('sigma', [(0.5, 0.5, 0.5), (2.0, 0.7, 0.01), (5.0, 6.0, 4.0)])
def test_smoothing_is_scipys(sigma: tuple[float, ...]) -> None:
    expected = ndimage.gaussian_filter(VALUES, sigma, truncate=3)
    np.testing.assert_allclose(gaussian(VALUES, np.array(sigma)), expected, atol=1e-5)


@pytest.mark.parametrize(
    'step', [(1.5, 1.0, 2.3), (1.0, 1.0, 1.0), (3.0, 1.2, 1.0), (1.0, 2.5, 1.0)]
)
def test_finer_voxels_are_averaged(step: tuple[float, ...]) -> None:
    """A factor that is no whole number is the rule: 0.67 mm voxels to 1 mm."""
    shape = tuple(int((n - 1) / s) + 1 for n, s in zip(VALUES.shape, step, strict=True))
    smooth = ndimage.gaussian_filter(VALUES, 0.42 * np.sqrt(np.square(step) - 1), truncate=3)
    expected = ndimage.affine_transform(smooth, step, output_shape=shape, order=1)
    np.testing.assert_allclose(coarser(VALUES, np.array(step)), expected, atol=1e-5)


@pytest.mark.parametrize('axes', [(0, 1, 2), (2, 1, 0), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize('mirrored', [(), (0,), (0, 1, 2)])
def test_any_order_of_axes_is_copied_to_the_usual_one(
    axes: tuple[int, ...], mirrored: tuple[int, ...]
) -> None:
    """Files hold the first axis fastest, and some of them mirrored: a head must not be."""
    stored = np.flip(VALUES.transpose(axes), mirrored)
    copy = contiguous(stored)
    assert copy.flags.c_contiguous
    np.testing.assert_array_equal(copy, stored)


@pytest.mark.parametrize('ndim', [2, 3])
def test_holes_are_filled_as_scipy_fills_them(ndim: int) -> None:
    """What is dark inside a head is no air; what a border cuts open is."""
    mask = VALUES > 0.35 if ndim == 3 else VALUES[0] > 0.35
    expected = ndimage.binary_fill_holes(mask)
    assert (expected != mask).any()
    np.testing.assert_array_equal(filled(mask), expected)
    everything = np.ones((3, 4, 5), np.bool_)
    np.testing.assert_array_equal(filled(everything), everything)


def test_opening_is_scipys() -> None:
    """Threads of noise between a head and a cushion go, and nothing else."""
    mask = ndimage.gaussian_filter(VALUES, 1) > 0.45
    expected = ndimage.binary_opening(mask)
    assert expected.any()
    assert (expected != mask).any()
    np.testing.assert_array_equal(opened(mask), expected)


SCRIPT = """
import hashlib
import numpy as np
from bids_reid.surface.grid import finer
data = np.random.default_rng(0).normal(size=(61, 73, 67)).astype(np.float32)
fine, _ = finer(data, np.eye(4), np.array([3, 3, 3]))
print(hashlib.sha256(fine.tobytes()).hexdigest())
"""


def test_threads_change_no_bit() -> None:
    """With two threads ORB found 50 instead of 75 of a hundred people on the same scans."""
    hashes = set()
    for threads in ('1', '2', '3'):
        variables = dict.fromkeys(('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS'), threads)
        done = subprocess.run(
            [sys.executable, '-c', SCRIPT],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=True,
        )
        hashes.add(done.stdout)
    assert len(hashes) == 1


@pytest.mark.parametrize('parts', [1, 2, 3, 4, 5])
def test_finer_is_the_spline_of_scipy(parts: int) -> None:
    """Coarse scans are measured on what it makes."""
    data = np.random.default_rng(parts).normal(size=(9, 8, 11)).astype(np.float32)
    fine, affine = finer(data, np.eye(4), np.array([1, parts, 2]))
    expected = ndimage.zoom(data, (1, parts, 2), order=3, mode='grid-mirror', grid_mode=True)
    np.testing.assert_allclose(fine, expected, atol=2e-5)
    np.testing.assert_allclose(np.diag(affine)[:3], [1, 1 / parts, 0.5])
