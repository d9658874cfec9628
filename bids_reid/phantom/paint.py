"""Colours of a face: skin, lips, brows, eyes, hair and clothes, point by point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import map_coordinates

from bids_reid.phantom.features import eyeball, lid_gap, lip_shape
from bids_reid.phantom.head_shape import straighten
from bids_reid.phantom.shapes import bump, step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.phantom.anatomy import Anatomy
    from bids_reid.phantom.identity import Colour
    from bids_reid.phantom.shapes import Array

IRIS, PUPIL = 5.9, 2.1  # mm, radii


@dataclass(frozen=True, slots=True)
class Paint:
    """``albedo`` (n, 3) linear RGB, ``gloss`` (n,) strength and ``shine`` (n,) its exponent."""

    albedo: Array
    gloss: Array
    shine: Array


class Grain:
    """Smooth random values in space (value noise: random numbers on a lattice, interpolated)."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._lattice = rng.uniform(-1.0, 1.0, (24, 24, 24)).astype(np.float32)

    def __call__(self, points: Array, size: float | tuple[float, float, float]) -> Array:
        """(n,) values around 0 at (n, 3) points, with ``size`` mm between lattice points."""
        where = (points / np.asarray(size, np.float32)).T
        values: Array = map_coordinates(self._lattice, where, order=1, mode='grid-wrap')
        return values


def paint_head(
    points: Array, hairy: NDArray[np.bool_], a: Anatomy, grain: Grain, clothes: Colour
) -> Paint:
    """Colour points on the surface.

    Parameters
    ----------
    points
        (n, 3) head coordinates, mm.
    hairy
        (n,) which of them lie on hair.
    clothes
        Linear RGB of what is worn below the neck.
    """
    who = a.who
    x, y, z = (np.ascontiguousarray(axis) for axis in points.T)
    x, z = straighten(x, y, z, a)
    side = np.sqrt(x * x + 1.0)
    front = step(y, -30.0, -5.0)
    albedo = _skin(points, side, y, z, a, grain)
    gloss = np.full(len(x), 0.10, np.float32)
    shine = np.full(len(x), 14.0, np.float32)
    hair = np.array(who.hair, np.float32)

    lips = _lips(x, z, a) * front
    _blend(albedo, 0.8 * lips, np.array(who.lips, np.float32))
    gloss += 0.10 * lips
    brows = _brows(points, side, z, a, grain) * front
    brow_colour = 0.7 * hair if hair[0] < 0.3 else 0.45 * hair
    _blend(albedo, brows, brow_colour)
    gap, upper, _ = lid_gap(side, z, a)
    eyes = front * np.float32(1.0 if a.how.eyes_open > 0.05 else 0.0)
    lash = np.exp(-(((z - upper - 0.4) * (1 / 0.9)) ** 2)) * (np.abs(side - a.eye_x) < 15.0)
    _blend(albedo, 0.75 * lash * front * (gap > -3.0), 0.5 * brow_colour)
    ball = (eyeball(side, y, z, a) < 0.4) & (gap > -0.1) & (eyes > 0.5)
    if ball.any():
        albedo[ball] = _eye(x[ball], z[ball], upper[ball], a)
        gloss[ball], shine[ball] = 0.5, 140.0
    if hairy.any():
        albedo[hairy] = hair * _strands(points[hairy], grain)[:, None]
        gloss[hairy], shine[hairy] = 0.06, 9.0
    dressed = (z < -138.0 + 0.10 * np.abs(x) - 0.25 * (y + 60.0)) & ~hairy
    albedo[dressed] = np.array(clothes, np.float32)
    gloss[dressed] = 0.0
    return Paint(albedo, gloss, shine)


def _blend(albedo: Array, share: Array, colour: Array) -> None:
    """Move colours towards ``colour`` by ``share`` (0 to 1), in place."""
    albedo += share[:, None] * (colour - albedo)


