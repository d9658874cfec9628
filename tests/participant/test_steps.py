"""What is measured on a scan is what the cameras use, and what its record says."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from bids_reid.bids.files import file_sha256
from bids_reid.faces import detect
from bids_reid.faces.extractors import EXTRACTORS
from bids_reid.participant import measures as participant_measures
from bids_reid.participant import steps
from bids_reid.participant.measures import measured_skin, skin_evidence
from bids_reid.participant.remarks import NO_FACE as NOT_FOUND
from bids_reid.participant.remarks import THOUGH, shortcomings
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.scanner import Pose, scan_volume
from bids_reid.records import BrainCut, CompletedPart, FaceBoxes, FaceEvidence, ScanMeasures
from bids_reid.risk.presence import BRAIN, OUT_OF_VIEW, PRESENT, REMOVED, SKULL_STRIPPED
from bids_reid.surface import complete, volume
from bids_reid.surface.mesh import Mesh
from bids_reid.surface.volume import Volume
from bids_reid.views.cameras import standard_views
from tests.support.scan_records import NO_FACE, WHOLE_FACE, outside, parts

SPACING = 4.0


def phantom(pose: Pose) -> tuple[Any, Any]:
    """A coarse scan of one person: data and affine."""
    (person,) = draw_people(1, seed=5)
    return scan_volume(person, seed=1, spacing=SPACING, pose=pose)


def test_the_record_tells_how_much_of_a_face_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table of risks is wrong if nobody can see that a field of view ends at the eyes."""
    # nodded back by 15 degrees: the face looks up by so much
    data, affine = phantom(Pose((15, 0, 0)))
    scan, surface, file = (tmp_path / name for name in ('t1.nii', 'skin.surf.gii', 'measures'))
    nib.Nifti1Image(data, affine).to_filename(scan)
    assert steps.skin(scan, surface, file) == file_sha256(scan)
    measures = steps.read_measures(file)
    assert measures.face_frame.source == 'face'
    assert abs(np.degrees(np.arcsin(measures.face_frame.forward[2])) - 15) < 4
    assert measures.face.face_covered > 0.9
    assert measures.surface_quality.face_in_view > 0.9
    assert 0 < (measures.surface_quality.face_fit_mm or 0) < 4
    assert 0.01 < measures.surface_quality.relative_noise < 0.2
    assert 0.5 < measures.surface_quality.edge_blur_mm < 2
    assert not measures.skull_stripped
    # 81 renders take seconds
    monkeypatch.setattr(steps, 'standard_views', lambda: standard_views()[40:41])
    assert steps.renders(surface, file, tmp_path / 'renders.npy')
    frontal, _ = np.load(tmp_path / 'renders.npy')
    rows, columns = np.nonzero(frontal)
    assert abs(columns.mean() - 239.5) < 8
    assert rows.min() > 0


def test_the_hash_is_of_the_bytes_that_were_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scan that is de-faced while it is read would have the face's numbers for good."""
    scan, surface, file = (tmp_path / name for name in ('t1.nii', 'skin.surf.gii', 'measures'))
    scan.write_bytes(b'face')
    read: list[bytes] = []

    def load(path: Path) -> bytes:
        read.append(path.read_bytes())
        if read == [b'face']:
            path.write_bytes(b'defaced')
        return read[-1]

    mesh = Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32))
    monkeypatch.setattr(volume, 'load_volume', load)
    monkeypatch.setattr(
        participant_measures, 'measured_skin', lambda *_, complete: (mesh, None, WHOLE_FACE)
    )
    sha256 = steps.skin(scan, surface, file)
    assert read == [b'face', b'defaced']
    assert sha256 == hashlib.sha256(b'defaced').hexdigest()


