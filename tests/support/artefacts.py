"""What makes real scans messy, done to a phantom: bad coils, ghosts, foam and tubes, cuts.

Every function takes a `Scan` and gives another one, and leaves the first as it is; what is random
takes a seed. Positions are given in head coordinates (:mod:`bids_reid.phantom.anatomy`), lengths
in millimetres in the scanner.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage

from bids_reid.phantom.anatomy import ASLEEP, anatomy
from bids_reid.phantom.defacing import (
    before_face_plane,
    cast,
    coordinates,
    distance_to_brain,
    voxel_edge,
    zeroed,
)
from bids_reid.phantom.head_shape import head_sdf
from bids_reid.phantom.sampling import move
from bids_reid.phantom.shapes import capsule, ellipsoid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bids_reid.phantom.identity import Identity
    from bids_reid.phantom.scanner import Scan
    from bids_reid.phantom.shapes import Array, Vector

_MARKED = ((0.0, 1.0, 0.85), (0.9, 0.62, 0.25), (-0.9, 0.62, 0.25), (0.62, 0.8, -0.72))
_INSIDE = np.array([0.0, -60.0, 10.0])  # a point in the head that sees all of the skin


# --- signal


def dim_front(scan: Scan, share: float = 1 / 3) -> Scan:
    """Receive coil at the back of the head: the nose has ``share`` of the signal there."""
    a = anatomy(scan.who, ASLEEP)
    _, y, _ = coordinates(scan)
    back = 17.0 - scan.who.cranium_depth
    field = np.float32(share) ** ((y - back) * np.float32(1 / (a.tip_y - back)))
    field /= field[scan.distance < 0].mean()
    return replace(scan, data=scan.data * field)


def ghost(scan: Scan, share: float = 0.07, shift: float = 0.3) -> Scan:
    """Copies of the head, moved by a share of the field of view to the front and to the back.

    What leaves the field of view on one side comes in on the other.
    """
    by = round(shift * scan.data.shape[1])
    copies = np.roll(scan.data, by, axis=1) + np.roll(scan.data, -by, axis=1)
    return replace(scan, data=scan.data + np.float32(share) * copies)


def fold(scan: Scan, low: Vector | None = None, high: Vector | None = None) -> Scan:
    """Field of view too short: what lies beyond ``low`` or ``high`` appears on the other side."""
    kept = _kept(scan, low, high)
    data = np.zeros(tuple(part.stop - part.start for part in kept), np.float32)
    for offset in np.ndindex(3, 3, 3):
        # this period of the whole, and where it falls
        sources, targets = [], []
        for period, part, n in zip(offset, kept, scan.data.shape, strict=True):
            length = part.stop - part.start
            start = part.start + (period - 1) * length
            source = slice(max(start, 0), max(min(start + length, n), 0))
            sources.append(source)
            targets.append(slice(source.start - start, source.stop - start))
        if all(source.stop > source.start for source in sources):
            data[tuple(targets)] += scan.data[tuple(sources)]
    return replace(crop(scan, low, high), data=data)


def bright_rim(scan: Scan, layers: int = 2) -> Scan:
    """Outermost voxels as bright as tissue on all sides, as gradient unwarping leaves them."""
    rim = np.ones(scan.data.shape, np.bool_)
    rim[(slice(layers, -layers),) * 3] = False
    return replace(scan, data=cast(np.where(rim, scan.contrast.white, scan.data), scan))


def ring(scan: Scan, width: float = 2.0) -> Scan:
    """Acquired along y and z with voxels of ``width`` mm and interpolated by zero filling.

    Edges ring into the air; before any noise.
    """
    air, data = scan.contrast.outside, scan.data
    for axis in (1, 2):
        kept = float(np.linalg.norm(scan.affine[:3, axis])) / width
        spectrum = fft.rfft(data - np.float32(air), axis=axis)
        np.moveaxis(spectrum, axis, 0)[round(kept * spectrum.shape[axis]) :] = 0
        data = fft.irfft(spectrum, n=data.shape[axis], axis=axis) + np.float32(air)
    return replace(scan, data=np.abs(data) if scan.contrast.magnitude else data)


def randomise_air(scan: Scan, seed: int | Sequence[int] = 0) -> Scan:
    """Ratio of two images (MP2RAGE): where there is no signal, noise over the whole range."""
    rng = np.random.default_rng(seed)
    strength = scan.data * np.float32(10 / scan.contrast.white)
    share = strength * strength / (strength * strength + 1.0)
    random = rng.random(scan.data.shape, np.float32) * np.float32(1.1 * scan.contrast.white)
    return replace(scan, data=share * scan.data + (1 - share) * random)


def offset(scan: Scan, by: int = 1024) -> Scan:
    """CT stored without negative values."""
    return replace(scan, data=cast(scan.data.astype(np.float32) + by, scan))


def blur(scan: Scan, width: float = 5.0) -> Scan:
    """Resolution of ``width`` (full width at half maximum), nothing negative: PET."""
    sigma = width / 2.355 / np.linalg.norm(scan.affine[:3, :3], axis=0)
    smooth = ndimage.gaussian_filter(scan.data.astype(np.float32), sigma)
    return replace(scan, data=cast(np.maximum(smooth, 0.0), scan))


# --- things beside the head


def add_markers(scan: Scan, seed: int | Sequence[int] = 0, diameter: float = 10.0) -> Scan:
    """Bright balls on the forehead, both temples and a cheek, touching the skin."""
    rng = np.random.default_rng(seed)
    radius = 0.5 * diameter / scan.scale
    x, y, z = coordinates(scan)
    distance = np.full(scan.data.shape, np.inf, np.float32)
    for direction in _MARKED:
        centre = _stuck_on(scan.who, np.array(direction) + rng.normal(0.0, 0.06, 3), radius)
        np.minimum(distance, ellipsoid(x, y, z, centre, (radius,) * 3), out=distance)
    level = 1.2 * max(scan.contrast.fat, scan.contrast.grey)
    return _put(scan, distance, level)


def add_cushions(scan: Scan, strength: float = 1.0) -> Scan:
    """Foam behind and on both sides of the head, with the signal of a tenth of the tissue.

    ``strength`` multiplies that signal.
    """
    x, y, z = coordinates(scan)
    side = np.abs(x)
    behind = np.maximum(y + 120.0, side - 85.0)
    # wedges, thinner towards the face
    beside = np.maximum(np.maximum(y + 12.0, 48.0 - side), side - 100.0 - 0.25 * y)
    pads = np.maximum(np.minimum(behind, beside), np.abs(z + 25.0) - 75.0)
    return _put(scan, pads, strength * _foam(scan, x, y, z))


def add_headphones(scan: Scan) -> Scan:
    """Dim pads over the ears, with a brighter shell."""
    x, y, z = coordinates(scan)
    pad = ellipsoid(np.abs(x), y, z, (82.0, -78.0, -12.0), (17.0, 40.0, 44.0))
    scan = _put(scan, pad, _foam(scan, x, y, z))
    return _put(scan, np.abs(pad) - 1.0, _faint(scan, 0.25))


def add_tube(scan: Scan) -> Scan:
    """A tube out of the mouth and down the cheek, 10 mm wide, with dim walls."""
    a = anatomy(scan.who, ASLEEP)
    x, y, z = coordinates(scan)
    lips, bend = (8.0, a.mouth_y - 4.0, a.mouth_z), (16.0, a.mouth_y + 12.0, a.mouth_z - 12.0)
    first = capsule(x, y, z, lips, bend, (5.0, 5.0))
    second = capsule(x, y, z, bend, (52.0, -10.0, -160.0), (5.0, 5.0))
    return _put(scan, np.abs(np.minimum(first, second)) - 1.0, _faint(scan, 0.25))


def add_table(scan: Scan) -> Scan:
    """What a head lies on in a CT scanner: a curved shell filled with foam, and a table below."""
    x, y, z = coordinates(scan)
    back = 17.0 - scan.who.cranium_depth
    cradle = ellipsoid(x, y, 0.0 * z, (0.0, -70.0, 0.0), (108.0, -back - 62.0, 1e4))
    rest = np.maximum(np.abs(cradle) - 1.5, y + 75.0)
    foam = np.maximum(np.maximum(cradle, y + 75.0), np.abs(x) - 95.0)
    table = np.abs(y - back + 16.0) - 2.0
    scan = _put(scan, foam, _foam(scan, x, y, z))
    return _put(scan, np.minimum(rest, table), _faint(scan, 0.8))


def add_mask(scan: Scan, thickness: float = 2.5) -> Scan:
    """Plastic sheet on forehead and face, as in radiotherapy; holes at eyes, nose and mouth."""
    a = anatomy(scan.who, ASLEEP)
    x, y, z = coordinates(scan)
    sheet = scan.distance - thickness
    sheet = np.maximum(sheet, -70.0 - y)
    hole = ellipsoid(x, y, z, (0.0, a.front, 0.5 * (a.tip_z + a.mouth_z)), (24.0, 60.0, 32.0))
    eyes = ellipsoid(np.abs(x), y, z, (a.eye_x, a.front, 0.0), (20.0, 60.0, 12.0))
    sheet = np.maximum(sheet, -np.minimum(hole, eyes))
    return _put(scan, sheet, _faint(scan, 0.9))


# --- loss of signal


def add_metal(scan: Scan, radius: float = 15.0) -> Scan:
    """Dental metal: no signal around the upper front teeth, as far as the lip; a bright rim."""
    a = anatomy(scan.who, ASLEEP)
    x, y, z = coordinates(scan)
    radius /= scan.scale
    centre = (4.0, a.front - 4.0, a.mouth_z + 8.0)
    ball = ellipsoid(x, y, z, centre, (1.1 * radius, radius, radius))
    ball += 1.5 * np.sin(0.35 * x + 1.0) * np.cos(0.3 * z)
    bright = 1.0 + 0.9 * np.exp(-((ball - 1.5) ** 2) * 0.3)
    return replace(scan, data=scan.data * np.where(ball < 0, 0.0, bright).astype(np.float32))


def zero_background(scan: Scan, reach: float = 3.0) -> Scan:
    """Set what is more than ``reach`` outside the head to 0, as scanners' masks do."""
    return zeroed(scan, scan.distance > reach)


