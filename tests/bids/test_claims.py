"""What sidecars claim, read as BIDS inherits it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bids_reid.bids.claims import read_claim
from bids_reid.records import Claim


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / 'sub-01' / 'ses-a' / 'anat' / 'sub-01_ses-a_T1w.nii.gz'
    path.parent.mkdir(parents=True)
    return path


def write(path: Path, **content: object) -> None:
    path.write_text(json.dumps(content))


CODE = {'CodeValue': '113102', 'CodeMeaning': 'Clean Recognizable Visual Features Option'}
BASIC = {'CodeValue': '113100', 'CodeMeaning': 'Basic Application Confidentiality Profile'}


@pytest.mark.parametrize(
    ('content', 'claimed'),
    [
        ({}, None),
        ({'DeidentificationMethod': []}, None),
        ({'DeidentificationMethod': 'mri_reface 0.3.3'}, True),
        ({'DeidentificationMethod': ['pydeface']}, True),
        ({'DeidentificationMethod': ['Quickshear']}, True),
        ({'DeidentificationMethodCodeSequence': [BASIC, CODE]}, True),
        # what scanners and archives write of names and dates is no claim about faces
        ({'DeidentificationMethod': ['Per DICOM PS 3.15 AnnexE']}, False),
        ({'DeidentificationMethod': 'CTP user interface, surface mail removed'}, False),
        ({'DeidentificationMethodCodeSequence': [BASIC]}, False),
    ],
)
def test_only_what_concerns_the_face_is_a_claim(
    tmp_path: Path, image: Path, content: dict[str, object], claimed: bool | None
) -> None:
    """A header without a name would pass for a scan without a face."""
    write(image.with_name('sub-01_ses-a_T1w.json'), **content)
    assert read_claim(image, tmp_path).claimed is claimed


def test_the_nearest_sidecar_wins(tmp_path: Path, image: Path) -> None:
    """One file at the top speaks for a dataset, unless a scan's own says otherwise."""
    assert read_claim(image, tmp_path) == Claim(None)
    write(tmp_path / 'T1w.json', DeidentificationMethod=['pydeface'])
    write(tmp_path / 'FLAIR.json', DeidentificationMethod=['quickshear'])
    write(tmp_path / 'sub-02_T1w.json', DeidentificationMethod=['quickshear'])
    assert read_claim(image, tmp_path) == Claim(True, ('pydeface',))
    write(tmp_path / 'sub-01' / 'sub-01_T1w.json', DeidentificationMethod=['mideface'])
    assert read_claim(image, tmp_path).methods == ('mideface',)
    write(image.with_name('sub-01_ses-a_T1w.json'), DeidentificationMethod=[])
    assert read_claim(image, tmp_path).claimed is None


def test_names_that_are_not_bids_have_sidecars_too(tmp_path: Path, image: Path) -> None:
    """And the claim of a version is not that of its original."""
    version = image.with_name('sub-01_ses-a_T1w_defaced.nii.gz')
    write(image.with_name('sub-01_ses-a_T1w_defaced.json'), DeidentificationMethod='pydeface')
    assert read_claim(version, tmp_path).claimed is True
    assert read_claim(image, tmp_path).claimed is None


def test_a_damaged_sidecar_claims_nothing(tmp_path: Path, image: Path) -> None:
    image.with_name('sub-01_ses-a_T1w.json').write_text('{"DeidentificationMethod": [')
    assert read_claim(image, tmp_path).claimed is None


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16', 'latin-1'])
def test_the_encoding_of_a_sidecar_hides_no_claim(image: Path, encoding: str) -> None:
    """The table said that nobody claims anything, of a scan whose sidecar names the tool."""
    text = '{"DeidentificationMethod": "pydeface", "InstitutionName": "Universität"}'
    image.with_name('sub-01_ses-a_T1w.json').write_bytes(text.encode(encoding))
    assert read_claim(image, image.parents[3]) == Claim(True, ('pydeface',))
