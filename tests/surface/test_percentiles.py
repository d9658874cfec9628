"""Percentiles near the ends are those of all values, however these are spread."""

from __future__ import annotations

import numpy as np
import pytest

from bids_reid.surface.percentiles import SAMPLE, end_percentile


@pytest.mark.parametrize('percent', [0.5, 1.0, 99.0, 99.5])
@pytest.mark.parametrize('kind', ['spread', 'empty', 'steps', 'full', 'rare', 'small'])
def test_a_percentile_is_that_of_all_values(kind: str, percent: float) -> None:
    """What is air, and what noise, is decided by it: a wrong one hides a head."""
    rng = np.random.default_rng(len(kind))
    data = rng.gamma(2, 100, (97, 41, 63)).astype(np.float32)
    if kind == 'empty':
        data[rng.random(data.shape) < 0.7] = 0
    elif kind == 'steps':
        data = np.round(data / 100)
    elif kind == 'full':
        data[:] = 3
    elif kind == 'rare':
        # values that a sample of every nth voxel does not hold
        data[:] = 0
        data.reshape(-1)[1 :: 2 + data.size // SAMPLE] = 7
    elif kind == 'small':
        data = data[:1, :1, :3]
    # order of memory does not matter
    for one in (data, np.asfortranarray(data), data[:, ::-1]):
        expected = np.percentile(one.astype(np.float64), percent)
        assert end_percentile(one, percent) == pytest.approx(expected, rel=1e-6)
