"""``bids-reid-check``: what is uploaded is what was audited, or somebody is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bids_reid.bids.tables import read_table
from bids_reid.check import PASS, SUMMARY, TABLE, main
from bids_reid.errors import Exit
from tests.support.audits import (
    FIRST,
    SECOND,
    change,
    write_audit,
    write_release,
    write_rows,
    write_volume,
)

Check = Callable[..., tuple[int, list[str]]]
PROBLEM = Exit.RISK


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_release(tmp_path / 'release')


@pytest.fixture
def out(tmp_path: Path, release: Path) -> Path:
    return write_audit(tmp_path / 'out', release)


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Check:
    """Call the program on ``out`` and ``release``; return its exit code and lines."""

    def run(*options: object) -> tuple[int, list[str]]:
        arguments = [tmp_path / 'out', tmp_path / 'release', *options, '-n', 1]
        code = main([*map(str, arguments)])
        said = capsys.readouterr()
        return code, (said.out + said.err).splitlines()

    return run


@pytest.fixture
def json_of(check: Check) -> Callable[..., dict[str, object]]:
    """Call the program with ``--json``; return the object."""

    def run(*options: object) -> dict[str, object]:
        code, lines = check('--json', *options)
        content = json.loads('\n'.join(lines))
        assert content['ok'] == (code == Exit.OK)
        assert code in (Exit.OK, PROBLEM)
        return content

    return run


def test_what_was_audited_may_be_uploaded(out: Path, check: Check) -> None:
    """A check that refuses what passed is one that people turn off."""
    assert check() == (Exit.OK, ['2 images, all audited, none changed'])


def test_hashes_are_kept_where_they_can_be(
    out: Path, check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second call before an upload takes a moment; a folder that is read-only is no reason."""
    # files that were written just now are not kept otherwise
    monkeypatch.setattr('bids_reid.bids.hash_cache.RACY_NS', 0)
    passed = (Exit.OK, ['2 images, all audited, none changed'])
    own, other = out / '.cache' / 'files.tsv', tmp_path / 'other.tsv'
    for option in ('--full', '--no-cache'):
        assert check(option) == passed
        assert not own.exists()
    assert check('--cache', other) == passed
    assert other.exists()
    assert not own.exists()
    assert check() == passed
    kept = own.read_text()
    assert check() == passed
    assert own.read_text() == kept
    own.unlink()
    own.parent.rmdir()
    own.parent.write_text('no folder')
    assert check() == passed


@pytest.mark.parametrize('option', [(), ('--full',), ('--no-cache',)])
def test_a_changed_byte_is_found(
    out: Path, release: Path, check: Check, option: tuple[str, ...]
) -> None:
    """The size and the time of change can be those of the file that was audited."""
    check()
    change(release / FIRST)
    code, lines = check(*option)
    assert code == PROBLEM
    assert lines == [
        f'{FIRST}: changed: its bytes are not those that were audited',
        '1 problem (2 images compared): do not upload',
    ]


def test_files_exchanged_are_found(out: Path, release: Path, check: Check) -> None:
    """Both are audited, but a verdict of one participant would be read as that of another."""
    first, second = release / FIRST, release / SECOND
    third = first.rename(release / 'third')
    second.rename(first)
    third.rename(second)
    code, lines = check()
    assert code == PROBLEM
    assert [line.split(': ')[:2] for line in lines[:-1]] == [
        [FIRST, 'changed'],
        [SECOND, 'changed'],
    ]


@pytest.mark.parametrize(
    'path',
    [
        'sub-03/anat/sub-03_T1w.nii.gz',
        'derivatives/freesurfer/sub-01/mri/orig.nii',
        'sourcedata/sub-01.nii.gz',
        '.hidden/scan.nii',
        'code/notes.txt',
        'sub-01/anat/noextension',
    ],
)
def test_an_image_added_is_found(out: Path, release: Path, check: Check, path: str) -> None:
    """Whatever its name and folder: a face in notes.txt is a face."""
    write_volume(release / path, 7)
    assert check()[1][0] == f'{path}: new: not audited'
    assert check()[0] == PROBLEM


