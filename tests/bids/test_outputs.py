"""How results are written: whole or not at all, for their owner, and readable again."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

import pytest

from bids_reid.bids import outputs
from bids_reid.bids.outputs import (
    ScanFiles,
    atomically,
    bids_uri,
    copy_file,
    file_sha256,
    prepare_output,
    read_json,
    read_table,
    scan_records,
    write_json,
    write_table,
    write_text,
)
from bids_reid.errors import CannotWriteError
from bids_reid.records import Scan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def row(**values: object) -> dict[str, object]:
    return dict.fromkeys(ROW_COLUMNS) | values


ROW_COLUMNS = (
    'participant_id', 'session_id', 'modality', 'condition', 'source', 'status',
    'face_present', 'face_score', 'deidentification', 'n_views_with_face', 'verdict', 'brain_loss',
    'face_completed', 'reason',
)  # fmt: skip


def test_a_stopped_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    """Otherwise half a template, after a full disk or Ctrl-C, counts as a result."""
    target = tmp_path / 'new' / 'file.npz'

    def stop(error: type[BaseException]) -> None:
        with atomically(target) as temporary:
            temporary.write_text('half')
            assert not target.exists() or target.read_text() == 'whole'
            raise error

    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            stop(error)
        assert list(target.parent.iterdir()) == []
    write_text(target, 'whole')
    with pytest.raises(ValueError):  # noqa: PT011 (our own)
        stop(ValueError)
    assert [path.name for path in target.parent.iterdir()] == ['file.npz']
    assert target.read_text() == 'whole'


def test_the_temporary_file_is_no_result(tmp_path: Path) -> None:
    """Otherwise a killed process leaves something that the group level reads."""
    with atomically(tmp_path / 'sub-01_desc-skin_T1w.json') as temporary:
        assert temporary.parent == tmp_path  # the same disk: replacing is one step
        assert temporary.name.startswith('.')
        temporary.touch()


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    write_text(tmp_path / 'file', '')
    with pytest.raises(CannotWriteError, match=r'file/x\.json'):
        write_json(tmp_path / 'file' / 'x.json', {})
    (tmp_path / 'folder').mkdir()
    with pytest.raises(CannotWriteError, match='folder'):
        write_text(tmp_path / 'folder', '')
    assert {path.name for path in tmp_path.iterdir()} == {'file', 'folder'}


@pytest.fixture
def _private() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures('_private')
def test_only_the_owner_reads_what_is_written(tmp_path: Path) -> None:
    """Otherwise everybody on the cluster can see participants' faces."""
    out, source = tmp_path / 'out', tmp_path / 'source'
    source.write_text('x')
    source.chmod(0o644)
    prepare_output(out, tmp_path)
    copy_file(source, out / 'sub-01' / 'ses-1' / 'anat' / 'skin.surf.gii')
    write_table(out / 'group_scans.tsv', 'group_scans', [])
    written = list(out.rglob('*'))
    assert len(written) >= 8
    for path in [out, *written]:
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path


def test_missing_values_are_told_as_bids_tells_them(tmp_path: Path) -> None:
    """Otherwise R and pandas read 'None' and 'nan' as text, and an empty cell is not BIDS."""
    table = tmp_path / 'group_scans.tsv'
    rows = [
        row(),
        row(n_views_with_face=float('nan'), reason='', source=0.1 + 0.2, session_id=0),
    ]
    write_table(table, 'group_scans', rows)
    first, second = read_table(table)
    assert set(first.values()) == {'n/a'}
    assert second['n_views_with_face'] == second['reason'] == 'n/a'
    assert second['source'] == '0.3'
    assert second['session_id'] == '0'


@pytest.mark.parametrize('bad', '\t\n\r\v\f\x1c\x85\u2028')
def test_no_text_breaks_a_table(tmp_path: Path, bad: str) -> None:
    """File names and error messages hold anything; one must not make the table unreadable."""
    table = tmp_path / 'group_scans.tsv'
    rows = [row(reason=f'one{bad}two'), row(reason='é "quoted" 日本', source='last')]
    write_table(table, 'group_scans', rows)
    assert [cells['reason'] for cells in read_table(table)] == ['one two', 'é "quoted" 日本']
    lines = table.read_text(encoding='utf-8').splitlines()
    assert {line.count('\t') for line in lines} == {len(ROW_COLUMNS) - 1}
    assert len(lines) == 3
    assert table.read_bytes().endswith(b'\n')
    assert b'\r' not in table.read_bytes()


