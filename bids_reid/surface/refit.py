"""Fit the average head to what is left of a head whose face was cut away: vault, forehead, ears.

The fit of whole heads (:mod:`bids_reid.surface.fit`) leans on the cut. Here the skin where faces
are cut counts only if it follows the average's, skin near a cut does not count, and the places of
the ears are asked for: skulls differ too much at the back to tell how a head nods, while ears are
nearly in the same place on all of them. The skin is compared in patches, each with how much heads
differ there, so that the result comes with its own uncertainty.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from bids_reid.surface.average import average_head
from bids_reid.surface.fit import Similarity, moved_by

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Points = NDArray[np.float32]
    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]

N_PATCHES = 130
MIDDLE_MM = np.array([0.0, -70.0, 10.0])
"""Turns and changes of size are about this point of the average head."""
LANDMARKS_MM = np.array(
    [(-34.0, 11.0, 1.0), (34.0, 11.0, 1.0), (0.0, 36.0, -35.0), (0.0, 19.0, -67.0)]
)
"""Eyes, tip of the nose and mouth of the average head."""
FACE_BEHIND_MM, FACE_TOP_MM = -62.0, 28.0
"""Skin in front of the first and below the second is where faces are cut."""
FRONT_MM = -60.0
"""In front of this plane, skin inside the average may be a cut."""
SPREAD_MM = 0.5
BACK_MM, LOW_MM, EAR_SKIN_MM = 20.0, 15.0, 15.0
"""Standard deviation of the skin from the average's: of vault and forehead, of the back of the
head and the nape, of the jaw, and of the ears themselves."""
REACH_MM = 35.0
"""Distance over which neighbouring patches deviate alike."""
PATCH_MM = 2.0
"""Deviation of a patch on its own."""
AXES_SPREAD = 0.01
SIZE_SPREAD = 0.07
EARS_MM = np.array([(-78.0, -86.5, -19.5), (78.0, -86.5, -19.5)])
"""Middle of what stands out at either side of the average head, as `_ear` finds it."""
EAR_SPREAD_MM = np.array([5.0, 2.5, 2.5])
"""Across, along and up. Measured against the frame of the whole face: 3 mm along and up; they are
held more firmly, since skulls of two kinds differ more than the patches allow for."""
AROUND_EAR_MM = np.array([(0.0, y, z) for y in (-25.0, 25.0) for z in (-38.0, 38.0)])
"""An ear is sought only where all of this is in the field of view: of a part the middle is not."""
DEPTHS_MM = (25.0, 20.0, 16.0, 13.0, 11.0, 10.0, 9.0, 9.0, 9.0, 9.0)
"""Skin that lies deeper inside the average's front is a cut, one number per iteration."""
EARS_SOUGHT = (0, 3, 6, 8)
"""Iterations before which the ears are located again."""
EDGE_MM = 10.0
"""Skin closer to a cut than this is left out."""
FOLLOWS_MM, FOLLOWS_COSINE = 4.0, 0.9
"""Distance to the average's skin, and cosine of the angle, up to which skin of the face counts."""
FOLLOWS_FROM = 6
"""Iteration from which on skin of the face counts."""
MORE_THAN_PREDICTED = 1.3
"""Root mean square of the measured errors over the predicted ones, on heads of two kinds."""
FACE_NEAR_MM = 7.0
FAR_MM = 25.0
PATCH_POINTS = 1.5
NEIGHBOURS = 12


class Refit(NamedTuple):
    """A fit to what is left of a head.

    Attributes
    ----------
    fit : Similarity
        One transform.
    face_off_mm : float
        Predicted standard deviation of the place of eyes, nose and mouth, mm of the scan.
    loss : float
        Of the patches that are in view and not cut by design, from 0 to 1: how badly they follow.
    ears : int
        How many ears were found.
    missed : int
        How many were not though they should be in view.
    """

    fit: Similarity
    face_off_mm: float
    loss: float
    ears: int
    missed: int


class Left(NamedTuple):
    """Skin of a scan: ``points`` and unit ``normals`` (n, 3) spread evenly, and (m, 3) of all."""

    points: Points
    normals: Points
    dense: Points
    in_view: Callable[[Points], Flags]


