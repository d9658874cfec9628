"""De-facing tools and their failures, on heads that lie in a known frame.

A tool takes a scan as it is stored (a phantom's, or any whose ``to_head`` brings it to the average
head) and gives what is stored afterwards with the voxels that it replaced. `TOOLS` names them.
The styles follow tools in use: a plane before the brain (Quickshear), a template's mask with its
coarse steps (PyDeface), a smooth front (mri_deface), a mask close to the skull (mideface).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from bids_reid.phantom.anatomy import ASLEEP, anatomy
from bids_reid.phantom.defacing import before_face_plane, cast, coordinates, zeroed
from bids_reid.phantom.shapes import ellipsoid, step
from bids_reid.phantom.tissues import brain_distance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from bids_reid.phantom.anatomy import Anatomy
    from bids_reid.phantom.scanner import Scan
    from bids_reid.phantom.shapes import Array

    Random = np.random.Generator
    Mask = NDArray[np.bool_]
    MakeMask = Callable[[Scan, Random], Mask]
    Region = Callable[[Array, Array, Array, Anatomy, Random], Mask]
    Motion = Callable[[Random], NDArray[np.float64]]

Fill = Literal['zero', 'noise', 'mean', 'any']

CELL_MM = 4.0
BORDER_MM = 12.0
"""Noise is filled in up to so far before the skin."""
JITTER_MM = 4.0
"""What a failing mask leaves ends somewhere within so much."""
DEEP_MM = (12.0, 25.0)
DIM_SHARE = 0.12
REACH_MM = 3.0
EVERY = 3
"""One voxel in so many along each axis tells where the brain ends."""
CHUNK = 1 << 16


class Outcome(NamedTuple):
    """What a tool stored, and the voxels whose content it replaced."""

    scan: Scan
    removed: Mask


# --- masks


def plane(scan: Scan, rng: Random) -> Mask:
    """What lies before a plane that passes a few millimetres before the brain."""
    return _before_plane(scan, rng, rng.uniform(2.0, 8.0))


def deep_plane(scan: Scan, rng: Random) -> Mask:
    """What lies before a plane through the frontal lobes."""
    return _before_plane(scan, rng, -rng.uniform(*DEEP_MM))


def template(scan: Scan, rng: Random) -> Mask:
    """A template's face from just above the brow, in cells of 4 mm on another grid."""
    a = _anatomy(scan)
    top = a.brow_z + rng.uniform(2.0, 14.0)
    off = rng.uniform(-CELL_MM, CELL_MM, 3)
    x, y, z = (_in_cells(axis, by) for axis, by in zip(coordinates(scan), off, strict=True))
    behind = rng.uniform(-60.0, -40.0)
    more = rng.uniform(-2.0, 12.0)
    skull = ellipsoid(x, y, z, (0.0, -78.0, -10.0), (62.0 + more, 62.0 + more, 90.0))
    mask = (skull > 0) & (y > behind) & (z < top) & (z > -130.0)
    return _clear_of_brain(scan, mask, 3.0)


def curved(scan: Scan, rng: Random) -> Mask:
    """What lies before a smooth front, as after the removal of voxels that may be a face."""
    a = _anatomy(scan)
    x, y, z = coordinates(scan)
    more = rng.uniform(-4.0, 10.0)
    skull = ellipsoid(x, y, z, (0.0, -76.0, -10.0), (62.0 + more, 64.0 + more, 95.0))
    top = a.brow_z + rng.uniform(3.0, 16.0) - 0.002 * x * x
    mask = (skull > 0) & (y > rng.uniform(-60.0, -45.0)) & (z < top) & (z > -132.0)
    return _clear_of_brain(scan, mask, rng.uniform(4.0, 8.0))


def tight(scan: Scan, rng: Random) -> Mask:
    """All that lies a centimetre before the brain and its skull."""
    a = _anatomy(scan)
    _, y, z = coordinates(scan)
    top = a.brow_z + rng.uniform(4.0, 16.0)
    mask = (y > rng.uniform(-62.0, -50.0)) & (z < top) & (z > -130.0)
    return _clear_of_brain(scan, mask, rng.uniform(6.0, 9.0))


def shear(scan: Scan, rng: Random) -> Mask:
    """Quickshear as it is on real heads: nearly upright, just behind the front of the eyes.

    Measured in the frame of the average head on two heads: behind the lids' skin by some
    millimetres, with 0.1 to 0.3 mm forwards a millimetre up. Cheeks and corners of eyes stay.
    """
    _, y, z = coordinates(scan)
    front = rng.uniform(-9.0, 4.0) + rng.uniform(0.1, 0.35) * (z + 10.0)
    return _clear_of_brain(scan, np.asarray(y > front), 3.0)


