"""Whose an image is, by its path."""

from __future__ import annotations

import pytest

from bids_reid.bids.entities import entities_of


@pytest.mark.parametrize(
    ('path', 'expected'),
    [
        ('sub-01/anat/sub-01_T1w.nii.gz', ('01', None, 'T1w', 'sub-01_T1w')),
        ('sub-01/ses-a/pet/sub-01_ses-a_pet.nii', ('01', 'a', 'pet', 'sub-01_ses-a_pet')),
        ('derivatives/freesurfer/sub-01_ses-2/mri/orig.mgz', ('01', '2', None, 'orig')),
        ('sourcedata/sub-03/dicom/001', ('03', None, None, '001')),
        ('code/figure.png', (None, None, None, 'figure')),
        ('.git/abc', (None, None, None, 'abc')),
        # the participant is the folder
        ('sub-01/sub-02_T2w.nii', ('01', None, 'T2w', 'sub-02_T2w')),
        ('x/sub-03/sub-01/anat/sub-01_ses-2_T2w.nii', ('01', '2', 'T2w', 'sub-01_ses-2_T2w')),
        ('sub-a+b/anat/sub-a+b_T1w.nii', ('a+b', None, 'T1w', 'sub-a+b_T1w')),
        ('sub-01.long.base/mri/T1.mgz', ('01', None, None, 'T1')),
        ('sub-01_ses-2/mri/T1.mgz', ('01', '2', None, 'T1')),
        # nobody, rather than PAT, MU or x
        ('sub-PAT_001/anat/sub-PAT_001_T1w.nii', (None, None, '001', 'x')),
        ('sub-PAT-001/anat/sub-PAT-001_T1w.nii', (None, None, 'T1w', 'x')),
        ('sub-MÜ1/anat/sub-MÜ1_T1w.nii', (None, None, 'T1w', 'x')),
        ('sub-x.1/anat/sub-x.1_T1w.nii', (None, None, 'x', 'x')),
        ('sub-01/ses-01_b/anat/sub-01_ses-01_b_T1w.nii', ('01', None, 'T1w', 'x')),
        ('.sub-04_T1w.nii', ('04', None, None, '.sub-04_T1w.nii')),
        ('notsub-04.nii', (None, None, None, 'notsub-04')),
    ],
)
def test_the_path_tells(path: str, expected: tuple[str | None, ...]) -> None:
    """A task for one participant looks at this one's images, and the last at those of nobody."""
    entities = entities_of(path)
    participant, session, suffix, name = expected
    assert (entities.participant, entities.session) == (participant, session)
    if name != 'x':
        assert (entities.suffix, entities.bids_name) == (suffix, name)


def test_a_name_that_says_another_participant_than_its_folder_is_noticed() -> None:
    """Otherwise the image of one person is counted for another."""
    said = entities_of('sub-01/anat/sub-02_T1w.nii.gz').contradiction
    assert said == 'the file name says sub-02, the folder sub-01'
    assert entities_of('sub-01/anat/sub-01_T1w.nii.gz').contradiction is None
    assert entities_of('sub-01/anat/T1w.nii.gz').contradiction is None
    assert entities_of('sub-02_T1w.nii.gz').contradiction is None
