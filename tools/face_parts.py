"""The parts of the average head's face, and pictures of it: ``python tools/face_parts.py TARGET``.

Writes the file that :mod:`bids_reid.surface.parts` reads: points of the skin of the synthetic
person whose every number is the mean, with the part of the face that each belongs to; and what
pictures of that head are painted from, so that a report needs no renderer.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.phantom import features
from bids_reid.phantom.anatomy import ASLEEP, anatomy
from bids_reid.phantom.head_shape import head_mesh, head_sdf
from bids_reid.phantom.identity import average_person
from bids_reid.surface.mesh import Mesh, vertex_normals
from bids_reid.surface.parts import BACKGROUND, ELSEWHERE, PARTS, VIEWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Points = NDArray[np.float32]
    Numbers = NDArray[np.int8]

CELL_MM = 4.0
"""One point is kept per cube with such an edge."""
EAR_MM = np.float32(1.5)
"""So near to the shell of an ear, skin belongs to it."""
FLOOR_MM = -120.0
"""Skin below the chin is neck."""
BACK_MM = -115.0
TOP_MM = 64.0
"""Skin behind the ears and above the hairline tells nobody apart."""
PIXEL_MM = 0.85
PICTURE_TOP, PICTURE_BOTTOM = 115.0, -119.0
YAWS = {'right side': (-60.0, -160.0, 84.0), 'front': (0.0, -92.0, 92.0)}
"""Where the camera of a view stands, degrees towards the left, and what it sees across, mm."""
FAR_MM = 7.0
"""Skin that is farther from each point is shown, but holds none."""
LIGHTS = (((-0.35, 0.45, 0.82), 0.55), ((0.55, 0.75, 0.1), 0.2))
"""Directions of the lights, seen from the camera: right, towards it, up; and their strengths."""
AMBIENT, FACING = 0.2, 0.3
HOLLOWS_MM = (4.0, 12.0)
"""Skin with skin so near in front of it lies in the shade."""


def face_parts() -> dict[str, NDArray[np.generic]]:
    """Make the content of the file.

    Returns
    -------
    dict
        points, normals : (n, 3) float32, skin of the front half and the ears in head coordinates,
        mm, and its outward unit normals. part : (n,) int8, index into
        `bids_reid.surface.parts.PARTS`, -1 for skin of none of them. shown, shade: the picture,
        see `_picture`; ends : (3,) int16, the column after the last one of each view.
    """
    points, triangles = head_mesh(average_person(), ASLEEP, spacing=1.5)
    normals = vertex_normals(Mesh(points, triangles.astype(np.int32)))
    _, y, z = points.T
    kept = _one_per_cell(points, (z > FLOOR_MM) & (z < TOP_MM) & (y > BACK_MM))
    points, normals = points[kept], normals[kept]
    pictures = [_picture(view, points) for view in VIEWS]
    return {
        'points': points.round(2).astype(np.float32),
        'normals': normals.round(3).astype(np.float32),
        'part': _parts(points, normals),
        'shown': np.concatenate([shown for shown, _ in pictures], axis=1),
        'shade': np.concatenate([shade for _, shade in pictures], axis=1),
        'ends': np.cumsum([shown.shape[1] for shown, _ in pictures]).astype(np.int16),
    }


def _parts(points: Points, normals: Points) -> Numbers:
    """Part that each point belongs to, by boxes around the landmarks."""
    a = anatomy(average_person(), ASLEEP)
    x, y, z = points.T
    side, front = np.abs(x), normals[:, 1] > 0.1
    part = np.full(len(points), -1, np.int8)

    def mark(name: str, where: NDArray[np.bool_]) -> None:
        for half, on in (('', True), ('right ', x > 0), ('left ', x < 0)):
            if f'{half}{name}' in PARTS:
                part[where & on] = PARTS.index(f'{half}{name}')

    cheek = (side > 18) & (side < 62) & (z < -14) & (z > a.mouth_z - 5) & (y > -45)
    mark('cheek', front & cheek)
    # its lower edge with the root of the nose: above it, common tools leave the forehead
    mark('brow', front & (side < 48) & (z > 2) & (z < a.brow_z - 7.5) & (y > -25))
    mark('eye', front & (np.abs(side - a.eye_x) < 19) & (z > -12) & (z < 2))
    # the sides of the nose face sideways
    mark('nose', (y > -10) & (side < 18) & (z < 2) & (z > a.base_z - 3))
    below = a.base_z - 3
    mark('mouth', front & (side < a.mouth_half + 3) & (np.abs(z - a.mouth_z) < 16) & (z < below))
    mark('chin', front & (side < 27) & (z < a.mouth_z - 16) & (z > a.chin_z - 1) & (y > -20))
    mark('ear', features.add_ears(np.full(len(side), EAR_MM + 1), side, y, z, a) < EAR_MM)
    return part


def _one_per_cell(points: Points, where: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Indices of the point nearest to the middle of each cube that holds any."""
    index = np.flatnonzero(where)
    cell = np.floor(points[index] / CELL_MM)
    off = np.linalg.norm(points[index] - (cell + 0.5) * CELL_MM, axis=1)
    order = np.argsort(off, kind='stable')
    _, first = np.unique(cell[order], axis=0, return_index=True)
    return np.sort(index[order[first]])


