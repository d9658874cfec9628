"""Whether a version of a scan still has the face of its original.

A re-faced image shows a face, and it must be another one than before. Both skins lie in the same
space, since re-facing changes voxels in place: what was not changed lies where it was, to a
fraction of a millimetre. A version that was moved as a whole would look changed all over, so it is
first moved back by what is left of the head around the face, and if that fails nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from bids_reid.surface.average import PARTS, above_neck, average_head
from bids_reid.surface.relief import to_average

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.surface.frame import FaceFrame

    Points = NDArray[np.float32]

SAME_MM = 0.5
"""Skin this near to where it was is unchanged.

For the whole face, one distance is taken out before: a face that was smoothed swells, and keeps
its form. Measured on phantoms with voxels of 1 to 2 mm: of skin that was not changed 99 to 100%
lies so near after other noise, 78 to 100% after resampling, 99, 92 and 73% or more of faces
blurred by 1, 2 and 3 mm, 15 to 63% of replaced ones. Within 1 mm, without taking a distance out,
it is 28 to 77% of these: faces are alike.
"""
ALIGNED_MM, VAULT_SHARE = 0.4, 0.75
"""So much of the vault has to lie this near to where it was, or the two are not in one place.

Measured on the same: 0.06 at most where a face was replaced, 0.36 at most after resampling but for
once 0.50.
"""
VAULT_Z = 40.0
"""The vault begins so far above the eyes, mm of the average head: well above the brow."""
NEAR_MM = 12.0
"""Skin belongs to the part of the average's face that is nearest, within this distance."""
CHEEKS_LOW, CHEEKS_HIGH = (-62.0, -25.0, -62.0), (62.0, np.inf, -8.0)
"""Corners of the box that holds the cheeks, mm of the average head."""
PARTS_ASKED = ('eyes', 'nose', 'mouth', 'cheeks')
MAX_POINTS = 3000
MIN_POINTS, MIN_PART_POINTS = 150, 30
"""With less skin of a face the original has none to compare with."""
BEHIND_MM = 60.0
"""Seen from so far behind the middle of the head, all skin of the face looks away."""
NEIGHBOURS = 8
FAR_MM = 4.0
"""Beyond it, the nearest point says more of the distance than the plane through it."""
TURNS = 20
KEPT = 0.6
"""Share of the head that is moved onto the other: what re-facing leaves is more."""


@dataclass(frozen=True, slots=True)
class FaceChange:
    """How much of a face is still where it was.

    Attributes
    ----------
    share_unchanged : float or None
        Share of the original's skin at eyes, nose, mouth and cheeks that lies within `SAME_MM` of
        the version's, moved outwards by ``offset_mm``; ``None`` if the two cannot be compared.
    part, part_unchanged : str or None, float or None
        Which of eyes, nose and mouth has the largest share within `SAME_MM`, without an offset,
        and that share.
    offset_mm : float or None
        Median of how far the version's skin lies outside of the original's, mm.
    median_mm : float or None
        Median distance of the two, without a sign, mm.
    vault_mm : float or None
        Upper quartile of the distance of the skin of the vault, which re-facing leaves as it is.
    moved_mm : float
        How far the version had to be moved back; 0 if it was compared in place.
    n : int
        Points of the original's face that were compared.
    aligned : bool
        Whether the vault lies where it was, so that the numbers mean something.
    """

    share_unchanged: float | None
    part: str | None
    part_unchanged: float | None
    offset_mm: float | None
    median_mm: float | None
    vault_mm: float | None
    moved_mm: float
    n: int
    aligned: bool


def face_change(
    before: Points, frame: FaceFrame, after: Points, after_frame: FaceFrame | None = None
) -> FaceChange:
    """Compare the skins of a scan and of a version of it.

    Parameters
    ----------
    before, after : (n, 3), (m, 3) float32
        Skin of the original and of the version, scanner RAS millimetres; all of it finite.
    frame, after_frame : FaceFrame
        Of both. The second is needed only where the version lies in another space.

    Returns
    -------
    FaceChange
        Without numbers where one of the two has too little skin. Where there are several ways to
        put one head onto the other, the one that leaves the face most alike.
    """
    there = to_average(before, frame)
    asked = _asked(before, there, frame)
    if asked is None or len(after) < MIN_POINTS:
        return FaceChange(None, None, None, None, None, None, 0.0, 0, aligned=False)
    skin = _Skin(after)
    head = before[_thinned(np.flatnonzero(above_neck(there)))]
    starts = [IN_PLACE, _moved_back(IN_PLACE, head, skin)]
    changes = [_compared(asked, skin, start) for start in starts]
    if after_frame is not None and not any(change.aligned for change in changes):
        start = _moved_back(_between(frame, after_frame), head, skin)
        changes.append(_compared(asked, skin, start))
    # in doubt it is the same face
    return max(changes, key=lambda change: (change.aligned, change.share_unchanged or 0.0))


class _Rigid(NamedTuple):
    """A rotation (3, 3) and a shift (3,), mm."""

    rotation: NDArray[np.float64]
    shift: NDArray[np.float64]

    def __call__(self, points: Points) -> NDArray[np.float64]:
        """Move points, (n, 3)."""
        return points @ self.rotation.T + self.shift


IN_PLACE = _Rigid(np.eye(3), np.zeros(3))