def threshold_background(scan: Scan, share: float = 0.12) -> Scan:
    """Set what is darker than a share of the white matter to 0, in air, bone and dim skin."""
    return zeroed(scan, scan.data < share * scan.contrast.white)


def pad_zeros(scan: Scan, width: float = 25.0) -> Scan:
    """Slices of zeros around the volume, as conforming adds them."""
    n = [round(width / float(size)) for size in np.linalg.norm(scan.affine[:3, :3], axis=0)]
    around = [(by, by) for by in n]
    affine = scan.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ n
    # there is nothing to see of the skin there
    distance = np.pad(scan.distance, around, constant_values=100.0)
    data = cast(np.pad(scan.data.astype(np.float32), around), scan)
    return replace(scan, data=data, distance=distance, affine=affine)


def keep_brick(scan: Scan, low: Vector, high: Vector) -> Scan:
    """Zero outside a box held straight in head coordinates: a scan resampled to another grid."""
    outside = np.zeros(scan.data.shape, np.bool_)
    for axis, start, stop in zip(coordinates(scan), low, high, strict=True):
        outside |= (axis < start) | (axis > stop)
    return zeroed(scan, outside)


def pad_circle(scan: Scan, value: float = -3024.0) -> Scan:
    """CT: a value of no tissue outside the circle of reconstruction, in every axial slice."""
    u, v = np.meshgrid(*(np.linspace(-1, 1, n) for n in scan.data.shape[:2]), indexing='ij')
    outside = (u * u + v * v > 1.0)[:, :, None]
    return replace(scan, data=cast(np.where(outside, value, scan.data), scan))


