"""The average head as a signed distance field, made by ``tools/average_head.py``.

Head coordinates: RAS millimetres, origin midway between the eyeballs' centres.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PARTS = ('other', 'forehead', 'eyes', 'nose', 'mouth', 'chin')
"""Names of the numbers in ``AverageHead.face_part``."""
_FLOOR = (-105.0, 0.35)
"""The neck is no head: below this height (mm) at the eyes, rising so much per mm backwards."""


@dataclass(frozen=True, slots=True)
class AverageHead:
    """An average head.

    Attributes
    ----------
    field : (i, j, k) float32
        Signed distance, mm, negative inside.
    low : (3,) float32
        Head coordinates of the first point of the grid.
    spacing : float
        Of the grid, mm.
    face, face_normals : (n, 3) float32
        Skin from the hairline to the chin and its outward unit normals.
    face_part : (n,) int8
        Indices into `PARTS`.
    head : (m, 3) float32
        Skin of the whole head, m a few hundred.
    """

    field: NDArray[np.float32]
    low: NDArray[np.float32]
    spacing: float
    face: NDArray[np.float32]
    face_normals: NDArray[np.float32]
    face_part: NDArray[np.int8]
    head: NDArray[np.float32]

    def distance(
        self, points: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        """Interpolate the field.

        Parameters
        ----------
        points : (n, 3) float32
            Head coordinates, mm.

        Returns
        -------
        distance : (n,) float32
            Millimetres; that of the nearest point of the grid's box outside of it.
        gradient : (n, 3) float32
            Of the trilinear interpolation.
        valid : (n,) bool
            Whether the points lie within the grid and above the neck.
        """
        shape = np.array(self.field.shape)
        place = (points - self.low) * np.float32(1 / self.spacing)
        cell = np.clip(place.astype(np.int32), 0, shape - 2)
        u, v, w = np.clip(place - cell, 0, 1).T
        plane, row = self.field.shape[1] * self.field.shape[2], self.field.shape[2]
        first = cell[:, 0] * plane + cell[:, 1] * row + cell[:, 2]
        flat = self.field.ravel()
        a, b, c, d = (flat[first + n] for n in (0, plane, row, plane + row))
        e, f, g, h = (flat[first + n + 1] for n in (0, plane, row, plane + row))
        # along z first, then y, then x
        p, q, r, s = a + w * (e - a), b + w * (f - b), c + w * (g - c), d + w * (h - d)
        near, far = p + v * (r - p), q + v * (s - q)
        across = (1 - u) * (r - p) + u * (s - q)
        up = (1 - u) * ((1 - v) * (e - a) + v * (g - c)) + u * ((1 - v) * (f - b) + v * (h - d))
        gradient = np.stack([far - near, across, up], axis=1) * np.float32(1 / self.spacing)
        inside = ((place >= 0) & (place <= shape - 1)).all(axis=1)
        return near + u * (far - near), gradient, inside & above_neck(points)


def above_neck(points: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether points (n, 3) in head coordinates belong to the head rather than to the neck."""
    height, rise = _FLOOR
    return np.asarray(points[:, 2] > height - rise * points[:, 1])


@cache
def average_head() -> AverageHead:
    """Read the average head, once per process."""
    with (files('bids_reid') / 'data' / 'average_head.npz').open('rb') as file:
        content = dict(np.load(file))
    root = content['field'].astype(np.float32) / content['fineness']
    half = root * np.abs(root)
    low = content['low'].astype(np.float32)
    # the first plane is the midline
    low[0] = -float(content['spacing']) * (len(half) - 1)
    return AverageHead(
        field=np.concatenate([half[:0:-1], half]),
        low=low,
        spacing=float(content['spacing']),
        face=content['face'],
        face_normals=content['face_normals'],
        face_part=content['face_part'],
        head=content['head'][above_neck(content['head'])],
    )
