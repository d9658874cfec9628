"""Eyes, nose, mouth and ears, added to a head's signed distance.

Every function takes the distance so far and coordinates in mm (``side`` is |x|, rounded at the
middle), and returns the new distance, all of one shape and float32.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bids_reid.phantom.anatomy import EYEBALL
from bids_reid.phantom.shapes import bump, capsule, carve, ellipsoid, intersection, step, union

if TYPE_CHECKING:
    from bids_reid.phantom.anatomy import Anatomy
    from bids_reid.phantom.shapes import Array


def lid_gap(side: Array, z: Array, a: Anatomy) -> tuple[Array, Array, Array]:
    """Where the lids are, seen from the front.

    Returns
    -------
    The signed width to the nearer lid edge (mm, positive in the open eye) and the heights of the
    upper and the lower edge (mm, head coordinates), each of the shape of ``side``.
    """
    who = a.who
    half = 0.5 * who.eye_width
    along = (side - a.eye_x) * (1 / half)
    arch = np.maximum(1.0 - along * along, -1.0)
    skewed = arch * (1.0 - 0.18 * along)  # the upper lid is highest towards the nose
    rise = (math.tan(math.radians(who.eye_tilt)) * half) * along
    opening = who.eye_opening * (a.how.eyes_open * (1.0 - 0.15 * a.how.smile))
    lower = rise - 0.42 * who.eye_opening * (1.0 - 0.2 * a.how.smile) * arch
    upper = lower + opening * skewed
    return np.minimum(upper - z, z - lower), upper, lower


def add_eyes(head: Array, side: Array, y: Array, z: Array, a: Anatomy) -> Array:
    """Carve the orbits, set the eyeballs in them and cover these with lids."""
    who = a.who
    socket = ellipsoid(side, y, z, (a.eye_x, a.eye_y + 29.0, 1.0), (21.0, 21.0, 15.0))
    head = carve(head, socket, 9.0)
    centre = (a.eye_x, a.eye_y, 0.0)
    lids = ellipsoid(side, y, z, centre, (EYEBALL + 3.0, EYEBALL + 1.6, EYEBALL + 0.5))
    head = union(head, lids, 5.0)
    gap, upper, lower = lid_gap(side, z, a)
    near = bump(side, z, (a.eye_x, 0.0), (17.0, 14.0)) * step(y, a.eye_y, a.eye_y + 6.0)
    fold = (z - upper - 1.5 - 2.0 * a.how.eyes_open) * (1 / 1.6)
    seam = (z - lower) * (1 / 1.3)
    bag = (z - lower + 7.0) * (1 / 3.0)
    head = head + near * (
        who.lid_fold * (0.4 + 0.9 * a.how.eyes_open) * np.exp(-fold * fold)
        + (1.0 - a.how.eyes_open) * np.exp(-seam * seam)
        - who.eye_bags * np.exp(-bag * bag)
    )
    if a.how.eyes_open > 0.05:
        inside = np.where(y > a.eye_y - 2.0, gap, -5.0)
        head = intersection(head, inside, 0.8)
        head = np.minimum(head, eyeball(side, y, z, a))
    return head


def eyeball(side: Array, y: Array, z: Array, a: Anatomy) -> Array:
    """Distance to the eyeballs: a bit wider than a ball, to fill the lids' corners."""
    centre = (a.eye_x, a.eye_y, 0.0)
    return ellipsoid(side, y, z, centre, (EYEBALL + 2.5, EYEBALL, EYEBALL + 0.2))