def crop(scan: Scan, low: Vector | None = None, high: Vector | None = None) -> Scan:
    """Cut the field of view at planes of the grid through the points ``low`` and ``high``.

    Infinite coordinates leave a side as it is.
    """
    kept = _kept(scan, low, high)
    affine = scan.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [part.start for part in kept]
    return replace(scan, data=scan.data[kept], distance=scan.distance[kept], affine=affine)


def deface(scan: Scan) -> Scan:
    """Everything in front of a plane and below the brow set to 0."""
    return zeroed(scan, before_face_plane(scan) > 0)


def strip_skull(scan: Scan) -> Scan:
    """Only the brain is kept."""
    return zeroed(scan, distance_to_brain(scan) > 0)


# --- storage


def store(
    scan: Scan, order: tuple[int, int, int] = (0, 1, 2), flips: tuple[int, ...] = ()
) -> Scan:
    """Store the same image with its axes in another order and those in ``flips`` reversed."""
    data, distance = scan.data.transpose(order), scan.distance.transpose(order)
    affine = scan.affine[:, [*order, 3]]
    for axis in flips:
        turn = np.eye(4)
        turn[axis, axis], turn[axis, 3] = -1.0, data.shape[axis] - 1
        data, distance, affine = np.flip(data, axis), np.flip(distance, axis), affine @ turn
    return replace(scan, data=data, distance=distance, affine=affine)


