"""The stored parts of a face, and pictures of the head they are on, are the phantom's."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from types import ModuleType

import numpy as np
import pytest

MOST_OFF = 0.002
"""Share of pixels at borders that another processor may give to another point."""


@pytest.mark.slow
def test_the_file_is_what_the_phantom_gives(tool: Callable[[str], ModuleType]) -> None:
    """Otherwise nobody can tell whose head is on the pages, or make it anew."""
    path = files('bids_reid') / 'data' / 'face_parts.npz'
    with path.open('rb') as file:
        stored = dict(np.load(file))
    made = tool('face_parts').face_parts()
    assert stored.keys() == made.keys()
    for name in ('points', 'normals', 'part', 'ends'):
        # another processor may round the last bit differently
        np.testing.assert_allclose(stored[name], made[name], atol=0.02)
    assert np.mean(stored['shown'] != made['shown']) < MOST_OFF
    apart = np.abs(stored['shade'].astype(int) - made['shade'])
    assert np.mean(apart > 2) < MOST_OFF
    assert len(path.read_bytes()) < 250_000