def add_nose(head: Array, x: Array, side: Array, y: Array, z: Array, a: Anatomy) -> Array:
    """Bridge, tip, wings and nostrils."""
    who = a.who
    width, size = who.nose_bridge_width, who.nose_tip_size
    top = (0.0, a.nasion_y - width, 7.0)
    tip = (0.0, a.tip_y - size, a.tip_z)
    hump = (0.0, 0.5 * (top[1] + tip[1]) + who.nose_bridge - 0.5, 0.5 * (top[2] + tip[2]))
    nose = capsule(x, y, z, top, hump, (width, width))
    nose = union(nose, capsule(x, y, z, hump, tip, (width, 0.8 * size)), 5.0)
    # A root that widens towards the cheeks carries the bridge.
    wedge = ellipsoid(
        x, y, z, (0.0, a.front - 13.0, a.base_z + 18.0), (0.42 * who.nose_width, 20.0, 26.0)
    )
    head = union(union(head, wedge, 10.0), nose, 7.0)
    head = union(head, ellipsoid(x, y, z, tip, (size, size, 0.92 * size)), 6.0)
    wing_x = 0.5 * who.nose_width - 5.0
    wing = capsule(
        side,
        y,
        z,
        (0.3 * wing_x, a.tip_y - size - 3.0, a.tip_z - 1.5),
        (wing_x, a.front + 0.12 * who.nose_projection, a.base_z + 6.2),
        (0.7 * size, 5.0),
    )
    head = union(head, wing, 5.0)
    post = capsule(
        x,
        y,
        z,
        (0.0, a.front - 3.0, a.base_z + 2.0),
        (0.0, a.tip_y - size, a.tip_z - 0.45 * size),
        (4.0, 4.0),
    )
    head = union(head, post, 3.0)
    nostril = capsule(
        side,
        y,
        z,
        (wing_x - 1.2, a.front + 2.5, a.base_z + 1.0),
        (0.55 * wing_x, a.front + 0.52 * who.nose_projection, a.base_z + 4.0),
        (2.6, 1.9),
    )
    return carve(head, nostril, 1.5)


def lip_shape(x: Array, a: Anatomy) -> tuple[Array, Array, Array, Array]:
    """The mouth line and the lips' heights along x.

    Returns
    -------
    Depth (y) and height (z) of the line where the lips meet, and how far the upper and the lower
    lip reach from it at most (mm), each of the shape of ``x``.
    """
    who = a.who
    along = np.minimum(np.abs(x) * (1 / a.mouth_half), 1.0)
    taper = np.sqrt(np.maximum(1.0 - along * along, 0.0)) * (1.0 - 0.25 * along)
    line_y = a.mouth_y - 0.52 * a.mouth_half * along * along
    bow = np.exp(-(((along - 0.2) * (1 / 0.16)) ** 2)) - np.exp(-((along * (1 / 0.1)) ** 2))
    line_z = a.mouth_z + a.corner_lift * along * along - 0.5 * np.exp(-((along / 0.2) ** 2))
    upper = who.upper_lip * (taper + 0.12 * bow * taper) * (1.0 - 0.2 * a.how.smile)
    lower = who.lower_lip * taper * (1.0 - 0.15 * a.how.smile)
    return line_y, line_z, upper, lower