def test_files_that_show_nobody_may_change(out: Path, release: Path, check: Check) -> None:
    """Somebody who mends a README must not have to audit again."""
    (release / 'README').write_text('Another text.\n')
    (release / 'sub-01/anat/sub-01_T1w.json').write_text('{"Modality": "MR", "EchoTime": 1}\n')
    (release / 'participants.json').write_text('{}')
    (release / 'dataset_description.json').unlink()
    assert check()[0] == Exit.OK


def test_an_image_removed_is_found(out: Path, release: Path, check: Check) -> None:
    """The audit was of the whole: what is uploaded is another release."""
    (release / SECOND).unlink()
    code, lines = check()
    assert (code, lines[0]) == (PROBLEM, f'{SECOND}: missing: audited, but not in the folder')
    assert check('--allow-missing') == (Exit.OK, ['1 image, all audited, none changed'])


def test_an_image_renamed_is_one_problem(out: Path, release: Path, check: Check) -> None:
    """Two lines, one new and one missing, would not tell what happened."""
    (release / FIRST).rename(release / 'sub-01/anat/sub-01_T2w.nii.gz')
    code, lines = check()
    assert code == PROBLEM
    assert lines == [
        f'sub-01/anat/sub-01_T2w.nii.gz: moved: from {FIRST}',
        '1 problem (2 images compared): do not upload',
    ]
    assert check('--allow-missing')[0] == PROBLEM


def test_a_copy_is_new(out: Path, release: Path, check: Check) -> None:
    """Nobody audited under which name it would be uploaded."""
    copied = release / 'sub-03_T1w.nii.gz'
    copied.write_bytes((release / FIRST).read_bytes())
    code, lines = check()
    assert code == PROBLEM
    assert lines[0] == (
        f'sub-03_T1w.nii.gz: new: a copy of {FIRST}, which was audited at that path only'
    )
    assert len(lines) == 2


@pytest.mark.parametrize('verdict', ['could not assess', 'not looked at', 'n/a'])
def test_a_verdict_that_is_none_is_told(
    release: Path, tmp_path: Path, check: Check, verdict: str
) -> None:
    """The bytes are those of the audit, but nobody knows of what."""
    write_audit(tmp_path / 'out', release, verdicts={FIRST: (verdict, 'the eyes are cut')})
    code, lines = check()
    assert code == PROBLEM
    shown = 'no verdict' if verdict == 'n/a' else verdict
    assert lines[0] == f'{FIRST}: {shown}: the eyes are cut'


def test_a_finding_counts_unless_the_limit_allowed_it(
    release: Path, tmp_path: Path, check: Check
) -> None:
    """A steward who gave --max-findings decided; nobody else did."""
    verdicts = {FIRST: ('review', 'a nose is left')}
    out = tmp_path / 'out'
    write_audit(out, release, verdicts=verdicts)
    summary = json.loads((out / SUMMARY).read_text())
    # without a limit no such outcome is written
    assert check()[0] == PROBLEM
    summary['limits']['max_findings'] = 0.5
    (out / SUMMARY).write_text(json.dumps(summary))
    assert check()[0] == Exit.OK
    outcome = 'do not share'
    write_audit(
        out, release, verdicts=verdicts, outcome=outcome, reasons=['One image has a nose.']
    )
    code, lines = check()
    assert code == PROBLEM
    assert lines[:2] == ['do not share: One image has a nose.', f'{FIRST}: review: a nose is left']


@pytest.mark.parametrize('outcome', ['do not share', 'look first'])
def test_the_outcome_is_part_of_it(
    release: Path, tmp_path: Path, check: Check, outcome: str
) -> None:
    """Each image can be without findings in a release that must not be shared."""
    reasons = ['No control was run.', 'sub-03 has no de-faced version.']
    write_audit(tmp_path / 'out', release, outcome=outcome, reasons=reasons)
    code, lines = check()
    assert code == PROBLEM
    assert lines[:-1] == [f'{outcome}: {reason}' for reason in reasons]
    write_audit(tmp_path / 'out', release, outcome=outcome)
    code, lines = check()
    assert (code, lines[0]) == (PROBLEM, f'{outcome}: {outcome} in release.')


