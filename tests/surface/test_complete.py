"""A cut face is continued; what was scanned stays what it is."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.sampling import move
from bids_reid.phantom.scanner import Scan
from bids_reid.surface.complete import BLEND_MM, Completion, complete_face
from bids_reid.surface.frame import FieldOfView, find_frame
from bids_reid.surface.skin import Skin, find_skin
from bids_reid.surface.volume import Volume
from tests.support.presets import scan_preset

SEED = 20
PEOPLE = draw_people(2, seed=SEED)
FACE = np.array([(-60.0, 60.0), (-20.0, 60.0), (-105.0, 60.0)]).T


class Result(NamedTuple):
    scan: Scan
    cut: Skin
    whole: Skin | None
    completion: Completion | None


@cache
def result(name: str, number: int = 0, spacing: float = 1.6) -> Result:
    scan = scan_preset(name, PEOPLE[number], seed=[SEED, number], spacing=spacing)
    volume = Volume(scan.data.astype(np.float32), scan.affine, (spacing,) * 3)
    field = find_skin(volume)
    skin = field.cut()
    placed = find_frame(skin.points, FieldOfView(volume.affine, volume.data.shape))
    completed = complete_face(field, skin.points, placed)
    if completed is None:
        return Result(scan, skin, None, None)
    return Result(scan, skin, completed[0].cut(), completed[1])


def height(points: NDArray[np.floating], scan: Scan) -> NDArray[np.floating]:
    """Millimetres above the lowest border of the field of view."""
    voxel = move(points, np.linalg.inv(scan.affine))
    return (voxel[:, 2] + 0.5) * np.linalg.norm(scan.affine[:3, 2])


def in_face(points: NDArray[np.floating], scan: Scan) -> NDArray[np.bool_]:
    where = move(points, scan.to_head)
    return ((where > FACE[0]) & (where < FACE[1])).all(axis=1)


@pytest.mark.parametrize(
    ('name', 'parts'),
    [
        ('cut-nose', {'nose', 'mouth', 'chin'}),
        pytest.param('cut-lips', {'mouth', 'chin'}, marks=pytest.mark.slow),
    ],
)
def test_what_is_missing_is_named_and_added(name: str, parts: set[str]) -> None:
    """The rest of a face that is somebody else's must be known as such."""
    scan, cut, whole, completion = result(name)
    assert whole is not None
    assert completion is not None
    assert set(completion.parts) == parts
    assert 0.2 < completion.share < 0.6
    added = whole.points[(height(whole.points, scan) < -2) & in_face(whole.points, scan)]
    assert len(added) > 0.05 * len(cut.points)
    # half a centimetre from a face that is not known, on average
    assert np.abs(scan.skin_distance(added[::5])).mean() < 5


@pytest.mark.parametrize('name', ['cut-nose', 'cut-lips'])
def test_no_step_shows_at_the_cut(name: str) -> None:
    """An edge across the face is seen by a detector, and by whoever reads the page."""
    scan, _, whole, _ = result(name)
    assert whole is not None
    above, face = height(whole.points, scan), in_face(whole.points, scan)
    where = move(whole.points, scan.to_head)
    off = scan.skin_distance(whole.points)
    for left in range(-50, 50, 20):
        strip = face & (where[:, 0] > left) & (where[:, 0] < left + 20)
        upper, lower = strip & (above > 0) & (above < 6), strip & (above < 0) & (above > -6)
        assert abs(off[upper].mean() - off[lower].mean()) < 2


def test_what_was_scanned_stays() -> None:
    """Somebody's own nose is what may give them away."""
    scan, cut, whole, _ = result('cut-lips')
    assert whole is not None
    kept = cut.points[height(cut.points, scan) > BLEND_MM + 6]
    assert cKDTree(whole.points).query(kept)[0].max() < 0.1


@pytest.mark.parametrize(
    'name', ['t1w', 'defaced', 'skull-stripped', 'cut-forehead', 'cut-vertex']
)
def test_nothing_is_added_to_a_whole_face_or_where_none_is_known(name: str) -> None:
    """A face that was removed, and then invented, would make de-facing look useless."""
    assert result(name).whole is None
