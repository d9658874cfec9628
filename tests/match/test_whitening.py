"""What light and camera change counts less: otherwise an attack is weaker than a real one."""

from __future__ import annotations

import numpy as np
import pytest

from bids_reid.match import whitening as module
from bids_reid.match.whitening import SHRINKAGE, Whitening, whitening


def scattered(d: int, n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Deviations whose variances fall from direction to direction, and these directions."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return rng.normal(size=(n, d)) * np.geomspace(3, 0.1, d) @ axes.T, axes


@pytest.mark.parametrize('most', [512, 4])
def test_the_map_is_that_of_the_definition(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of long features the strongest directions are divided by their own spread."""
    monkeypatch.setattr(module, 'MAX_DIRECTIONS', most)
    rows, _ = scattered(9)
    white = whitening([rows[:1000], rows[1000:]], 9)
    variances, axes = np.linalg.eigh(rows.T @ rows / len(rows))
    mean = variances.mean()
    if most < 9:
        variances[: 9 - most] = variances[: 9 - most].mean()
    gains = np.sqrt((1 + SHRINKAGE) * mean / (variances + SHRINKAGE * mean))
    some = np.random.default_rng(1).normal(size=(5, 9))
    np.testing.assert_allclose(white(some), some @ axes * gains @ axes.T, atol=1e-9)
    read = Whitening.of(white.arrays())
    np.testing.assert_array_equal(read(some), white(some))


@pytest.mark.parametrize('rows', [[], [np.zeros((1, 6))], [np.zeros((0, 6))]])
def test_without_a_second_render_nothing_changes(rows: list[np.ndarray]) -> None:
    """Otherwise one render per scan divides by zero."""
    some = np.random.default_rng(1).normal(size=(3, 6))
    np.testing.assert_array_equal(whitening(rows, 6)(some), some)
    assert whitening(rows, 6)(some[:0]).shape == (0, 6)
