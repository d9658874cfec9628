"""The line of an image in the release that nothing was found on, to be changed by each test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bids_reid.group.result import ImageLine


def image_line(label: str = '01', modality: str = 'T1w', **changes: Any) -> ImageLine:
    """Return the line of a de-faced scan of a participant."""
    line = ImageLine(
        path=f'sub-{label}/anat/sub-{label}_{modality}.nii.gz',
        in_release=True,
        bytes=9,
        sha256='a' * 64,
        annex_key=None,
        format='nifti',
        kind='head volume',
        participant=label,
        session=None,
        modality=modality,
        condition='defaced',
        status='no_face',
        verdict='no findings',
        face_present='no',
        n_views_with_face=0,
    )
    return replace(line, **changes)