def facemask(scan: Scan, rng: Random) -> Mask:
    """PyDeface as it is on real heads: from two centimetres behind the lids, the brow cut askew.

    Measured as for `shear`: the edge above rises by half a millimetre a millimetre forwards.
    """
    off = rng.uniform(-CELL_MM, CELL_MM, 3)
    x, y, z = (_in_cells(axis, by) for axis, by in zip(coordinates(scan), off, strict=True))
    del x
    top = rng.uniform(0.4, 0.7) * (y - rng.uniform(-18.0, -7.0))
    mask = (y > rng.uniform(-24.0, -14.0)) & (z < top) & (z > -130.0)
    return _clear_of_brain(scan, mask, 2.0)


def proper(scan: Scan, rng: Random) -> Mask:
    """One of the masks above that follow a face."""
    masks: tuple[MakeMask, ...] = (plane, template, curved, tight)
    return masks[rng.integers(len(masks))](scan, rng)


def shaped(scan: Scan, rng: Random) -> Mask:
    """One of the masks above, but no plane."""
    masks: tuple[MakeMask, ...] = (template, curved, tight)
    return masks[rng.integers(len(masks))](scan, rng)


def all_but_brain(scan: Scan, rng: Random) -> Mask:
    """Everything outside the brain."""
    del rng
    return _clear_of_brain(scan, np.ones(scan.data.shape, np.bool_), 0.0)


def with_ears(ears: int) -> MakeMask:
    """A mask of the face with one of the ears, or both."""

    def mask(scan: Scan, rng: Random) -> Mask:
        x, y, z = coordinates(scan)
        side = x * rng.choice([-1.0, 1.0]) if ears == 1 else np.abs(x)
        near = (side > 58) & (y < -56) & (y > -108) & (z > -56) & (z < 26)
        return shaped(scan, rng) | _clear_of_brain(scan, np.asarray(near), 4.0)

    return mask


def only(region: Region) -> MakeMask:
    """A region before the face, and nothing else."""

    def mask(scan: Scan, rng: Random) -> Mask:
        near = region(*coordinates(scan), _anatomy(scan), rng)
        return _clear_of_brain(scan, near, 3.0)

    return mask


# --- regions, in head coordinates


def nose(x: Array, y: Array, z: Array, a: Anatomy, rng: Random) -> Mask:
    """The nose, from between the eyes to its base."""
    high, low, wide = _off(rng, 3)
    return (np.abs(x) < 20 + wide) & (z < 4 + high) & (z > a.base_z - 4 + low) & (y > a.front - 14)


def eyes(x: Array, y: Array, z: Array, a: Anatomy, rng: Random) -> Mask:
    """A bar over both eyes."""
    high, low = _off(rng, 2)
    return (np.abs(x) < a.eye_x + 24) & (z < 8 + high) & (z > -13 + low) & (y > -25)


def one_eye(x: Array, y: Array, z: Array, a: Anatomy, rng: Random) -> Mask:
    """A box around one of the eyes."""
    return eyes(x, y, z, a, rng) & (x * rng.choice([-1.0, 1.0]) > 8)


def brow(x: Array, y: Array, z: Array, a: Anatomy, rng: Random) -> Mask:
    """The brow and what is above."""
    del x, y, a
    return z > 5 + _off(rng, 1)[0]


def mouth(x: Array, y: Array, z: Array, a: Anatomy, rng: Random) -> Mask:
    """The mouth."""
    high, low = _off(rng, 2)
    return (
        (np.abs(x) < a.mouth_half + 6) & (z < a.base_z - 2 + high) & (z > a.mouth_z - 17 + low)
    ) & (y > -20)


def mouth_and_chin(x: Array, y: Array, z: Array, a: Anatomy, rng: Random) -> Mask:
    """All below the nose."""
    del x, y
    return z < a.base_z - 3 + _off(rng, 1)[0]


def chin(x: Array, y: Array, z: Array, a: Anatomy, rng: Random) -> Mask:
    """All below the mouth."""
    del x, y
    return z < a.mouth_z - 14 + _off(rng, 1)[0]


def half(x: Array, y: Array, z: Array, a: Anatomy, rng: Random) -> Mask:
    """The left or the right half."""
    del y, z, a
    return x * rng.choice([-1.0, 1.0]) > _off(rng, 1)[0]


# --- how a mask may lie


def shifted(by: float) -> Motion:
    """So many millimetres too high, low, far to the front, the back or a side."""

    def motion(rng: Random) -> NDArray[np.float64]:
        ways = np.array([(0, 0, 1), (0, 0, -1), (0, 1, 0), (0, -1, 0), (1, 0, 0), (-1, 0, 0)])
        return _moved(by * ways[rng.integers(len(ways))], np.zeros(3))

    return motion