def _skin(points: Array, side: Array, y: Array, z: Array, a: Anatomy, grain: Grain) -> Array:
    """Bare skin: mottled, redder on cheeks, nose and ears, darker round the eyes and unshaven."""
    who = a.who
    base = np.array(who.skin, np.float32)
    mottle = 0.035 * grain(points, 11.0) + 0.03 * grain(points, 3.1) + 0.025 * grain(points, 1.3)
    albedo: Array = base * (1.0 + mottle[:, None])
    red = 0.7 * bump(side, z, (38.0, a.base_z + 8.0), (17.0, 14.0))
    red += 0.8 * bump(side, z, (0.0, a.tip_z), (11.0, 9.0)) + 0.6 * step(side, 70.0, 80.0)
    red *= 1.0 + 0.5 * grain(points, 8.0)
    albedo *= 1.0 - 0.14 * red[:, None] * np.array([0.0, 1.0, 0.9], np.float32)
    shadow = bump(side, z, (a.eye_x - 2.0, -5.0), (17.0, 9.0)) * (0.08 + 0.08 * who.eye_bags)
    albedo *= 1.0 - shadow[:, None] * np.array([0.7, 1.0, 0.9], np.float32)
    if who.stubble > 0:
        jaw = step(-z, -(a.base_z - 2.0), -(a.base_z - 14.0)) * step(z, a.chin_z - 25.0, a.chin_z)
        jaw *= step(y, -60.0, -40.0) * (0.8 + 0.4 * grain(points, 1.0))
        jaw *= 1.0 - bump(side, z, (34.0, a.mouth_z + 10.0), (10.0, 12.0))
        hair = np.array(who.hair, np.float32)
        _blend(albedo, 0.42 * who.stubble * np.clip(jaw, 0.0, 1.0), 0.3 * base + 0.5 * hair)
    return albedo


def _lips(x: Array, z: Array, a: Anatomy) -> Array:
    """1 on the red of the lips, 0 elsewhere."""
    _, line, upper, lower = lip_shape(x, a)
    inside = np.minimum(line + upper + 0.5 - z, z - (line - a.jaw_drop - lower - 0.5))
    return np.where(np.abs(x) < a.mouth_half, step(inside, -0.4, 1.6), np.float32(0.0))


def _brows(points: Array, side: Array, z: Array, a: Anatomy, grain: Grain) -> Array:
    """How much of the skin the brows' hairs hide."""
    who = a.who
    inner = 0.5 * who.eye_spacing - 20.0
    along = np.clip((side - inner) * (1 / 39.0), 0.0, 1.0)
    centre = a.brow_z - 2.0 + 9.5 * along - 9.0 * along * along
    thick = who.brow_thickness * (1.25 - 0.9 * along)
    ends = step(side, inner - 2.0, inner + 5.0) * step(-side, -(inner + 43.0), -(inner + 33.0))
    density = 0.85 + 0.3 * grain(points, (1.2, 6.0, 1.8))
    off = (z - centre) / thick
    cover: Array = np.clip(1.25 * np.exp(-(off**4)) * ends * density, 0.0, 0.92)
    return cover


def _strands(points: Array, grain: Grain) -> Array:
    """Brightness of hair that is combed down from the crown, around 1."""
    x, y, z = points[:, 0], points[:, 1] + 85.0, points[:, 2] - 60.0
    around = np.arctan2(x, y)
    down = 0.3 * np.hypot(np.hypot(x, y), z)
    fine = grain(np.stack([150.0 * around, down, 0.0 * x], axis=1), (1.6, 30.0, 1.0))
    lock = grain(np.stack([150.0 * around, down, 0.0 * x], axis=1), (9.0, 40.0, 1.0))
    return np.clip(1.0 + 0.45 * fine + 0.4 * lock, 0.2, 2.0)


def _eye(x: Array, z: Array, upper: Array, a: Anatomy) -> Array:
    """White, iris with a dark rim, and pupil, shaded under the upper lid."""
    across = np.abs(x) - a.eye_x
    radius = np.sqrt(across * across + z * z)
    albedo = np.empty((len(x), 3), np.float32)
    albedo[:] = (0.74, 0.70, 0.67)
    corner = step(-across, 9.0, 13.0)
    _blend(albedo, 0.6 * corner, np.array([0.55, 0.25, 0.22], np.float32))
    iris = np.array(a.who.iris, np.float32)
    _blend(albedo, step(-radius, -IRIS - 0.4, -IRIS + 0.4), 0.45 * iris)
    _blend(albedo, step(-radius, -IRIS + 0.2, -IRIS + 1.6), iris)
    _blend(albedo, step(-radius, -PUPIL - 0.3, -PUPIL + 0.3), np.full(3, 0.008, np.float32))
    shade = 0.55 * step(z - upper, -3.2, 0.0)
    albedo *= 1.0 - shade[:, None]
    return albedo
