"""Traces of each part of a face: what the skin shows where the part should be.

The frame tells where each part of the average head's face should be, to some millimetres. There,
the part with its surroundings is moved onto the surface (iterative closest points, Besl and McKay
1992, by the distances to planes of Chen and Medioni 1992), as far as people and frames differ.
Skin then follows it closely, and bends as it does; what a tool cut does not.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from bids_reid.records import IDENTIFYING, PART_NAMES, PartTrace
from bids_reid.surface.frame import FaceFrame, frame_of
from bids_reid.surface.parts import MIN_IN_VIEW, PARTS, face_parts
from bids_reid.surface.relief import to_scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bids_reid.surface.frame import FieldOfView, FoundFrame
    from bids_reid.surface.volume import Volume

    Mask = NDArray[np.bool_]
    Points = NDArray[np.float32]

AROUND_MM = 8.0
"""A part is moved onto the surface with the skin around it."""
REACH_MM = 25.0
"""Surface farther away belongs to something else."""
FOLLOWS_MM = 2.0
"""Skin within this distance of the moved part follows it."""
ALIGNED = 0.7
"""Cosine of the angle between normals up to which skin follows a part."""
WIDTHS_MM = (12.0, 8.0, 6.0, 4.0, 3.0, 3.0)
"""Distance at which a point's weight is a quarter, one number per step of moving a part."""
LARGEST = (0.2, 6.0)
"""A part is turned by half the first (radians) in a step, and moved by the second (mm) in all,
about and along each axis."""
LEAF = 64
"""Points of a leaf of the tree: where no skin is near, small leaves take half as long again."""
MIN_POINTS = 12
"""Smallest number of points of a part in the image with which the part is judged."""
BORDER_MM = 3.0
KEPT_MM, KEPT_ALIGNED = 8.0, 0.85
"""Skin beside the face that is so near to the average's tells how far this head is from it."""
SIGMA_MM = 22.0
FEW = np.float32(0.03)
"""Weight of no shift at all: far from all skin beside the face."""
ARM_MM = 100.0
"""The face is so far from the middle of the vault, about which heads nod."""
MIDDLE_MM = np.array([0.0, -70.0, 10.0], np.float32)
DEVIATIONS, LARGEST_NOD = 1.0, 0.14
"""A face is sought so many standard deviations of its place up and down, and no more radians."""
MATCHED = tuple(PARTS.index(part) for name in IDENTIFYING for part in PART_NAMES[name])
CLEARLY_MORE = 0.05
"""Another place counts if a part matches better there by this much."""
NEXT_VOXELS = (1.5, 2.5, 3.5)
"""So many voxels outside the surface a tool's cut is empty already; at the edge of skin, blur by
the voxels and the scanner leaves some signal."""
CLASSES_MM = (-10.0, -5.0, -2.0, 2.0, 5.0)
LETTERS = 'abcdef'
IN_PLACE = 'd'
OUTSIDE = '.'
"""Letters of `FaceTraces.map` for ranges of signed distances, and for unknown values."""
CROSSES = 0.5
"""A surface turned further from the skin that should be there passes through it: cosine."""


class Surface(NamedTuple):
    """Points of a scan's skin near its face with unit normals, (n, 3), RAS mm, and a tree."""

    points: Points
    normals: Points
    tree: cKDTree


class FaceTraces(NamedTuple):
    """What is left of a face, part by part, and as a map.

    ``map`` has a letter for each point of `bids_reid.surface.parts.face_parts`: how far the skin
    lies from where this head's own face would go on, in `CLASSES_MM`.
    """

    parts: tuple[PartTrace, ...]
    map: str


class _Placed(NamedTuple):
    """The average's face where a frame puts it: points (n, 3), RAS mm, normals, and those seen."""

    points: Points
    normals: Points
    seen: Mask


