"""Where the face is: the frame that cameras and lights are placed in, and how much is there.

The skin is fitted to an average head (:mod:`bids_reid.surface.fit`), whose frame is known: so
every head is seen from the same places, however it lies in the scanner, how large it is, and
where the field of view ends. The header's axes only start the search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.spatial import cKDTree

from bids_reid.surface.average import PARTS, average_head
from bids_reid.surface.fit import (
    FACE_FRONT_MM,
    Similarity,
    Target,
    axis_orientations,
    fit_head,
    head_box,
    losses,
    tilted,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.surface.average import AverageHead

    Points = NDArray[np.float32]

VERTEX_TO_FACE_MM = 125.0
"""From the top of the head down to the middle of an adult face (between nasion and nose tip)."""
ORIGIN_MM = (0.0, -74.0, -13.0)
"""The frame's origin in the average head: where the rule by shape puts it."""
BORDER_MM = 3.0
"""What lies this near to the end of the field of view is a cut through the head, no skin."""
DENSE_POINTS = 30_000
CELL_MM = 6.0
"""Skin points are thinned to about one per cube with this edge: evenly over the surface."""
NEAR_MM = 6.0
"""A face point has skin if there is any of the scan within this distance."""
FAR_MM = 60.0
PRESENT_COVERED = 0.75
ABSENT_COVERED = 0.6
MIN_CORE_IN_VIEW = 0.1
WORST_LOSS = 0.75
WORST_LOSS_CUT = 0.95
CORE = tuple(PARTS.index(part) for part in ('eyes', 'nose', 'mouth'))


@dataclass(frozen=True, slots=True)
class FaceFrame:
    """A right-handed frame in the middle of the head at face height, RAS millimetres.

    ``forward`` leaves the face, ``up`` points to the vertex, ``left`` to the participant's left.
    ``scale`` is the size of the head over an average adult's.
    """

    origin: NDArray[np.float64]
    forward: NDArray[np.float64]
    up: NDArray[np.float64]
    scale: float = 1.0

    @property
    def left(self) -> NDArray[np.float64]:
        """Towards the participant's left, shape (3,)."""
        return np.cross(self.up, self.forward)

    def direction(self, azimuth: float, elevation: float) -> NDArray[np.float64]:
        """Unit vector at ``azimuth`` (to the left) and ``elevation`` (up), both in degrees."""
        a, e = np.radians([azimuth, elevation])
        ahead = np.cos(a) * self.forward + np.sin(a) * self.left
        return np.asarray(np.cos(e) * ahead + np.sin(e) * self.up)


@dataclass(frozen=True, slots=True)
class FaceMeasures:
    """How the face of the average head compares with the skin, where the fit puts it.

    Attributes
    ----------
    fit_mm : float
        Spread of the skin about the average face: 1.4826 times the median absolute distance.
    in_view : float
        Share of the average face's skin inside the field of view.
    covered : float
        Share of the eyes, nose and mouth in view that have skin of the scan within `NEAR_MM`.
    behind_mm : float
        How far the scan's skin lies behind the average's eyes, nose and mouth: a median.
    core_in_view : float
        Share of the eyes, nose and mouth inside the field of view.
    head_loss : float
        What the fit could not explain, from 0 to 3 (`bids_reid.surface.fit.losses`).
    """

    fit_mm: float
    in_view: float
    covered: float
    behind_mm: float
    core_in_view: float
    head_loss: float

    @property
    def present(self) -> Literal['yes', 'no', 'unsure']:
        """Whether there is a face; where none of it was scanned, there is none."""
        if self.core_in_view < MIN_CORE_IN_VIEW or self.covered < ABSENT_COVERED:
            return 'no'
        return 'yes' if self.covered >= PRESENT_COVERED else 'unsure'

    @property
    def fits(self) -> bool:
        """Whether the average head lies where the head is, so that its frame can be used."""
        if self.core_in_view < MIN_CORE_IN_VIEW:
            return self.head_loss < WORST_LOSS_CUT
        return self.covered >= ABSENT_COVERED or self.head_loss < WORST_LOSS


@dataclass(frozen=True, slots=True)
class FoundFrame:
    """A frame, what it was found by, and what the fit says of the face."""

    frame: FaceFrame
    source: Literal['face', 'shape']
    face: FaceMeasures


