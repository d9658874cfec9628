"""The benchmark of the search: what it times must be the search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import search
from bids_reid.group import galleries


def test_the_search_that_is_timed_is_that_of_the_group_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A speed of something else would be told."""
    monkeypatch.setattr(galleries, 'SHARD_SCANS', 25)
    n_scans, n_photos = 60, 12
    probes = search.make_store(tmp_path / 'store', n_scans, n_photos)
    store = search.Store(tmp_path / 'store')
    with store.file:
        results = search.group_search(probes, store, tmp_path)[:n_photos]
        renders = store.read(0, n_scans).reshape(n_scans, 1, search.VIEWS, search.D)
    assert len(list(tmp_path.glob('[0-9].npz'))) == 3
    distances = np.linalg.norm(renders - probes[:, None], axis=3).min(axis=2)
    own = [photo * n_scans // n_photos for photo in range(n_photos)]
    for photo, result in enumerate(results):
        mine = distances[own[photo], photo]
        assert result.score == pytest.approx(-mine, rel=1e-5)
        assert result.rank == (distances[:, photo] <= mine).sum()