class _Asked(NamedTuple):
    """Points of the original that are compared.

    Attributes
    ----------
    face, outward : (n, 3)
        Skin of the face, and about which way is out.
    part : (n,) int
        Indices into `PARTS_ASKED`.
    vault : (m, 3)
        Skin of the vault.
    """

    face: Points
    outward: Points
    part: NDArray[np.intp]
    vault: Points


class _Skin:
    """A skin that points are compared with."""

    def __init__(self, points: Points) -> None:
        self.points = points
        self.tree = cKDTree(points, balanced_tree=False, compact_nodes=False)

    def distance(
        self, points: NDArray[np.floating]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the signed distance of points (n, 3) along the skin's normal, and the normal.

        The normal is that of the plane through the nearest points; its sign is of no account.
        """
        gap, nearest = self.tree.query(points, NEIGHBOURS)
        patch = self.points[nearest].astype(np.float64)
        middle = patch.mean(axis=1)
        spread = patch - middle[:, None]
        _, axes = np.linalg.eigh(np.einsum('nki,nkj->nij', spread, spread))
        normal = axes[:, :, 0]
        along = ((points - middle) * normal).sum(axis=1)
        far = gap[:, 0] > FAR_MM
        along[far] = np.where(along[far] < 0, -1, 1) * gap[far, 0]
        return along, normal


def _asked(before: Points, there: Points, frame: FaceFrame) -> _Asked | None:
    """Choose points of the face and of the vault; ``None`` if there are too few of either."""
    part = _parts(there)
    face = _thinned(np.flatnonzero(part >= 0))
    vault = _thinned(np.flatnonzero(there[:, 2] > VAULT_Z))
    if min(len(face), len(vault)) < MIN_POINTS:
        return None
    behind = (frame.origin - BEHIND_MM * frame.forward).astype(np.float32)
    return _Asked(before[face], before[face] - behind, part[face], before[vault])


def _parts(there: Points) -> NDArray[np.intp]:
    """Index into `PARTS_ASKED` of points in the average head's coordinates, -1 for all others."""
    average = average_head()
    cheeks = (average.face > CHEEKS_LOW).all(axis=1) & (average.face < CHEEKS_HIGH).all(axis=1)
    cheeks &= average.face_part == PARTS.index('other')
    # a row more for what is near to nothing
    own = np.full(len(average.face) + 1, -1, np.intp)
    own[:-1][cheeks] = PARTS_ASKED.index('cheeks')
    for number, name in enumerate(PARTS_ASKED[:3]):
        own[:-1][average.face_part == PARTS.index(name)] = number
    part = np.full(len(there), -1, np.intp)
    front = np.flatnonzero(there[:, 1] > average.face[:, 1].min())
    _, nearest = cKDTree(average.face).query(there[front], distance_upper_bound=NEAR_MM)
    part[front] = own[nearest]
    return part


def _thinned(numbers: NDArray[np.intp]) -> NDArray[np.intp]:
    """Take every so manieth of the points, `MAX_POINTS` at most."""
    return numbers[:: -(-len(numbers) // MAX_POINTS) or 1]


def _compared(asked: _Asked, skin: _Skin, start: _Rigid) -> FaceChange:
    """Compare points of a scan, moved, with a skin."""
    moved = start(asked.face)
    along, normal = skin.distance(moved)
    out = (normal * (asked.outward @ start.rotation.T)).sum(axis=1)
    outside = -along * np.where(out < 0, -1, 1)
    offset = float(np.median(outside))
    same = np.abs(outside) < SAME_MM
    parts = {
        name: float(same[asked.part == number].mean())
        for number, name in enumerate(PARTS_ASKED[:3])
        if (asked.part == number).sum() >= MIN_PART_POINTS
    }
    part = max(parts, key=parts.__getitem__, default=None)
    off_mm = float(np.quantile(np.abs(skin.distance(start(asked.vault))[0]), VAULT_SHARE))
    return FaceChange(
        share_unchanged=float((np.abs(outside - offset) < SAME_MM).mean()),
        part=part,
        part_unchanged=parts[part] if part else None,
        offset_mm=offset,
        median_mm=float(np.median(np.abs(outside))),
        vault_mm=off_mm,
        moved_mm=float(np.median(np.linalg.norm(moved - asked.face, axis=1))),
        n=len(moved),
        aligned=off_mm <= ALIGNED_MM,
    )


def _moved_back(start: _Rigid, head: Points, skin: _Skin) -> _Rigid:
    """Move a head onto a skin by the part that fits best (point to plane, Chen & Medioni 1992)."""
    rigid = start
    for _ in range(TURNS):
        moved = rigid(head)
        along, normal = skin.distance(moved)
        kept = np.abs(along) <= np.quantile(np.abs(along), KEPT)
        middle = moved[kept].mean(axis=0)
        rows = np.hstack([np.cross(moved[kept] - middle, normal[kept]), normal[kept]])
        step, *_ = np.linalg.lstsq(rows, -along[kept], rcond=None)
        turn = Rotation.from_rotvec(step[:3]).as_matrix()
        rotation = turn @ rigid.rotation
        shift = turn @ (rigid.shift - middle) + middle + step[3:]
        rigid = _Rigid(rotation, shift)
    return rigid


def _between(frame: FaceFrame, other: FaceFrame) -> _Rigid:
    """Bring one face frame onto another, without its size."""
    here, there = (np.array([one.left, one.forward, one.up]) for one in (frame, other))
    rotation = there.T @ here
    return _Rigid(rotation, other.origin - rotation @ frame.origin)
