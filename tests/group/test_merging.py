"""Results are found by their keys: what is missing or comes twice is told, not guessed."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from bids_reid.errors import ReidError
from bids_reid.group.encoding import Outcome
from bids_reid.group.merging import MergeError, left_arrays, merged, read_result, write_result
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


def test_no_file_is_a_program(tmp_path: Path) -> None:
    """Whoever can write to the work folder could run anything as the user."""
    file = tmp_path / 'x'
    file.write_bytes(pickle.dumps(_Touch(tmp_path / 'touched')))
    with pytest.raises(MergeError, match='was changed during the run'):
        read_result(file)
    np.savez(tmp_path / 'x.npz', a=np.array([_Touch(tmp_path / 'touched')], dtype=object))
    with pytest.raises(MergeError, match='was changed during the run'):
        left_arrays(tmp_path / 'x.npz')
    assert not (tmp_path / 'touched').exists()


class _Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    'text',
    [
        *('', '{', '[]', '{}', '[["tuple"]]', '["os:system", "true"]', '["mapping", 3]'),
        *('["bids_reid.records:Path", "x"]', '["bids_reid.records:get_type_hints", 3]'),
        *('["bids_reid.records:Scan", 3]', '["bids_reid.nowhere:Scan"]', '[3]', '[[[[]]]]'),
        *('["bids_reid.records:AttackKey", "a", "b", "c"]', '[' * 100_000, '["mapping", [[], 1]]'),
    ],
)
def test_a_damaged_result_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / 'x').write_text(text)
    with pytest.raises(MergeError, match='was changed during the run'):
        read_result(tmp_path / 'x')


def test_what_cannot_come_back_is_not_left(tmp_path: Path) -> None:
    for value in ({1}, b'x', object(), Path('x'), [np.zeros(2)]):
        with pytest.raises(TypeError, match='cannot be left'):
            write_result(tmp_path / 'x', value)


def test_a_value_comes_back_from_its_file(tmp_path: Path) -> None:
    """The main process counts with what a step left, to the last bit."""
    outcome = Outcome('ok', 'é\udcff\n', 3)
    values = (0.1 + 0.2, None, float('inf'), -5e-324, True, 10**40, (), [], {}, outcome)
    value = {AttackKey('raw', 'T1w', 'orb', 'best'): [values, {(1, 'x'): False}]}
    write_result(tmp_path / 'x', value)
    assert read_result(tmp_path / 'x') == value
    assert repr(read_result(tmp_path / 'x')) == repr(value), 'types too'
    write_result(tmp_path / 'x', [np.float64(0.1), np.int64(3), np.bool_(1), float('nan')])
    assert repr(read_result(tmp_path / 'x')) == '[0.1, 3, True, nan]'
