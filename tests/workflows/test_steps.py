"""What a scan's record says of its face is what the cameras use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from bids_reid.phantom.identity import draw_people
from bids_reid.phantom.volume import Pose, scan_volume
from bids_reid.workflows import steps

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
    assert content['Face']['FaceInView'] > 0.9
    assert 0 < content['Face']['FaceFitMm'] < 4
    assert steps.renders(surface, record, tmp_path / 'renders.npy')
    frontal = np.load(tmp_path / 'renders.npy')[4 * 9 + 4]
    rows, columns = np.nonzero(frontal)
    assert abs(columns.mean() - 239.5) < 8
    assert rows.min() > 0
