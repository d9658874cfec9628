"""``bids-reid-purge``: after it no face is left, and nothing is gone that was somebody else's."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bids_reid.bids.derivatives import is_up_to_date, read_record
from bids_reid.bids.files import file_sha256, read_json
from bids_reid.bids.layout import scan_files
from bids_reid.bids.release import walk_release
from bids_reid.bids.sensitive import _FACES, _OUR_PAGE, KINDS, output_files, sensitive_amounts
from bids_reid.group.result import GroupResult
from bids_reid.participant.content import Provenance
from bids_reid.purge import main
from bids_reid.records import Scan
from bids_reid.report.group import group_page
from bids_reid.risk.gate import gate
from tests.support.outputs import write_output

LEFTOVERS = (
    'work/bids_reid-0.1/participant_wf/raw_sub_01_T1w/skin/skin.surf.gii',
    'work/bids_reid-0.1/group_wf/orb_1/encoded.npz',
    'work/bids_reid-0.1/run-1/.bids_reid_lock',
    'sub-01/anat/.bids_reid-abc-sub-01_desc-skin_T1w.surf.gii',
    'sub-01/anat/.bids_reid-abc-sub-01_desc-renders_T1w/view-00.png',
    'sub-01/anat/.k3_x9abcsub-01_desc-orb_T1w.npz',
    '.bids_reid-1-group.html',
)
FOREIGN = (
    *('notes.txt', 'group_notes.tsv', 'figure.html', 'code/run.sh', 'work/mine.npz'),
    *('sub-01/anat/sub-01_desc-preproc_T1w.json', 'sub-01/anat/mask.nii.gz', '.gitattributes'),
    'sub-01/anat/sub-01_hemi-L_desc-reg_sphere.surf.gii',
    # the work of curators
    'ratings/sub-01_ratings.json',
)


def add(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'x')


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An output with files of every kind."""
    folder = write_output(tmp_path)[1]
    add(folder, *LEFTOVERS)
    return folder


def paths(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob('*') if not path.is_dir()}


def faces(folder: Path) -> set[str]:
    """What is known to give a face back, by other means than the program's."""
    shown = re.compile(r'\.gii$|\.npz$|/view-\d+\.png$|(^|/)\.(bids_reid|k3_)|^work/bids_reid')
    pages = {path.name for path in folder.glob('*.html') if b'alt="Render' in path.read_bytes()}
    return {path for path in paths(folder) if shown.search(path)} | pages


