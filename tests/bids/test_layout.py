"""Names of files, and scans found by them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bids_reid.bids.derivatives import scan_records
from bids_reid.bids.files import HIDDEN, write_json
from bids_reid.bids.image_records import has_looks
from bids_reid.bids.layout import ScanFiles, bids_uri, scan_files, sweep_output
from bids_reid.records import Scan


def test_a_bids_uri_leads_back_to_the_file(tmp_path: Path) -> None:
    scan = tmp_path / 'sub-01' / 'anat' / 'sub-01_T1w.nii.gz'
    assert bids_uri(scan, tmp_path) == 'bids:raw:sub-01/anat/sub-01_T1w.nii.gz'


def test_names_of_a_scan_with_and_without_session(tmp_path: Path) -> None:
    """The names are a contract: other programs look for them."""
    scan = Scan('01', 'a', 'T1w', 'sub-01_ses-a_run-1', tmp_path / 'x.nii')
    files = ScanFiles.of(scan, tmp_path)
    folder = tmp_path / 'sub-01' / 'ses-a' / 'anat'
    stem = 'sub-01_ses-a_run-1_desc-'
    assert files.skin == folder / f'{stem}skin_T1w.surf.gii'
    assert files.record == folder / f'{stem}skin_T1w.json'
    assert files.views == folder / f'{stem}views_T1w.tsv'
    assert files.renders == folder / f'{stem}renders_T1w'
    assert files.template('orb') == folder / f'{stem}orb_T1w.npz'
    without = ScanFiles.of(Scan('01', None, 'FLAIR', 'sub-01', tmp_path / 'x'), tmp_path)
    assert without.record == tmp_path / 'sub-01' / 'anat' / 'sub-01_desc-skin_FLAIR.json'


def test_all_records_are_found_with_and_without_session(tmp_path: Path) -> None:
    """A scan that is not found here is missing from the group level."""
    scans = [
        Scan('01', 'a', 'T1w', 'sub-01_ses-a', tmp_path),
        Scan('02', None, 'FLAIR', 'sub-02', tmp_path),
        Scan('02', None, 'T1w', 'sub-02', tmp_path),
    ]
    for scan in reversed(scans):
        write_json(ScanFiles.of(scan, tmp_path).record, {})
    # the dictionary of a table
    write_json(ScanFiles.of(scans[0], tmp_path).views.with_suffix('.json'), {'view': {}})
    assert scan_files(tmp_path) == [ScanFiles.of(scan, tmp_path) for scan in scans]
    assert scan_files(tmp_path, ['01', '03']) == [ScanFiles.of(scans[0], tmp_path)]


def test_conditions_have_names_of_their_own(tmp_path: Path) -> None:
    """Otherwise a version overwrites its original's results, or is read as another condition."""
    raw = Scan('01', 'a', 'T1w', 'sub-01_ses-a', tmp_path / 'x.nii')
    conditions = ('raw', 'defaced', 'skin', 'xskin', 'Views')
    scans = [replace(raw, condition=name) for name in conditions]
    for scan in scans:
        write_json(ScanFiles.of(scan, tmp_path).record, {})
    folder = tmp_path / 'sub-01' / 'ses-a' / 'anat'
    assert ScanFiles.of(scans[1], tmp_path).skin == (
        folder / 'sub-01_ses-a_desc-defacedskin_T1w.surf.gii'
    )
    named = [files.condition for files in scan_files(tmp_path)]
    assert named == ['raw', 'Views', 'defaced', 'skin', 'xskin']


def test_what_is_half_written_is_no_result_and_is_swept(tmp_path: Path) -> None:
    """A record that a killed run had not named yet blocked both levels for good."""
    folder = tmp_path / 'sub-01' / 'ses-1' / 'anat'
    names = [f'{HIDDEN}0a1b2c3d-sub-01_desc-skin_T1w.json', '.ab_d1234sub-01_desc-skin_T1w.json']
    leftovers = [folder / name for name in names] + [tmp_path / f'{HIDDEN}0-sub-01.html']
    leftovers += [tmp_path / 'images' / f'{HIDDEN}0-a.json', tmp_path / '.cache' / f'{HIDDEN}0-f']
    leftovers += [tmp_path / f'logs/{HIDDEN}0-crash.txt', tmp_path / f'verdicts/raw/{HIDDEN}0-a']
    other = tmp_path / 'sub-02' / 'anat' / names[0]
    for path in (*leftovers, other):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"Status": "o')
    assert scan_files(tmp_path) == []
    assert list(scan_records(tmp_path)) == []
    assert not has_looks(tmp_path)
    assert sweep_output(tmp_path, ['01']) == len(leftovers)
    assert not any(path.exists() for path in leftovers)
    assert other.exists(), 'another run may be writing it'
    assert sweep_output(tmp_path) == 1


@pytest.mark.parametrize(
    'name', ['sub-01_acq-a\nb', 'sub-01_acq-\t', 'sub-01_\x1b[2J', 'sub-01_é']
)
def test_a_scan_with_an_odd_name_is_not_lost(tmp_path: Path, name: str) -> None:
    """17 rows of 19 scans: the two with an end of a line in their name had vanished."""
    scan = Scan('01', None, 'T1w', name, tmp_path)
    write_json(ScanFiles.of(scan, tmp_path).record, {})
    assert scan_files(tmp_path) == [ScanFiles.of(scan, tmp_path)]
