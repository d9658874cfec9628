"""Traces of each part of a face, on phantoms of which it is known what was cut."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from bids_reid.phantom.defacing import coordinates, zeroed
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.scanner import Scan
from bids_reid.records import PartTrace
from bids_reid.surface.frame import FaceFrame, FieldOfView, find_frame
from bids_reid.surface.islands import islands, joined
from bids_reid.surface.mesh import Mesh, vertex_normals
from bids_reid.surface.parts import PARTS, face_parts
from bids_reid.surface.skin import extract_skin
from bids_reid.surface.traces import LETTERS, OUTSIDE, emptied_air, face_traces
from bids_reid.surface.volume import Volume
from tests.support.artefacts import crop
from tests.support.defacing import scan_defaced

SPACING = 2.0
FACE = ('left eye', 'right eye', 'nose', 'mouth')


@cache
def whole() -> Scan:
    (person,) = draw_people(1, seed=3)
    return scan_defaced('intact', person, seed=[1], spacing=SPACING)


@cache
def frame() -> FaceFrame:
    """Where the face of the whole head is."""
    volume = volume_of(whole())
    view = FieldOfView(volume.affine, volume.data.shape)
    return find_frame(extract_skin(volume).points, view).frame


def volume_of(scan: Scan) -> Volume:
    return Volume(scan.data.astype(np.float32), scan.affine, (SPACING,) * 3)


def skin_of(volume: Volume) -> Mesh:
    skin = extract_skin(volume)
    return Mesh(skin.points, skin.triangles)


def traced(scan: Scan) -> tuple[dict[str, PartTrace], str]:
    """Trace a version of the whole head."""
    volume = volume_of(scan)
    view = FieldOfView(volume.affine, volume.data.shape)
    mesh = skin_of(volume)
    alone = islands(volume, mesh, vertex_normals(mesh), frame())
    mesh = mesh if alone is None else joined(mesh, alone)
    traces = face_traces(mesh.points, vertex_normals(mesh), [frame()], view, emptied_air(volume))
    return {part.name: part for part in traces.parts}, traces.map


def cut(where: str) -> Scan:
    """Empty a part of the face of the phantom, 15 mm deep."""
    scan = whole()
    x, y, z = coordinates(scan)
    front = (y > -8) & (scan.distance > -25)
    side = {'left': x < 0, 'right': x > 0, 'upper': z > -20, 'all': z < 200}[where]
    return zeroed(scan, front & side & (z < 30))


def test_skin_follows_each_part_of_a_whole_face() -> None:
    """A face would be called removed."""
    parts, letters = traced(whole())
    assert tuple(parts) == PARTS
    for name in FACE:
        part = parts[name]
        assert part.follows is not None
        assert part.follows > 0.6, name
        assert part.bend is not None
        assert part.bend > 0.4, name
        assert part.emptied is not None
        assert abs(part.emptied) < 0.1, name
    here = np.array(list(letters))[face_parts().part >= 0]
    assert np.isin(here, ['c', 'd', 'e']).mean() > 0.9


def test_nothing_follows_a_face_that_was_cut() -> None:
    """A steward whose scans are de-faced well could never share."""
    parts, letters = traced(cut('all'))
    for name in FACE:
        part = parts[name]
        assert part.follows is not None
        assert part.follows < 0.4, name
        assert (part.emptied or 0) > 0.3, name
    there = face_parts().part == PARTS.index('nose')
    assert np.isin(np.array(list(letters))[there], ['a', 'b', 'c']).mean() > 0.9


@pytest.mark.parametrize(('where', 'left'), [('left', 'right eye'), ('right', 'left eye')])
def test_half_a_face_is_told_from_the_other_half(where: str, left: str) -> None:
    """A curator would look for the wrong half."""
    parts, _ = traced(cut(where))
    gone = f'{where} eye'
    assert (parts[left].follows or 0) > 0.6
    assert (parts[gone].follows or 0) < 0.4


def test_a_nose_that_hangs_together_with_nothing_is_left() -> None:
    """The skin is one surface: whatever a tool leaves in front of it would not be seen."""
    scan = whole()
    x, y, z = coordinates(scan)
    away = (y > -25) & (z < 30) & ~((np.abs(x) < 22) & (z < 6) & (z > -50) & (y > 4))
    parts, _ = traced(zeroed(scan, away))
    assert (parts['nose'].follows or 0) > 0.6
    assert (parts['mouth'].follows or 0) < 0.3
    mesh = skin_of(volume_of(scan))
    assert islands(volume_of(scan), mesh, vertex_normals(mesh), frame()) is None


def test_parts_beyond_the_field_of_view_are_not_measured() -> None:
    """A part that was not scanned would be called left, or removed."""
    seen = crop(whole(), low=(-np.inf, -np.inf, -40.0))
    parts, letters = traced(seen)
    for name in ('mouth', 'chin'):
        assert parts[name].in_view < 0.05
        assert parts[name].follows is None
    assert (parts['left eye'].follows or 0) > 0.6
    chin = np.array(list(letters))[face_parts().part == PARTS.index('chin')]
    assert set(chin) == {OUTSIDE}


def test_the_map_has_a_letter_for_each_point_and_nothing_finer() -> None:
    """Distances to the millimetre would show whose face it is."""
    _, letters = traced(whole())
    assert len(letters) == len(face_parts().points)
    assert set(letters) <= {*LETTERS, OUTSIDE}


def test_air_that_was_always_empty_is_no_trace_of_a_tool() -> None:
    """Images whose background is zero would look as if they were cut all around."""
    scan = whole()
    level = np.percentile(scan.data, 99) / 8
    blank = zeroed(scan, scan.data < level)
    parts, _ = traced(blank)
    assert all(abs(parts[name].emptied or 0) < 0.25 for name in FACE)


def test_a_volume_without_a_common_value_has_no_emptied_air() -> None:
    """Noise would be taken for a cut."""
    data = np.random.default_rng(1).random((20, 20, 20)).astype(np.float32)
    emptied = emptied_air(Volume(data, np.eye(4), (1.0,) * 3))
    points = np.full((5, 3), 10, np.float32)
    assert not emptied(points, np.tile(np.float32([0, 1, 0]), (5, 1))).any()
