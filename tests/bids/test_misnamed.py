"""Images that BIDS has other names or places for: none is left out without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_reid.bids.head_images import head_images, left_out_images
from bids_reid.bids.misnamed import misnamed_images

ANAT = 'sub-01/anat/'
WHY = {
    f'{ANAT}sub-01_T1w.NII.GZ': 'the file name ends with .NII.GZ, not .nii.gz',
    f'{ANAT}sub-01_t1w.nii.gz': 'the suffix is t1w, not T1w',
    f'{ANAT}sub-01_T1w.hdr': 'the file name ends with .hdr, not .nii.gz or .nii',
    f'{ANAT}sub-01_T1w.mgz': 'the file name ends with .mgz, not .nii.gz or .nii',
    f'{ANAT}sub-01_T1w.nii.gz.bak': 'the file name ends with .nii.gz.bak, not .nii.gz or .nii',
    f'{ANAT}sub-01_T1w_defaced.nii.gz': 'T1w is not at the end of the file name',
    f'{ANAT}sub-01_T1w (1).nii.gz': (
        "the file name ends with 'T1w (1)', not with a suffix such as T1w"
    ),
    f'{ANAT}sub-01.nii.gz': "the file name ends with 'sub-01', not with a suffix such as T1w",
    f'{ANAT}T1w.nii.gz': 'the file name does not start with sub-01',
    f'{ANAT}sub-02_T1w.nii.gz': 'the file name says sub-02, the folder sub-01',
    f'{ANAT}sub-010_T1w.nii.gz': 'the file name says sub-010, the folder sub-01',
    f'{ANAT}old/sub-01_T1w.nii.gz': 'the file is in anat/old, not in anat, pet or ct',
    'sub-01/Anat/sub-01_FLAIR.nii.gz': 'the folder is Anat, not anat',
    'sub-01/anat_backup/sub-01_T1w.nii.gz': 'the file is in anat_backup, not in anat, pet or ct',
    'sub-01/sub-01_T1w.nii.gz': 'the file is in the folder of the participant or session itself, '
    'not in anat, pet or ct',
    'sub-01/func/sub-01_T1w.nii.gz': 'the file is in func, not in anat, pet or ct',
    'sub-01/ses-1/anat/sub-01_T1w.nii.gz': 'the file name does not start with sub-01_ses-1',
    'sub-01/ses-1/anat/sub-01_ses-2_T1w.nii.gz': 'the file name says ses-2, the folder ses-1',
    'sub-01/ses-1_b/anat/sub-01_ses-1_b_T1w.nii': 'BIDS does not allow the label of the folder '
    'ses-1_b (only letters, digits and +)',
    'sub-PAT_001/anat/sub-PAT_001_T1w.nii.gz': 'BIDS does not allow the label of the folder '
    'sub-PAT_001 (only letters, digits and +)',
}
FINE = (
    f'{ANAT}sub-01_run-1_T1w.nii.gz',
    f'{ANAT}sub-01_own.nii.gz',
    f'{ANAT}sub-01_ses-3_FLAIR.nii',
    f'{ANAT}sub-01_T1w_mask.nii.gz',
    f'{ANAT}sub-01_part-phase_T1w.nii.gz',
    f'{ANAT}sub-01_run-1_T1w.json',
    f'{ANAT}._sub-01_T1w.nii.gz',
    f'{ANAT}sub-01_T1w.img',
    'sub-01/func/sub-01_task-x_bold.nii.gz',
    'sub-01/fmap/sub-01_magnitude1.nii.gz',
    'sub-01/anat/sub-01_photo.jpg',
    'derivatives/sub-01/anat/T1w.nii.gz',
)


@pytest.fixture
def messy(tmp_path: Path) -> Path:
    for name in (*WHY, *FINE):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_each_misnamed_image_is_there_with_its_reason(messy: Path) -> None:
    """Otherwise a scan is in no rate, and nobody knows that it was meant as one."""
    found = {str(path.relative_to(messy)): why for path, why in misnamed_images(messy)}
    assert found == WHY


def test_every_volume_of_a_participant_is_a_scan_or_told(messy: Path) -> None:
    """A third kind would be lost between the two."""
    told = {path for path, _ in misnamed_images(messy)} | {
        path for path, _ in left_out_images(messy)
    }
    scans = {scan.path for scan in head_images(messy)}
    volumes = {path for path in messy.glob('sub-*/**/*.nii*') if not path.name.startswith('.')}
    others = {path for path in volumes if path.parent.name in ('func', 'fmap')}
    assert volumes - told - scans <= others
    assert not told & scans


def test_only_those_of_the_participants_chosen(messy: Path) -> None:
    """Each task of a cluster's array would list those of all others."""
    assert misnamed_images(messy, ['02']) == []
    (one,) = misnamed_images(messy, ['PAT_001'])
    assert one[0].name == 'sub-PAT_001_T1w.nii.gz'
    assert len(misnamed_images(messy, ['01'])) == len(WHY) - 1


def test_a_scan_that_is_there_twice_is_told(tmp_path: Path) -> None:
    """Only one of the two gets a template, and they may differ."""
    anat = tmp_path / 'sub-1' / 'anat'
    anat.mkdir(parents=True)
    (anat / 'sub-1_T1w.nii').touch()
    (anat / 'sub-1_T1w.nii.gz').touch()
    assert misnamed_images(tmp_path) == [
        (anat / 'sub-1_T1w.nii', 'the same scan also exists as sub-1_T1w.nii.gz')
    ]