def emptied_air(volume: Volume) -> Callable[[Points, Points], Mask]:
    """Tell where a tool wrote one value next to the surface.

    Parameters
    ----------
    volume : Volume
        The scan.

    Returns
    -------
    callable
        Whether the voxels on the way out from points (n, 3), RAS millimetres, along outward
        normals (n, 3) are in the volume and all have one value: neither noise nor the blur of an
        edge does.
    """
    inverse = np.linalg.inv(volume.affine)
    last = np.array(volume.data.shape) - 1

    def emptied(points: Points, normals: Points) -> Mask:
        along = normals @ inverse[:3, :3].T
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        place = points @ inverse[:3, :3].T + inverse[:3, 3]
        values = []
        inside = np.ones(len(points), np.bool_)
        for step in NEXT_VOXELS:
            index = np.round(place + step * along).astype(np.intp)
            inside &= ((index >= 0) & (index <= last)).all(axis=1)
            values.append(volume.data[tuple(index.clip(0, last).T)])
        return np.asarray(inside & (np.ptp(values, axis=0) == 0))

    return emptied


def hypotheses(found: FoundFrame) -> list[FaceFrame]:
    """Return where a face may be or have been, the most likely place first.

    A face that is there tells its place. Without one, skulls leave open how far a head is nodded.
    """
    frames = [found.frame]
    if found.left is None:
        return frames
    turn = min(DEVIATIONS * found.left.face_off_mm / ARM_MM, LARGEST_NOD)
    likely = frame_of(found.left.fit)
    frames += [nodded(likely, sign * turn) for sign in (-1, 1)]
    # the frame itself may be that of the head's box
    fits = [found.fit] if found.source == 'shape' else []
    fits += [] if found.other is None else [found.other]
    return frames + [frame_of(fit) for fit in fits]


def nodded(frame: FaceFrame, radians: float) -> FaceFrame:
    """Return the frame of a head nodded about the middle of its vault, forwards if positive."""
    middle = to_scan(MIDDLE_MM[None], frame)[0].astype(float)
    turn = _rotation(radians * frame.left)
    return FaceFrame(
        middle + turn @ (frame.origin - middle), turn @ frame.forward, turn @ frame.up, frame.scale
    )


def face_traces(
    points: Points,
    normals: NDArray[np.floating],
    frames: Sequence[FaceFrame],
    view: FieldOfView,
    emptied: Callable[[Points, Points], Mask] | None = None,
) -> FaceTraces:
    """Look for traces of each part of a face.

    Parameters
    ----------
    points : (n, 3) float32
        Skin, RAS millimetres, with what hangs together with nothing (`bids_reid.surface.islands`).
    normals : (n, 3) float
        Unit normals there.
    frames : sequence of FaceFrame
        Where the face may be, or should be: `hypotheses`. For each part the first counts unless
        the part matches clearly better by another one.
    view : FieldOfView
        Of the scan: what it does not hold is not missed.
    emptied : callable, optional
        Whether a tool wrote one value outside the surface at points (n, 3) with normals (n, 3),
        RAS millimetres; ``None`` if nothing tells.
    """
    face = face_parts()
    places = [_placed(frame, view) for frame in frames]
    there = np.concatenate([place.points for place in places])
    surface = _surface(points, normals, there)
    if len(surface.points) == 0:
        seen = places[0].seen
        empty = tuple(
            PartTrace(name, float(seen[face.part == number].mean()))
            for number, name in enumerate(PARTS)
        )
        return FaceTraces(empty, OUTSIDE * len(face.points))
    found = [_Face.of(place, surface) for place in places]
    best = _best(found, surface)
    traces = [_trace(n, found[best[n]], surface, emptied) for n in range(len(PARTS))]
    # the picture is of one place: that of the most parts
    shown = found[max(best, key=best.count)]
    off = shown.off - shown.expected
    letters = _letters(off, shown.gap, shown.aligned, shown.place.seen)
    return FaceTraces(tuple(traces), letters)


def _placed(frame: FaceFrame, view: FieldOfView) -> _Placed:
    face = face_parts()
    axes = np.array([-frame.left, frame.forward, frame.up], np.float32)
    points = to_scan(face.points, frame)
    return _Placed(points, face.normals @ axes, view.holds(points, margin=BORDER_MM))


def _surface(points: Points, normals: NDArray[np.floating], there: Points) -> Surface:
    """The part of the scan's surface that is near to where the face may be."""
    low, high = there.min(axis=0) - REACH_MM, there.max(axis=0) + REACH_MM
    near = ((points > low) & (points < high)).all(axis=1)
    points, normals = points[near], normals[near].astype(np.float32)
    tree = cKDTree(points, LEAF, balanced_tree=False, compact_nodes=False)
    return Surface(points, normals, tree)