@pytest.mark.parametrize(
    ('measures', 'n_faces', 'expected'),
    [
        (WHOLE_FACE, 81, []),
        (WHOLE_FACE, 0, [THOUGH]),
        # what a detector sees on a defaced scan is searched, and no face all the same
        (NO_FACE, 81, [REMOVED]),
        (
            *(replace(NO_FACE, face_parts=parts(outside), half_faces=None), 0),
            [NOT_FOUND, OUT_OF_VIEW],
        ),
        (replace(NO_FACE, skull_stripped=True), 0, [SKULL_STRIPPED]),
        (replace(WHOLE_FACE, brain_cut=BrainCut(30.0, 40.0)), 81, [f'{PRESENT}; {BRAIN}']),
    ],
)
def test_what_is_there_instead_of_a_face_is_said(
    measures: ScanMeasures, n_faces: int, expected: list[str]
) -> None:
    """A detector sees faces on defaced scans: without the reason they pass for whole ones."""
    assert shortcomings(measures, n_faces) == expected


def cut_below_the_nose() -> Volume:
    """A scan whose field of view ends at the mouth."""
    data, affine = phantom(Pose())
    first = round(84 / SPACING)
    affine[2, 3] += SPACING * first
    return Volume(data[:, :, first:].astype(np.float32), affine, (SPACING,) * 3)


def test_detectors_are_asked_about_what_was_scanned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A detector that likes the average head's chin would call a removed face present."""
    answers, asked = FaceEvidence(3, 1.0, 3), []
    completion = complete.Completion(0.2, ('chin',))
    # completing takes many times longer than all else; what it does is tested where it is
    monkeypatch.setattr(complete, 'complete_face', lambda field, *_: (field, completion))
    monkeypatch.setattr(
        participant_measures, 'skin_evidence', lambda *given: asked.append(given) or answers
    )
    shown, frame, measures = measured_skin(cut_below_the_nose(), complete=True)
    ((skin, its_frame),) = asked
    assert skin is not shown
    assert its_frame is frame
    assert measures.surface_quality.face_in_view < 0.9, 'measured on what was scanned'
    assert measures.complete_face
    assert measures.face_completed == CompletedPart(0.2, ('chin',))
    # and they are not asked again about what is rendered
    before, after = tmp_path / 'skin.json', tmp_path / 'measures.json'
    before.write_text(json.dumps(measures.to_json()))
    steps.evidence(tmp_path / 'no surface', before, tmp_path / 'no renders', after)
    assert after.read_text() == before.read_text()
    assert steps.read_measures(after).face_evidence == answers


@pytest.mark.slow
def test_a_completed_face_is_marked() -> None:
    """Parts of an average head that pass for somebody's own make the risk a guess."""
    scanned, frame, as_it_is = measured_skin(cut_below_the_nose())
    _, _, completed = measured_skin(cut_below_the_nose(), complete=True)
    for measures in (as_it_is, completed):
        assert measures.surface_quality.face_in_view < 0.9, 'measured on what was scanned'
    assert (as_it_is.complete_face, completed.complete_face) == (False, True)
    assert as_it_is.face_completed is None
    assert as_it_is.face_evidence is None
    assert shortcomings(as_it_is, n_faces=81) == []
    part = completed.face_completed
    assert part is not None
    assert 'chin' in part.parts
    assert 0 < part.share < 0.6
    last = shortcomings(completed, n_faces=81)[-1]
    assert 'average head' in last
    assert 'chin' in last
    assert completed.face_evidence == skin_evidence(scanned, frame)


