"""Erosion and growth give what scipy gives, also at the ends of rows and of the array."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from bids_reid.surface.neighbours import eroded, grown


@pytest.mark.parametrize('times', [1, 2, 3])
@pytest.mark.parametrize('shape', [(9, 7, 8), (1, 6, 5), (6, 5, 1)])
def test_masks_shrink_and_grow_as_they_should(shape: tuple[int, ...], times: int) -> None:
    """A brain would be cut, or whole, because a row of voxels leaks into the next."""
    rng = np.random.default_rng(times)
    mask, within = rng.random(shape) < 0.85, rng.random(shape) < 0.7
    np.testing.assert_array_equal(
        eroded(mask, times), ndimage.binary_erosion(mask, iterations=times)
    )
    seed = within & (rng.random(shape) < 0.1)
    np.testing.assert_array_equal(
        grown(seed, times, within), ndimage.binary_dilation(seed, iterations=times, mask=within)
    )
