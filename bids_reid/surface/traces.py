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

from bids_reid.records import PartTrace
from bids_reid.surface.mesh import Mesh, vertex_normals
from bids_reid.surface.parts import PARTS, face_parts
from bids_reid.surface.relief import to_average, to_scan

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from bids_reid.surface.frame import FaceFrame, FieldOfView
    from bids_reid.surface.skin import Skin
    from bids_reid.surface.volume import Volume

    Mask = NDArray[np.bool_]
    Points = NDArray[np.float32]

AROUND_MM = 8.0
"""A part is moved onto the surface with the skin around it."""
REACH_MM = 25.0
"""Surface farther away belongs to something else."""
FOLLOWS_MM = 2.0
"""Skin so near to the part that was moved onto it follows it."""
ALIGNED = 0.7
"""Cosine of the angle between normals up to which it does."""
WIDTHS_MM = (12.0, 8.0, 6.0, 4.0, 3.0, 3.0)
"""Distance at which a point's weight is a quarter, one number per step of moving a part."""
LARGEST = (0.2, 8.0)
"""A part is turned (radians) and moved (mm) by no more than this."""
MIN_IN_VIEW = 0.15
MIN_POINTS = 12
"""With less of a part in the image it is not judged."""
BORDER_MM = 3.0
KEPT_MM, KEPT_ALIGNED = 8.0, 0.85
"""Skin beside the face that is so near to the average's tells how far this head is from it."""
SIGMA_MM = 22.0
FAR_MM = 250.0
"""Weight of no shift at all: so far away skin beside the face is no longer believed."""
EMPTY_SHARE = 0.05
"""Tools leave at least this share of the voxels with one and the same value."""
NEXT_VOXEL = 1.5
"""So many voxels outside the surface a tool's cut is empty already; at the edge of skin, blur by
the voxels and the scanner leaves some signal."""
CLASSES_MM = (-10.0, -5.0, -2.0, 2.0, 5.0)
LETTERS = 'abcdef'
IN_PLACE = 'd'
OUTSIDE = '.'
"""Letters of `FaceTraces.map` for signed distances between these, and for what is not known."""
CROSSES = 0.5
"""A surface turned further from the skin that should be there passes through it: cosine."""


class Surface(NamedTuple):
    """Points (n, 3) of a scan in the average head's coordinates, with normals and a tree."""

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


def emptied_air(volume: Volume) -> Callable[[Points, Points], Mask]:
    """Tell where a tool wrote one value next to the surface.

    Parameters
    ----------
    volume : Volume
        The scan.

    Returns
    -------
    callable
        Whether the voxel next to points (n, 3) with outward normals (n, 3), RAS millimetres, has
        the most common value of the volume; nowhere, if none is common.
    """
    values, counts = np.unique(volume.data[::2, ::2, ::2], return_counts=True)
    common = values[counts.argmax()]
    nothing = counts.max() < EMPTY_SHARE * counts.sum()
    inverse = np.linalg.inv(volume.affine)
    last = np.array(volume.data.shape) - 1

    def emptied(points: Points, normals: Points) -> Mask:
        if nothing:
            return np.zeros(len(points), np.bool_)
        along = normals @ inverse[:3, :3].T
        along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
        place = points @ inverse[:3, :3].T + inverse[:3, 3] + NEXT_VOXEL * along
        index = np.round(place).astype(np.intp).clip(0, last)
        return np.asarray(volume.data[tuple(index.T)] == common)

    return emptied