def test_a_name_that_is_not_utf8_is_written(tmp_path: Path) -> None:
    """One file name from an old disk must not stop the group level."""
    name = os.fsdecode(b'fa\xe7ade.jpg')
    write_table(tmp_path / 't.tsv', 'group_scans', [row(source=name)])
    assert read_table(tmp_path / 't.tsv')[0]['source'] == 'fa\\udce7ade.jpg'


@pytest.mark.parametrize('kind', ['views', 'group_scans', 'group_identification', 'group_ranks'])
def test_every_column_is_described_beside_its_table(tmp_path: Path, kind: str) -> None:
    """Otherwise nobody knows what a column means, and the validator complains."""
    table = tmp_path / f'{kind}.tsv'
    write_table(table, kind, [])
    dictionary = read_json(table.with_suffix('.json'))
    assert list(dictionary) == table.read_text().rstrip('\n').split('\t')
    assert all(column['Description'] for column in dictionary.values())
    assert all(name == name.lower() for name in dictionary)


def test_a_row_without_a_column_is_refused(tmp_path: Path) -> None:
    """Otherwise cells move to another column."""
    with pytest.raises(KeyError):
        write_table(tmp_path / 'x.tsv', 'group_scans', [{'participant_id': 'sub-01'}])
    assert list(tmp_path.iterdir()) == []


def test_a_bids_uri_leads_back_to_the_file(tmp_path: Path) -> None:
    scan = tmp_path / 'sub-01' / 'anat' / 'sub-01_T1w.nii.gz'
    assert bids_uri(scan, tmp_path) == 'bids:raw:sub-01/anat/sub-01_T1w.nii.gz'


def test_damaged_json_is_as_good_as_none(tmp_path: Path) -> None:
    """A record cut short means: do the scan again, not a traceback."""
    path = tmp_path / 'x.json'
    for content in (b'', b'{"a": ', b'[1]', b'\xff'):
        path.write_bytes(content)
        assert read_json(path) == {}
    assert read_json(tmp_path / 'gone.json') == {}
    write_json(path, {'a': 'é'})
    assert read_json(path) == {'a': 'é'}


def test_the_hash_is_sha256(tmp_path: Path) -> None:
    (tmp_path / 'x').write_bytes(b'abc')
    assert file_sha256(tmp_path / 'x').startswith('ba7816bf8f01cfea414140de5dae2223b00361a39')


class TestPrepareOutput:
    """The output folder is a BIDS derivative of the dataset."""

    @pytest.fixture
    def raw(self, tmp_path: Path) -> Path:
        raw = tmp_path / 'raw'
        raw.mkdir()
        (raw / 'dataset_description.json').write_text('{"Name": "Faces"}')
        return raw

    def test_again_gives_the_same_bytes(self, raw: Path, tmp_path: Path) -> None:
        """Otherwise jobs that run side by side on a cluster disturb each other."""
        out = tmp_path / 'deep' / 'out'
        prepare_output(out, raw)
        before = {path.name: path.read_bytes() for path in out.iterdir()}
        prepare_output(out, raw)
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before
        assert set(before) == {'dataset_description.json', '.bidsignore', 'README.md'}

    def test_somebody_s_readme_is_left_alone(self, raw: Path, tmp_path: Path) -> None:
        """People give the folder they stand in; ours goes only where none was, or ours."""
        readme = tmp_path / 'mine' / 'README.md'
        readme.parent.mkdir()
        readme.write_text('mine')
        prepare_output(readme.parent, raw)
        assert readme.read_text() == 'mine'
        prepare_output(tmp_path / 'out', raw)
        assert 'bids_reid' in (tmp_path / 'out' / 'README.md').read_text()

    def test_it_says_what_it_was_made_from(self, raw: Path, tmp_path: Path) -> None:
        (tmp_path / 'disk' / 'mine').mkdir(parents=True)
        out = tmp_path / 'out'
        out.symlink_to(tmp_path / 'disk' / 'mine')
        prepare_output(out, raw)
        content = read_json(out / 'dataset_description.json')
        assert content['DatasetType'] == 'derivative'
        assert content['GeneratedBy'][0]['Name'] == 'bids_reid'
        assert (out / content['DatasetLinks']['raw']).resolve() == raw
        assert str(tmp_path) not in json.dumps(content)
        assert 'Faces' in content['Name']

    @pytest.mark.parametrize(
        'description',
        [
            {'Name': 'raw', 'BIDSVersion': '1.8.0'},
            {'Name': 'x', 'DatasetType': 'derivative', 'GeneratedBy': [{'Name': 'fMRIPrep'}]},
            {'Name': 'x', 'GeneratedBy': 'hand'},
        ],
    )
    def test_another_dataset_is_left_alone(
        self, raw: Path, tmp_path: Path, description: dict[str, Any]
    ) -> None:
        """Otherwise a wrong output_dir replaces the description of somebody's dataset."""
        out = tmp_path / 'out'
        out.mkdir()
        path = out / 'dataset_description.json'
        path.write_text(json.dumps(description))
        with pytest.raises(CannotWriteError, match='another dataset'):
            prepare_output(out, raw)
        assert json.loads(path.read_text()) == description
        assert [file.name for file in out.iterdir()] == [path.name]

    def test_the_dataset_itself_is_never_written(self, raw: Path) -> None:
        for same in (raw, raw / '..' / 'raw'):
            with pytest.raises(CannotWriteError, match='bids_dir'):
                prepare_output(same, raw)
        assert [path.name for path in raw.iterdir()] == ['dataset_description.json']


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
        write_json(ScanFiles.of(scan, tmp_path).record, {'Status': 'ok'})
    # the dictionary of a table, a sidecar of another program, a temporary file
    write_json(ScanFiles.of(scans[0], tmp_path).views.with_suffix('.json'), {'view': {}})
    write_json(tmp_path / 'sub-03' / 'anat' / 'sub-03_desc-skin_T1w.json', {'Sources': []})
    found = list(scan_records(tmp_path))
    assert [files for files, _ in found] == [ScanFiles.of(scan, tmp_path) for scan in scans]
    assert all(record == {'Status': 'ok'} for _, record in found)


