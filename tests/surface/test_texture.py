"""Where brightness tells nothing, what is smooth is told from what is noise."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.surface.texture import smooth_part
from bids_reid.surface.volume import Volume

SHAPE = (48, 48, 48)


def ball() -> NDArray[np.bool_]:
    apart = np.indices(SHAPE) - np.array([24, 24, 24]).reshape(3, 1, 1, 1)
    return np.asarray(np.sum(apart**2, axis=0) < 15**2)


def volume(data: NDArray[np.floating]) -> Volume:
    return Volume(data.astype(np.float32), np.diag([3.0, 3, 3, 1]), (3.0, 3.0, 3.0))


@pytest.mark.parametrize('seed', range(3))
@pytest.mark.parametrize('kind', ['wrapped', 'hertz', 'padded'])
def test_what_is_smooth_is_found_in_noise(kind: str, seed: int) -> None:
    """Phases jump where a turn ends, and a tool may put zeros where a face was."""
    rng = np.random.default_rng(seed)
    slope = np.indices(SHAPE).sum(axis=0) * (0.4 if kind != 'hertz' else 0.01)
    slope += rng.normal(0, 0.05, SHAPE)
    data = np.where(ball(), np.angle(np.exp(1j * slope)), rng.uniform(-np.pi, np.pi, SHAPE))
    wanted = ball()
    if kind == 'padded':
        data[:, 30:] = 0
        wanted[:, 30:] = False
    found = smooth_part(volume(data))
    assert found is not None
    assert np.mean((found.data > 0.5) == wanted) > 0.97


@pytest.mark.parametrize('kind', ['noise', 'smooth', 'magnitude', 'constant'])
def test_texture_is_not_asked_where_it_tells_nothing(kind: str) -> None:
    """An ordinary scan, whose air is smooth, would be turned inside out."""
    rng = np.random.default_rng(0)
    data = {
        'noise': rng.normal(size=SHAPE),
        'smooth': np.indices(SHAPE).sum(axis=0).astype(float),
        'magnitude': np.where(ball(), rng.uniform(300, 900, SHAPE), rng.uniform(0, 30, SHAPE)),
        'constant': np.zeros(SHAPE),
    }[kind]
    assert smooth_part(volume(data)) is None