def face_traces(
    skin: Skin,
    frame: FaceFrame,
    view: FieldOfView,
    emptied: Callable[[Points, Points], Mask] | None = None,
) -> FaceTraces:
    """Look for traces of each part of a face.

    Parameters
    ----------
    skin : Skin
        Of the scan.
    frame : FaceFrame
        Where the face is, or should be.
    view : FieldOfView
        Of the scan: what it does not hold is not missed.
    emptied : callable, optional
        Whether a tool wrote one value outside the surface at points (n, 3) with normals (n, 3),
        RAS millimetres; ``None`` if nothing tells.
    """
    face = face_parts()
    there = to_scan(face.points, frame)
    seen = view.holds(there, margin=BORDER_MM)
    surface = _surface(skin, frame)
    if len(surface.points) == 0:
        empty = tuple(
            PartTrace(name, float(seen[face.part == number].mean()))
            for number, name in enumerate(PARTS)
        )
        return FaceTraces(empty, OUTSIDE * len(face.points))
    gap, nearest = surface.tree.query(face.points)
    off = _off(surface, nearest, face.points, face.normals)
    aligned = (surface.normals[nearest] * face.normals).sum(axis=1)
    expected = _continued(off, gap, aligned, seen)
    empty_air = _emptied(surface, nearest, frame, emptied)
    parts = tuple(
        _trace(number, surface, seen, off - expected, expected, empty_air)
        for number in range(len(PARTS))
    )
    return FaceTraces(parts, _letters(off - expected, gap, aligned, seen))


def _surface(skin: Skin, frame: FaceFrame) -> Surface:
    """The part of the scan's surface that is near to the average's face and ears."""
    face = face_parts().points
    moved = to_average(skin.points, frame)
    low, high = face.min(axis=0) - REACH_MM, face.max(axis=0) + REACH_MM
    near = ((moved > low) & (moved < high)).all(axis=1)
    normals = vertex_normals(Mesh(skin.points, skin.triangles))[near].astype(np.float32)
    axes = np.array([-frame.left, frame.forward, frame.up], np.float32)
    moved = moved[near]
    tree = cKDTree(moved, balanced_tree=False, compact_nodes=False)
    return Surface(moved, np.asarray(normals @ axes.T), tree)


def _off(
    surface: Surface, nearest: NDArray[np.intp], points: Points, normals: Points
) -> NDArray[np.float32]:
    """How far outside of the average's skin the surface lies, mm of the average."""
    away = surface.points[nearest] - points
    along = (away * normals).sum(axis=1)
    return np.asarray(along.clip(-REACH_MM, REACH_MM), np.float32)


def _continued(
    off: NDArray[np.float32], gap: NDArray[np.float64], aligned: NDArray[np.float32], seen: Mask
) -> NDArray[np.float32]:
    """How far outside of the average's this head's own skin would lie, by that beside the face."""
    face = face_parts()
    kept = seen & (face.part < 0) & (gap < KEPT_MM) & (aligned > KEPT_ALIGNED)
    source, values = face.points[kept][::3], off[kept][::3]
    if not len(source):
        return np.zeros(len(off), np.float32)
    squares = (face.points**2).sum(axis=1)[:, None] + (source**2).sum(axis=1)
    squares -= 2 * face.points @ source.T
    weight = np.exp(-np.maximum(squares, 0) / np.float32(2 * SIGMA_MM**2))
    none = np.float32(np.exp(-((FAR_MM / SIGMA_MM) ** 0.5)))
    return np.asarray(weight @ values / (weight.sum(axis=1) + none), np.float32)


def _emptied(
    surface: Surface,
    nearest: NDArray[np.intp],
    frame: FaceFrame,
    emptied: Callable[[Points, Points], Mask] | None,
) -> NDArray[np.float32] | None:
    """Whether the surface next to each point of the average borders on emptied air."""
    if emptied is None:
        return None
    axes = np.array([-frame.left, frame.forward, frame.up], np.float32)
    points = to_scan(surface.points[nearest], frame)
    return emptied(points, np.asarray(surface.normals[nearest] @ axes)).astype(np.float32)


