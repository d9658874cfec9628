"""A flat file of each image, for scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    'paths',
    [
        ('a' * 255,),
        ('x/foo', 'x/foo.json/bar.png'),
        ('.git/5c1b14949828006ed75a3e8858957f86a2f7e2eb', 'code/.git/'),
        ('sub-01/\udcff.nii', 'sub-01/a\nb.nii', 'sub-01/ds.zarr/'),
    ],
)
def test_every_name_of_a_file_has_a_verdict(tmp_path: Path, paths: tuple[str, ...]) -> None:
    """Otherwise one odd name ends the run of a whole dataset."""
    write_verdicts(tmp_path, [row(path) for path in paths])
    files = list((tmp_path / 'verdicts').rglob('*.json'))
    told = [json.loads(file.read_text())['path'] for file in files if file.is_file()]
    assert len(told) == len(paths)
    assert not list(tmp_path.rglob('.git')), 'git would take it for a repository'
    assert all(str(path).isprintable() for path in tmp_path.rglob('*')), 'a terminal would obey'