class _Face(NamedTuple):
    """A place of the face, and the surface there.

    For each point of the average's face: the nearest of the surface, how far it is, how far
    outside, how well it is aligned, and how far outside it is expected, mm.
    """

    place: _Placed
    nearest: NDArray[np.intp]
    gap: NDArray[np.float64]
    off: NDArray[np.float32]
    aligned: NDArray[np.float32]
    expected: NDArray[np.float32]

    @classmethod
    def of(cls, place: _Placed, surface: Surface) -> _Face:
        gap, nearest = surface.tree.query(place.points)
        away = surface.points[nearest] - place.points
        off = (away * place.normals).sum(axis=1).clip(-REACH_MM, REACH_MM)
        aligned = (surface.normals[nearest] * place.normals).sum(axis=1)
        expected = _continued(off, gap, aligned, place.seen)
        return cls(place, nearest, gap, off, aligned, expected)


def _continued(
    off: NDArray[np.float32], gap: NDArray[np.float64], aligned: NDArray[np.float32], seen: Mask
) -> NDArray[np.float32]:
    """How far outside of the average's this head's own skin would lie, by that beside the face."""
    kept = seen & (gap < KEPT_MM) & (aligned > KEPT_ALIGNED)
    beside, likeness = _beside()
    weight = kept[beside].astype(np.float32)
    total = likeness @ (weight * off[beside])
    return np.asarray(total / (likeness @ weight + FEW), np.float32)


@cache
def _beside() -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return some points beside the face (k,), and how much each tells of all points (n, k)."""
    face = face_parts()
    beside = np.flatnonzero(face.part < 0)[::3]
    source = face.points[beside]
    apart = (face.points**2).sum(axis=1)[:, None] + (source**2).sum(axis=1)
    apart -= 2 * face.points @ source.T
    return beside, np.exp(-np.maximum(apart, 0) / np.float32(2 * SIGMA_MM**2))


def _best(found: Sequence[_Face], surface: Surface) -> list[int]:
    """Return by which of the places each part matches best."""
    face = face_parts()
    best = [0] * len(PARTS)
    for number in MATCHED if len(found) > 1 else ():
        matches = []
        for one in found:
            window = one.place.seen & _windows()[number]
            few = (window & (face.part == number)).sum() < MIN_POINTS
            matches.append(0.0 if few else _moved(one, surface, window, every=2).match())
        most = int(np.argmax(matches))
        best[number] = most if matches[most] > matches[0] + CLEARLY_MORE else 0
    return best


def _trace(
    number: int,
    found: _Face,
    surface: Surface,
    emptied: Callable[[Points, Points], Mask] | None,
) -> PartTrace:
    """Measure one part."""
    face, seen = face_parts(), found.place.seen
    part = face.part == number
    in_view = float(seen[part].mean())
    shown = part & seen
    if in_view < MIN_IN_VIEW or shown.sum() < MIN_POINTS:
        return PartTrace(PARTS[number], in_view)
    window = seen & _windows()[number]
    inner = shown[window]
    moved = _moved(found, surface, window)
    follows, gap = moved.follows(), moved.gap()
    off = (found.off - found.expected)[shown]
    return PartTrace(
        PARTS[number],
        in_view,
        follows=float(follows[inner].mean()),
        alone=_moved(found, surface, shown).match(),
        around=float(follows[~inner].mean()) if (~inner).any() else None,
        bend=moved.bend(),
        spread_mm=1.4826 * float(np.median(np.abs(gap[inner]))),
        off_mm=float(np.median(off)),
        near=float((np.abs(off) < FOLLOWS_MM * 2).mean()),
        emptied=None if emptied is None else _emptied(emptied, found, surface, shown),
    )


def _emptied(
    emptied: Callable[[Points, Points], Mask], found: _Face, surface: Surface, shown: Mask
) -> float:
    """Share of a part next to emptied air, over that of the skin beside the face."""
    beside = np.flatnonzero(found.place.seen & (face_parts().part < 0))[::3]
    shares = []
    for index in (np.flatnonzero(shown), beside):
        there = found.nearest[index]
        here = emptied(surface.points[there], surface.normals[there])
        shares.append(float(here.mean()) if len(index) else 0.0)
    return shares[0] - shares[1]


@cache
def _windows() -> NDArray[np.bool_]:
    """Which points are in the window of each part: (parts, n)."""
    face = face_parts()
    windows = []
    for number in range(len(PARTS)):
        tree = cKDTree(face.points[face.part == number])
        gap, _ = tree.query(face.points, distance_upper_bound=AROUND_MM)
        windows.append(np.isfinite(gap))
    return np.array(windows)


class _Moved(NamedTuple):
    """A part that was moved onto the surface: points (n, 3), normals, and the surface's there."""

    points: Points
    normals: Points
    there: Points
    onto: Points

    def gap(self) -> NDArray[np.float32]:
        """Distance from the surface along its normal, mm."""
        return np.asarray(((self.there - self.points) * self.onto).sum(axis=1))

    def follows(self) -> Mask:
        """Whether the surface follows each point."""
        across = np.linalg.norm(self.there - self.points, axis=1)
        aligned = (self.onto * self.normals).sum(axis=1)
        near = (np.abs(self.gap()) < FOLLOWS_MM) & (across < 2 * FOLLOWS_MM)
        return np.asarray(near & (aligned > ALIGNED))

    def bend(self) -> float:
        """Correlation of how normals turn: 1 if the surface bends as the average does."""
        a, b = self.onto - self.onto.mean(axis=0), self.normals - self.normals.mean(axis=0)
        return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-6))

    def match(self) -> float:
        """Share that follows, times how well it bends: from 0 to 1."""
        return float(self.follows().mean()) * max(self.bend(), 0.0)


