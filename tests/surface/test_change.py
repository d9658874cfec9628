"""Whether a re-faced image still shows its own face: published as somebody else's otherwise."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from bids_reid.phantom.defacing import before_face_plane
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.scanner import Scan
from bids_reid.phantom.shapes import step
from bids_reid.risk.refacing import judge_refaced
from bids_reid.surface.average import average_head
from bids_reid.surface.change import ALIGNED_MM, face_change
from bids_reid.surface.frame import ORIGIN_MM, FaceFrame, FieldOfView, find_frame
from bids_reid.surface.mesh import contour
from bids_reid.surface.skin import extract_skin
from bids_reid.surface.volume import Volume
from tests.support.defacing import deface_stored, scan_defaced

Points = NDArray[np.float32]
FRAME = FaceFrame(np.array(ORIGIN_MM), np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
NOSE, EYES = (0.0, 25.0, -28.0), (0.0, 12.0, 3.0)


@cache
def head(off: float = 0.0) -> Points:
    """The average head, on a grid that begins elsewhere."""
    average = average_head()
    affine = np.diag([average.spacing, average.spacing, average.spacing, 1.0])
    affine[:3, 3] = average.low
    start = apply_affine(np.linalg.inv(affine), average.low + off)
    field = ndimage.shift(average.field, -start, order=1, mode='nearest')
    affine[:3, 3] += off
    inside = np.clip(0.5 - field / (2 * average.spacing), 0, 1).astype(np.float32)
    return contour(inside, affine).points


def bulged(points: Points, centre: tuple[float, ...], mm: float, width: float) -> Points:
    """Skin pushed forwards around a point."""
    away = np.linalg.norm(points - np.array(centre, np.float32), axis=1)
    push = mm * np.exp(-((away / width) ** 2) / 2)
    return (points + push[:, None] * np.array([0, 1, 0])).astype(np.float32)


def moved(points: Points, degrees: float, mm: float) -> Points:
    """All of a head moved."""
    turn = Rotation.from_euler('xyz', [degrees, -degrees / 2, degrees / 3], degrees=True)
    return (turn.apply(points) + np.array([mm, -mm / 2, mm / 4])).astype(np.float32)


def test_the_same_face_is_unchanged_on_another_grid() -> None:
    """A version that was resampled has none of its points where they were."""
    for after in (head(), head(0.7)):
        change = face_change(head(), FRAME, after)
        assert change.aligned
        assert change.share_unchanged is not None
        assert change.share_unchanged > 0.9
        assert judge_refaced(change, True)[0] == 'review'


def test_a_face_that_was_replaced_is_changed() -> None:
    """Otherwise no re-faced dataset is ever shared."""
    change = face_change(head(), FRAME, bulged(head(), NOSE, 6.0, 30.0))
    assert change.aligned
    assert (change.share_unchanged or 1) < 0.3
    assert (change.median_mm or 0) > 1
    assert judge_refaced(change, True)[0] == 'no findings'


def test_a_part_that_was_left_is_found() -> None:
    """A tool replaced mouth and nose, and the eyes are still the participant's."""
    after = bulged(head(), (0.0, 15.0, -75.0), 8.0, 16.0)
    change = face_change(head(), FRAME, bulged(after, (0.0, 25.0, -42.0), 6.0, 10.0))
    assert change.part == 'eyes'
    assert (change.part_unchanged or 0) > 0.95
    assert judge_refaced(change, True)[0] == 'review'


def test_a_face_that_only_swells_is_unchanged() -> None:
    """Smoothing moves the skin outwards by millimetres, and everybody is still known by it."""
    centre = np.array([0.0, -60.0, -20.0], np.float32)
    away = head() - centre
    front = np.clip((head()[:, 1] + 40) / 30, 0, 1) * np.clip((30 - head()[:, 2]) / 20, 0, 1)
    out = away / np.linalg.norm(away, axis=1, keepdims=True)
    change = face_change(head(), FRAME, (head() + 2 * front[:, None] * out).astype(np.float32))
    assert (change.part_unchanged or 0) < 0.1
    assert change.offset_mm == pytest.approx(1.8, abs=0.3)
    assert judge_refaced(change, True)[0] == 'review'


