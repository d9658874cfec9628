"""What a scan's record says of its face is what the cameras use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest

from bids_reid.participant import steps
from bids_reid.participant.measures import evidence_of
from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.scanner import Pose, scan_volume
from bids_reid.risk.presence import BRAIN, OUT_OF_VIEW, PRESENT, REMOVED, SKULL_STRIPPED
from bids_reid.surface.volume import load_volume

if TYPE_CHECKING:
    from pathlib import Path


def test_the_record_tells_how_much_of_a_face_there_is(tmp_path: Path) -> None:
    """A table of risks is wrong if nobody can see that a field of view ends at the eyes."""
    (person,) = draw_people(1, seed=5)
    data, affine = scan_volume(person, seed=1, spacing=3.0, pose=Pose((15, 0, 0)))
    scan, surface, record = (tmp_path / name for name in ('t1.nii', 'skin.surf.gii', 'record'))
    nib.Nifti1Image(data, affine).to_filename(scan)
    steps.skin(scan, surface, record)
    content = json.loads(record.read_text())
    assert content['FaceFrame']['Source'] == 'face'
    # nodded back by 15 degrees: the face looks up by so much
    forward = content['FaceFrame']['Forward']
    assert abs(np.degrees(np.arcsin(forward[2])) - 15) < 4
    assert content['Face']['FacePresent'] == 'yes'
    assert content['SurfaceQuality']['FaceInView'] > 0.9
    assert 0 < content['SurfaceQuality']['FaceFitMm'] < 4
    assert 0.01 < content['SurfaceQuality']['RelativeNoise'] < 0.2
    assert 0.5 < content['SurfaceQuality']['EdgeBlurMm'] < 2
    assert steps.renders(surface, record, tmp_path / 'renders.npy')
    frontal = np.load(tmp_path / 'renders.npy')[4 * 9 + 4]
    rows, columns = np.nonzero(frontal)
    assert abs(columns.mean() - 239.5) < 8
    assert rows.min() > 0


@pytest.mark.parametrize(
    ('changed', 'n_faces', 'expected'),
    [
        ({}, 81, []),
        ({}, 0, [steps.NO_FACE]),
        # what a detector sees on a defaced scan is searched, and no face all the same
        ({'Face': {'FaceCovered': 0.1, 'FaceBehindMm': 20.0}}, 81, [REMOVED]),
        ({'SurfaceQuality': {'FaceCoreInView': 0.05}}, 0, [steps.NO_FACE, OUT_OF_VIEW]),
        ({'SkullStripped': True}, 0, [SKULL_STRIPPED]),
        ({'BrainCut': {'CutCm2': 30.0, 'DeepCm2': 40.0}}, 81, [f'{PRESENT}; {BRAIN}']),
    ],
)
def test_what_was_found_instead_of_a_face_is_said(
    changed: dict[str, Any], n_faces: int, expected: list[str]
) -> None:
    """A detector sees faces on defaced scans: without the reason they pass for whole ones."""
    content = {
        'SkullStripped': False,
        'FaceFrame': {'Source': 'face'},
        'Face': {'FaceCovered': 1.0, 'FaceBehindMm': 0.0, 'HeadLoss': 0.3},
        'SurfaceQuality': {'FaceCoreInView': 1.0, 'RelativeNoise': 0.03, 'EdgeBlurMm': 0.8},
        'FaceRelief': {'InView': 1.0, 'Correlation': 0.9, 'Gain': 1.0, 'Flat': 0.1, 'Steps': 0.0},
        'FaceEvidence': {'NCameras': 0},
        'BrainCut': {'CutCm2': 0.0, 'DeepCm2': 0.0},
        'FaceCompleted': None,
    } | changed
    assert steps._what_was_found(content, n_faces) == expected


@pytest.mark.parametrize('asked', [True, False])
def test_a_completed_face_is_marked(asked: bool, tmp_path: Path) -> None:
    """Parts of an average head that pass for somebody's own make the risk a guess."""
    (person,) = draw_people(1, seed=5)
    data, affine = scan_volume(person, seed=1, spacing=3.0, pose=Pose())
    affine[2, 3] += 3.0 * 28
    scan, surface, record = (tmp_path / name for name in ('t1.nii', 'skin.surf.gii', 'record'))
    nib.Nifti1Image(data[:, :, 28:], affine).to_filename(scan)
    steps.skin(scan, surface, record, complete=asked)
    content = json.loads(record.read_text())
    assert content['CompleteFace'] == asked
    assert content['SurfaceQuality']['FaceInView'] < 0.9, 'measured on what was scanned'
    reasons = steps._what_was_found(content, n_faces=81)
    if asked:
        assert 'chin' in content['FaceCompleted']['Parts']
        assert 0 < content['FaceCompleted']['Share'] < 0.6
        assert 'average head' in reasons[-1]
        assert 'chin' in reasons[-1]
        # detectors saw the chin that was scanned, and do not see the average one later
        found, frame, _ = steps.skin_record(load_volume(scan))
        assert evidence_of(found, frame) == {'FaceEvidence': content['FaceEvidence']}
        later = tmp_path / 'evidence.json'
        steps.evidence(surface, record, tmp_path / 'no renders', later)
        assert json.loads(later.read_text()) == {'FaceEvidence': content['FaceEvidence']}
    else:
        assert content['FaceCompleted'] is None
        assert reasons == []
        assert 'FaceEvidence' not in content