class _Patches(NamedTuple):
    """Patches of the average head: middles (n, 3), spread in mm (n,), covariance, what is face."""

    centre: Points
    tree: cKDTree
    spread: Numbers
    covariance: Numbers
    face: Flags


class _Compared(NamedTuple):
    """Skin in the average head: distances in mm of the scan."""

    moved: Points
    distance: Points
    gradient: Points
    kept: Flags


class _System(NamedTuple):
    """Normal equations of a small change: turn (3), shift (3), size."""

    matrix: Numbers
    gradient: Numbers
    residual: Numbers


def left_of(points: Points, dense: Points, in_view: Callable[[Points], Flags]) -> Left:
    """Prepare skin points (n, 3) of those of a dense skin (m, 3): normals are theirs."""
    tree = cKDTree(dense, balanced_tree=False, compact_nodes=False)
    _, near = tree.query(points, k=min(NEIGHBOURS, len(dense)))
    away = dense[near.reshape(len(points), -1)]
    away = (away - away.mean(axis=1, keepdims=True)).astype(np.float64)
    _, axes = np.linalg.eigh(away.transpose(0, 2, 1) @ away)
    return Left(points, axes[:, :, 0].astype(np.float32), dense, in_view)


def refit(starts: Sequence[Similarity], left: Left) -> Refit:
    """Fit what is left of a head from each start, and return the best.

    Parameters
    ----------
    starts : sequence of Similarity
        One transform each.
    left : Left
        The skin of the scan.
    """
    return min((_refitted(start, left) for start in starts), key=lambda one: one.loss)


def follows(fit: Similarity, left: Left) -> float:
    """Share of the average's face whose skin the scan's follows."""
    average = average_head()
    compared = _compared(fit, left, FAR_MM, face=True)
    _, y, z = compared.moved.T
    skin = compared.moved[compared.kept & (y > FACE_BEHIND_MM) & (z < FACE_TOP_MM)]
    if len(skin) == 0:
        return 0.0
    near, _ = cKDTree(skin).query(average.face, distance_upper_bound=FACE_NEAR_MM)
    return float(np.isfinite(near).mean())


def _refitted(fit: Similarity, left: Left) -> Refit:
    ears: list[Numbers | None] = [None, None]
    for number, depth in enumerate(DEPTHS_MM):
        if number in EARS_SOUGHT:
            ears = _ears(fit, left)
        system = _system(fit, left, depth, ears, face=number >= FOLLOWS_FROM)
        damped = system.matrix + np.diag([0.05] * 6 + [0.0])
        step = np.asarray(-np.linalg.solve(damped, system.gradient), float)
        fit = moved_by(fit, MIDDLE_MM[None], step[None])
    return _judged(fit, left, ears)


def judged(fit: Similarity, left: Left) -> Refit:
    """Judge a fit by what is left of the head, and leave it as it is."""
    return _judged(fit, left, _ears(fit, left))


def apart_mm(one: Similarity, other: Similarity) -> float:
    """Mean distance of the landmarks of the face by two fits, mm of the scan."""
    places = [fit.to_scan(LANDMARKS_MM.astype(np.float32))[0] for fit in (one, other)]
    return float(np.linalg.norm(places[0] - places[1], axis=1).mean())


def _judged(fit: Similarity, left: Left, ears: Sequence[Numbers | None]) -> Refit:
    system = _system(fit, left, DEPTHS_MM[-1], ears, face=True)
    loss = _loss(fit, system, left)
    found = sum(ear is not None for ear in ears)
    missed = sum(_ears_in_view(fit, left)) - found
    return Refit(fit, _face_off(fit, system.matrix), loss, found, missed)