@pytest.mark.parametrize(('degrees', 'mm'), [(0.0, 0.6), (1.0, 2.0), (4.0, 6.0)])
def test_a_head_that_was_moved_is_not_a_changed_face(degrees: float, mm: float) -> None:
    """Rounding in a header moved the image by 2 mm, and its face passed as another one."""
    change = face_change(head(), FRAME, moved(head(), degrees, mm))
    assert change.aligned
    assert (change.share_unchanged or 0) > 0.95
    assert change.moved_mm > mm / 2
    # and a replaced one is still replaced
    change = face_change(head(), FRAME, moved(bulged(head(), NOSE, 6.0, 30.0), degrees, mm))
    assert change.aligned
    assert (change.share_unchanged or 1) < 0.5


def test_another_space_is_compared_by_both_frames_or_not_at_all() -> None:
    """Where nothing lies in its place a changed face says nothing."""
    turn = Rotation.from_euler('z', 170, degrees=True)
    there = (turn.apply(head()) + np.array([0.0, 0.0, 300.0])).astype(np.float32)
    change = face_change(head(), FRAME, there)
    assert not change.aligned
    assert judge_refaced(change, True)[0] == 'could not assess'
    frame = FaceFrame(
        turn.apply(FRAME.origin) + np.array([3.0, -2.0, 302.0]),
        turn.apply(FRAME.forward),
        FRAME.up,
    )
    change = face_change(head(), FRAME, there, frame)
    assert change.aligned
    assert (change.share_unchanged or 0) > 0.95


def test_another_head_is_not_aligned() -> None:
    """The version of another participant, under the wrong name, has another face for sure."""
    wider = (head() * np.array([1.05, 0.97, 1.03])).astype(np.float32)
    change = face_change(head(), FRAME, wider, FRAME)
    assert not change.aligned
    assert (change.vault_mm or 0) > ALIGNED_MM


def test_without_a_face_or_a_head_nothing_is_said() -> None:
    """An original that shows no face itself was de-faced before."""
    cut = head()[head()[:, 1] < -20]
    for before, after in ((cut, head()), (head(), head()[:20]), (head()[:0], head())):
        change = face_change(before, FRAME, after)
        assert (change.share_unchanged, change.aligned, change.n) == (None, False, 0)
        assert judge_refaced(change, True)[0] == 'could not assess'


def skin(scan: Scan) -> tuple[Points, FieldOfView]:
    sizes = np.linalg.norm(scan.affine[:3, :3], axis=0)
    volume = Volume(scan.data.astype(np.float32), scan.affine, tuple(sizes.tolist()))
    return extract_skin(volume).points, FieldOfView(volume.affine, volume.data.shape)


def blurred(scan: Scan, mm: float) -> Scan:
    """Smoothed where the face is, and as it was elsewhere."""
    values = scan.data.astype(np.float32)
    smooth = ndimage.gaussian_filter(values, mm / np.linalg.norm(scan.affine[:3, 0]))
    share = step(before_face_plane(scan), -4.0, 0.0)
    return replace(scan, data=values + share * (smooth - values))


@pytest.mark.slow
@pytest.mark.parametrize('seed', [11, 12])
def test_phantoms_are_judged_right(seed: int) -> None:
    """The limits are of phantoms; these are others than those that they were taken from."""
    (who,) = draw_people(1, seed=[seed])
    base = scan_defaced('intact', who, seed=[seed], spacing=1.5)
    before, view = skin(base)
    frame = find_frame(before, view).frame
    versions = {
        'noisier': ('review', scan_defaced('intact', who, seed=[seed], spacing=1.5, noise=0.05)),
        'left': ('review', base),
        'blurred': ('review', blurred(base, 2.5)),
        'below the nose': ('review', deface_stored('shallow', base, seed=[seed])),
        **{
            name: ('no findings', scan_defaced(name, who, seed=[seed], spacing=1.5))
            for name in ('refaced-average', 'refaced-other')
        },
    }
    told = {
        name: judge_refaced(face_change(before, frame, skin(scan)[0]), has_original=True)[0]
        for name, (_, scan) in versions.items()
    }
    assert told == {name: verdict for name, (verdict, _) in versions.items()}