def test_what_gives_a_face_back_goes_and_the_report_stays(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A lab that keeps its numbers believes that no face is left of its participants."""
    doomed, before = faces(out), paths(out)
    assert len(doomed) == 2 + 4 + 90 + 1 + len(LEFTOVERS)
    assert main([str(out), '--keep-report']) == 0
    assert paths(out) - {'.locks'} == before - doomed
    said = capsys.readouterr().out
    assert '2 skins' in said
    assert '4 templates' in said
    assert '90 renders' in said
    assert '1 page with faces' in said
    assert '3 intermediate files' in said
    assert '4 unfinished files' in said
    assert f'{len(doomed)} files deleted' in said
    assert said.splitlines()[-1] == f'0 files of {len(KINDS)} kinds left'
    assert not list((out / 'work').glob('*'))
    # whatever is left is looked at by content, as before an upload: pages show nobody's face
    left = {image.path for image in walk_release(out)}
    assert left <= {'group.html', 'sub-02.html'}, left


def test_without_the_report_everything_of_ours_goes(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(out)]) == 0
    assert not out.exists()
    assert 'without faces' in capsys.readouterr().out


@pytest.mark.parametrize('options', [[], ['--keep-report']])
def test_files_of_others_stay(
    out: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What people keep beside the results is not ours to delete; that it stays is said."""
    add(out, *FOREIGN)
    assert main([str(out), '-v', *options]) == 0
    left = paths(out)
    assert set(FOREIGN) <= left
    assert options or left == set(FOREIGN)
    said = capsys.readouterr().out
    assert f'{len(FOREIGN)} files not written by bids-reid' in said
    assert all(f'  {name}' in said for name in FOREIGN)


def test_a_dry_run_deletes_nothing(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = paths(out)
    assert main([str(out), '--dry-run', '-v']) == 0
    assert paths(out) == before
    said = capsys.readouterr().out
    assert '--dry-run' in said
    assert all(path in said for path in before)


def test_links_are_not_followed_and_no_proof_is_claimed(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A skin that git-annex keeps elsewhere, or a participant on another disk, is not gone."""
    elsewhere = tmp_path / 'elsewhere'
    add(elsewhere, 'anat/sub-03_desc-skin_T1w.surf.gii', 'skin')
    (out / 'sub-03').symlink_to(elsewhere)
    (out / 'sub-02/anat/sub-02_desc-skin_T2w.surf.gii').symlink_to(elsewhere / 'skin')
    # leads to no face: nobody need care
    (out / 'data').symlink_to(tmp_path / 'raw')
    assert main([str(out)]) == 73
    assert (elsewhere / 'anat/sub-03_desc-skin_T1w.surf.gii').exists()
    assert (elsewhere / 'skin').exists()
    assert (tmp_path / 'raw/sub-01/anat/sub-01_T1w.nii').exists()
    said = capsys.readouterr()
    assert 'link, not followed: delete its target yourself: sub-03' in said.out
    assert 'sub-02_desc-skin_T2w.surf.gii' in said.out
    assert '2 files left' in said.err
    assert 'kinds left' not in said.out


def test_what_cannot_be_deleted_is_named(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that refuses must not look like a purge that was done."""
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.name == 'sub-01_desc-skin_T1w.surf.gii':
            raise PermissionError(1, 'no', str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, 'unlink', refuse)
    assert main([str(out)]) == 73
    said = capsys.readouterr()
    assert 'can give a face back: sub-01/anat/sub-01_desc-skin_T1w.surf.gii' in said.out
    assert '1 file left' in said.err
    monkeypatch.undo()
    # it can be repeated
    assert main([str(out)]) == 0
    assert not out.exists()


def test_a_repository_keeps_a_history(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was committed is there after it was deleted."""
    add(out, '.git/objects/ab/cd')
    assert main([str(out), '--keep-report']) == 73
    assert 'history' in capsys.readouterr().err
    assert (out / '.git/objects/ab/cd').exists()
    assert not faces(out)


def test_no_other_folder_is_touched(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The dataset itself, also one of synthetic people, and what other programs derived."""
    raw = tmp_path / 'raw'
    ours = {'Name': 'bids_reid'}
    for content in (
        None,
        {},
        {'GeneratedBy': [ours], 'DatasetType': 'raw'},
        {'GeneratedBy': [{'Name': 'fMRIPrep'}, ours], 'DatasetType': 'derivative'},
        {'GeneratedBy': 'bids_reid', 'DatasetType': 'derivative'},
    ):
        if content is not None:
            (raw / 'dataset_description.json').write_text(json.dumps(content))
        before = paths(raw)
        assert main([str(raw)]) == 66
        assert paths(raw) == before
        assert 'nothing was deleted' in capsys.readouterr().err
    assert main([str(tmp_path / 'none')]) == 66


def test_a_scan_whose_files_went_is_done_again(out: Path, tmp_path: Path) -> None:
    """A record without its skin must not count as a result."""
    path = tmp_path / 'raw/sub-01/anat/sub-01_T1w.nii'
    scan = Scan('01', None, 'T1w', 'sub-01', path)
    models = {'face_recognition': {'Model': 'm'}}
    assert is_up_to_date(scan, out, models=models, keep_renders=False)
    assert main([str(out), '--keep-report']) == 0
    files = scan_files(out, ['01'])[0]
    assert read_record(files) is not None
    assert not is_up_to_date(scan, out, models={}, keep_renders=False)


def test_the_summary_counts_what_is_there(out: Path) -> None:
    """Somebody who reads ``sensitive_files`` decides by it whether a folder may be passed on."""
    counts = read_json(out / 'group_summary.json')['sensitive_files']
    amounts = sensitive_amounts(out)
    # leftovers came later
    for kind in ('skins', 'templates', 'renders', 'pages_with_faces'):
        assert counts[kind] == {'files': amounts[kind].files, 'bytes': amounts[kind].bytes}
        assert counts[kind]['files'] > 0
    assert amounts['unfinished'].files == 4
    table = file_sha256(out / 'group_images.tsv')
    assert main([str(out), '--keep-report']) == 0
    counts = read_json(out / 'group_summary.json')['sensitive_files']
    assert counts == {kind: {'files': 0, 'bytes': 0} for kind in KINDS}
    assert file_sha256(out / 'group_images.tsv') == table


@pytest.mark.parametrize('people', [(), ('01',)])
def test_an_output_that_a_run_writes_is_left_alone(
    out: Path, people: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its files would go while they are made, and new ones come after the proof."""
    program = (
        'import sys; from pathlib import Path; from bids_reid.bids.locks import locked_output\n'
        'with locked_output(Path(sys.argv[1]), sys.argv[2:]): print("locked", flush=True); input()'
    )
    with subprocess.Popen(
        [sys.executable, '-c', program, out, *people],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b'locked\n'
        before = paths(out)
        assert main([str(out)]) == 73
        assert paths(out) == before
        assert 'is being written by another run' in capsys.readouterr().err
        run.communicate(b'\n')
    assert main([str(out)]) == 0


def test_every_file_that_a_run_writes_has_a_kind(out: Path) -> None:
    """One that the purge does not know would stay as if it were somebody else's."""
    assert {file.path for file in output_files(out) if file.kind == 'other'} == set()
    kinds = {file.kind for file in output_files(out)}
    assert kinds == {*KINDS, 'report'}


def test_the_group_page_is_one_of_ours() -> None:
    """It would stay as somebody else's, and a page with faces must not pass for one without."""
    provenance = Provenance('0', 'bids-reid', (), (), None)
    result = GroupResult('demo', (), provenance, (), release='raw')
    for judged in (None, gate([], condition='raw')):
        page = group_page(replace(result, gate=judged)).encode()
        assert _OUR_PAGE[0] in page
        assert _FACES not in page


def test_a_page_that_cannot_be_read_counts_as_one_with_faces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_path: Path) -> bytes:
        raise PermissionError

    monkeypatch.setattr(Path, 'read_bytes', refuse)
    add(tmp_path, 'sub-01.html')
    assert [file.kind for file in output_files(tmp_path)] == ['pages_with_faces']


def test_names_cannot_write_to_the_terminal(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(out, 'evil\x1b[2J\n')
    assert main([str(out)]) == 0
    said = capsys.readouterr().out
    assert '\x1b' not in said
    assert r'evil\x1b[2J\n' in said


def test_programs_read_what_was_deleted(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script that cleans up has to know what is left, and nothing else on standard output."""
    before = paths(out)
    assert main([str(out), '--dry-run', '--json', '--keep-report']) == 0
    planned = json.loads(capsys.readouterr().out)
    doomed = {file['path'] for file in planned['to_delete']}
    assert planned['dry_run'] is True
    assert set(planned['left']) == doomed
    assert doomed | {file['path'] for file in planned['kept']} == before
    assert paths(out) == before
    assert main([str(out), '--json', '--keep-report']) == 0
    done = json.loads(capsys.readouterr().out)
    assert done['left'] == []
    assert {file['path'] for file in done['to_delete']} >= doomed
    # later messages are shown again
    assert main([str(out)]) == 0
    assert 'kinds left' in capsys.readouterr().out
