"""A fast engine is used only where it gives what the authors' own gives."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.faces.networks.engines import Engine, check_chips, load_checked

LOADED: list[str] = []


class Sums:
    """Stands for a network: sums of the halves of each chip, off by some error."""

    def __init__(self, name: str, error: float) -> None:
        self.name, self.error = name, error
        LOADED.append(name)

    def embed(self, chips: NDArray[np.uint8]) -> NDArray[np.float32]:
        halves = np.split(chips.astype(np.float32), 2, axis=1)
        return np.stack([half.mean(axis=(1, 2)) for half in halves], axis=1) + self.error


def loaded(error: float) -> tuple[Engine, str]:
    LOADED.clear()
    engine, sha256, reason = load_checked(
        lambda: Sums('fast 1.0', error), lambda: Sums('slow 2.0', 0), check_chips(20), 1e-3, 'abc'
    )
    assert sha256 == 'abc'
    return engine, reason


def test_an_engine_that_agrees_is_used_and_the_reference_is_loaded_once() -> None:
    """Two networks in memory, where one is used, are two processes fewer on a machine."""
    engine, reason = loaded(1e-4)
    assert engine.name == 'fast 1.0'
    assert not reason
    assert LOADED == ['slow 2.0', 'fast 1.0']


@pytest.mark.parametrize('error', [2e-3, -1.0, np.nan, np.inf])
def test_one_that_does_not_agree_is_not(error: float) -> None:
    """A wrong kernel gives faces that nobody has, and a risk that is too low."""
    engine, reason = loaded(error)
    assert engine.name == 'slow 2.0'
    assert reason.startswith('onnxruntime differs from slow by ')


def test_one_that_cannot_be_loaded_is_not() -> None:
    """A wheel for another processor: the run goes on, and says why it is slow."""

    def fail() -> Engine:
        raise OSError('illegal instruction')

    engine, _, reason = load_checked(fail, lambda: Sums('slow 2.0', 0), check_chips(20), 1, 'abc')
    assert engine.name == 'slow 2.0'
    assert reason == 'onnxruntime cannot be used: illegal instruction'


def test_a_chip_of_the_check_shows_all_shades() -> None:
    """A black picture would agree under any weights."""
    chip = check_chips(160)
    assert chip.shape == (1, 160, 160)
    assert chip.min() < 10
    assert chip.max() > 245
    assert len(np.unique(chip)) > 200
