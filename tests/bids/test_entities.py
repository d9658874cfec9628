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
        # of a folder of another participant the name is nearer
        ('sub-01/sub-02_T2w.nii', ('02', None, 'T2w', 'sub-02_T2w')),
        ('.sub-04_T1w.nii', ('04', None, None, '.sub-04_T1w.nii')),
        ('notsub-04.nii', (None, None, None, 'notsub-04')),
    ],
)
def test_the_path_tells(path: str, expected: tuple[str | None, ...]) -> None:
    """A task for one participant looks at this one's images; those of nobody are looked at last."""
    entities = entities_of(path)
    assert (
        entities.participant,
        entities.session,
        entities.suffix,
        entities.bids_name,
    ) == expected
