"""A flat file of each image, for scripts."""

from __future__ import annotations

import json
from pathlib import Path

from bids_reid.bids.verdicts import write_verdicts


def row(path: str, verdict: str = 'no findings', condition: str = 'raw') -> dict[str, object]:
    return {'path': path, 'condition': condition, 'verdict': verdict, 'bytes': 3}


def test_an_image_is_found_by_its_path_and_joined_by_its_name(tmp_path: Path) -> None:
    """MRIQC calls the image sub-01_T1w: a table that has no such name cannot be joined."""
    scan, other = 'sub-01/anat/sub-01_T1w.nii.gz', 'derivatives/freesurfer/sub-01/mri/orig.mgz'
    write_verdicts(tmp_path, [row(scan), row(scan, condition='defaced'), row(other)])
    content = json.loads((tmp_path / f'verdicts/raw/{scan}.json').read_text())
    assert content['bids_name'] == 'sub-01_T1w'
    assert (content['path'], content['verdict'], content['bytes']) == (scan, 'no findings', 3)
    assert not any(isinstance(value, dict | list) for value in content.values())
    assert (tmp_path / f'verdicts/defaced/{scan}.json').exists()
    assert (tmp_path / f'verdicts/raw/{other}.json').exists()


def test_no_verdict_stays_of_an_image_that_is_gone(tmp_path: Path) -> None:
    """Otherwise a script takes it for one of the release."""
    write_verdicts(tmp_path, [row('a/x.nii'), row('b/x.nii')])
    kept = tmp_path / 'verdicts/raw/b/x.nii.json'
    before = kept.stat().st_mtime_ns
    write_verdicts(tmp_path, [row('b/x.nii')])
    assert [path.name for path in (tmp_path / 'verdicts/raw').iterdir()] == ['b']
    assert kept.stat().st_mtime_ns == before, 'written again though nothing changed'
    write_verdicts(tmp_path, [row('b/x.nii', 'review')])
    assert json.loads(kept.read_text())['verdict'] == 'review'
