"""Objects that are not heads: bottles, boxes and balls used to test scanners.

A bottle has no face, and whoever reads that its face was removed, or its brain cut, looks for what
never was. Only shapes are told that no head has, whole or cut: nearly all of the skin runs along
one axis or ends it flatly, inside the field of view; or it lies on a sphere, with a bubble or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.surface.frame import FieldOfView

    Vectors = NDArray[np.float64]

NOT_A_HEAD = 'not a head'
"""Start of the note about such a shape."""
PRISM = f'{NOT_A_HEAD}: the shape is that of a bottle, a cylinder or a box'
BALL = f'{NOT_A_HEAD}: the shape is that of a ball'
N_TRIANGLES = 6000
"""Number of triangles that are examined."""
BORDER_MM = 4.0
"""Skin nearer to the end of the field of view was cut there."""
ALONG, ACROSS = 0.17, 0.97
"""Cosine between a normal and the axis: below the first, skin runs along the axis; above the
second it ends it."""
SIDES_SHARE, ENDS_SHARE, BOTH_SHARE = 0.3, 0.05, 0.7
"""Smallest shares of the skin that run along the axis, that end it, and that do either."""
SECTION_SHARE, ROUND_SHARE = 0.85, 0.6
"""Smallest share of the skin along the axis that has one of four directions, or lies on a circle.

A slab of a head between flat ends has an oval section.
"""
BALL_MM = 2.5
BALL_SHARE = 0.9
"""So much of the skin lies so near to a sphere, ..."""
FITS = 6
FINER = (0.12, 0.04)
"""The best axis of many is sought among others beside it, so far away (sines), twice."""
FURTHEST = float(np.arcsin(FINER).sum())
"""How far the axis that is found may be from the first one, radians."""
BALL_SEEN = 0.6
"""... of which so much is there."""
IN_VIEW = 0.6
"""With less of the surface inside the field of view, its shape is not known."""


def simple_shape(
    points: NDArray[np.floating], triangles: NDArray[np.integer], view: FieldOfView
) -> str | None:
    """Name a shape that no head has.

    Parameters
    ----------
    points : (n, 3) float
        Of the skin, millimetres.
    triangles : (m, 3) int
    view : FieldOfView

    Returns
    -------
    `PRISM`, `BALL`, or ``None`` for all else.
    """
    sparse = triangles[:: max(1, len(triangles) // N_TRIANGLES)]
    corners = points[sparse].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.sqrt((normals**2).sum(axis=1))
    middles = corners.mean(axis=1)
    shown = (lengths > 0) & view.holds(middles.astype(np.float32), margin=BORDER_MM)
    total = float(lengths.sum())
    if total <= 0 or lengths[shown].sum() < IN_VIEW * total:
        return None
    weight = lengths[shown] / lengths[shown].sum()
    middles, normals = middles[shown], normals[shown] / lengths[shown][:, None]
    if _is_ball(middles, normals, weight, total * len(triangles) / len(sparse) / 2):
        return BALL
    return PRISM if _is_prism(middles, normals, weight) else None


def _is_ball(
    middles: Vectors, normals: Vectors, weight: NDArray[np.float64], area_mm2: float
) -> bool:
    """Whether skin lies on a sphere, but for the level of what it is filled with."""
    radius, share, flat = _on_sphere(middles, normals, weight)
    seen = share * area_mm2 >= BALL_SEEN * 4 * np.pi * radius**2
    return seen and share + flat >= BALL_SHARE


def _on_sphere(
    places: Vectors, normals: Vectors, weight: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Fit a sphere (n, 3) or a circle (n, 2): its radius, the share on it, that of one level."""
    on_it = np.ones(len(places), bool)
    for _ in range(FITS):
        rows = np.column_stack([2 * places[on_it], np.ones(int(on_it.sum()))])
        *centre, rest = np.linalg.lstsq(rows, (places[on_it] ** 2).sum(axis=1), rcond=None)[0]
        radius = np.sqrt(max(rest + float(np.dot(centre, centre)), 0.0))
        away = np.abs(np.sqrt(((places - centre) ** 2).sum(axis=1)) - radius)
        # the nearer half leads to the sphere that most of it is on
        on_it = away <= max(BALL_MM, float(np.median(away)))
    level = weight * (away > BALL_MM)
    towards = level @ normals
    across = normals @ (towards / max(float(np.sqrt(towards @ towards)), 1e-9))
    return float(radius), float(weight[away <= BALL_MM].sum()), float(level[across > ACROSS].sum())


