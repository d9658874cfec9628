"""The fuzzing of photographs damages them, in each way and format, the same way each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.fuzz.driver import Case
from benchmarks.fuzz.photograph import _WAYS, Photograph, _saved
from bids_reid.errors import PhotoError


def test_a_case_can_be_made_again_by_its_number() -> None:
    """What was found could not be looked into."""
    first, again, other = (Photograph().case(np.random.default_rng([0, n])) for n in (7, 7, 8))
    assert first == again
    assert first != other


@pytest.mark.slow
def test_every_way_of_saving_gives_a_picture_with_a_face(tmp_path: Path) -> None:
    """A format that this machine cannot write, or the program not read, would not be tried."""
    target, n_heads = Photograph(), 0
    for number, way in enumerate(_WAYS):
        if way[1] == '1':
            # a face of two shades is none
            continue
        (tmp_path / 'x').write_bytes(_saved(number))
        word = target.run(tmp_path, Case('', {}))
        n_heads += word.startswith('head')
    assert n_heads >= len(_WAYS) - 4


def test_damage_is_told_and_nothing_else_raised(tmp_path: Path) -> None:
    """The first cases, which everybody can try in seconds."""
    target, told = Photograph(), 0
    for number in range(12):
        case = target.case(np.random.default_rng([0, number]))
        (tmp_path / 'x').write_bytes(case.files['x'])
        try:
            target.run(tmp_path, case)
        except PhotoError:
            told += 1
    assert told
