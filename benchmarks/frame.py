"""How well the face frame follows a head: ``python -m benchmarks.frame [--people N]``.

Synthetic heads are scanned with 2 mm voxels, straight and otherwise: tilted, moved, small in a
large field of view, cut by its end, as small as a child's, with a header that is wrong about the
axes. The frame found in each is compared with that of the same head held straight, brought to
where the head is. Prints one TSV row per case over all heads: degrees and millimetres off
(mean and worst), the worst ratio of scales, the shares of the face in view and of its eyes, nose
and mouth that have skin (means), how often the skin agrees with the average's face, how many
frames come from the face, how many are trusted, and processor time for one frame.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bids_reid.phantom.identity import Identity
    from bids_reid.surface.frame import FaceFrame, FoundFrame

SPACING = 2.0
LARGE = (300.0, 330.0, 340.0)
SEED = 31
CUT_MM = (-35.0, 24.0)
"""Depth and height of a cut face, head coordinates."""


class Case(NamedTuple):
    """A way to scan a head.

    ``rotation`` in degrees and ``shift`` in mm are those of the phantom's `Pose`; ``axis``,
    ``low`` and ``high`` (mm, head coordinates) cut the field of view of a straight head;
    ``scale`` resizes the head; ``header`` permutes the axes that the header claims; ``cut`` sets
    the face to zero, in front of `CUT_MM` and below it.
    """

    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    large: bool = False
    axis: int = 2
    low: float = -np.inf
    high: float = np.inf
    scale: float = 1.0
    header: tuple[int, int, int] = (0, 1, 2)
    cut: bool = False


CASES = {
    'pitch 25': Case((25, 0, 0), large=True),
    'pitch -25': Case((-25, 0, 0), large=True),
    'roll 25': Case((0, 25, 0), large=True),
    'yaw 25': Case((0, 0, 25), large=True),
    'yaw -25': Case((0, 0, -25), large=True),
    'mixed 15': Case((15, -15, 15), large=True),
    'mixed 25': Case((-25, 25, 25), (20, -30, 10), large=True),
    'moved 40': Case(shift=(40, -40, 40), large=True),
    'large field': Case(large=True),
    'cut at forehead': Case(low=40),
    'cut at brow': Case(low=18),
    'cut at eyes': Case(low=0),
    'cut under nose': Case(low=-44),
    'cut at lips': Case(low=-65),
    'nose tip cut': Case(axis=1, high=25),
    'vertex cut': Case(high=85),
    'child': Case(scale=0.75),
    'child tilted': Case((15, 5, -10), scale=0.75, large=True),
    'face up': Case(header=(0, 2, 1)),
    'face to the side': Case(header=(1, 0, 2)),
    'face removed': Case(cut=True),
    'removed, pitch 20': Case((20, 0, 0), large=True, cut=True),
    'removed, pitch -20': Case((-20, 0, 0), large=True, cut=True),
    'removed, mixed 15': Case((15, -15, 15), large=True, cut=True),
    'removed, to the lips': Case(low=-65, cut=True),
}


def found(person: Identity, case: Case) -> tuple[FoundFrame, NDArray[np.float64], float]:
    """Scan a head and find its frame.

    Returns
    -------
    FoundFrame
    (4, 4) from the straight head to the scan
    seconds of processor time for the frame
    """
    from bids_reid.phantom.scanner import FIELD_OF_VIEW, Pose, scan_volume
    from bids_reid.surface.frame import FieldOfView, find_frame
    from bids_reid.surface.skin import extract_skin
    from bids_reid.surface.volume import Volume

    pose = Pose(case.rotation, case.shift)
    size = LARGE if case.large else FIELD_OF_VIEW
    data, affine = scan_volume(person, seed=SEED, spacing=SPACING, pose=pose, field_of_view=size)
    if case.cut:
        data = data.copy()
        data[_face(data.shape, pose.to_head() @ affine)] = 0
    along = affine[case.axis, 3] + SPACING * np.arange(data.shape[case.axis])
    kept = np.flatnonzero((along >= case.low) & (along <= case.high))
    data = data.take(kept, axis=case.axis)
    affine[case.axis, 3] = along[kept[0]]
    world = np.diag([case.scale, case.scale, case.scale, 1.0])
    world[:3] = world[list(case.header), :]
    if np.linalg.det(world) < 0:
        # an odd exchange of axes would be a mirror: turn one round
        world[1] *= -1
    affine = world @ affine
    volume = Volume(data.astype(np.float32), affine, (SPACING,) * 3)
    skin = extract_skin(volume)
    start = time.process_time()
    frame = find_frame(skin.points, FieldOfView(affine, data.shape))
    return frame, world @ pose.to_world(), time.process_time() - start


def _face(shape: tuple[int, ...], to_head: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Voxels (i, j, k) that a tool for removing faces sets to zero."""
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing='ij'), axis=-1)
    _, y, z = np.moveaxis(index @ to_head[:3, :3].T + to_head[:3, 3], -1, 0)
    return np.asarray((y > CUT_MM[0]) & (z < CUT_MM[1]))


def off(frame: FaceFrame, straight: FaceFrame, world: NDArray[np.float64]) -> tuple[float, ...]:
    """Degrees, millimetres and ratio of scales between a frame and where it should be."""
    scale = float(np.cbrt(np.linalg.det(world[:3, :3])))
    axes = [np.stack([-f.left, f.forward, f.up], axis=1) for f in (frame, straight)]
    turn = axes[0].T @ (world[:3, :3] / scale) @ axes[1]
    degrees = np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))
    there = world[:3, :3] @ straight.origin + world[:3, 3]
    ratio = frame.scale / straight.scale / scale
    return float(degrees), float(np.linalg.norm(frame.origin - there)), max(ratio, 1 / ratio)


def main(people: int) -> None:
    """Print the table."""
    from bids_reid.levels import prepare_environment

    prepare_environment()
    from bids_reid.phantom.identity import draw_people

    persons = draw_people(people, seed=SEED)
    straight = [found(person, Case())[0].frame for person in persons]
    columns = ('degrees', 'worst_degrees', 'mm', 'worst_mm', 'worst_scale', 'in_view', 'covered')
    print('case', *columns, 'agree', 'by_face', 'trusted', 'of', 'cpu_s', sep='\t')
    for name, case in CASES.items():
        results = [found(person, case) for person in persons]
        errors = np.array(
            [off(r[0].frame, s, r[1]) for r, s in zip(results, straight, strict=True)]
        )
        faces = [result[0].face for result in results]
        numbers = (
            *(errors[:, 0].mean(), errors[:, 0].max(), errors[:, 1].mean(), errors[:, 1].max()),
            errors[:, 2].max(),
            np.mean([face.in_view for face in faces]),
            np.mean([face.covered for face in faces]),
        )
        agree = sum(face.agrees for face in faces)
        by_face = sum(result[0].source == 'face' for result in results)
        trusted = sum(result[0].trusted for result in results)
        seconds = np.median([result[2] for result in results])
        shown = [f'{number:.2f}' for number in numbers]
        print(
            name, *shown, agree, by_face, trusted, people, f'{seconds:.2f}', sep='\t', flush=True
        )


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--people', type=int, default=8)
    main(parser.parse_args().people)