@cache
def _patches() -> _Patches:
    """Patches of the average head, far from each other, and how heads differ there."""
    average = average_head()
    centre = _spread_out(average.head, N_PATCHES)
    _, normal, _ = average.distance(centre)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    x, y, z = centre.T
    side = np.abs(x)
    spread = np.full(len(centre), SPREAD_MM)
    back = np.clip((-y - 110) / 40, 0, 1) * np.clip((100 - z) / 40, 0, 1)
    spread += (BACK_MM - SPREAD_MM) * back
    spread[(z < -20) & (y < -100)] = BACK_MM
    ear = (side > 62) & (y < -50) & (y > -118) & (z < 25)
    spread[ear] = np.maximum(spread[ear], EAR_SKIN_MM)
    low = z < -55
    spread[low] = np.maximum(spread[low], LOW_MM)
    apart = np.linalg.norm(centre[:, None] - centre, axis=-1)
    covariance = np.outer(spread, spread) * np.exp(-apart / REACH_MM)
    longer = AXES_SPREAD * (centre - MIDDLE_MM) * normal
    covariance += longer @ longer.T
    face = (y > FACE_BEHIND_MM) & (z < FACE_TOP_MM)
    return _Patches(centre, cKDTree(centre), spread, covariance, face)


def _spread_out(points: Points, number: int) -> Points:
    """Take points that are far from each other: the next one is the farthest from all before."""
    chosen = [int(np.argmax(points[:, 2]))]
    away = np.full(len(points), np.inf, np.float32)
    for _ in range(number - 1):
        away = np.minimum(away, np.linalg.norm(points - points[chosen[-1]], axis=1))
        chosen.append(int(away.argmax()))
    return points[chosen]


def _compared(fit: Similarity, left: Left, depth: float, *, face: bool) -> _Compared:
    """Compare the skin with the average's, and leave out what a tool cut."""
    average = average_head()
    moved = fit.to_average(left.points)[0]
    distance, gradient, valid = average.distance(moved)
    distance = distance / np.float32(fit.size[0])
    turned = left.normals @ fit.rotation[0].T.astype(np.float32)
    steep = np.maximum(np.linalg.norm(gradient, axis=1), 1e-6)
    cosine = np.abs((turned * gradient).sum(axis=1)) / steep
    _, y, z = moved.T
    of_face = (y > FACE_BEHIND_MM) & (z < FACE_TOP_MM)
    front = y > FRONT_MM
    asked = valid & ~of_face
    cut = asked & front & (distance < -depth)
    kept = asked & ~cut & (np.abs(distance) < FAR_MM) & ((cosine > 0.6) | ~front)
    if cut.any():
        near, _ = cKDTree(moved[cut]).query(moved, distance_upper_bound=EDGE_MM)
        kept &= ~np.isfinite(near)
    if face:
        kept |= valid & of_face & (np.abs(distance) < FOLLOWS_MM) & (cosine > FOLLOWS_COSINE)
    return _Compared(moved, distance, gradient, kept)


def _system(
    fit: Similarity,
    left: Left,
    depth: float,
    ears: Sequence[Numbers | None],
    *,
    face: bool,
) -> _System:
    """Weigh the patches by how much heads differ there, and add the ears and the size."""
    patches = _patches()
    compared = _compared(fit, left, depth, face=face)
    kept = compared.kept
    moved, distance, normal = (
        compared.moved[kept],
        compared.distance[kept],
        compared.gradient[kept],
    )
    size = float(fit.size[0])
    _, label = patches.tree.query(moved)
    width = 4 * patches.spread[label] + 2
    weight = 1 / (1 + (distance / width) ** 2) ** 2
    count = np.bincount(label, weight, N_PATCHES)
    has = count > PATCH_POINTS
    arm = moved - MIDDLE_MM
    jacobian = np.column_stack([np.cross(arm, normal), normal, (arm * normal).sum(axis=1)]) / size

    def mean(values: NDArray[np.floating]) -> Numbers:
        return np.bincount(label, weight * values, N_PATCHES)[has] / count[has]

    residual = mean(distance)
    change = np.column_stack([mean(column) for column in jacobian.T])
    own = PATCH_MM**2 * (1 + 1 / np.minimum(count[has], 9))
    covariance = patches.covariance[np.ix_(has, has)] + np.diag(own)
    both = np.linalg.solve(covariance, np.column_stack([change, residual]))
    matrix, gradient = change.T @ both[:, :7], change.T @ both[:, 7]
    matrix[6, 6] += 1 / SIZE_SPREAD**2
    gradient[6] += np.log(size) / SIZE_SPREAD**2
    for ear, expected in zip(ears, EARS_MM, strict=True):
        if ear is not None:
            _add_ear(matrix, gradient, fit, ear, expected)
    every = np.full(N_PATCHES, np.nan)
    every[has] = residual
    return _System(matrix, gradient, every)


