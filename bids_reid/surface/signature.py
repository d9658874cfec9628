"""The shape of a head as numbers that can be compared: how far the skin is in every direction.

Whoever wants to link two scans need not look at renders. De-facing and re-facing change the face
and leave forehead, skull and ears as they are, so both regions are measured, each for itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from bids_reid.surface.relief import to_average

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.surface.frame import FaceFrame

Region = Literal['face', 'head']
REGIONS: tuple[Region, ...] = ('face', 'head')
"""``face``: what de-facing removes. ``head``: forehead, skull and ears."""
CENTRE = (0.0, -75.0, 10.0)
"""Directions are taken from here, in the average head's coordinates, mm."""
STEP_DEGREES = 4.0
LOWEST, LOWEST_BEHIND = -64.0, -16.0
"""Degrees below the horizon: down to the chin in front, not to the neck behind."""
FACE_AZIMUTH, FACE_TOP = 64.0, 8.0
"""Degrees that the face reaches to both sides, and upwards to the brow."""
MIN_SHARE = 0.3
"""Two heads with fewer directions in common are not compared."""


def directions() -> NDArray[np.float64]:
    """Azimuth (0 ahead, positive to the right) and elevation of all cells, degrees, (n, 2)."""
    azimuth = np.arange(-180 + STEP_DEGREES / 2, 180, STEP_DEGREES)
    elevation = np.arange(LOWEST + STEP_DEGREES / 2, 90, STEP_DEGREES)
    return np.stack(np.meshgrid(azimuth, elevation, indexing='ij'), axis=-1).reshape(-1, 2)


def in_region(region: Region) -> NDArray[np.bool_]:
    """Which of the `directions` belong to a region, (n,)."""
    azimuth, elevation = directions().T
    face = (np.abs(azimuth) < FACE_AZIMUTH) & (elevation < FACE_TOP)
    if region == 'face':
        return np.asarray(face)
    # close to the vertex cells are small and next to each other
    return np.asarray(~face & (elevation > LOWEST_BEHIND) & (elevation < 80))


def head_signature(points: NDArray[np.float32], frame: FaceFrame) -> NDArray[np.float32]:
    """Distance of the skin from the middle of the head in all `directions`, mm of the scan.

    Parameters
    ----------
    points : (n, 3) float32
        Skin, RAS millimetres.
    frame : FaceFrame
        Of the face.

    Returns
    -------
    (m,) float32
        The outermost point of each cell; NaN where there is none.
    """
    x, y, z = ((to_average(points, frame) - np.array(CENTRE, np.float32)) * frame.scale).T
    radius = np.sqrt(x * x + y * y + z * z)
    azimuth = np.degrees(np.arctan2(x, y))
    elevation = np.degrees(np.arcsin(np.clip(z / np.maximum(radius, 1e-6), -1, 1)))
    shape = round(360 / STEP_DEGREES), round((90 - LOWEST) / STEP_DEGREES)
    i = np.clip(((azimuth + 180) / STEP_DEGREES).astype(np.intp), 0, shape[0] - 1)
    j = np.floor((elevation - LOWEST) / STEP_DEGREES).astype(np.intp)
    held = (j >= 0) & (j < shape[1])
    outermost = np.full(shape, -np.inf, np.float32)
    np.maximum.at(outermost, (i[held], j[held]), radius[held])
    return np.where(np.isfinite(outermost), outermost, np.nan).ravel().astype(np.float32)


def signature_scores(
    probes: NDArray[np.float32], gallery: NDArray[np.float32], region: Region
) -> NDArray[np.float32]:
    """Minus the median distance of two heads' skins, mm, after one is moved onto the other.

    Frames of a face that was removed are off by some millimetres; a shift changes distances by its
    product with the direction, which is fitted (least squares) and taken out.

    Parameters
    ----------
    probes, gallery : (p, m), (g, m) float32
        Rows from `head_signature`.

    Returns
    -------
    (p, g) float32
        NaN where two heads have too few directions in common.
    """
    where = in_region(region)
    azimuth, elevation = np.radians(directions()[where]).T
    flat = np.cos(elevation)
    towards = np.column_stack([flat * np.sin(azimuth), flat * np.cos(azimuth), np.sin(elevation)])
    products = (towards[:, :, None] * towards[:, None, :]).reshape(-1, 9)
    scores = np.full((len(probes), len(gallery)), np.nan, np.float32)
    others = gallery[:, where].astype(np.float64)
    for row, probe in enumerate(probes[:, where]):
        gap = probe - others
        common = np.isfinite(gap)
        enough = common.mean(axis=1) >= MIN_SHARE
        gap, common = gap[enough], common[enough]
        # normal equations of all pairs at once: directions all around are far from degenerate
        normal = (common @ products).reshape(-1, 3, 3)
        fitted = (np.where(common, gap, 0) @ towards)[..., None]
        shift = np.linalg.solve(normal, fitted)[..., 0]
        # NaN sorts to the end
        left = np.sort(np.abs(gap - shift @ towards.T), axis=1)
        n, each = common.sum(axis=1), np.arange(len(left))
        scores[row, enough] = -(left[each, (n - 1) // 2] + left[each, n // 2]) / 2
    return scores