def _moved(found: _Face, surface: Surface, window: Mask, every: int = 1) -> _Moved:
    """Move a part onto the surface."""
    index = np.flatnonzero(window)[::every]
    normals = found.place.normals[index]
    start = found.place.points[index] + found.expected[index, None] * normals
    middle = start.mean(axis=0)
    turn, shift = np.eye(3), np.zeros(3)
    radians, millimetres = LARGEST
    for width in WIDTHS_MM:
        moved = (start - middle) @ turn.T + middle + shift
        _, nearest = surface.tree.query(moved)
        onto = surface.normals[nearest]
        away = surface.points[nearest] - moved
        agree = (onto * (normals @ turn.T)).sum(axis=1).clip(0, 1)
        weight = agree / (1 + (np.linalg.norm(away, axis=1) / width) ** 2) ** 2
        step = _step(moved - middle - shift, onto, (away * onto).sum(axis=1), weight)
        turn = _rotation(step[:3].clip(-radians / 2, radians / 2)) @ turn
        shift = (shift + step[3:]).clip(-millimetres, millimetres)
    moved = (start - middle) @ turn.T + middle + shift
    _, nearest = surface.tree.query(moved)
    return _Moved(
        moved.astype(np.float32),
        (normals @ turn.T).astype(np.float32),
        surface.points[nearest],
        surface.normals[nearest],
    )


def _step(
    arm: Points, onto: Points, gap: NDArray[np.floating], weight: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Small turn and shift (6,) that bring points nearer to the planes of the surface."""
    change = np.hstack([np.cross(arm, onto), onto])
    rows = change * weight[:, None]
    # turns of a radian weigh like shifts of the part's size
    ridge = np.diag([400.0, 400.0, 400.0, 1.0, 1.0, 1.0]) * (0.02 * weight.sum() + 1e-6)
    return np.asarray(np.linalg.solve(rows.T @ change + ridge, rows.T @ gap))


def _rotation(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation by a vector (3,), radians."""
    return np.asarray(Rotation.from_rotvec(vector).as_matrix())


def _letters(
    off: NDArray[np.float32], gap: NDArray[np.float64], aligned: NDArray[np.float32], seen: Mask
) -> str:
    """Classes of signed distances; a surface that only passes through is not skin in its place."""
    far = np.where(gap > REACH_MM, -REACH_MM, off)
    classes = np.searchsorted(CLASSES_MM, far)
    crosses = (classes == LETTERS.index(IN_PLACE)) & (aligned < CROSSES)
    classes = np.where(crosses, LETTERS.index(IN_PLACE) - 1, classes)
    letters = np.where(seen, np.array(list(LETTERS))[classes], OUTSIDE)
    return ''.join(letters.tolist())