def turn_grid(scan: Scan, motion: NDArray[np.floating]) -> Scan:
    """Oblique: head and grid together are moved by ``motion`` (4, 4) in the scanner."""
    to_head = scan.to_head @ np.linalg.inv(motion)
    return replace(scan, affine=motion @ scan.affine, to_head=to_head)


# --- helpers


def _put(scan: Scan, distance: Array, level: Array | float) -> Scan:
    """Fill where ``distance`` is negative and no head is, in proportion at the border."""
    voxel = voxel_edge(scan)
    share = np.clip(0.5 - distance * (1 / voxel), 0.0, 1.0)
    outside = scan.distance * (1 / scan.scale)
    share = np.minimum(share, np.clip(0.5 + outside * (1 / voxel), 0.0, 1.0))
    air = scan.contrast.outside
    return replace(scan, data=scan.data + (share * (level - air)).astype(np.float32))


def _foam(scan: Scan, x: Array, y: Array, z: Array) -> Array | float:
    """Signal of a cushion: 5 to 12% of the tissue, -900 HU in CT."""
    if scan.contrast.outside < 0:
        return 0.9 * scan.contrast.outside
    texture = np.sin(0.9 * x + 0.4 * z) * np.sin(0.8 * y - 0.3 * x) * np.sin(0.7 * z + 0.5 * y)
    return scan.contrast.muscle * (0.085 + 0.035 * texture)


def _faint(scan: Scan, share: float) -> float:
    """Signal of plastic: a share of the way from air to muscle."""
    return scan.contrast.outside + share * (scan.contrast.muscle - scan.contrast.outside)


def _stuck_on(who: Identity, direction: NDArray[np.floating], radius: float) -> Vector:
    """Centre of a ball that touches the skin in a direction."""
    unit = direction / np.linalg.norm(direction)
    along = np.arange(40.0, 140.0, 0.25)
    distance = head_sdf(_INSIDE + along[:, None] * unit, who, ASLEEP)
    # pressed on a little, as tape does
    touching = np.flatnonzero(distance < radius - 0.5).max()
    x, y, z = (_INSIDE + along[touching] * unit).tolist()
    return x, y, z


def _kept(scan: Scan, low: Vector | None, high: Vector | None) -> tuple[slice, ...]:
    """Voxels between the planes of the grid through two points."""
    to_voxels = np.linalg.inv(scan.to_head @ scan.affine)
    kept = []
    for axis, n in enumerate(scan.data.shape):
        first = _plane(low, axis, to_voxels, 0)
        kept.append(slice(max(first, 0), min(_plane(high, axis, to_voxels, n), n)))
    return tuple(kept)


def _plane(
    point: Vector | None, axis: int, to_voxels: NDArray[np.floating], otherwise: int
) -> int:
    """Index along an axis of the plane through a point."""
    if point is None or not np.isfinite(point[axis]):
        return otherwise
    whole = np.where(np.isfinite(point), point, 0.0)
    return round(float(move(whole[None], to_voxels)[0, axis]))
