"""Things that are no heads, as scanners see them: bottles, phantoms, balls, fruit, limbs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from bids_reid.surface.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Places = NDArray[np.float64]
    Inside = NDArray[np.bool_]

SPACING_MM = 1.6
SHAPE = (138, 150, 166)


def _cylinder(at: Places, radius: float, height: float, axis: int = 2) -> Inside:
    across = [other for other in range(3) if other != axis]
    inside = np.hypot(at[across[0]], at[across[1]]) < radius
    return np.asarray(inside & (np.abs(at[axis]) < height / 2))


def _ellipsoid(
    at: Places, half: tuple[float, ...], centre: tuple[float, ...] = (0, 0, 0)
) -> Inside:
    away = sum(
        ((axis - middle) / size) ** 2 for axis, middle, size in zip(at, centre, half, strict=True)
    )
    return np.asarray(away < 1)


def _box(at: Places, sides: tuple[float, ...]) -> Inside:
    return np.asarray(
        np.logical_and.reduce([np.abs(a) < side / 2 for a, side in zip(at, sides, strict=True)])
    )


def _moved(at: Places, *by: float) -> Places:
    return at - np.array(by)[:, None, None, None]


def _bottle(at: Places, radius: float = 45.0, height: float = 200.0) -> Inside:
    body = _cylinder(at, radius, height)
    shoulder = _ellipsoid(at, (radius, radius, 30.0), (0, 0, height / 2 - 10))
    return body | shoulder | _cylinder(_moved(at, 0, 0, height / 2 + 15), 15, 30)


def _acr(at: Places) -> Inside:
    rods = (np.abs((at[0] + 5) % 30 - 15) < 3) & (np.abs(at[2] - 30) < 12)
    return _cylinder(at, 95, 148) & ~rods


def _knee(at: Places) -> Inside:
    leg = np.hypot(at[0], 0.9 * at[1]) < 55 + 12 * np.cos(at[2] / 40)
    return leg | _ellipsoid(at, (35, 25, 30), (0, 60, 5))


def _spine(at: Places) -> Inside:
    body = (at[0] / 105) ** 2 + (at[1] / 85) ** 2 < 1
    return np.asarray(body & ~((at[0] ** 2 + (at[1] - 20) ** 2 < 625) & (at[2] % 35 < 6)))


SIMPLE: dict[str, Callable[[Places], Inside]] = {
    'bottle of 1.3 litres': _bottle,
    'bottle of 2 litres, lying': lambda at: _bottle(at[[0, 2, 1]], 52, 190),
    'bottle with a bubble': lambda at: _bottle(at, 55, 200) & (at[1] < 35),
    'canister': lambda at: _box(at, (120, 130, 160)),
    'cylinder': lambda at: _cylinder(at, 70, 195),
    'cylinder along x': lambda at: _cylinder(at, 70, 180, 0),
    'ACR phantom': _acr,
    'ball of 1 litre': lambda at: _ellipsoid(at, (62, 62, 62)),
    'ball of 2.6 litres': lambda at: _ellipsoid(at, (85, 85, 85)),
    'ball with a bubble': lambda at: _ellipsoid(at, (85, 85, 85)) & (at[1] < 55),
}
"""Test objects of scanners, which have shapes that no head has."""
OTHERS: dict[str, Callable[[Places], Inside]] = {
    'melon': lambda at: _ellipsoid(at, (75, 85, 95)),
    'pineapple': lambda at: _ellipsoid(at, (58, 58, 80)) | _cylinder(_moved(at, 0, 0, 95), 25, 50),
    'knee': _knee,
    'spine': _spine,
}
"""Other things, whose shapes are nearer to heads."""


def thing(name: str) -> Volume:
    """Scan a thing of `SIMPLE` or `OTHERS`: uneven water, with noise, in air."""
    at = ((np.indices(SHAPE).T - (np.array(SHAPE) - 1) / 2) * SPACING_MM).T
    rng = np.random.default_rng(len(name))
    uneven = 1 + 0.6 * ndimage.gaussian_filter(rng.normal(size=SHAPE), 3)
    inside = (SIMPLE | OTHERS)[name](at)
    signal = ndimage.gaussian_filter(800 * inside * np.clip(uneven, 0.5, 1.5), 0.4)
    data = np.hypot(signal + rng.normal(0, 12, SHAPE), rng.normal(0, 12, SHAPE))
    affine = np.diag([SPACING_MM] * 3 + [1.0])
    affine[:3, 3] = -(np.array(SHAPE) - 1) * SPACING_MM / 2
    return Volume(data.astype(np.float32), affine, (SPACING_MM,) * 3)
