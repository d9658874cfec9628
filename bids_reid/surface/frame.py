"""Where the face is: the frame that cameras and lights are placed in, and how much is there.

The skin is fitted to an average head (:mod:`bids_reid.surface.fit`), whose frame is known: so
every head is seen from the same places, however it lies in the scanner, how large it is, and
where the field of view ends. The header's axes only start the search.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
from nibabel.affines import voxel_sizes
from scipy.spatial import cKDTree

from bids_reid.surface.average import PARTS, average_head
from bids_reid.surface.fit import (
    FACE_FRONT_MM,
    FIRM_SHARE,
    Similarity,
    Target,
    axis_orientations,
    fit_head,
    head_box,
    losses,
    start_at,
    tilted,
)
from bids_reid.surface.refit import Left, Refit, apart_mm, follows, judged, left_of, refit

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
SQUARE_MM = 6.0
"""Larger than the distance between the points that are compared."""
AGREES_COVERED, DEPARTS_COVERED = 0.75, 0.6
"""From which share of eyes, nose and mouth on the skin follows the average's face, and below
which it departs from it.

Measured: 44 simulated scans with a face 0.93 to 0.99, two real ones 0.94, with the nose cut off
0.77 to 0.80; eight simulated scans defaced by a plane 0.09 to 0.37, a really defaced one 0.42, a
brain 0.19, phantoms whose face was cut away in four ways 0.00 to 0.38.
"""
AGREES_BEHIND_MM, DEPARTS_BEHIND_MM = 5.0, 10.0
"""Up to which depth behind eyes, nose and mouth the skin follows them, and from where it departs.

Measured on the same scans: faces -0.7 to 2.3 mm; defaced 13.0 to 22.1, the real one 12.7, the
brain 43.
"""
MIN_CORE_IN_VIEW = 0.1
"""With less of the eyes, nose and mouth in the field of view there is nothing to compare."""
GOOD_LOSS, SURE_LOSS = 0.7, 0.9
"""Above the first, other orientations are tried; above the second, no face agrees.

Measured: simulated scans with a face up to 0.65, real ones with a field of view that cuts the
face 0.72 and 0.84; heads in a wrong orientation 0.9 and more, mostly above 1.1.
"""
WORST_LOSS, WORST_LOSS_CUT = 0.75, 0.95
"""Above it the fit's frame is not used: if a face is missing, or if none was scanned.

Without a face the fit leans on the plane that was cut: the eight defaced scans, nodded by 11 to 27
degrees, have 0.85 and more, phantoms with good frames 0.54 to 0.71. Heads that end at the brow
have 0.8 at most, with frames 5 degrees off at most.
"""
MIN_IN_VIEW = 0.15
"""With less of the face in view a skull is a ball, and its box is the better frame.

Phantoms that end at the forehead (0.08 in view) come out 8 degrees off, 24 at worst; those that
end at the brow (0.23) 3 and 5.
"""
FAR_TURNED = 40.0
"""Degrees from the header's axes from which on the fit is repeated from where it ended."""
TRUSTED_OFF_MM, TRUSTED_LOSS = 22.0, 0.17
"""Above either, the fit to what is left of a head does not tell where its face was.

Measured: heads without a face, with both ears, 5 to 9 mm and 0.02 to 0.11; where the field of view
ends at the ears 14 to 19 mm, since nothing tells how they are nodded: traces of a face are then
sought as far up and down (`bids_reid.surface.traces`). With the forehead cut off 0.14 to 0.22, and
frames up to 20 mm off.
"""
HARDLY_MORE = 0.02
"""Loss of the head that a part of a face outweighs."""
CLEARLY_MORE = 0.1
"""Of the average's face must follow the skin, before a part of a face outweighs the head."""
CLEARLY_LESS = 0.05
MIN_CORE_TURNED = 0.4
"""What another orientation must show: so much less loss, and so much of a face in view."""
CORE = tuple(PARTS.index(part) for part in ('eyes', 'nose', 'mouth'))
"""What makes a face; forehead, cheeks and chin are often left by defacing."""


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
    fit_mm : float or None
        Spread of the skin about the average face; None if there is none in its place.
    in_view : float
        Share of the average face's skin inside the field of view.
    covered : float
        Share of the eyes, nose and mouth in view that have skin of the scan within `NEAR_MM`.
    behind_mm : float or None
        How far the scan's skin lies behind the average's eyes, nose and mouth: a median, in mm
        of the average head; None if none of them is in view.
    core_in_view : float
        Share of the eyes, nose and mouth inside the field of view.
    head_loss : float
        What the fit could not explain, from 0 to 3 (`bids_reid.surface.fit.losses`).
    """

    fit_mm: float | None
    in_view: float
    covered: float
    behind_mm: float | None
    core_in_view: float
    head_loss: float

    @property
    def departs(self) -> bool:
        """Whether the skin is clearly not where the average's face is, or none of it is in view.

        That the face is missing is one reason, a fit in the wrong place another: whether there is
        a face is judged from more than this (`bids_reid.risk.presence`).
        """
        if self.core_in_view < MIN_CORE_IN_VIEW:
            return True
        return self.covered < DEPARTS_COVERED or self._behind > DEPARTS_BEHIND_MM

    @property
    def agrees(self) -> bool:
        """Whether the skin follows the average's face, and the fit explains the whole head."""
        follows = self.covered >= AGREES_COVERED and self._behind < AGREES_BEHIND_MM
        return follows and not self.departs and self.head_loss < SURE_LOSS

    @property
    def _behind(self) -> float:
        return 0.0 if self.behind_mm is None else self.behind_mm

    @property
    def doubtful(self) -> bool:
        """Whether another orientation of the head may explain the skin better."""
        uncovered = self.core_in_view > MIN_CORE_IN_VIEW and self.covered < AGREES_COVERED
        return uncovered or self.head_loss > GOOD_LOSS

    @property
    def fits(self) -> bool:
        """Whether the average head lies where the head is, so that its frame can be used."""
        if self.core_in_view < MIN_CORE_IN_VIEW:
            return self.in_view >= MIN_IN_VIEW and self.head_loss < WORST_LOSS_CUT
        return not self.departs or self.head_loss < WORST_LOSS


