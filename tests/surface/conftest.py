"""Heads made of formulas, so that the skin is known exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.surface.volume import Volume

Array = np.ndarray


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid head, millimetres."""

    centre: tuple[float, float, float] = (3.0, -7.0, 11.0)
    axes: tuple[float, float, float] = (72.0, 92.0, 80.0)

    def distance(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """Signed distance to first order, exact at the surface; negative inside."""
        away = (points - np.array(self.centre)) / self.axes
        size = np.linalg.norm(away, axis=-1)
        slope = np.linalg.norm(away / self.axes, axis=-1)
        return size * (size - 1) / np.maximum(slope, 1e-6)

    @property
    def litres(self) -> float:
        return float(4 / 3 * np.pi * np.prod(self.axes)) * 1e-6


def intensities(depth: NDArray[np.floating], edge: float) -> NDArray[np.float32]:
    """Bright skin and fat, dark skull, grey brain; each voxel a mean over ``edge`` mm."""

    def below(limit: float) -> NDArray[np.floating]:
        return np.clip((depth - limit) / edge + 0.5, 0, 1)

    return (1000 * below(0) - 900 * below(6) + 600 * below(13)).astype(np.float32)


def head_volume(
    head: Ellipsoid,
    spacing: tuple[float, float, float] = (1.6, 1.6, 1.6),
    *,
    rotation: NDArray[np.floating] | None = None,
    margin: float = 14.0,
    noise: float = 0.0,
) -> Volume:
    """Scan ``head``: voxel size, orientation of the field of view, Rician noise.

    Larger voxels than these take longer: they are interpolated to 1 mm or so.
    """
    turned = np.eye(3) if rotation is None else rotation
    half = max(head.axes) + margin if rotation is not None else np.array(head.axes) + margin
    shape = np.ceil(2 * np.broadcast_to(half, 3) / spacing).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = turned * np.array(spacing)
    affine[:3, 3] = np.array(head.centre) - affine[:3, :3] @ ((shape - 1) / 2)
    voxels = np.stack(np.meshgrid(*map(np.arange, shape), indexing='ij'), axis=-1)
    points = voxels @ affine[:3, :3].T + affine[:3, 3]
    data = intensities(-head.distance(points), float(np.mean(spacing)))
    if noise:
        rng = np.random.default_rng(5)
        data = np.hypot(data + rng.normal(0, noise, shape), rng.normal(0, noise, shape))
    return Volume(data.astype(np.float32), affine, spacing)


@pytest.fixture(scope='session')
def make_volume() -> Callable[..., Volume]:
    return head_volume


@pytest.fixture(scope='session')
def head() -> Ellipsoid:
    return Ellipsoid()
