"""Results are found by their keys: what is missing or comes twice is told, not guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_reid.errors import ReidError
from bids_reid.group.merging import MergeError, merged, read_result, write_result
from bids_reid.records import AttackKey

KEYS = ('a', 'b', 'c')


def test_results_come_in_the_order_of_the_keys() -> None:
    """Otherwise the rows of a table depend on which step ended first."""
    assert list(merged([('c', 3), ('a', 1), ('b', 2)], KEYS, 'scan').items()) == [
        ('a', 1),
        ('b', 2),
        ('c', 3),
    ]
    assert merged([], [], 'scan') == {}


@pytest.mark.parametrize(
    ('keys', 'message'),
    [
        ('ac', 'no result for scan b'),
        ('abcb', 'two results for scan b'),
        ('abcd', 'a result for scan d, which was not asked for'),
    ],
)
def test_a_key_that_is_missing_double_or_unasked_is_named(keys: str, message: str) -> None:
    """Otherwise scans that nobody searched pass for scans that are safe."""
    with pytest.raises(MergeError, match=message):
        merged(((key, None) for key in keys), KEYS, 'scan')
    assert issubclass(MergeError, ReidError), 'the user sees a sentence'


def test_a_value_comes_back_from_its_file(tmp_path: Path) -> None:
    """The main process counts with what a step left, to the last bit."""
    value = {AttackKey('raw', 'T1w', 'orb', 'best'): (0.1 + 0.2, None)}
    write_result(tmp_path / 'x', value)
    assert read_result(tmp_path / 'x') == value