@dataclass(frozen=True, slots=True)
class FoundFrame:
    """A frame, what it was found by, and how the average's face compares with the skin there.

    Attributes
    ----------
    frame : FaceFrame
    source : 'face' or 'shape'
        Whether the fit of the average head gave the frame, or the box of the head.
    face : FaceMeasures
        At the place where the fit puts the face.
    fit : Similarity
    left : Refit, optional
        The fit to what is left of the head; None where a face is there.
    other : Similarity, optional
        Another fit, by which the face may be somewhere else.
    """

    frame: FaceFrame
    source: Literal['face', 'shape']
    face: FaceMeasures
    fit: Similarity
    left: Refit | None = None
    other: Similarity | None = None

    @property
    def face_off_mm(self) -> float | None:
        """Predicted standard deviation of the face's place, mm; None where a face gives it."""
        return None if self.left is None else self.left.face_off_mm

    @property
    def earless(self) -> bool:
        """Whether it has no ears where they should be in view, as a ball or an egg."""
        return self.left is not None and self.left.ears == 0 and self.left.missed > 0

    @property
    def trusted(self) -> bool:
        """Whether the frame is where the face is, or was: else that none is seen says nothing."""
        if self.left is None:
            return True
        return self.source == 'face' and is_trusted(self.left)


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
        edge = margin / voxel_sizes(self.affine) - 0.5
        inside = (voxel > edge) & (voxel < np.array(self.shape) - 1 - edge)
        return np.asarray(inside.all(axis=1))