def _trace(
    number: int,
    surface: Surface,
    seen: Mask,
    off: NDArray[np.float32],
    expected: NDArray[np.float32],
    emptied: NDArray[np.float32] | None,
) -> PartTrace:
    """Measure one part."""
    face = face_parts()
    part = face.part == number
    in_view = float(seen[part].mean())
    shown = part & seen
    if in_view < MIN_IN_VIEW or shown.sum() < MIN_POINTS:
        return PartTrace(PARTS[number], in_view)
    window = seen & _windows()[number]
    points, normals = face.points[window], face.normals[window]
    points = points + expected[window, None] * normals
    moved, turned, nearest = _moved(points, normals, surface)
    inner = shown[window]
    gap = ((surface.points[nearest] - moved) * surface.normals[nearest]).sum(axis=1)
    across = np.linalg.norm(surface.points[nearest] - moved, axis=1)
    aligned = (surface.normals[nearest] * turned).sum(axis=1)
    follows = (np.abs(gap) < FOLLOWS_MM) & (across < 2 * FOLLOWS_MM) & (aligned > ALIGNED)
    borders = None
    if emptied is not None:
        outside = (face.part < 0) & seen
        vault = float(emptied[outside].mean()) if outside.any() else 0.0
        borders = float(emptied[shown].mean()) - vault
    return PartTrace(
        PARTS[number],
        in_view,
        follows=float(follows[inner].mean()),
        around=float(follows[~inner].mean()) if (~inner).any() else None,
        bend=_bend(surface.normals[nearest], turned),
        spread_mm=1.4826 * float(np.median(np.abs(gap[inner]))),
        off_mm=float(np.median(off[shown])),
        near=float((np.abs(off[shown]) < FOLLOWS_MM * 2).mean()),
        emptied=borders,
    )


@cache
def _windows() -> NDArray[np.bool_]:
    """Which points are in the window of each part: (parts, n)."""
    face = face_parts()
    windows = []
    for number in range(len(PARTS)):
        gap, _ = cKDTree(face.points[face.part == number]).query(
            face.points, distance_upper_bound=AROUND_MM
        )
        windows.append(np.isfinite(gap))
    return np.array(windows)


def _moved(
    points: Points, normals: Points, surface: Surface
) -> tuple[Points, Points, NDArray[np.intp]]:
    """Move a part onto the surface; its points, normals, and the nearest of the surface."""
    start, middle = points, points.mean(axis=0)
    turn, shift = np.eye(3), np.zeros(3)
    for width in WIDTHS_MM:
        moved = (start - middle) @ turn.T + middle + shift
        directions = normals @ turn.T
        _, nearest = surface.tree.query(moved)
        away, onto = surface.points[nearest] - moved, surface.normals[nearest]
        gap = (away * onto).sum(axis=1)
        agree = (onto * directions).sum(axis=1).clip(0, 1)
        weight = agree / (1 + (np.linalg.norm(away, axis=1) / width) ** 2) ** 2
        arm = moved - middle - shift
        rows = np.hstack([np.cross(arm, onto), onto]) * weight[:, None]
        # turns of a radian weigh like shifts of the part's size
        ridge = np.diag([400.0, 400.0, 400.0, 1.0, 1.0, 1.0]) * 0.02 * weight.sum()
        matrix = rows.T @ np.hstack([np.cross(arm, onto), onto]) + ridge
        step = np.linalg.solve(matrix + 1e-6 * np.eye(6), rows.T @ gap)
        radians, millimetres = LARGEST
        turn = _rotation(step[:3].clip(-radians / 2, radians / 2)) @ turn
        shift = (shift + step[3:]).clip(-millimetres, millimetres)
    moved = (start - middle) @ turn.T + middle + shift
    _, nearest = surface.tree.query(moved)
    return moved.astype(np.float32), (normals @ turn.T).astype(np.float32), nearest


def _rotation(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation by a vector (3,), radians."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_rotvec(vector).as_matrix())


def _bend(here: Points, average: Points) -> float:
    """Correlation of how normals turn over a part: 1 if it bends as the average does."""
    a, b = here - here.mean(axis=0), average - average.mean(axis=0)
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-6))


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