def add_mouth(head: Array, x: Array, side: Array, y: Array, z: Array, a: Anatomy) -> Array:
    """Philtrum, lips, the line between them, the folds beside the mouth and the open mouth."""
    who = a.who
    front = step(y, -20.0, 5.0)
    height = z - 0.5 * (a.base_z + a.mouth_z + who.upper_lip)
    groove = np.exp(-(((side - 1.0) * (1 / 2.6)) ** 2)) - 0.5 * np.exp(
        -(((side - 5.5) * (1 / 2.2)) ** 2)
    )
    head = head + front * who.philtrum_depth * groove * np.exp(-((height * (1 / 6.0)) ** 2))
    fold_at = 0.5 * who.nose_width + 3.0 + 0.55 * np.clip(a.base_z + 4.0 - z, 0.0, 26.0)
    fold = np.exp(-(((side - fold_at) * (1 / 3.4)) ** 2)) * np.exp(
        -(((z - a.base_z + 9.0) * (1 / 12.0)) ** 2)
    )
    head = head + front * (who.nasolabial_fold * (1.0 + 1.6 * a.how.smile)) * fold
    line_y, line_z, upper, lower = lip_shape(x, a)
    beyond = np.maximum(np.abs(x) - a.mouth_half, 0.0)
    top = _lip(beyond, y - line_y + 3.6, z - line_z, 0.5 * upper + 0.4, 4.6)
    bottom = _lip(beyond, y - line_y + 3.6, line_z - a.jaw_drop - z, 0.5 * lower + 0.4, 5.0)
    head = union(union(head, top, 2.4), bottom, 2.4)
    seam = z - line_z + 0.5 * a.jaw_drop
    reach = step(-np.abs(x), -a.mouth_half - 1.5, -0.6 * a.mouth_half) * front
    crease = np.exp(-((seam * (1 / 1.1)) ** 2)) * reach
    head = head + 1.1 * crease
    if a.jaw_drop > 0.5:
        hole = ellipsoid(
            x,
            y,
            z,
            (0.0, a.mouth_y - 4.0, a.mouth_z + 0.3 * a.corner_lift - 0.5 * a.jaw_drop),
            (0.72 * a.mouth_half, 12.0, 0.5 * a.jaw_drop),
        )
        head = carve(head, hole, 1.0)
    return head


def _lip(beyond: Array, y: Array, up: Array, half: Array, depth: float) -> Array:
    """A roll that lies on the line ``up`` = 0, ``half`` thick and ``depth`` deep."""
    ry = 0.45 * depth + np.minimum(half, 0.55 * depth)
    rz = half + 0.5
    u, v, w = beyond * (1 / 2.5), y / ry, (up - half + 0.3) / rz
    k0 = np.sqrt(u * u + v * v + w * w)
    u, v, w = u * (1 / 2.5), v / ry, w / rz
    distance: Array = k0 * (k0 - 1.0) / (np.sqrt(u * u + v * v + w * w) + 1e-6)
    return distance


def add_ears(head: Array, side: Array, y: Array, z: Array, a: Anatomy) -> Array:
    """Flat shells with a hollow, leaning back and standing off the head."""
    who = a.who
    turn = math.radians(who.ear_flare)
    flare_cos, flare_sin = math.cos(turn), math.sin(turn)
    attach = (0.5 * who.cranium_width - 6.0, -72.0, -14.0)
    # Into the ear's own axes: out of its plane, along its width (backwards), along its height.
    px, py, pz = side - attach[0], y - attach[1], z - attach[2]
    back = -py * flare_cos + px * flare_sin
    out = px * flare_cos + py * flare_sin
    lean_cos, lean_sin = math.cos(0.22), math.sin(0.22)
    width = back * lean_cos - pz * lean_sin
    height = back * lean_sin + pz * lean_cos
    tall = 0.5 * who.ear_height
    centre = 0.42 * tall
    shell = ellipsoid(out, width, height, (3.0, centre, 0.0), (4.2, 0.56 * tall, tall))
    lobe = ellipsoid(out, width, height, (3.0, 0.2 * tall, -0.78 * tall), (3.6, 7.0, 8.0))
    shell = union(shell, lobe, 4.0)
    hollow = ellipsoid(
        out, width, height, (8.0, centre - 1.0, 0.05 * tall), (5.5, 0.40 * tall, 0.72 * tall)
    )
    shell = carve(shell, hollow, 2.5)
    ridge = ellipsoid(
        out, width, height, (4.0, centre + 1.0, -0.1 * tall), (3.5, 0.2 * tall, 0.42 * tall)
    )
    shell = union(shell, ridge, 3.0)
    bowl = ellipsoid(out, width, height, (7.5, 0.34 * tall, -0.16 * tall), (6.0, 7.0, 9.0))
    shell = carve(shell, bowl, 2.0)
    return union(head, shell, 5.0)