def _picture(view: str, points: Points) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Draw a view of the head, without perspective.

    Returns
    -------
    shown : (h, w) int16
        The point that is nearest to the skin that a pixel shows, `ELSEWHERE` for skin far from all
        of them, `BACKGROUND` beside the head.
    shade : (h, w) uint8
        How much light the skin gives back.
    """
    from scipy.spatial import cKDTree

    mirrored = view == 'left side'
    yaw, low, high = YAWS['right side' if mirrored else view]
    turn = np.radians(yaw)
    to_camera = np.array([-np.sin(turn), np.cos(turn), 0], np.float32)
    across = np.array([-np.cos(turn), -np.sin(turn), 0], np.float32)
    up = np.array([0, 0, 1], np.float32)
    columns = np.arange(low, high, PIXEL_MM, dtype=np.float32)
    rows = np.arange(PICTURE_TOP, PICTURE_BOTTOM, -PIXEL_MM, dtype=np.float32)
    start = (columns[:, None] * across + rows[:, None, None] * up).reshape(-1, 3)
    skin, hit = _first_skin(start + 200 * to_camera, to_camera)
    shown = np.full(len(start), BACKGROUND, np.int16)
    shade = np.zeros(len(start), np.uint8)
    shade[hit] = _shade(skin[hit], np.stack([across, to_camera, up]))
    if mirrored:
        skin[:, 0] *= -1
    distance, nearest = cKDTree(points).query(skin[hit], workers=1)
    shown[hit] = np.where(distance < FAR_MM, nearest, ELSEWHERE)
    shape = len(rows), len(columns)
    step = -1 if mirrored else 1
    return shown.reshape(shape)[:, ::step], shade.reshape(shape)[:, ::step]


def _first_skin(start: Points, to_camera: Points) -> tuple[Points, NDArray[np.bool_]]:
    """Go from each point away from the camera until skin is met; and tell where it was."""
    place = start.copy()
    person = average_person()
    moving = np.arange(len(place))
    for _ in range(400):
        distance = head_sdf(place[moving], person, ASLEEP)
        # short steps: far from the skin the numbers are no distances
        ahead = np.clip(0.6 * distance, -2, 5)
        place[moving] -= ahead[:, None] * to_camera
        deep = (start[moving] - place[moving]) @ to_camera
        moving = moving[(np.abs(distance) > 0.02) & (deep < 420)]
    return place, np.abs(head_sdf(place, person, ASLEEP)) < 0.5


def _shade(skin: Points, axes: Points) -> NDArray[np.uint8]:
    """Light that skin gives back, by its slope and by how deep it lies in a hollow."""
    person = average_person()
    step = 0.4 * np.eye(3, dtype=np.float32)
    slopes = [
        head_sdf(skin + s, person, ASLEEP) - head_sdf(skin - s, person, ASLEEP) for s in step
    ]
    normals = np.stack(slopes, axis=1)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    seen = normals @ axes.T
    light = AMBIENT + FACING * np.clip(seen[:, 1], 0, 1)
    for direction, strength in LIGHTS:
        unit = np.array(direction) / np.linalg.norm(direction)
        light += strength * np.clip(seen @ unit, 0, 1)
    for height in HOLLOWS_MM:
        room = head_sdf(skin + np.float32(height) * normals, person, ASLEEP) / height
        light *= 0.6 + 0.4 * np.clip(room, 0, 1)
    return (255 * np.clip(light, 0, 1)).round().astype(np.uint8)


def main(target: Path) -> None:
    """Write the parts to ``target``."""
    content = face_parts()
    np.savez_compressed(target, **content)  # type: ignore[arg-type]


if __name__ == '__main__':
    main(Path(sys.argv[1]))