def test_outputs_bids_has_no_name_for_are_kept_from_the_validator(tmp_path: Path) -> None:
    """Otherwise the output is not valid BIDS, and platforms refuse it."""
    files = ScanFiles.of(Scan('01', 'a', 'T1w', 'sub-01_ses-a', tmp_path), tmp_path)
    written = [files.skin, files.record, files.views, files.views.with_suffix('.json')]
    written += [files.renders, files.template('orb'), tmp_path / 'sub-01.html']
    written += [tmp_path / 'group.html', tmp_path / 'group_ranks.tsv', tmp_path / 'logs']
    for path in written:
        names = (path.name, f'{path.name}/')
        assert any(fnmatch(name, p) for name in names for p in outputs.BIDSIGNORE), path
    assert not any(fnmatch('dataset_description.json', p) for p in outputs.BIDSIGNORE)


def test_conditions_have_names_of_their_own(tmp_path: Path) -> None:
    """Otherwise a version overwrites its original's results, or is read as another condition."""
    raw = Scan('01', 'a', 'T1w', 'sub-01_ses-a', tmp_path / 'x.nii')
    conditions = ('raw', 'defaced', 'skin', 'xskin', 'Views')
    scans = [replace(raw, condition=name) for name in conditions]
    for scan in scans:
        write_json(
            ScanFiles.of(scan, tmp_path).record, {'Status': 'ok', 'Condition': scan.condition}
        )
    folder = tmp_path / 'sub-01' / 'ses-a' / 'anat'
    assert ScanFiles.of(scans[1], tmp_path).skin == (
        folder / 'sub-01_ses-a_desc-defacedskin_T1w.surf.gii'
    )
    found = [(files, record['Condition']) for files, record in scan_records(tmp_path)]
    assert [name for _, name in found] == ['raw', 'Views', 'defaced', 'skin', 'xskin']
    assert all(files.condition == name for files, name in found)


def test_links_lead_to_every_condition(tmp_path: Path) -> None:
    """Otherwise the Sources of a version lead nowhere; a later run without it keeps the link."""
    out, raw, other = (tmp_path / name for name in ('out', 'raw', 'other'))
    for folder in (raw, other):
        folder.mkdir()
    prepare_output(out, raw, [('defaced', other)])
    prepare_output(out, raw)
    description = read_json(out / 'dataset_description.json')
    assert description['DatasetLinks'] == {'raw': '../raw', 'defaced': '../other'}
    assert description['SourceDatasets'] == [{'URL': '../raw'}, {'URL': '../other'}]
    assert bids_uri(other / 'a.nii', other, 'defaced') == 'bids:defaced:a.nii'
