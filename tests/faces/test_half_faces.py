"""Faces made of one half: what detectors, which know whole faces only, say of a part."""

from __future__ import annotations

from functools import cache

import numpy as np

from bids_reid.faces.half_faces import half_faces, mirrored, picture
from bids_reid.phantom.identity import draw_people
from bids_reid.surface.frame import FieldOfView, find_frame
from bids_reid.surface.relief import FaceDepths, face_depths
from bids_reid.surface.skin import extract_skin
from bids_reid.surface.volume import Volume
from tests.support.defacing import scan_defaced


@cache
def depths() -> FaceDepths:
    """Depths of the face of a phantom."""
    (person,) = draw_people(1, seed=3)
    scan = scan_defaced('intact', person, seed=[1], spacing=2.0)
    volume = Volume(scan.data.astype(np.float32), scan.affine, (2.0,) * 3)
    skin = extract_skin(volume)
    view = FieldOfView(volume.affine, volume.data.shape)
    return face_depths(skin.points, skin.triangles, find_frame(skin.points, view).frame, view)


def flattened(where: np.ndarray) -> FaceDepths:
    """The same face with a flat cut 20 mm behind its average."""
    there = depths()
    level = np.float32(np.median(there.average[there.core]) - 20)
    return there._replace(depth=np.where(where, np.minimum(there.depth, level), there.depth))


def test_detectors_see_the_half_that_is_left() -> None:
    """Half a face would not be told from none: detectors know whole ones only."""
    whole = half_faces(depths())
    right = np.zeros(depths().depth.shape, dtype=bool)
    right[len(right) // 2 :] = True
    half = half_faces(flattened(right))
    none = half_faces(flattened(np.ones_like(right)))
    assert whole is not None
    assert half is not None
    assert none is not None
    assert (whole.hog or -1) > 1
    assert (half.hog or -1) > 1
    assert (none.hog or -1) < 0.7
    assert none.cnn is None


def test_the_average_continues_a_face_that_the_field_of_view_cuts() -> None:
    """Most research scans end below the nose: nobody could be asked about their faces."""
    there = depths()
    seen = there.seen.copy()
    seen[:, : seen.shape[1] // 2] = False
    empty = there.depth.copy()
    empty[~seen] = there.depth.min()
    found = half_faces(there._replace(seen=seen, depth=empty))
    assert found is not None
    assert (found.hog or -1) > 1
    for half in mirrored(there._replace(seen=seen, depth=empty)):
        np.testing.assert_array_equal(half, half[::-1])
        assert half[:, 5].max() > there.depth.min() + 5


def test_nothing_is_said_of_a_face_that_was_not_scanned() -> None:
    """It would be the average's face that detectors see."""
    there = depths()
    assert half_faces(there._replace(seen=np.zeros_like(there.seen))) is None


def test_the_picture_is_black_where_there_is_nothing() -> None:
    """Detectors would see the edge of the map."""
    there = depths()
    empty = np.full_like(there.depth, -60.0)
    assert picture(empty).max() == 0
    assert picture(there.depth).max() > 200
