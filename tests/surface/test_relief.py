"""Relief, shape of the head and cut brain, on heads whose skin and brain are known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.scanner import Scan
from bids_reid.surface.brain import BrainCut, brain_cut
from bids_reid.surface.frame import FieldOfView, find_frame
from bids_reid.surface.mesh import Mesh, vertex_normals
from bids_reid.surface.relief import FaceRelief, face_depths, face_relief, to_average, to_scan
from bids_reid.surface.signature import head_signature, signature_scores
from bids_reid.surface.skin import extract_skin
from bids_reid.surface.volume import Volume
from tests.support.defacing import deface_stored, scan_defaced

SPACING = 1.5


def measured(scan: Scan) -> tuple[FaceRelief, BrainCut, NDArray[np.float32]]:
    volume = Volume(scan.data.astype(np.float32), scan.affine, (SPACING,) * 3)
    skin = extract_skin(volume)
    view = FieldOfView(volume.affine, volume.data.shape)
    frame = find_frame(skin.points, view).frame
    mesh = Mesh(skin.points, skin.triangles)
    np.testing.assert_allclose(
        to_scan(to_average(skin.points, frame), frame), skin.points, atol=0.01
    )
    return (
        face_relief(face_depths(skin.points, skin.triangles, frame, view)),
        brain_cut(volume, mesh, vertex_normals(mesh), frame, view),
        head_signature(skin.points, frame),
    )


@cache
def whole() -> Scan:
    (person,) = draw_people(1, seed=3)
    return scan_defaced('intact', person, seed=[1], spacing=SPACING)


def test_a_face_has_relief() -> None:
    """The verdict on every scan rests on these numbers."""
    face, cut, _ = measured(whole())
    assert min(face.eyes or 0, face.nose or 0, face.mouth or 0) > 0.8
    assert (face.correlation or 0) > 0.8
    assert (face.flat or 1) < 0.35
    assert cut.cut_cm2 == 0


def test_a_face_that_was_cut_has_none_and_a_whole_brain() -> None:
    """De-facing that did its work would be called useless, or harmful."""
    face, brain, _ = measured(deface_stored('plane', whole(), seed=[1]))
    assert max(face.nose or 0, face.mouth or 0) < 0.2
    assert (face.correlation or 0) < 0.4
    assert brain.cut_cm2 < 5


def test_a_deep_cut_shows_brain() -> None:
    """Data that lost some of the brain would be shared and analysed."""
    _, brain, _ = measured(deface_stored('deep', whole(), seed=[1]))
    assert brain.cut_cm2 > 10


@pytest.mark.slow
def test_a_refaced_head_keeps_the_shape_of_its_skull() -> None:
    """Whoever looks at faces only is told that re-facing hides everybody."""
    people = draw_people(3, seed=8)
    first, faced = (
        [measured(scan_defaced(name, one, seed=[seed], spacing=SPACING))[2] for one in people]
        for seed, name in enumerate(('intact', 'refaced-average'), start=1)
    )
    head = signature_scores(np.array(faced), np.array(first), 'head')
    assert head.argmax(axis=1).tolist() == [0, 1, 2]