def other_session(rng: Random) -> NDArray[np.float64]:
    """As the head lay another time."""
    return _moved(rng.normal(0.0, 8.0, 3), rng.normal(0.0, 6.0, 3))


def out_of_register(rng: Random) -> NDArray[np.float64]:
    """5 to 15 mm and a few degrees off."""
    way = rng.normal(0.0, 1.0, 3)
    return _moved(rng.uniform(5.0, 15.0) * way / np.linalg.norm(way), rng.uniform(-4.0, 4.0, 3))


def _moved(shift: NDArray[np.float64], degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler('xyz', degrees, degrees=True).as_matrix()
    matrix[:3, 3] = -shift
    return matrix


# --- tools


@dataclass(frozen=True, slots=True)
class Tool:
    """A mask and its filling.

    Attributes
    ----------
    mask
        What is replaced.
    fill
        ``zero``, ``noise`` as bright as tissue, the ``mean`` of the background, or ``any``.
    spare
        A region that is not replaced, though in the mask.
    lies
        How the mask lies, if not where the face is.
    after
        Done to the whole image afterwards.
    """

    mask: MakeMask
    fill: Fill = 'zero'
    spare: Region | None = None
    lies: Motion | None = None
    after: Callable[[Scan], Scan] | None = None

    def __call__(self, scan: Scan, rng: Random) -> Outcome:
        """De-face a scan."""
        placed = scan
        if self.lies is not None:
            placed = replace(scan, to_head=self.lies(rng) @ scan.to_head)
        removed = self.mask(placed, rng)
        if self.spare is not None:
            removed &= ~self.spare(*coordinates(scan), _anatomy(scan), rng)
        defaced = filled(scan, removed, self.fill, rng)
        return Outcome(defaced if self.after is None else self.after(defaced), removed)


@dataclass(frozen=True, slots=True)
class Blur:
    """The face blurred by so many millimetres (standard deviation), nothing removed."""

    sigma: float

    def __call__(self, scan: Scan, rng: Random) -> Outcome:
        """Blur what lies before the face plane."""
        del rng
        sigma = self.sigma / np.linalg.norm(scan.affine[:3, :3], axis=0)
        blurred = ndimage.gaussian_filter(scan.data.astype(np.float32), sigma)
        share = step(before_face_plane(scan), -4.0, 0.0)
        data = cast(scan.data + share * (blurred - scan.data), scan)
        return _untouched(replace(scan, data=data))


def filled(scan: Scan, removed: Mask, fill: Fill, rng: Random) -> Scan:
    """Replace voxels by zeros, noise or the background's mean."""
    if fill == 'any':
        fill = ('zero', 'zero', 'zero', 'mean')[rng.integers(4)]
    if fill == 'zero':
        return zeroed(scan, removed)
    data = scan.data.copy()
    if fill == 'mean':
        data[removed] = round(float(scan.data[scan.distance > 2 * REACH_MM].mean()))
        return replace(scan, data=data)
    # as far as the image goes, noise would be a wall
    removed = removed & (scan.distance < BORDER_MM)
    bright = np.percentile(scan.data[scan.distance < 0][::20], 90)
    data[removed] = np.rint(bright * rng.uniform(0.3, 1.0, np.count_nonzero(removed)))
    return replace(scan, data=data)


def zero_outside(scan: Scan) -> Scan:
    """Set what is outside the head to 0."""
    return zeroed(scan, scan.distance > REACH_MM)


def zero_dim(scan: Scan) -> Scan:
    """Set what is dark to 0, outside the head and in it."""
    bright = np.percentile(scan.data[scan.distance < 0][::20], 75)
    return zeroed(scan, scan.data < DIM_SHARE * bright)


def intact(scan: Scan, rng: Random) -> Outcome:
    """Nothing done."""
    del rng
    return _untouched(scan)


def intact_zeroed(scan: Scan, rng: Random) -> Outcome:
    """Only the background set to 0."""
    del rng
    return _untouched(zero_outside(scan))


TOOLS: dict[str, Callable[[Scan, Random], Outcome]] = {
    # properly removed
    'plane': Tool(plane),
    'template': Tool(template),
    'curved': Tool(curved),
    'tight': Tool(tight),
    'noise': Tool(shaped, 'noise'),
    'mean': Tool(proper, 'mean'),
    'background-zeroed': Tool(proper, after=zero_outside),
    'background-threshold': Tool(proper, after=zero_dim),
    'both-ears-too': Tool(with_ears(2), 'any'),
    'one-ear-left': Tool(with_ears(1), 'any'),
    'deep': Tool(deep_plane),
    'stripped': Tool(all_but_brain),
    # failures
    **{f'shift-{by}': Tool(proper, 'any', lies=shifted(by)) for by in (5, 10, 15, 20)},
    'other-session': Tool(proper, 'any', lies=other_session),
    'out-of-register': Tool(proper, 'any', lies=out_of_register),
    'chin-left': Tool(proper, 'any', spare=chin),
    'eyes-left': Tool(proper, 'any', spare=eyes),
    'one-eye-left': Tool(proper, 'any', spare=one_eye),
    'brow-left': Tool(shaped, 'any', spare=brow),
    'nose-left': Tool(proper, 'any', spare=nose),
    'mouth-left': Tool(proper, 'any', spare=mouth),
    'mouth-chin-left': Tool(proper, 'any', spare=mouth_and_chin),
    'half-left': Tool(proper, 'any', spare=half),
    'nose-cut': Tool(only(nose), 'any'),
    'eyes-cut': Tool(only(eyes), 'any'),
    'lower-cut': Tool(only(mouth_and_chin), 'any'),
    **{f'blur-{by}': Blur(by) for by in (3, 5, 7, 10)},
    'intact': intact,
    'intact-zeroed': intact_zeroed,
}
PROPER = tuple(TOOLS)[:12]
"""Those of which a face should not be found."""
AS_REAL: dict[str, Callable[[Scan, Random], Outcome]] = {
    'shear': Tool(shear),
    'shear-mean': Tool(shear, 'mean'),
    'shear-zeroed': Tool(shear, after=zero_outside),
    'facemask': Tool(facemask),
    'facemask-noise': Tool(facemask, 'noise'),
    'facemask-threshold': Tool(facemask, after=zero_dim),
    'shear-shifted': Tool(shear, 'any', lies=shifted(10.0)),
    'shear-nose-left': Tool(shear, 'any', spare=nose),
    'facemask-shifted': Tool(facemask, 'any', lies=shifted(10.0)),
    'facemask-eyes-left': Tool(facemask, 'any', spare=eyes),
}
"""As real tools cut real heads, which is less than the first ones of `TOOLS` do."""
SHIFTED: dict[str, Callable[[Scan, Random], Outcome]] = {
    f'{name}-shift-{by}': Tool(mask, 'any', lies=shifted(by))
    for name, mask in (('shear', shear), ('facemask', facemask))
    for by in (5, 10, 15, 20)
}
"""The same out of place: more is left than by the deep masks of `TOOLS`."""


# --- helpers


def brain_lost(scan: Scan, removed: Mask) -> float:
    """Millilitres of the brain that were replaced."""
    index = np.flatnonzero(removed & (scan.distance < 0))
    lost = np.count_nonzero(_brain(scan, index) < 0)
    return float(lost * abs(np.linalg.det(scan.affine[:3, :3]))) * 1e-3


def _untouched(scan: Scan) -> Outcome:
    return Outcome(scan, np.zeros(scan.data.shape, np.bool_))


def _anatomy(scan: Scan) -> Anatomy:
    return anatomy(scan.who, ASLEEP)


def _off(rng: Random, n: int) -> list[float]:
    return rng.uniform(-JITTER_MM, JITTER_MM, n).tolist()


def _in_cells(axis: Array, by: float) -> Array:
    """Middle of the cell that a coordinate lies in."""
    middle: Array = (np.floor((axis + by) * (1 / CELL_MM)) + 0.5) * np.float32(CELL_MM)
    return middle


def _before_plane(scan: Scan, rng: Random, clear: float) -> Mask:
    """What lies before a plane ``clear`` mm before the brain."""
    angle = np.radians(rng.uniform(46.0, 64.0))
    _, y, z = coordinates(scan)
    ahead = np.sin(angle) * y - np.cos(angle) * z
    some = np.zeros(scan.data.shape, np.bool_)
    some[::EVERY, ::EVERY, ::EVERY] = True
    index = np.flatnonzero(some)
    brain = _brain(scan, index) < 0
    return np.asarray(ahead > ahead.ravel()[index[brain]].max() + clear)


def _clear_of_brain(scan: Scan, mask: Mask, clear: float) -> Mask:
    """Leave out what is no further than ``clear`` mm from the brain."""
    index = np.flatnonzero(mask)
    out = np.zeros(mask.shape, np.bool_)
    out.ravel()[index] = _brain(scan, index) > clear
    return out


def _brain(scan: Scan, index: NDArray[np.intp]) -> Array:
    """Distance of voxels, given by their flat index, to the brain."""
    matrix = (scan.to_head @ scan.affine).astype(np.float32)
    a, distance = _anatomy(scan), np.empty(len(index), np.float32)
    for start in range(0, len(index), CHUNK):
        part = slice(start, start + CHUNK)
        voxel = np.stack(np.unravel_index(index[part], scan.data.shape), axis=1)
        points = voxel.astype(np.float32) @ matrix[:3, :3].T + matrix[:3, 3]
        distance[part] = brain_distance(points, a)
    return distance
