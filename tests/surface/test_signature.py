"""Shapes of heads compared with each other."""

from __future__ import annotations

import numpy as np
import pytest

from bids_reid.surface.signature import (
    REGIONS,
    Region,
    directions,
    in_region,
    signature_scores,
)


@pytest.mark.parametrize('region', REGIONS)
def test_pairs_side_by_side_score_as_one_by_one(region: Region) -> None:
    """One head with holes must not change what is left of the others."""
    rng = np.random.default_rng(0)
    heads = rng.normal(100, 10, (4, len(directions()))).astype(np.float32)
    heads[1, rng.random(heads.shape[1]) < 0.3] = np.nan
    heads[3] = np.nan
    where = in_region(region)
    azimuth, elevation = np.radians(directions()[where]).T
    x, y = np.sin(azimuth) * np.cos(elevation), np.cos(azimuth) * np.cos(elevation)
    towards = np.column_stack([x, y, np.sin(elevation)])
    scores = signature_scores(heads, heads[1:], region)
    assert np.isnan(scores[3]).all()
    assert np.isnan(scores[:, 2]).all()
    for row in range(3):
        for column in range(2):
            gap = (heads[row] - heads[1 + column])[where]
            common = np.isfinite(gap)
            shift, *_ = np.linalg.lstsq(towards[common], gap[common], rcond=None)
            expected = -np.median(np.abs(gap[common] - towards[common] @ shift))
            assert scores[row, column] == pytest.approx(expected, abs=1e-4)
    # a shift of the frame is no difference
    moved = heads[:1].copy()
    moved[0, where] += (towards @ [3, -4, 5]).astype(np.float32)
    assert signature_scores(moved, heads[:1], region)[0, 0] == pytest.approx(0, abs=1e-4)
