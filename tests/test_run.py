"""Both levels on synthetic people, as a user runs them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_reid.bids.tables import read_table
from bids_reid.demo.phantom_dataset import write_phantom_dataset
from bids_reid.faces.facenet import weights_file
from bids_reid.report.head_picture import base_address
from bids_reid.report.html import read_script

Call = Callable[..., 'subprocess.CompletedProcess[str]']

N_PEOPLE = 3
CORRUPT, BRAIN = '08', '09'


@dataclass(frozen=True)
class Audit:
    """A dataset, what the program made of it and what it said."""

    bids: Path
    photos: Path
    out: Path
    exit_code: int
    stdout: str
    stderr: str


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file below a folder, but of what only saves time."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and '.cache' not in path.parts
    }


def folded_brain(path: Path) -> None:
    """A skull-stripped scan: a ball of 65 mm with folds of 4 mm, on zeros."""
    x, y, z = np.indices((75, 75, 75)) * 2.0 - 75
    radius = np.sqrt(x**2 + y**2 + z**2)
    folds = 4 * np.sin(x / 2.5) * np.sin(y / 2.5) * np.sin(z / 2.5)
    data = (radius < 65 + folds).astype(np.int16) * 600
    path.parent.mkdir(parents=True)
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = -75
    nib.save(nib.Nifti1Image(data, affine), path)


@pytest.fixture(scope='session')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three unlike people (the seed) at 2.4 mm, one truncated scan, one skull-stripped scan."""
    root = tmp_path_factory.mktemp('people')
    write_phantom_dataset(
        root, people=N_PEOPLE, photos_per_person=1, distractors=1, spacing=2.4, n_procs=2, seed=4
    )
    whole = (root / 'bids' / 'sub-01' / 'anat' / 'sub-01_T1w.nii.gz').read_bytes()
    broken = root / 'bids' / f'sub-{CORRUPT}' / 'anat' / f'sub-{CORRUPT}_T1w.nii.gz'
    broken.parent.mkdir(parents=True)
    broken.write_bytes(whole[: len(whole) // 2])
    folded_brain(root / 'bids' / f'sub-{BRAIN}' / 'anat' / f'sub-{BRAIN}_T1w.nii.gz')
    portrait = (root / 'photos' / 'sub-01_photo-1.jpg').read_bytes()
    for number, label in enumerate((CORRUPT, BRAIN)):
        # the very same file would be a wrong label
        (root / 'photos' / f'sub-{label}_photo-1.jpg').write_bytes(portrait + bytes([number]))
    (root / 'photos' / 'sub-02_photo-2.png').write_text('no picture')
    return root


@pytest.fixture(scope='session')
def audit(dataset: Path, call: Call, tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """Run both levels once; nearly all tests look at what came out."""
    out = tmp_path_factory.mktemp('out') / 'derivatives'
    bids, photos = dataset / 'bids', dataset / 'photos'
    before = contents(bids)
    done = call('bids-reid', bids, out, 'participant', 'group', '--photos', photos, '--nprocs', 2)
    assert contents(bids) == before, 'the dataset was written to'
    return Audit(bids, photos, out, done.returncode, done.stdout, done.stderr)


def test_one_bad_scan_does_not_stop_the_others(audit: Audit) -> None:
    """Without this a single damaged file costs a night on the cluster."""
    rows = {row['participant_id']: row for row in read_table(audit.out / 'group_images.tsv')}
    assert audit.exit_code == 1, audit.stderr
    assert [rows[f'sub-0{n}']['status'] for n in (1, 2, 3)] == ['ok'] * 3
    assert rows[f'sub-{CORRUPT}']['status'] == 'failed'
    assert f'sub-{CORRUPT}_T1w.nii.gz' in rows[f'sub-{CORRUPT}']['reason']
    assert 'Traceback' not in audit.stdout + audit.stderr


def test_a_skull_stripped_scan_is_a_row_with_a_reason(audit: Audit) -> None:
    """Detectors see faces in the folds of a brain: a template from them would be nonsense."""
    rows = {row['participant_id']: row for row in read_table(audit.out / 'group_images.tsv')}
    assert rows[f'sub-{BRAIN}']['status'] == 'no_face'
    assert rows[f'sub-{BRAIN}']['n_views_with_face'] == '0'
    assert 'skull-stripped' in rows[f'sub-{BRAIN}']['reason']


def test_failures_stay_in_the_denominator(audit: Audit) -> None:
    """Dropping them would make a dataset look safer or riskier than it is."""
    rows = read_table(audit.out / 'group_identification.tsv')
    first = {row['unit']: row for row in rows if row['k'] == '1'}
    for unit in ('photo', 'participant'):
        assert first[unit]['n_probes'] == '5'
        assert first[unit]['n_gallery'] == '3'
        assert first[unit]['n_failed_enrol'] == '2'
        assert first[unit]['n_failed_acquire'] == '0'
        assert int(first[unit]['n_correct']) <= 3


def test_all_participants_are_found_among_three(audit: Audit) -> None:
    """Three unlike people with frontal photographs: if they are not found, the chain is broken."""
    ranks = read_table(audit.out / 'group_ranks.tsv')
    found = [row['rank'] for row in ranks if row['status'] == 'ok']
    assert found.count('1') >= 2, ranks


def test_no_distractor_is_ever_named(audit: Audit) -> None:
    """Naming a stranger would make this a search engine for people."""
    for path in audit.out.glob('group*'):
        assert 'distractor-01' not in path.read_text('utf-8'), path
    ranks = read_table(audit.out / 'group_ranks.tsv')
    assert all(row['photo'].startswith('sub-') for row in ranks)
    summary = json.loads((audit.out / 'group_summary.json').read_text())
    assert summary['photographs']['distractors'] == 1


def test_an_unreadable_photograph_is_listed(audit: Audit) -> None:
    """A photograph that vanishes without a word makes N a riddle."""
    page = (audit.out / 'group.html').read_text('utf-8')
    summary = json.loads((audit.out / 'group_summary.json').read_text())
    assert summary['photographs']['unreadable'] == 1
    assert 'sub-02_photo-2.png' in page


TABLES = (
    *('group_identification', 'group_ranks', 'group_images', 'group_linkage'),
    *('group_strongest', 'group_participants', 'group_comparisons', 'group_controls'),
    *('group_growth', 'group_verification', 'group_det', 'group_openset', 'group_breakdown'),
    *('group_cmc', 'group_distributions'),
)


def test_the_files_that_are_promised_are_there(audit: Audit) -> None:
    """Other people's scripts read these names."""
    names = {name for name in contents(audit.out) if not name.startswith(('logs/', 'figures/'))}
    citations = {f'logs/CITATION.{ending}' for ending in ('md', 'bib')}
    assert citations <= set(contents(audit.out))
    figures = {path.name for path in (audit.out / 'figures').iterdir()}
    kinds = ('cmc_T1w-raw', 'distributions_T1w-raw', 'det', 'published')
    assert {f'{kind}.{ending}' for kind in kinds for ending in ('svg', 'pdf')} <= figures
    templates = ['facerecognition', 'orb', 'sift', *(['facenet'] if weights_file() else [])]
    scan = [
        f'sub-01/anat/sub-01_desc-{label}_T1w.{suffix}'
        for label in templates
        for suffix in ('json', 'npz')
    ]
    scan += [
        'sub-01/anat/sub-01_desc-skin_T1w.json',
        'sub-01/anat/sub-01_desc-skin_T1w.surf.gii',
        'sub-01/anat/sub-01_desc-views_T1w.json',
        'sub-01/anat/sub-01_desc-views_T1w.tsv',
    ]
    expected = {name.replace('01', f'{n:02d}') for n in (1, 2, 3, int(BRAIN)) for name in scan}
    for n in (1, 2, 3, int(CORRUPT), int(BRAIN)):
        label = f'sub-{n:02d}'
        expected |= {f'{label}.html', f'verdicts/raw/{label}/anat/{label}_T1w.nii.gz.json'}
    expected.add(f'sub-{CORRUPT}/anat/sub-{CORRUPT}_desc-skin_T1w.json')
    for table in TABLES:
        expected |= {f'{table}.tsv', f'{table}.json'}
    expected |= {'group_summary.json', 'group.html'}
    expected |= {'dataset_description.json', '.bidsignore', '.locks', 'README.md'}
    assert names == expected


def test_every_value_of_a_table_is_described(audit: Audit) -> None:
    """A word that only the program knows is no result."""
    words = ('decision', 'extractor', 'unit', 'status', 'verdict', 'control', 'measure', 'factor')
    for table in TABLES:
        described = json.loads((audit.out / f'{table}.json').read_text('utf-8'))
        rows = read_table(audit.out / f'{table}.tsv')
        assert set(words) & set(described) <= {
            column for column, entry in described.items() if 'Levels' in entry
        }
        for column, entry in described.items():
            values = {row[column] for row in rows}
            if 'Levels' in entry:
                assert values <= {*entry['Levels'], 'n/a'}, (table, column)


def test_templates_hold_what_the_contract_says(audit: Audit) -> None:
    """The template is what others reuse: features, their views, and where they come from."""
    stem = audit.out / 'sub-01' / 'anat' / 'sub-01_desc-facerecognition_T1w'
    with np.load(stem.with_suffix('.npz')) as template:
        assert set(template.files) == {'features', 'view', 'found'}
        assert template['features'].dtype == np.float32
        assert template['features'].shape == (len(template['view']), 128)
        # the study's, and the soft ones
        assert template['view'].tolist() == list(range(90))
        assert template['found'][:81].sum() >= 45
    with np.load(
        stem.with_name(stem.name.replace('facerecognition', 'orb') + '.npz')
    ) as keypoints:
        assert keypoints['view'].tolist() == list(range(81))
    sidecar = json.loads(stem.with_suffix('.json').read_text())
    assert sidecar['Sources'] == ['bids:raw:sub-01/anat/sub-01_T1w.nii.gz']
    assert re.fullmatch(r'[0-9a-f]{64}', sidecar['WeightsSHA256'])


def test_everything_is_readable_by_its_owner_only(audit: Audit) -> None:
    """Templates and surfaces are biometric data: other users of the machine must not read them."""
    for path in [audit.out, *audit.out.rglob('*')]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_pages_hold_no_face_and_load_nothing(audit: Audit) -> None:
    """A page with a face, or one that calls home, must not be shared by accident."""
    for path in audit.out.glob('*.html'):
        page = path.read_text('utf-8')
        # the average head is nobody's
        alts = re.findall(r'<img src="data:image/[a-z]+;base64,[^"]*" alt="([^"]*)"', page)
        assert all(alt.startswith('The average head') for alt in alts), path
        # the light on it stands in the style of the page
        light = page.count(base_address())
        assert light <= 1
        assert page.count('data:image') == len(alts) + light
        assert not re.search(r'(src|href)\s*=\s*["\']?(https?:)?//', page), path
        own = {read_script(name).text for name in ('tables.js', 'rating.js')}
        assert set(re.findall(r'<script>(.*?)</script>', page, re.DOTALL)) <= own


def test_the_group_level_tells_the_participants_pages(audit: Audit) -> None:
    """Otherwise a page does not say what the audit says of the same scans."""
    pages = [path.read_text('utf-8') for path in audit.out.glob('sub-*.html')]
    assert pages
    for page in pages:
        assert 'href="group.html#participants"' in page
        assert 'Exposure: how often' in page


def test_intermediate_files_are_gone(audit: Audit) -> None:
    """Renders of faces left in a work folder are a leak, and 20 MB a scan."""
    assert not (audit.out / 'work').exists()


def test_the_output_is_valid_bids(audit: Audit) -> None:
    """BIDS tools and archives refuse a folder that does not validate."""
    validator = Path(sys.executable).with_name('bids-validator-deno')
    done = subprocess.run(
        [validator, '--json', audit.out], capture_output=True, text=True, check=False
    )
    report = json.loads(done.stdout)
    errors = [issue for issue in report['issues']['issues'] if issue.get('severity') == 'error']
    assert done.returncode == 0
    assert errors == []


def test_keypoint_templates_hold_what_the_contract_says(audit: Audit) -> None:
    """Descriptors of which nobody knows the render, or the place, cannot be searched."""
    folder = audit.out / 'sub-01' / 'anat'
    for label, width in (('orb', 32), ('sift', 128)):
        with np.load(folder / f'sub-01_desc-{label}_T1w.npz') as template:
            assert set(template.files) == {
                *('descriptors', 'positions', 'offsets'),
                *('view', 'found'),
            }
            k = template['offsets'][-1]
            assert template['descriptors'].shape == (k, width)
            assert template['positions'].shape == (k, 2)
            assert len(template['offsets']) == len(template['view']) + 1
            # at least some on each face
            assert np.diff(template['offsets']).min() > 5


def test_what_did_not_run_is_told(audit: Audit) -> None:
    """A rate of weak attacks alone looks like safety."""
    facenet = ', facenet' if weights_file() else ''
    assert f'extractors: orb, sift, face_recognition{facenet}\n' in audit.stdout
    told = [line for line in audit.stdout.splitlines() if line.startswith('not run: ')]
    assert any('deepface-ArcFace' in line and 'bids-reid-models fetch' in line for line in told)
    summary = json.loads((audit.out / 'group_summary.json').read_text())
    assert 'bids-reid-models fetch' in summary['extractors_not_run']['deepface-ArcFace']
    page = (audit.out / 'group.html').read_text()
    assert 'Extractors that were not run' in page
    assert 'deepface-GhostFaceNet' in page


def test_the_terminal_tells_the_run_from_its_folders_to_its_outcome(audit: Audit) -> None:
    """People read the first lines, the line of a scan that they know, and the last ones."""
    lines = audit.stdout.splitlines()
    assert lines[0].startswith('bids-reid ')
    assert f'  dataset:    {audit.bids}' in lines[:5]
    assert any(line.startswith('[5/5] ') for line in lines)
    corrupt = [line for line in lines if f'sub-{CORRUPT} T1w' in line]
    assert len(corrupt) == 1, 'it is done once, and never before it failed'
    assert 'FAILED: ' in corrupt[0]
    assert '.skin' not in audit.stdout, 'names of steps in Nipype say nothing to people'
    order = ['FAILED', 'not run: ', '  scans ', 'DO NOT SHARE: ', '  found: ', 'report: ']
    firsts = [
        next(number for number, line in enumerate(lines) if line.startswith(start))
        for start in order
    ]
    assert firsts == sorted(firsts)
    assert lines[-1] == f'report: {audit.out}/group.html'
    assert '\x1b' not in audit.stdout


def test_the_log_has_what_was_said_and_nothing_private(audit: Audit) -> None:
    """Whoever is asked for help gets it, with the output."""
    (log,) = (audit.out / 'logs').glob('bids-reid_*.log')
    text = log.read_text('utf-8')
    told = [line.partition(' ')[2][8:] for line in text.splitlines()]
    said = [line for line in audit.stdout.splitlines() if '/' not in line and 'photo' not in line]
    assert [line for line in said if line not in told] == []
    assert any('skin surface: done after' in line for line in told)
    for private in (audit.bids.parent, audit.out.parent, 'photo-1', 'photo-2.png'):
        assert str(private) not in text
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_second_run_does_only_what_is_missing(audit: Audit, call: Call) -> None:
    """Starting over after each addition would cost hours; the failed scan is tried again."""
    templates = sorted(audit.out.rglob('*.npz'))
    before = [path.stat().st_mtime_ns for path in templates]
    done = call('bids-reid', audit.bids, audit.out, 'participant', '--nprocs', 2)
    assert '5 scans of 5 participants, 1 to do' in done.stdout
    assert done.returncode == 1
    assert [path.stat().st_mtime_ns for path in templates] == before


@pytest.mark.slow
def test_who_has_no_result_is_named_and_in_no_rate(
    audit: Audit, call: Call, tmp_path: Path
) -> None:
    """After half a participant level the rates of the half must not pass for the whole."""
    out, bids = tmp_path / 'out', tmp_path / 'bids'
    shutil.copytree(audit.out, out)
    shutil.copytree(audit.bids, bids)
    shutil.rmtree(out / 'sub-03')
    shutil.rmtree(bids / 'sub-01')
    options = ('--photos', audit.photos, '--extractors', 'orb')
    done = call('bids-reid', bids, out, 'group', *options)
    summary = json.loads((out / 'group_summary.json').read_text())
    assert 'no result of the participant level' in done.stdout
    assert summary['participants_without_result'] == ['sub-03']
    assert summary['photographs']['not_processed'] == 1
    # who has left the dataset is no longer searched for, and shows nobody any more
    assert 'no longer in the dataset: sub-01' in done.stdout
    assert summary['photographs']['distractors'] == 2
    assert [one['source'] for one in summary['not_counted']] == ['sub-01/anat/sub-01_T1w.nii.gz']
    images = {row['participant_id']: row for row in read_table(out / 'group_images.tsv')}
    assert set(images) == {'sub-02', 'sub-03', f'sub-{CORRUPT}', f'sub-{BRAIN}'}
    assert images['sub-03']['verdict'] == 'not looked at', 'its face would be shared unseen'


@pytest.mark.slow
def test_group_without_photographs_has_no_rates_and_all_images(
    audit: Audit, call: Call, tmp_path: Path
) -> None:
    """Rates of an earlier run must not be left, and no filter may hide a face in the release."""
    out = tmp_path / 'out'
    shutil.copytree(audit.out, out)
    done = call('bids-reid', audit.bids, out, 'group', '--participant-label', '01', CORRUPT)
    assert done.returncode == 1, 'a failed scan is still a failed scan'
    assert 'DO NOT SHARE: bids, 5 images' in done.stdout
    assert not (out / 'group_identification.tsv').exists()
    summary = json.loads((out / 'group_summary.json').read_text())
    assert summary['strongest_attack'] is None
    assert summary['scans'] == {'ok': 1, 'no_face': 0, 'failed': 1}
    images = read_table(out / 'group_images.tsv')
    assert images == read_table(audit.out / 'group_images.tsv')


REFUSED = {
    ('--participant-label', 'nobody'): 18,
    ('--modalities', 'FLAIR'): 18,
    ('--session-label', '7'): 18,
    ('--reports-only',): 64,
    ('--bids-filter-file', '/dev/null'): 64,
}
CALLS = """
import json, sys
from bids_reid.cli import main
def code(arguments):
    try:
        return main(arguments)
    except SystemExit as leaving:
        return leaving.code
print(json.dumps([code(arguments) for arguments in json.loads(sys.argv[1])]))
"""


def test_group_refuses_what_it_cannot_select(audit: Audit, call: Call) -> None:
    """An option that is taken and ignored makes a rate of other people than was asked for."""
    before = contents(audit.out)
    calls = [[str(audit.bids), str(audit.out), 'group', *options] for options in REFUSED]
    done = call('python', '-c', CALLS, json.dumps(calls))
    codes = done.stdout.splitlines()[-1]
    assert json.loads(codes) == list(REFUSED.values()), done.stderr
    assert len(done.stderr.splitlines()) == len(REFUSED), 'one line for each'
    assert contents(audit.out) == before, 'results were touched'


@pytest.mark.slow
def test_a_mended_scan_is_taken_up(audit: Audit, call: Call, tmp_path: Path) -> None:
    """What was replaced must be measured anew, and only that."""
    bids, out = tmp_path / 'bids', tmp_path / 'out'
    shutil.copytree(audit.bids, bids)
    shutil.copytree(audit.out, out)
    shutil.copy(
        bids / 'sub-01' / 'anat' / 'sub-01_T1w.nii.gz',
        bids / f'sub-{CORRUPT}' / 'anat' / f'sub-{CORRUPT}_T1w.nii.gz',
    )
    done = call('bids-reid', bids, out, 'participant', '--nprocs', 2, '--report-faces')
    assert done.returncode == 0, done.stdout
    page = (out / f'sub-{CORRUPT}.html').read_text('utf-8')
    assert 'alt="Render of the face' in page
    renders = out / f'sub-{CORRUPT}' / 'anat' / f'sub-{CORRUPT}_desc-renders_T1w'
    pictures = {path.read_bytes() for path in renders.glob('view-*.png')}
    assert len(pictures) == 90, 'some views show the same picture'


@pytest.mark.slow
def test_a_killed_run_is_taken_up_and_gives_the_same_bytes(
    audit: Audit, call: Call, tmp_path: Path
) -> None:
    """Schedulers kill: what was computed must not be computed again, and no number may change."""
    out = tmp_path / 'derivatives'
    command = [Path(sys.executable).with_name('bids-reid'), audit.bids, out, 'participant']
    options = ['--nprocs', '1']
    running = subprocess.Popen(
        [*command, *options], stdout=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 300
    while not finished(out) and time.monotonic() < deadline:
        time.sleep(0.2)
    running.send_signal(signal.SIGKILL)
    running.wait()
    n_finished = finished(out)
    assert 0 < n_finished < N_PEOPLE
    done = call('bids-reid', *command[1:], 'group', *options, '--photos', audit.photos)
    n_scans = N_PEOPLE + 2
    expected = f'{n_scans} scans of {n_scans} participants, {n_scans - n_finished} to do'
    assert expected in done.stdout
    first, second = contents(audit.out), contents(out)
    # pages and summaries name the command line, which differs
    named = ('.npz', '.tsv', '.gii')
    assert {k: v for k, v in first.items() if k.endswith(named)} == {
        k: v for k, v in second.items() if k.endswith(named)
    }


def finished(out: Path) -> int:
    """Number of scans whose record says that they have a template."""
    records = out.glob('sub-*/anat/*_desc-skin_T1w.json')
    return sum(json.loads(path.read_text())['Status'] == 'ok' for path in records)


def test_files_in_the_current_folder_are_not_run(tmp_path: Path) -> None:
    """People call the program beside data that came from elsewhere."""
    script, elsewhere = tmp_path / 'script.py', tmp_path / 'elsewhere'
    script.write_text(
        'from bids_reid.levels import prepare_environment\n'
        'from bids_reid.views.selftest import check_rendering\n'
        "if __name__ == '__main__':\n"
        '    prepare_environment()\n'
        '    check_rendering()\n'
    )
    elsewhere.mkdir()
    (elsewhere / 'onnx.py').write_text("open('it-was-run', 'w')")
    subprocess.run([sys.executable, script], cwd=elsewhere, check=True)
    assert [path.name for path in elsewhere.iterdir()] == ['onnx.py']


ASK_TWO = """
import json, os
from bids_reid.levels import ALONE, THREADS, prepare_environment
prepare_environment(2)
print(json.dumps([{os.environ[name] for name in THREADS} == {'2'},
                  {os.environ[name] for name in ALONE} == {'1'}, ALONE]))
"""


def test_numpy_has_one_thread_whatever_is_asked_for() -> None:
    """Its sums depend on how they are shared out: other results with `--omp-nthreads 2`."""
    done = subprocess.run(
        [sys.executable, '-c', ASK_TWO], capture_output=True, text=True, check=True
    )
    others, numpys, names = json.loads(done.stdout)
    assert others
    assert numpys
    assert {'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'} <= set(names)