def _is_prism(middles: Vectors, normals: Vectors, weight: NDArray[np.float64]) -> bool:
    """Whether nearly all skin runs along an axis, or ends it, with a round or square section."""
    axis = _best_axis(normals, weight, np.zeros(3), 1.0, 500)
    # no axis near to it can have more than this
    sides, ends = _shares(normals, weight, axis, off=FURTHEST)
    if sides + ends < BOTH_SHARE:
        return False
    for width in FINER:
        axis = _best_axis(normals, weight, axis, width, 200)
    sides, ends = _shares(normals, weight, axis)
    if sides < SIDES_SHARE or ends < ENDS_SHARE or sides + ends < BOTH_SHARE:
        return False
    along = np.abs(normals @ axis) < ALONG
    sided = normals[along]
    # what is least along the normals of the sides is the axis, then two across it
    plane = np.linalg.eigh((sided * weight[along, None]).T @ sided)[1][:, 1:]
    share = weight[along] / weight[along].sum()
    return _is_square(sided @ plane, share) or _is_round(
        middles[along] @ plane, sided @ plane, share
    )


def _best_axis(
    normals: Vectors, weight: NDArray[np.float64], axis: Vectors, width: float, number: int
) -> Vectors:
    """Axis along or across which most skin runs, of those about ``axis``."""
    axes = _around(axis, width, number)
    cosines = np.abs(normals @ axes.T)
    return np.asarray(axes[np.argmax(weight @ ((cosines < ALONG) | (cosines > ACROSS)))])


def _shares(
    normals: Vectors, weight: NDArray[np.float64], axis: Vectors, off: float = 0.0
) -> tuple[float, float]:
    """Shares of the skin that run along an axis and that end it, if it is ``off`` by an angle."""
    cosines = np.abs(normals @ axis)
    along, across = np.sin(np.arcsin(ALONG) + off), np.cos(np.arccos(ACROSS) + off)
    return float(weight[cosines < along].sum()), float(weight[cosines > across].sum())


def _is_square(normals: Vectors, weight: NDArray[np.float64]) -> bool:
    """Whether normals (n, 2) have four directions at right angles."""
    turned = np.arctan2(normals[:, 1], normals[:, 0])
    angles = np.linspace(0, np.pi / 2, 90, endpoint=False)
    off = (turned - angles[:, None] + np.pi / 4) % (np.pi / 2) - np.pi / 4
    return bool(((np.abs(off) < np.arccos(ACROSS)) @ weight).max() >= SECTION_SHARE)


def _is_round(places: Vectors, normals: Vectors, weight: NDArray[np.float64]) -> bool:
    """Whether places (n, 2) lie on a circle, but for the level of what it is filled with."""
    _, share, flat = _on_sphere(places, normals, weight)
    return share >= ROUND_SHARE and share + flat >= SECTION_SHARE


def _around(axis: NDArray[np.float64], width: float, number: int) -> Vectors:
    """Unit vectors (number + 1, 3) evenly about an axis; about none, all around."""
    step = np.arange(number) + 0.5
    turn = np.pi * (1 + np.sqrt(5)) * step
    up = 1 - 2 * step / number
    flat = np.sqrt(1 - up**2)
    evenly = np.column_stack([flat * np.cos(turn), flat * np.sin(turn), up])
    if not axis.any():
        return evenly
    near = np.vstack([axis, axis + width * evenly])
    return np.asarray(near / np.sqrt((near**2).sum(axis=1, keepdims=True)))
