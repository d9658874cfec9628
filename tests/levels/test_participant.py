"""The participant level's choice of scans, and what becomes of results of former choices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bids_reid.bids.outputs import ScanFiles, scan_records, write_json
from bids_reid.levels.participant import _choose, _remove_stale
from bids_reid.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Two participants; a de-faced image of the first stands among the raw ones."""
    bids = tmp_path / 'bids'
    for name in ('sub-01_T1w', 'sub-01_rec-defaced_T1w', 'sub-02_T1w'):
        path = bids / name[:6] / 'anat' / f'{name}.nii'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'12345678')
    description = {'Name': 'tiny', 'BIDSVersion': '1.10.0'}
    write_json(bids / 'dataset_description.json', description)
    return Settings(
        bids_dir=bids,
        output_dir=tmp_path / 'out',
        levels=('participant',),
        participants=('01',),
        derivatives=(('defaced', bids),),
    )


def left(settings: Settings, stem: str, condition: str = 'raw', status: str = 'failed') -> str:
    """Leave a record as an earlier run would have; return its file's name."""
    files = ScanFiles(settings.output_dir / stem[:6] / 'anat', stem, 'T1w', condition)
    write_json(files.record, {'Status': status})
    return files.record.name


def test_results_of_what_is_no_scan_any_more_are_removed(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else a de-faced scan counts as raw, and an ambiguity that was mended as a failure."""
    stale = {
        left(settings, 'sub-01_rec-defaced', status='ok'),
        left(settings, 'sub-01_run-2', 'defaced'),
    }
    kept = {
        left(settings, 'sub-01'),
        left(settings, 'sub-01', 'defaced'),
        # another run's business: a condition, a participant, and no failure
        left(settings, 'sub-01_run-3', 'refaced'),
        left(settings, 'sub-02_run-2', 'defaced'),
        left(settings, 'sub-01_run-4', status='ok'),
    }
    scans, refused, taken = _choose(settings)
    assert [scan.source_name for scan in taken] == ['sub-01_rec-defaced']
    capsys.readouterr()
    _remove_stale([*scans, *(scan for scan, _ in refused)], taken, settings)
    assert {files.record.name for files, _ in scan_records(settings.output_dir)} == kept
    said = capsys.readouterr().out.splitlines()
    assert {line.rpartition(' ')[2] for line in said} == stale