def _add_ear(
    matrix: Numbers, gradient: Numbers, fit: Similarity, ear: Numbers, expected: Numbers
) -> None:
    """Add where an ear is to the normal equations; both ears err alike."""
    place = fit.to_average(ear[None].astype(np.float32))[0, 0].astype(float)
    change = _change(place - MIDDLE_MM)
    off = place - expected
    farther = np.linalg.norm(off / EAR_SPREAD_MM) / 8
    weight = np.diag(EAR_SPREAD_MM**-2.0) / np.sqrt(2) / (1 + farther**2) ** 2
    matrix += change.T @ weight @ change
    gradient += change.T @ weight @ off


def _change(arm: Numbers) -> Numbers:
    """How a point at ``arm`` from the middle moves with turn, shift and size, (3, 7)."""
    x, y, z = arm
    turn = np.array([[0, z, -y], [-z, 0, x], [y, -x, 0]])
    return np.column_stack([turn, np.eye(3), arm])


def _face_off(fit: Similarity, matrix: Numbers) -> float:
    """Predicted standard deviation of the landmarks' places, mm of the scan."""
    # what nothing is known of is as far off as a head is large
    covariance = np.linalg.inv(matrix + np.diag([1.0] * 3 + [1e-4] * 3 + [0.0]))
    changes = [_change(point - MIDDLE_MM) for point in LANDMARKS_MM]
    variance = np.mean([np.trace(change @ covariance @ change.T) for change in changes])
    return float(MORE_THAN_PREDICTED * np.sqrt(variance) / fit.size[0])


def _loss(fit: Similarity, system: _System, left: Left) -> float:
    """How badly the patches outside of the face follow, from 0 to 1."""
    patches = _patches()
    asked = left.in_view(fit.to_scan(patches.centre)[0]) & ~patches.face
    if not asked.any():
        return 1.0
    spread = patches.spread.clip(None, 7.0)
    part = (system.residual / (spread + PATCH_MM)) ** 2
    loss = np.where(np.isfinite(part), part / (part + 2), 1.0)
    return float(loss[asked].mean())


def _ears(fit: Similarity, left: Left) -> list[Numbers | None]:
    """Places of the left and the right ear in the scan, (3,) each; one that is cut has none."""
    moved = fit.to_average(left.dense[::2])[0]
    ears: list[Numbers | None] = []
    for expected, whole in zip(EARS_MM, _ears_in_view(fit, left), strict=True):
        ear = _ear(moved, expected) if whole else None
        ears.append(None if ear is None else fit.to_scan(ear[None])[0, 0].astype(float))
    return ears


def _ears_in_view(fit: Similarity, left: Left) -> list[bool]:
    """Whether the left and the right ear are wholly in the field of view."""
    around = [(expected + AROUND_EAR_MM).astype(np.float32) for expected in EARS_MM]
    return [bool(left.in_view(fit.to_scan(points)[0]).all()) for points in around]


def _ear(moved: Points, expected: Numbers) -> Points | None:
    """Middle of what stands out from a smooth side of a head, near where an ear should be."""
    side = np.sign(expected[0])
    back, up = (moved[:, 1:] - expected[1:].astype(np.float32)).T
    around = (side * moved[:, 0] > 45) & (back < 32) & (back > -60) & (np.abs(up) < 60)
    points = moved[around]
    out = side * points[:, 0].astype(float)
    u, v = back[around] / 50, up[around] / 50
    terms = np.column_stack([np.ones_like(u), u, v, u * u, u * v, v * v])
    ring = u * u + v * v > 0.35
    used = ring
    height = np.zeros(len(points))
    for _ in range(4):
        if used.sum() < 30:
            return None
        height = out - terms @ np.linalg.lstsq(terms[used], out[used], rcond=None)[0]
        used = ring & (np.abs(height - np.median(height[used])) < 5)
    ear = (height > 6) & (height < 40) & (u * u + v * v < 0.8)
    if ear.sum() < 15:
        return None
    middle = np.median(points[ear], axis=0)
    ear &= (np.abs(points[:, 1:] - middle[1:]) < [28, 40]).all(axis=1)
    return points[ear].mean(axis=0) if ear.sum() >= 15 else None
