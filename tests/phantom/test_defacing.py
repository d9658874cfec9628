"""De-facing whose result is known: what checks for faces are counted by."""

from __future__ import annotations

import numpy as np
import pytest

from bids_reid.phantom.identity import draw_people
from tests.support.defacing import DEFACINGS, brain_lost, deface_stored, scan_defaced


def test_only_a_deep_cut_takes_brain_and_clean_ones_take_the_face() -> None:
    """Otherwise the check for lost brain is counted wrong."""
    (person,) = draw_people(1, seed=3)
    whole = scan_defaced('intact', person, seed=[1], spacing=4.0)
    for name, how in DEFACINGS.items():
        if how.after is None or name in ('stripped', 'blurred'):
            continue
        cut = deface_stored(name, whole, seed=[1])
        assert not np.array_equal(cut.data, whole.data), name
        assert (brain_lost(whole, cut) > 3) == how.brain, name


@pytest.mark.parametrize('name', ['noise', 'refaced-other'])
def test_the_same_seed_gives_the_same_scan(name: str) -> None:
    """A table that cannot be made again is worth nothing."""
    (person,) = draw_people(1, seed=3)
    first, second = (scan_defaced(name, person, seed=[2], spacing=6.0) for _ in range(2))
    np.testing.assert_array_equal(first.data, second.data)