@pytest.mark.parametrize('edit', ['sha256', 'path', 'removed', 'in_release', 'empty'])
def test_a_table_that_was_edited_or_is_of_another_run(
    out: Path, release: Path, check: Check, edit: str
) -> None:
    """A row written by hand would pass for an audit."""
    rows: list[dict[str, str]] = read_table(out / TABLE)
    if edit == 'removed':
        del rows[0]
    elif edit == 'in_release':
        rows[-1][edit] = 'yes'
    elif edit != 'empty':
        rows[0][edit] = rows[0][edit].replace('1', '2')
    write_rows(out / TABLE, [] if edit == 'empty' else rows)
    code, lines = check()
    assert code == PROBLEM
    assert lines[0] == (
        'table: group_images.tsv was changed, or belongs to another run: run the group level again'
    )
    assert len(lines) == 2


def test_the_output_inside_the_release_is_found(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It holds skin surfaces and features of every face."""
    inside = release / 'derivatives' / 'bids_reid'
    inside.parent.mkdir()
    write_audit(tmp_path / 'out', release)
    (tmp_path / 'out').rename(inside)
    write_surface(inside)
    code = main([str(inside), str(release), '-n', '1'])
    lines = capsys.readouterr().out.splitlines()
    assert code == PROBLEM
    assert lines == [
        'derivatives/bids_reid/: own output: it holds results of bids-reid about faces: '
        'move it out of the folder',
        '1 problem (3 images compared): do not upload',
    ]
    for path, expected in (
        ('sub-01', Exit.OK),
        ('derivatives', PROBLEM),
        ('derivatives/bids_reid/sub-01', PROBLEM),
    ):
        assert main([str(inside), str(release), '-n', '1', '--only', path]) == expected, path
    assert main([str(release), str(release)]) == Exit.NO_INPUT
    write_audit(release, release)
    assert main([str(release), str(release)]) == Exit.USAGE


def test_a_stray_template_is_a_problem(release: Path, out: Path, check: Check) -> None:
    """It holds the features of a face, and was no image for the audit."""
    stray = release / 'sub-01' / 'anat' / 'features.dat'
    arrays = {'view': np.zeros(1, np.int32), 'found': np.ones(1, bool)}
    with stray.open('wb') as file:
        np.savez(file, features=np.zeros((1, 4), np.float32), **arrays)
    code, lines = check()
    assert code == PROBLEM
    assert lines[0] == (
        'sub-01/anat/features.dat: template: a template of bids_reid, which holds features of a '
        'face: remove it'
    )


def write_surface(out: Path) -> None:
    """Write what the participant level does, as far as it matters."""
    from nibabel import gifti

    path = out / 'sub-01' / 'anat' / 'sub-01_desc-skin_T1w.surf.gii'
    path.parent.mkdir(parents=True)
    gifti.GiftiImage().to_filename(path)


def test_a_part_can_be_checked(out: Path, release: Path, check: Check) -> None:
    """Somebody who uploads one participant is not told of the others, and a slip is no pass."""
    change(release / SECOND)
    write_volume(release / 'sub-010/anat/sub-010_T1w.nii.gz', 9)
    one = (Exit.OK, ['1 image, all audited, none changed'])
    assert check('--only', 'sub-01') == one
    assert check('--only', f'./{FIRST}', 'README') == one
    assert check('--only', release / FIRST) == one
    assert check('--only', 'README') == (Exit.OK, ['0 images, all audited, none changed'])
    for path in ('sub-02', 'sub-02/anat/', SECOND, '.', 'sub-010'):
        assert check('--only', path)[0] == PROBLEM, path
    (release / FIRST).unlink()
    code, lines = check('--only', FIRST)
    assert (code, lines[0]) == (PROBLEM, f'{FIRST}: missing: audited, but not in the folder')
    code, lines = check('--only', 'sub-01', 'sub-O2')
    assert code == Exit.NO_INPUT
    assert 'sub-O2 is neither in' in lines[0]
    assert lines[0].endswith('did you mean sub-02?')
    for path in ('..', '/data', ''):
        assert check('--only', path)[0] == Exit.USAGE, path


def test_programs_read_json(
    out: Path, release: Path, json_of: Callable[..., dict[str, object]]
) -> None:
    """One object, and nothing else that a parser would stumble over."""
    content = json_of()
    manifest = content.pop('manifest_sha256')
    assert content == {'ok': True, 'outcome': 'nothing found', 'n_images': 2, 'problems': []}
    assert manifest == json.loads((out / SUMMARY).read_text())['manifest_sha256']
    change(release / SECOND)
    write_volume(release / 'a.nii')
    content = json_of()
    changed = 'its bytes are not those that were audited'
    assert content['n_images'] == 3
    assert content['problems'] == [
        {'path': 'a.nii', 'problem': 'new', 'detail': 'not audited'},
        {'path': SECOND, 'problem': 'changed', 'detail': changed},
    ]
    write_audit(out, release, outcome='look first', reasons=['Look.'])
    whole = {'path': None, 'problem': 'look first', 'detail': 'Look.'}
    assert json_of()['problems'] == [whole]


def test_swapped_folders_are_asked_about(
    out: Path, release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """ "Run the group level first" sends somebody back to a run that is done."""
    assert main([str(release), str(out)]) == Exit.USAGE
    assert 'are OUT and RELEASE swapped?' in capsys.readouterr().err


def damage(path: Path, text: str) -> Callable[[], object]:
    return lambda: path.write_text(text)


def test_an_audit_that_cannot_be_read_is_no_pass(
    out: Path, release: Path, check: Check, tmp_path: Path
) -> None:
    """Exit code 66 and what to do, not a traceback and not 0."""
    summary, table = out / SUMMARY, out / TABLE
    whole = json.loads(summary.read_text())
    rows = table.read_text()
    without = {key: value for key, value in whole.items() if key != 'manifest_sha256'}
    for path, text, expected in (
        (summary, '{', 'group_summary.json is damaged: run the group level again'),
        (summary, '[]', 'group_summary.json is damaged'),
        (summary, json.dumps(without), 'group_summary.json is damaged'),
        (summary, json.dumps(whole | {'reasons': ['x']}), 'group_summary.json is damaged'),
        (summary, json.dumps(whole | {'outcome': 3}), 'group_summary.json is damaged'),
        (summary, json.dumps(whole | {'outcome': [PASS]}), 'group_summary.json is damaged'),
        (summary, json.dumps(whole | {'limits': []}), 'group_summary.json is damaged'),
        (summary, '{"a":' * 99_999, 'group_summary.json is damaged'),
        (summary, json.dumps(whole | {'schema_version': 0}), 'schema 0, not 1'),
        (summary, '{"Gate": {}}', 'by another version of bids-reid'),
        (summary, None, 'group_summary.json is not there: run the group level of bids-reid first'),
        (table, rows.replace('in_release', 'in'), 'images.tsv is damaged: run the group level'),
        (table, rows[:-9] + '\n', 'group_images.tsv is damaged'),
        (table, None, 'group_images.tsv is not there'),
    ):
        before = path.read_text()
        path.unlink() if text is None else path.write_text(text)
        code, lines = check()
        assert (code, len(lines)) == (Exit.NO_INPUT, 1), (path.name, text, lines)
        assert expected in lines[0]
        path.write_text(before)
    assert check()[0] == Exit.OK
    out.rename(tmp_path / 'elsewhere')
    assert check()[0] == Exit.NO_INPUT
    (tmp_path / 'elsewhere').rename(out)
    release.rename(tmp_path / 'elsewhere')
    code, lines = check()
    assert (code, len(lines)) == (Exit.NO_INPUT, 1)


def write_slice(path: Path, number: int) -> None:
    """Write one file of a DICOM series."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = MRImageStorage
    meta.MediaStorageSOPInstanceUID = f'1.2.3.{number}'
    content = FileDataset(path, {}, file_meta=meta, preamble=b'\0' * 128)
    content.SOPClassUID, content.SOPInstanceUID = MRImageStorage, f'1.2.3.{number}'
    content.StudyInstanceUID, content.SeriesInstanceUID = '1.2', '1.2.3'
    content.Modality, content.InstanceNumber = 'MR', number
    content.Rows = content.Columns = 4
    content.SamplesPerPixel, content.PhotometricInterpretation = 1, 'MONOCHROME2'
    content.BitsAllocated = content.BitsStored = 16
    content.HighBit, content.PixelRepresentation = 15, 0
    content.PixelData = bytes([number] * 32)
    path.parent.mkdir(parents=True, exist_ok=True)
    content.save_as(path, enforce_file_format=True)


def test_a_series_is_one_image(release: Path, tmp_path: Path, check: Check) -> None:
    """A slice that is added, changed or gone shows another face, or more of it."""
    folder = release / 'sourcedata' / 'sub-01'
    files = [folder / f'{number}.dcm' for number in range(1, 4)]
    for number, file in enumerate(files):
        write_slice(file, number)
    write_audit(tmp_path / 'out', release)
    assert check() == (Exit.OK, ['3 images, all audited, none changed'])
    changed = 'sourcedata/sub-01/1.dcm: changed: its bytes are not those that were audited'
    change(files[1])
    assert check()[1][0] == changed
    write_slice(files[1], 1)
    assert check()[0] == Exit.OK
    write_slice(folder / '4.dcm', 4)
    assert check()[1][0] == changed
    (folder / '4.dcm').unlink()
    assert check('--only', 'sourcedata/sub-01/2.dcm')[0] == Exit.OK
    files[2].unlink()
    assert check()[1][0] == changed
    # one that comes before all others gives the image another name
    write_slice(folder / '0.dcm', 0)
    code, lines = check()
    assert (code, lines[0]) == (PROBLEM, changed.replace('1.dcm', '0.dcm'))
    assert len(lines) == 2


def test_wrong_usage_has_its_code(out: Path, check: Check) -> None:
    for options in (['--nprocs', '0'], ['--onyl', 'x']):
        with pytest.raises(SystemExit) as ended:
            check(*options)
        assert ended.value.code == Exit.USAGE


MD5_KEY = 'MD5E-s704--d41d8cd98f00b204e9800998ecf8427e.nii.gz'


def annexed(path: Path, key: str, *, content: bytes | None = None) -> None:
    """Make of a file what git-annex makes of it."""
    top = next(folder for folder in path.parents if folder.name == 'release')
    subprocess.run(['git', 'init', '-q', str(top)], check=True)
    store = top / '.git/annex/objects/aa/bb' / key / key
    path.unlink()
    if content is not None:
        store.parent.mkdir(parents=True)
        store.write_bytes(content)
    path.symlink_to(os.path.relpath(store, path.parent))


def test_keys_of_git_annex_stand_for_content_that_is_not_here(
    release: Path, tmp_path: Path, check: Check
) -> None:
    """A dataset of terabytes is published from a clone that has none of them."""
    out = tmp_path / 'out'
    annexed(release / FIRST, MD5_KEY, content=(release / FIRST).read_bytes())
    write_audit(out, release)
    sha256 = next(row['sha256'] for row in read_table(out / TABLE) if row['path'] == SECOND)
    assert check()[0] == Exit.OK
    # dropped; and another participant's came with a key that is the hash itself
    (release / FIRST).resolve().unlink()
    annexed(release / SECOND, f'SHA256E-s704--{sha256}.nii.gz')
    assert check()[0] == Exit.OK
    annexed(release / SECOND, f'SHA256E-s704--{sha256[::-1]}.nii.gz')
    code, lines = check()
    assert (code, lines[0].split(': ')[:2]) == (PROBLEM, [SECOND, 'changed'])
    annexed(release / SECOND, f'SHA256E-s704--{sha256}.nii.gz')
    annexed(release / FIRST, MD5_KEY.replace('d4', 'd5'))
    code, lines = check()
    assert (code, lines[0].split(': ')[:2]) == (PROBLEM, [FIRST, 'absent'])
    assert len(lines) == 2


@pytest.mark.parametrize(
    'key', ['URL-s704--http&c%%example.org%x.nii.gz', 'WORM-s704-m1--x.nii.gz']
)
def test_keys_that_are_no_hash_stand_for_nothing(
    release: Path, tmp_path: Path, check: Check, key: str
) -> None:
    """What an address leads to can be another image tomorrow."""
    annexed(release / FIRST, key, content=(release / FIRST).read_bytes())
    write_audit(tmp_path / 'out', release)
    assert check()[0] == Exit.OK
    (release / FIRST).resolve().unlink()
    code, lines = check()
    assert (code, lines[0].split(': ')[:2]) == (PROBLEM, [FIRST, 'absent'])


def test_content_of_git_annex_that_is_here_is_read(
    release: Path, tmp_path: Path, check: Check
) -> None:
    """Its key says what it was: what is uploaded is what it is."""
    annexed(release / FIRST, MD5_KEY, content=(release / FIRST).read_bytes())
    write_audit(tmp_path / 'out', release)
    change((release / FIRST).resolve())
    code, lines = check()
    assert (code, lines[0].split(': ')[:2]) == (PROBLEM, [FIRST, 'changed'])


def git(folder: Path, *arguments: str) -> None:
    """Call git as nobody in particular."""
    who = ('-c', 'user.name=a', '-c', 'user.email=a@example.org', '-c', 'commit.gpgsign=false')
    subprocess.run(['git', *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_history_of_git_is_a_part_of_the_folder(
    release: Path, tmp_path: Path, check: Check
) -> None:
    """A face that was deleted travels with .git; a clone without the history lacks nothing."""
    git(release, 'init')
    old = write_volume(release / 'old.nii', 9)
    git(release, 'add', '-A')
    git(release, 'commit', '-m', 'old')
    git(release, 'rm', 'old.nii')
    git(release, 'commit', '-m', 'new')
    assert not old.exists()
    out = write_audit(tmp_path / 'out', release)
    assert check() == (Exit.OK, ['3 images, all audited, none changed'])
    release.rename(tmp_path / 'whole')
    git(tmp_path, 'clone', '--depth', '1', f'file://{tmp_path}/whole', str(release))
    assert check() == (Exit.OK, ['2 images, all audited, none changed'])
    # audited bytes, deleted since
    git(release, 'rm', SECOND)
    assert check()[1][0] == f'{SECOND}: missing: audited, but not in the folder'
    git(release, 'reset', '--hard')
    # bytes that nobody audited, deleted since
    write_volume(release / 'other.nii', 10)
    git(release, 'add', 'other.nii')
    (release / 'other.nii').unlink()
    git(release, 'rm', '--cached', 'other.nii')
    code, lines = check()
    assert (code, len(lines)) == (PROBLEM, 2)
    assert lines[0].startswith('.git/')
    assert lines[0].endswith(': new: not audited')
    # and those of which the audit says that they must not go
    (row,) = (row for row in read_table(out / TABLE) if row['path'].startswith('.git/'))
    write_audit(out, tmp_path / 'whole', verdicts={row['path']: ('not looked at', 'history')})
    release.rename(tmp_path / 'clone')
    (tmp_path / 'whole').rename(release)
    assert check()[1][0] == f'{row["path"]}: not looked at: history'


def test_what_was_audited_without_its_content_does_not_pass(
    release: Path, tmp_path: Path, check: Check
) -> None:
    """The key is known, but nobody looked at the image."""
    annexed(release / FIRST, MD5_KEY)
    verdicts = {FIRST: ('not looked at', 'its content is not here')}
    write_audit(tmp_path / 'out', release, verdicts=verdicts)
    code, lines = check()
    assert (code, lines[0]) == (PROBLEM, f'{FIRST}: not looked at: its content is not here')


def test_names_that_are_not_utf8(release: Path, tmp_path: Path, check: Check) -> None:
    """One such file must not make the whole release fail, nor pass unseen."""
    odd = release / 'sub-01\udcff.nii'
    write_volume(release / 'x.nii', 5).rename(odd)
    write_audit(tmp_path / 'out', release)
    assert check() == (Exit.OK, ['3 images, all audited, none changed'])
    change(odd)
    assert check()[1][0] == 'sub-01\\udcff.nii: changed: its bytes are not those that were audited'


USE = """
import sys
import bids_reid.check
code = bids_reid.check.main(sys.argv[1:])
heavy = 'numpy pandas scipy vtk vtkmodules cv2 nipype nibabel bids matplotlib PIL onnxruntime'
print([name for name in heavy.split() if name in sys.modules], code)
"""


def test_it_needs_nothing_but_python(out: Path, release: Path) -> None:
    """A CI installs the program alone, in seconds; a hook runs before every push."""
    package = Path(sys.modules['bids_reid'].__path__[0]).parent
    # -S leaves out what is installed, so that there is nothing to import
    command = [sys.executable, '-S', '-c', USE, str(out), str(release)]
    done = subprocess.run(
        command,
        env=os.environ | {'PYTHONPATH': str(package)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ''
    assert done.stdout.splitlines() == ['2 images, all audited, none changed', '[] 0']


def test_the_console_script_is_there(out: Path, release: Path, call: Callable) -> None:
    done = call('bids-reid-check', out, release)
    assert (done.returncode, done.stderr) == (0, '')
    done = call('bids-reid-check', '--help')
    assert done.returncode == 0
    assert '0  Every image was audited' in done.stdout