def test_no_face_is_looked_for_in_a_brain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Detectors see faces in folds; a skull-stripped scan would get a template of nobody."""
    camera = {(0.0, 0.0): detect.Box(1, 2, 3, 4)}
    monkeypatch.setattr(detect, 'find_faces_by_camera', lambda *_: camera)
    np.save(tmp_path / 'renders.npy', np.zeros((90, 4, 4), np.uint8))
    measures, target = tmp_path / 'measures.json', tmp_path / 'faces.json'
    for stripped, expected in ((True, 0), (False, 9)):
        content = replace(WHOLE_FACE, skull_stripped=stripped).to_json()
        measures.write_text(json.dumps(content))
        steps.faces(tmp_path / 'renders.npy', measures, target)
        faces = FaceBoxes.from_json(json.loads(target.read_text()))
        assert len(faces.boxes) == len(faces.found) == 90
        found = [n for n, seen in enumerate(faces.found) if seen]
        # one camera: its lights, and its soft view
        assert found == ([*range(36, 36 + expected), 85] if expected else [])
        # where none was found an adaptive attacker looks all the same, but not on a brain
        assert sum(box is not None for box in faces.boxes) == (0 if stripped else 90)
        assert stripped or faces.boxes[40] == (1, 2, 3, 4)


def test_features_keep_the_numbers_of_their_views(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A template says which view each row is of; shifted, no result can be explained."""

    class Mean:
        kind, views = 'vector', range(90)

        def features(self, images: list[np.ndarray], boxes: list[Any]) -> dict[str, np.ndarray]:
            rows = [[image.mean(), box.left] for image, box in zip(images, boxes, strict=True)]
            return {'features': np.array(rows, np.float32).reshape(-1, 2)}

        def provenance(self) -> dict[str, str]:
            return {'Model': 'mean'}

    monkeypatch.setitem(EXTRACTORS, 'x-y', Mean)
    images = np.arange(90, dtype=np.uint8)[:, None, None] * np.ones((1, 3, 3), np.uint8)
    np.save(tmp_path / 'r.npy', images)
    for asked, boxed in (
        ({*range(90)}, []),
        ({*range(90)}, [3, 80, 85]),
        ({3, 4, 85}, [3, 6, 85]),
    ):
        monkeypatch.setattr(Mean, 'views', asked)
        # an extractor gets no render that it did not ask for: each costs a face's time
        seen = [n for n in boxed if n in asked]
        boxes = [(n, 0, 1, 1) if n in boxed else None for n in range(90)]
        faces = FaceBoxes(tuple(boxes), tuple(n >= 80 and n in boxed for n in range(90)))
        (tmp_path / 'f.json').write_text(json.dumps(faces.to_json()))
        steps.features(tmp_path / 'r.npy', tmp_path / 'f.json', 'x-y', tmp_path / 't.npz')
        provenance, template = steps._read_features(tmp_path / 't.npz')
        assert provenance == {'Extractor': 'x-y', 'Model': 'mean'}
        assert template.views.tolist() == seen
        assert template.features.tolist() == [[n, n] for n in seen]
        assert template.where_found().views.tolist() == seen[1:]


@pytest.mark.parametrize('taken', [[], [3], [3, 80]])
def test_a_render_that_was_not_taken_has_no_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: list[int]
) -> None:
    """A matcher that rejects faces would make NaN of a whole scan, or of a whole gallery."""

    class Picky:
        kind, views = 'vector', range(90)

        def features(self, images: list[np.ndarray], boxes: list[Any]) -> dict[str, np.ndarray]:
            values = [image[0, 0] if image[0, 0] in taken else np.nan for image in images]
            return {'features': np.array([values, values], np.float32).T}

        def provenance(self) -> dict[str, str]:
            return {'Model': 'picky'}

    monkeypatch.setitem(EXTRACTORS, 'picky', Picky)
    images = np.arange(90, dtype=np.uint8)[:, None, None] * np.ones((1, 3, 3), np.uint8)
    np.save(tmp_path / 'r.npy', images)
    seen = [3, 40, 80]
    boxes = tuple((0, 0, 1, 1) if n in seen else None for n in range(90))
    faces = FaceBoxes(boxes, tuple(n == 80 for n in range(90)))
    (tmp_path / 'f.json').write_text(json.dumps(faces.to_json()))
    steps.features(tmp_path / 'r.npy', tmp_path / 'f.json', 'picky', tmp_path / 't.npz')
    provenance, template = steps._read_features(tmp_path / 't.npz')
    assert template.views.tolist() == taken
    assert template.features.tolist() == [[n, n] for n in taken]
    assert template.where_found().views.tolist() == taken[1:]
    assert provenance['ViewsRejected'] == 3 - len(taken)