@dataclass(frozen=True, slots=True)
class FieldOfView:
    """The box that was scanned.

    Attributes
    ----------
    affine : (4, 4) float64
        Voxel indices to RAS millimetres.
    shape : tuple of int
        Voxels per axis.
    """

    affine: NDArray[np.float64]
    shape: tuple[int, ...]

    def holds(self, points: Points, margin: float = 0.0) -> NDArray[np.bool_]:
        """Whether points (n, 3) lie in the box, further than ``margin`` mm from its sides."""
        inverse = np.linalg.inv(self.affine)
        voxel = points @ inverse[:3, :3].T.astype(np.float32) + inverse[:3, 3].astype(np.float32)
        edge = margin / np.linalg.norm(self.affine[:3, :3], axis=0) - 0.5
        inside = (voxel > edge) & (voxel < np.array(self.shape) - 1 - edge)
        return np.asarray(inside.all(axis=1))


def find_frame(points: Points, view: FieldOfView) -> FoundFrame:
    """Place the face frame by the face, or by the shape of the head if there is none.

    Parameters
    ----------
    points : (n, 3) float32
        Skin surface, RAS millimetres.
    view : FieldOfView
        Of the scan.
    """
    average = average_head()
    dense = points[:: max(1, len(points) // DENSE_POINTS)]
    dense = dense[view.holds(dense, BORDER_MM)]
    skin = _evenly(dense)
    tree = cKDTree(dense, balanced_tree=False, compact_nodes=False)
    target = Target(average, view.holds, tree)
    found = fit_head(skin, target, tilted())
    face = _measured(found, skin, target)
    if not face.fits:
        # the header may be wrong about which way is up
        other = fit_head(skin, target, axis_orientations())
        turned = _measured(other, skin, target)
        if turned.present == 'yes' and turned.head_loss < face.head_loss:
            found, face = other, turned
    if face.fits:
        return FoundFrame(_frame(found), 'face', face)
    return FoundFrame(shape_frame(points), 'shape', face)


def shape_frame(points: Points) -> FaceFrame:
    """Place the face frame by the shape of the head, looking along the scanner's axes.

    Parameters
    ----------
    points : (n, 3) float32
        Skin surface, RAS millimetres.
    """
    x, y, top = head_box(points, stray=0.1)
    return FaceFrame(
        origin=np.array([x, y, top - VERTEX_TO_FACE_MM]),
        forward=np.array([0.0, 1.0, 0.0]),
        up=np.array([0.0, 0.0, 1.0]),
    )


def _frame(found: Similarity) -> FaceFrame:
    _, forward, up = found.rotation[0]
    origin = found.to_scan(np.array([ORIGIN_MM], np.float32))[0, 0]
    return FaceFrame(origin.astype(float), forward, up, 1 / float(found.size[0]))


def _evenly(points: Points) -> Points:
    """One point per cube of `CELL_MM`."""
    key = np.floor(points / CELL_MM).astype(np.int64) @ [1, 1 << 20, 1 << 40]
    _, first = np.unique(key, return_index=True)
    return points[np.sort(first)]


def _measured(found: Similarity, skin: Points, target: Target) -> FaceMeasures:
    average = target.average
    size = float(found.size[0])
    there = found.to_scan(average.face)[0]
    seen = target.in_view(there)
    gap, nearest = target.tree.query(there, distance_upper_bound=FAR_MM)
    missing = ~np.isfinite(gap)
    away = there - target.tree.data[np.where(missing, 0, nearest)]
    outwards = average.face_normals @ found.rotation[0]
    behind = np.where(missing, FAR_MM, (away * outwards).sum(axis=1)) * size
    core = np.isin(average.face_part, CORE)
    shown = core & seen
    return FaceMeasures(
        fit_mm=_face_spread(found, skin, average),
        in_view=float(seen.mean()),
        covered=float((gap[shown] * size < NEAR_MM).mean()) if shown.any() else 0.0,
        behind_mm=float(np.median(behind[shown])) if shown.any() else 0.0,
        core_in_view=float(shown.sum() / core.sum()),
        head_loss=float(losses(found, skin, target)[0]),
    )


def _face_spread(found: Similarity, skin: Points, average: AverageHead) -> float:
    """Spread of the distances of the scan's skin from the average face, mm of the scan."""
    moved = found.to_average(skin)[0]
    distance, _, valid = average.distance(moved)
    x, y, z = moved.T
    low, high = average.face[:, 2].min(), average.face[:, 2].max()
    face = valid & (y > FACE_FRONT_MM) & (np.abs(x) < 66) & (z > low) & (z < high)
    if not face.any():
        return float('nan')
    return 1.4826 * float(np.median(np.abs(distance[face]))) / float(found.size[0])