def find_frame(points: Points, view: FieldOfView) -> FoundFrame:
    """Place the face frame by the fit of an average head, or by the head's box if it fails.

    Parameters
    ----------
    points : (n, 3) float32
        Skin surface, RAS millimetres.
    view : FieldOfView
        Of the scan: skin at its ends is left out, and parts of a face beyond it are not missed.
    """
    average = average_head()
    dense = points[:: max(1, len(points) // DENSE_POINTS)]
    in_view = partial(view.holds, margin=BORDER_MM)
    inner = in_view(dense)
    # a surface without any skin inside says nothing, but has a frame all the same
    dense = dense[inner] if inner.any() else dense
    skin = _evenly(dense)
    tree = cKDTree(dense, balanced_tree=False, compact_nodes=False)
    target = Target(average, in_view, tree)
    fit = fit_head(skin, target, tilted())
    face = _measured(fit, skin, target)
    turned = np.trace(fit.rotation[0]) < 1 + 2 * np.cos(np.radians(FAR_TURNED))
    if turned or face.doubtful:
        fit, face = _searched(fit, face, skin, target)
    if face.agrees:
        return FoundFrame(frame_of(fit), 'face', face, fit)
    left = left_of(skin, dense, in_view)
    old, new = judged(fit, left), refit((fit, start_at(skin, average, np.eye(3)[None])), left)
    kept = face.fits and (not face.departs or _better_kept(old, new, left))
    if is_trusted(new) and not kept:
        face = _measured(new.fit, skin, target)
        # a fit that leans on a cut leaves the head
        other = fit if old.loss < new.loss + HARDLY_MORE else None
        return FoundFrame(frame_of(new.fit), 'face', face, new.fit, new, other)
    if face.fits:
        # what fills the place of a face may carry the fit away: both have to agree
        off = max(old.face_off_mm, apart_mm(old.fit, new.fit))
        old = old._replace(face_off_mm=off)
        return FoundFrame(frame_of(fit), 'face', face, fit, old, new.fit)
    return FoundFrame(shape_frame(points), 'shape', face, fit, new, new.fit)


def is_trusted(left: Refit) -> bool:
    """Whether a fit follows what is left of a head, and this tells where the face was."""
    return left.face_off_mm < TRUSTED_OFF_MM and left.loss < TRUSTED_LOSS


def _better_kept(old: Refit, new: Refit, left: Left) -> bool:
    """Whether a part of the face is left that the old fit follows, without leaving the head."""
    follows_more = follows(old.fit, left) > follows(new.fit, left) + CLEARLY_MORE
    return follows_more and old.loss < new.loss + HARDLY_MORE


def _searched(
    fit: Similarity, face: FaceMeasures, skin: Points, target: Target
) -> tuple[Similarity, FaceMeasures]:
    """Search again: something may lie on the head, or the header be wrong if no face is seen."""
    other = fit_head(skin, target, tilted(), size_share=FIRM_SHARE)
    firm = _measured(other, skin, target)
    if not firm.departs and firm.head_loss < face.head_loss - CLEARLY_LESS:
        fit, face = other, firm
    start = fit
    if not face.agrees:
        other = fit_head(skin, target, axis_orientations())
        start = min(fit, other, key=lambda one: float(losses(one, skin, target)[0]))
    # a head that came from far may have stopped some degrees before the best place
    other = fit_head(skin, target, tilted() @ start.rotation[0])
    turned = _measured(other, skin, target)
    less = 0.0 if start is fit else CLEARLY_LESS
    better = turned.head_loss < face.head_loss - less
    if better and turned.agrees and turned.core_in_view >= MIN_CORE_TURNED:
        return other, turned
    return fit, face


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


def frame_of(fit: Similarity) -> FaceFrame:
    """Bring the average head's frame to the scan."""
    _, forward, up = fit.rotation[0]
    origin = fit.to_scan(np.array([ORIGIN_MM], np.float32))[0, 0]
    return FaceFrame(origin.astype(float), forward, up, 1 / float(fit.size[0]))


def _evenly(points: Points) -> Points:
    """One point per cube of `CELL_MM`."""
    # three numbers of twenty bits in one: much faster to sort
    key = np.floor(points / CELL_MM).astype(np.int64) @ [1, 1 << 20, 1 << 40]
    _, first = np.unique(key, return_index=True)
    return points[np.sort(first)]


def _measured(fit: Similarity, skin: Points, target: Target) -> FaceMeasures:
    """Measure what is where the average's face should be."""
    average = target.average
    size = float(fit.size[0])
    there = fit.to_scan(average.face)[0]
    seen = target.in_view(there)
    core = np.isin(average.face_part, CORE)
    shown = core & seen
    gap, _ = target.tree.query(there[shown], distance_upper_bound=NEAR_MM / size)
    return FaceMeasures(
        fit_mm=_face_spread(fit, skin, average),
        in_view=float(seen.mean()),
        covered=float(np.isfinite(gap).mean()) if shown.any() else 0.0,
        behind_mm=_behind(average.face[core], seen[core], fit.to_average(skin)[0]),
        core_in_view=float(shown.sum() / core.sum()),
        head_loss=float(losses(fit, skin, target)[0]),
    )


def _behind(face: Points, seen: NDArray[np.bool_], skin: Points) -> float | None:
    """Median depth of the foremost skin behind the face, both in head coordinates, mm.

    Looked at from the front, in squares of `SQUARE_MM` that are wholly in view; `FAR_MM` where
    there is no skin at all, None if there is no square.
    """
    low = face.min(axis=0)
    shape = tuple(((face.max(axis=0) - low) // SQUARE_MM).astype(int)[[0, 2]] + 1)

    def foremost(points: Points) -> NDArray[np.float32]:
        place = ((points - low) // SQUARE_MM).astype(int)[:, [0, 2]]
        inside = ((place >= 0) & (place < shape)).all(axis=1)
        depth = np.full(shape, -np.inf, np.float32)
        np.maximum.at(depth, tuple(place[inside].T), points[inside, 1])
        return depth

    here, hidden = foremost(face[seen]), foremost(face[~seen])
    # where the nose sticks out of the field of view, its skin is not missed
    asked = np.isfinite(here) & np.isinf(hidden)
    if not asked.any():
        return None
    return float(np.median(np.minimum(here[asked] - foremost(skin)[asked], FAR_MM)))


def _face_spread(fit: Similarity, skin: Points, average: AverageHead) -> float | None:
    """Spread of the distances of the scan's skin from the average face, mm of the scan.

    1.4826 times the median absolute distance, which is the standard deviation if it is normal.
    """
    moved = fit.to_average(skin)[0]
    distance, _, valid = average.distance(moved)
    x, y, z = moved.T
    low, high = average.face[:, 2].min(), average.face[:, 2].max()
    face = valid & (y > FACE_FRONT_MM) & (np.abs(x) < 66) & (z > low) & (z < high)
    if not face.any():
        return None
    return 1.4826 * float(np.median(np.abs(distance[face]))) / float(fit.size[0])
