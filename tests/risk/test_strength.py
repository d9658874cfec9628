"""Which attack leads: a gallery of nobody, or of a few, must not."""

from __future__ import annotations

import pytest

from bids_reid.risk.strength import counted, strongest_first


@pytest.mark.parametrize(
    ('rates', 'n_gallery', 'best'),
    [
        ([0.0, 0.0, 0.0], [0, 9, 10], 2),
        ([0.2, 0.1, 0.2], [10, 10, 10], 0),
        ([1.0, 0.1], [1, 10], 1),
        ([0.5, 0.1], [4, 10], 1),
        ([0.5, 0.1], [5, 10], 0),
        ([0.0, 1.0], [0, 1], 1),
    ],
)
def test_the_strongest(rates: list[float], n_gallery: list[int], best: int) -> None:
    """The headline would otherwise be one that could not fail, or could not succeed."""
    assert strongest_first(rates, n_gallery)[0] == best


def test_those_that_do_not_count_come_last() -> None:
    """A table sorted otherwise begins with people found by elimination."""
    assert strongest_first([1, 0, 0.3, 0, 0.3], [1, 0, 9, 10, 9]) == [2, 4, 3, 0, 1]
    assert strongest_first([], []) == []


def test_which_count() -> None:
    """Two people at least, and half of the largest gallery."""
    assert counted([0, 1, 4, 5, 10]) == [False, False, False, True, True]
    assert counted([1, 1]) == [False, False]
    assert counted([]) == []
