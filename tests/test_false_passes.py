"""Ways to a pass that should be none: each lets a face out that somebody was told is not there.

The first tests start from a release that passes, and change one thing.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from PIL import Image as Picture

from bids_reid.bids.description import prepare_output
from bids_reid.bids.image_records import save_image_record
from bids_reid.bids.layout import ScanFiles
from bids_reid.bids.release import walk_release
from bids_reid.bids.tables import read_table
from bids_reid.errors import NothingSelectedError, ScanError, UsageError
from bids_reid.faces.documents import document_faces
from bids_reid.group.account import image_lines
from bids_reid.group.audit import audit
from bids_reid.group.order import order_of
from bids_reid.group.refaced import refaced_lines
from bids_reid.group.reviews import reviewed
from bids_reid.group.selection import select
from bids_reid.participant.looks import look, record_of
from bids_reid.phantom.identity import draw_people
from bids_reid.records import Image, Scan
from bids_reid.report.tables import image_row
from bids_reid.risk.gate import Gate
from bids_reid.settings import Settings
from bids_reid.surface.dicom import read_series
from bids_reid.surface.volume import MIN_SLICES, load_volume
from tests.support.audits import change, write_volume
from tests.support.company import commit, put_volume, write_company, write_dataset_files
from tests.support.company import put as put_file
from tests.support.defacing import scan_defaced
from tests.support.formats import WRITERS, dicom_file
from tests.support.scan_records import NO_FACE, WHOLE_FACE, boxes, save_results

FIRST = 'sub-01/anat/sub-01_T1w.nii.gz'
SECOND = 'sub-02/anat/sub-02_T1w.nii.gz'
MASK = 'derivatives/brain/sub-01/anat/sub-01_desc-brain_mask.nii.gz'
PEOPLE = ('01', '02')
Call = Callable[..., 'subprocess.CompletedProcess[str]']


def scan_of(place: Path, label: str, condition: str, modality: str = 'T1w') -> Scan:
    """Return the scan of a participant in a condition."""
    folder = place / ('bids' if condition == 'raw' else condition)
    path = folder / f'sub-{label}' / 'anat' / f'sub-{label}_{modality}.nii.gz'
    return Scan(label, None, modality, f'sub-{label}', path, condition)


def save(place: Path, scan: Scan, **changes: Any) -> Path:
    """Write what the participant level does of a scan: none of those de-faced shows a face."""
    folder = place / ('bids' if scan.condition == 'raw' else scan.condition)
    whole: dict[str, Any] = {'measures': WHOLE_FACE, 'faces': boxes(*range(90))}
    none = {'measures': NO_FACE, 'faces': boxes(), 'came_from': 'raw'}
    results = whole if scan.condition == 'raw' else none
    return save_results(scan, folder, place / 'out', {}, **results | changes)


def looked_at(place: Path, path: str) -> None:
    """Write what a look gives that needs nothing of an image."""
    (image,) = walk_release(place / 'defaced', wanted=lambda one: one == path)
    save_image_record(place / 'out', record_of(image, 'other volume', 'not_needed', 'a brain'))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two people with faces, and a folder for release in which nothing is left of them."""
    for number, label in enumerate(PEOPLE):
        for condition in ('raw', 'defaced'):
            scan = scan_of(tmp_path, label, condition)
            write_volume(scan.path, seed=number + 10 * (condition == 'raw'))
            save(tmp_path, scan)
    for name in ('bids', 'defaced'):
        text = json.dumps({'Name': name, 'BIDSVersion': '1.10.0'})
        (tmp_path / name / 'dataset_description.json').write_text(text)
    write_volume(tmp_path / 'defaced' / MASK, seed=99)
    looked_at(tmp_path, MASK)
    prepare_output(tmp_path / 'out', tmp_path / 'bids', [('defaced', tmp_path / 'defaced')])
    return tmp_path


def judged(place: Path, **options: Any) -> Gate:
    """Judge the release as the group level does, after whatever it would look at."""
    options = {'derivatives': (('defaced', place / 'defaced'),), 'max_findings': 0.0} | options
    places = {'bids_dir': place / 'bids', 'output_dir': place / 'out'}
    settings = Settings(levels=('group',), **places, **options)
    selection = select(settings)
    choice, counted = selection.choice, selection.counted
    lines = image_lines(selection.survey, counted, settings.output_dir, settings.bids_dir)
    order = order_of(counted, choice.conditions, choice.audited)
    lines = tuple(refaced_lines(lines, counted, choice.refaced, order, judged_by_risk=False))
    images = tuple(reviewed(lines, selection.reviews, selection.ratings))
    return audit(choice, selection.survey, images, photographs=False)


def rows_of(place: Path) -> list[dict[str, object]]:
    """Return the rows of the images in the release, as the table has them."""
    derivatives = (('defaced', place / 'defaced'),)
    places = {'bids_dir': place / 'bids', 'output_dir': place / 'out'}
    settings = Settings(levels=('group',), **places, derivatives=derivatives)
    selection = select(settings)
    lines = image_lines(selection.survey, selection.counted, place / 'out', place / 'bids')
    return [image_row(line) for line in lines if line.in_release]


def named(gate: Gate) -> str:
    """All that the reasons say."""
    return '\n'.join([one.sentence for one in gate.reasons] + [str(o.paths) for o in gate.reasons])


def test_the_starting_point_passes(place: Path) -> None:
    """Otherwise the tests below show nothing."""
    gate = judged(place)
    assert gate.outcome == 'nothing found', gate.sentence
    assert gate.n_images == 3


# ---- what is in the folder ----

Way = Callable[[Path], str]
"""Changes something, and returns the path that the reason has to name."""


def put(place: Path, path: str, content: bytes | str = b'') -> str:
    """Write a file into the release."""
    target = place / 'defaced' / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def volume(seed: int = 5) -> bytes:
    """Return a NIfTI file."""
    data = np.random.default_rng(seed).integers(0, 99, (8, 8, 8)).astype(np.int16)
    return bytes(nib.Nifti1Image(data, np.eye(4)).to_bytes())


def picture() -> bytes:
    """Return a PNG."""
    target = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (60, 60)).astype(np.uint8)
    Picture.fromarray(noise).save(target, 'PNG')
    return target.getvalue()


def zipped(name: str, content: bytes | str) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return target.getvalue()


def tarred(name: str, content: bytes) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode='w:gz') as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def page(*bodies: str) -> str:
    """Return a page whose style takes more than is read of a file at first."""
    return '<html><style>' + 'p { margin: 0 }\n' * 9000 + '</style>' + ''.join(bodies) + '</html>'


def link(place: Path, path: str, target: str | Path) -> str:
    one = place / 'defaced' / path
    one.parent.mkdir(parents=True, exist_ok=True)
    one.symlink_to(target)
    return path


def outside(place: Path) -> Path:
    """Write a folder with a volume beside the release."""
    write_volume(place / 'elsewhere' / 'x_T1w.nii.gz', seed=6)
    return place / 'elsewhere'


KEY = 'SHA256E-s123--' + 'ab' * 32 + '.nii.gz'
LFS = 'version https://git-lfs.github.com/spec/v1\noid sha256:' + 'ab' * 32 + '\nsize 123\n'
BASE64 = base64.b64encode(picture()).decode()
WHOLE = base64.b64encode(gzip.compress(os.urandom(2000))).decode()
NIFTI = base64.b64encode(volume()).decode()
FILM = base64.b64encode(b'\x1a\x45\xdf\xa3' + 3 * bytes(range(256))).decode()


def database(place: Path) -> str:
    (place / 'defaced' / 'code').mkdir()
    with sqlite3.connect(place / 'defaced' / 'code' / 'thumbs.db') as connection:
        connection.execute('create table pictures (content blob)')
        connection.execute('insert into pictures values (?)', (picture(),))
    connection.close()
    return 'code/thumbs.db'


def recording(place: Path) -> str:
    """Write a volume as a recording of EEGLAB is called."""
    from scipy.io import savemat

    path = put(place, 'sub-01/eeg/sub-01_eeg.set')
    savemat(place / 'defaced' / path, {'head': np.zeros((40, 40, 40), np.float32)})
    return path


def history(place: Path) -> str:
    """Delete a whole scan after it was committed."""
    folder = place / 'defaced'
    put(place, 'sub-01/anat/sub-01_T2w.nii', volume())
    who = ['-c', 'user.name=x', '-c', 'user.email=x@x', '-c', 'commit.gpgsign=false']
    for command in (['init', '-q'], ['add', '.'], [*who, 'commit', '-qm', 'all']):
        subprocess.run(['git', *command], cwd=folder, check=True)
    (folder / 'sub-01/anat/sub-01_T2w.nii').unlink()
    for command in (['add', '.'], [*who, 'commit', '-qm', 'less']):
        subprocess.run(['git', *command], cwd=folder, check=True)
    return '.git/'


IN_THE_FOLDER: dict[str, Way] = {
    'T2w beside a T1w': lambda p: put(p, 'sub-01/anat/sub-01_T2w.nii', volume()),
    'T1w with another run': lambda p: put(p, 'sub-01/anat/sub-01_run-2_T1w.nii', volume()),
    'not packed beside packed': lambda p: put(p, 'sub-01/anat/sub-01_T1w.nii', volume()),
    'called functional': lambda p: put(p, 'sub-01/func/sub-01_task-x_bold.nii', volume()),
    'called diffusion': lambda p: put(p, 'sub-01/dwi/sub-01_dwi.nii', volume()),
    'called a mask': lambda p: put(p, 'sub-01/anat/sub-01_desc-head_mask.nii', volume()),
    'called a phase': lambda p: put(p, 'sub-01/anat/sub-01_part-phase_T1w.nii', volume()),
    'FreeSurfer': lambda p: put(p, 'derivatives/fs/sub-01/mri/orig.mgz', gzip.compress(
        nib.MGHImage(np.ones((9, 9, 9), np.float32), np.eye(4)).to_bytes())),
    'originals in sourcedata': lambda p: put(p, 'sourcedata/sub-01_T1w.nii', volume()),
    'hidden': lambda p: put(p, '.old/.sub-01_T1w.nii', volume()),
    'cache of a tool': lambda p: put(p, '.heudiconv/01/info/x.nii', volume()),
    'session': lambda p: put(p, 'sub-01/ses-2/anat/sub-01_ses-2_T1w.nii', volume()),
    'somebody unknown': lambda p: put(p, 'sub-99/anat/sub-99_T1w.nii', volume()),
    'upper case': lambda p: put(p, 'SUB-01/ANAT/SUB-01_T1W.NII', volume()),
    'not ASCII': lambda p: put(p, 'sub-01/anat/sub-01_T1w_übrig.nii', volume()),
    'bad bytes in a name': lambda p: put(p, os.fsdecode(b'sub-01/anat/\xff.nii'), volume())
    and 'anat/',
    'line in a name': lambda p: put(p, 'sub-01/anat/a\nb.nii', volume()) and 'anat/a',
    'called text': lambda p: put(p, 'notes.txt', volume()),
    'called a table': lambda p: put(p, 'sub-01/beh/sub-01_beh.tsv.gz', gzip.compress(volume())),
    'called a transform': lambda p: put(p, 'sub-01/xfm.mat', gzip.compress(volume())),
    'called a recording': recording,
    'no suffix': lambda p: put(p, 'sub-01/IM0001', volume()),
    'packed twice': lambda p: put(p, 'lh.thickness', gzip.compress(gzip.compress(volume()))),
    'cut': lambda p: put(p, 'sub-01/anat/sub-01_FLAIR.nii.gz', gzip.compress(volume())[:400]),
    'empty with the name of an image': lambda p: put(p, 'sub-01/anat/sub-01_PDw.nii.gz', b''),
    'header without data': lambda p: put(p, 'x.hdr', volume()[:344] + b'ni1\0' + bytes(4)),
    'data without header': lambda p: put(p, 'x.img', bytes(range(256)) * 9),
    'photograph': lambda p: put(p, 'sub-01/sub-01_photo.png', picture()),
    'photograph without a suffix': lambda p: put(p, 'code/icon', picture()),
    'page': lambda p: put(p, 'report.html', page(f'<img src="data:image/png;base64,{BASE64}">')),
    'page that embeds a packed volume': lambda p: put(p, 'x.html', page(f'v = "{WHOLE}"')),
    'page that embeds a volume': lambda p: put(p, 'x.html', page(f'v = "{NIFTI}"')),
    'page with a film': lambda p: put(p, 'x.html', page(f'"data:video/webm;base64,{FILM}"')),
    'picture in a sidecar': lambda p: put(p, 'x.json', json.dumps({'qc': BASE64})),
    'mail': lambda p: put(p, 'x.eml', 'Content-Type: image/png\n\n'
                          + base64.encodebytes(picture()).decode()),
    'notebook': lambda p: put(p, 'code/x.ipynb', json.dumps({'cells': [
        {'outputs': [{'data': {'image/png': BASE64}}]}]})),
    'archive': lambda p: put(p, 'x.zip', zipped('a.nii', volume())),
    'archive in an archive': lambda p: put(p, 'x.zip', zipped('y.zip', zipped('a', volume()))),
    'page in an archive': lambda p: put(p, 'x.zip', zipped(
        'a.html', page(f'<img src="data:image/png;base64,{BASE64}">'))),
    'page in a packed archive': lambda p: put(p, 'x.tar.gz', tarred(
        'a.html', page(f'<img src="data:image/png;base64,{BASE64}">').encode())),
    'database': database,
    'scalp': lambda p: put(p, 'lh.seghead', b'\xff\xff\xfecreated\n\n' + bytes(100)),
    'points': lambda p: put(p, 'head.pcd', '# .PCD v0.7\nFIELDS x y z\n1 2 3\n'),
    'mesh with normals first': lambda p: put(p, 'head.txt', 'vn 0 0 1\nv 1 2 3\nv 2 3 4\n'),
    'DICOM': lambda p: put(p, 'dicom/1', bytes(128) + b'DICM' + bytes(300)),
    'film': lambda p: put(p, 'x.mp4', b'\0\0\0\x20ftypisom' + bytes(99)),
    'unknown content': lambda p: put(p, 'x.dat', bytes(range(256)) * 9),
    'link to a file outside': lambda p: link(p, 'sub-01/x.nii.gz', outside(p) / 'x_T1w.nii.gz'),
    'link to a folder outside': lambda p: link(p, 'more', outside(p)) + '/x_T1w',
    'link to nothing': lambda p: link(p, 'sub-01/anat/sub-01_angio.nii', 'nowhere'),
    'content that git-annex has': lambda p: link(
        p, 'a_T1w.nii.gz', f'.git/annex/objects/a/b/{KEY}/{KEY}'),
    'pointer of git-annex': lambda p: put(p, 'a_T1w.nii.gz', f'/annex/objects/{KEY}\n'),
    'pointer of Git LFS': lambda p: put(p, 'a_T1w.nii.gz', LFS),
    'history of git': history,
    'bare repository': lambda p: put(p, 'old.git/objects/ab/cdef', b'x\x9c' + os.urandom(400)),
    'ignored by BIDS': lambda p: put(p, '.bidsignore', '*\n') and put(p, 'x.nii', volume()),
    'ignored by git': lambda p: put(p, '.gitignore', '*\n') and put(p, 'x.nii', volume()),
}  # fmt: skip


@pytest.mark.parametrize('way', IN_THE_FOLDER.values(), ids=IN_THE_FOLDER)
def test_nothing_in_the_folder_is_passed_over(place: Path, way: Way) -> None:
    """Nobody looked at it, so nobody may say that the folder is clean."""
    path = way(place)
    gate = judged(place)
    assert gate.outcome == 'look first'
    assert path in named(gate)


# ---- what was done between the runs ----


def renamed(place: Path) -> str:
    old = place / 'defaced' / FIRST
    old.rename(old.with_name('sub-01_acq-x_T1w.nii.gz'))
    change(old.with_name('sub-01_acq-x_T1w.nii.gz'))
    return 'sub-01_acq-x_T1w.nii.gz'


def withdrawn(place: Path) -> str:
    (place / 'defaced' / FIRST).unlink()
    return FIRST


def replaced(place: Path) -> str:
    change(place / 'defaced' / FIRST)
    return FIRST


def original_copied(place: Path) -> str:
    """Copy the raw scan over the de-faced one: somebody de-faced in place, and undid it."""
    shutil.copy(place / 'bids' / FIRST, place / 'defaced' / FIRST)
    return FIRST


def original_swapped(place: Path) -> str:
    """Copy the raw scan to another person's place, where its bytes are known."""
    shutil.copy(place / 'bids' / FIRST, place / 'defaced' / SECOND)
    return SECOND


def original_elsewhere(place: Path) -> str:
    shutil.copy(place / 'bids' / FIRST, place / 'defaced' / 'sub-01/anat/sub-01_T2w.nii.gz')
    return 'sub-01_T2w.nii.gz'


def linked_to_original(place: Path) -> str:
    (place / 'defaced' / FIRST).unlink()
    return link(place, FIRST, place / 'bids' / FIRST)


def new_original(place: Path) -> str:
    write_volume(place / 'bids' / 'sub-01/anat/sub-01_FLAIR.nii.gz', seed=7)
    return 'sub-01_FLAIR.nii.gz'


def new_person(place: Path) -> str:
    write_volume(place / 'bids' / 'sub-03/anat/sub-03_T1w.nii.gz', seed=7)
    return 'sub-03_T1w.nii.gz'


def damaged_record(place: Path) -> str:
    """A run that was killed, or a disk that was full."""
    for path in (place / 'out' / 'images').iterdir():
        path.write_text(path.read_text()[:50])
    return MASK


def no_record(place: Path) -> str:
    shutil.rmtree(place / 'out' / 'sub-01')
    return FIRST


def record_of_another(place: Path) -> str:
    """A look under the name of other bytes."""
    folder = place / 'out' / 'images'
    (one,) = folder.iterdir()
    put(place, 'x.nii', volume())
    shutil.copy(one, folder / f'{hashlib.sha256(volume()).hexdigest()}.json')
    return 'x.nii'


def strange_record(place: Path) -> str:
    """Words that this program does not write are no verdict."""
    for path in (place / 'out' / 'images').iterdir():
        path.write_text(path.read_text().replace('not_needed', 'fine'))
    return MASK


def failed_record(place: Path) -> str:
    (image,) = walk_release(place / 'defaced', wanted=lambda path: path == MASK)
    save_image_record(place / 'out', record_of(image, 'other volume', 'failed', 'no reader'))
    return MASK


def older_look(place: Path) -> str:
    """A version that did not know of a trick said that there is nothing."""
    for path in (place / 'out' / 'images').iterdir():
        path.write_text(json.dumps(_of_version(json.loads(path.read_text()), '0.0.1')))
    return MASK


def older_result(place: Path) -> str:
    path = ScanFiles.of(scan_of(place, '01', 'defaced'), place / 'out').record
    path.write_text(json.dumps(_of_version(json.loads(path.read_text()), '0.0.1')))
    return FIRST


def _of_version(content: dict[str, Any], version: str) -> dict[str, Any]:
    return {
        key: value | {'bids_reid': version} if 'version' in key.lower() else value
        for key, value in content.items()
    }


def filtered_out(place: Path) -> str:
    """A filter file of the participant level left a scan out that was processed once."""
    path = ScanFiles.of(scan_of(place, '01', 'defaced'), place / 'out').record
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {'LeftOut': 'a filter leaves it out'}))
    return FIRST


def results_in_the_release(place: Path) -> str:
    """The output of another run."""
    shutil.copytree(place / 'out', place / 'defaced' / 'derivatives' / 'reid')
    surface = place / 'defaced' / 'derivatives' / 'reid' / 'skin.surf.gii'
    surface.write_text('<?xml version="1.0"?><GIFTI/>')
    return 'derivatives/reid/skin.surf.gii'


BETWEEN: dict[str, Way] = {
    one.__name__.replace('_', ' '): one
    for one in (
        *(renamed, withdrawn, replaced, original_copied, original_swapped),
        *(original_elsewhere, linked_to_original, new_original, new_person, damaged_record),
        *(no_record, record_of_another, strange_record, failed_record, filtered_out),
        *(older_look, older_result),
        results_in_the_release,
    )
}


@pytest.mark.parametrize('way', BETWEEN.values(), ids=BETWEEN)
def test_results_count_for_what_they_were_made_of(place: Path, way: Way) -> None:
    """Old results of another file are no look at the one that is shared."""
    path = way(place)
    gate = judged(place)
    assert not gate.passed
    assert path in named(gate)


def test_without_any_result_that_counts_there_is_no_outcome(place: Path) -> None:
    """All were de-faced anew since: the page of the last run must not be written again."""
    for path in (FIRST, SECOND):
        change(place / 'defaced' / path)
    with pytest.raises(NothingSelectedError, match='run the participant level'):
        judged(place)


def test_the_output_in_the_release_is_a_finding(place: Path) -> None:
    """It holds skins and features of faces, and is not looked into."""
    inside = place / 'defaced' / 'reid'
    shutil.move(place / 'out', inside)
    (place / 'out').symlink_to(inside)
    gate = judged(place)
    assert gate.outcome == 'do not share'
    assert 'reid/' in named(gate)


# ---- options ----


@pytest.mark.parametrize(
    'options',
    [
        {'participants': ('01',)},
        {'modalities': ('T1w',)},
        {'sessions': ()},
        {'max_risk': 1.0},
        {'max_findings': 1.0},
    ],
    ids=str,
)
def test_no_choice_makes_the_audit_smaller(place: Path, options: dict[str, Any]) -> None:
    """The others are uploaded all the same."""
    replaced_path = 'sub-02/anat/sub-02_T2w.nii'
    put(place, replaced_path, volume())
    gate = judged(place, **options)
    assert gate.outcome == 'look first'
    assert replaced_path in named(gate)


def test_a_whole_folder_of_other_files_is_not_audited_by_old_results(place: Path) -> None:
    """De-faced again into another folder: nobody has looked at those files."""
    other = place / 'defaced2'
    shutil.copytree(place / 'defaced', other)
    (other / SECOND).unlink()
    change(other / FIRST)
    with pytest.raises(NothingSelectedError):
        judged(place, derivatives=(('defaced', other),))
    with pytest.raises(NothingSelectedError):
        judged(place, derivatives=(('again', other),))
    gate = judged(place, release=other)
    assert gate.outcome == 'look first'
    assert FIRST in named(gate)


def test_without_the_versions_the_originals_are_judged(place: Path) -> None:
    """A call that leaves -d out asks about another folder."""
    gate = judged(place, derivatives=())
    assert gate.outcome == 'do not share'
    assert FIRST in named(gate)


def test_an_empty_folder_is_no_pass(place: Path) -> None:
    """Whoever names the wrong folder must be told."""
    (place / 'empty').mkdir()
    assert judged(place, release=place / 'empty').outcome == 'look first'


def test_a_review_is_of_its_bytes(place: Path) -> None:
    """Somebody looked at an archive, which was then exchanged."""
    put(place, 'x.zip', zipped('a.nii', volume()))
    content = (place / 'defaced' / 'x.zip').read_bytes()
    reviews = place / 'reviews.tsv'
    line = f'{hashlib.sha256(content).hexdigest()}\tme\tbrains\n'
    reviews.write_text(f'sha256\tby\tnote\n{line}')
    assert judged(place, reviewed=reviews).passed
    put(place, 'x.zip', zipped('a.nii', volume(seed=8)))
    gate = judged(place, reviewed=reviews)
    assert gate.outcome == 'look first'
    assert 'x.zip' in named(gate)


def rate(place: Path, path: str, answer: str, verdict: str, by: str = 'Kim') -> None:
    """Save a rating as the form on a page does."""
    content = (place / 'defaced' / path).read_bytes()
    entry = {
        'sha256': hashlib.sha256(content).hexdigest(),
        'path': path,
        'condition': 'defaced',
        'verdict': verdict,
        'parts_left': None,
        'brain_loss': None,
        'rating': answer,
        'note': '',
        'by': by,
        'date': '2026-01-31',
    }
    file = place / 'out' / 'ratings' / f'{by}.json'
    file.parent.mkdir(exist_ok=True)
    whole = {'schema_version': 1, 'participant': 'sub-01', 'ratings': [entry]}
    file.write_text(json.dumps(whole))


def test_a_rating_opens_only_what_was_rated(place: Path) -> None:
    """A curator rated an archive, which was then exchanged; another one saw a face in it."""
    put(place, 'x.zip', zipped('a.nii', volume()))
    verdict = 'not looked at'
    rate(place, 'x.zip', 'disagree', 'review')
    assert judged(place).outcome == 'look first'
    rate(place, 'x.zip', 'disagree', verdict)
    assert judged(place).passed
    rate(place, 'x.zip', 'agree', verdict, 'Lee')
    assert judged(place).outcome == 'look first'
    (place / 'out' / 'ratings' / 'Lee.json').unlink()
    put(place, 'x.zip', zipped('a.nii', volume(seed=8)))
    assert judged(place).outcome == 'look first'


def test_a_damaged_rating_is_no_pass(place: Path) -> None:
    """It may be the one that says that a face is there."""
    rate(place, FIRST, 'disagree', 'no findings')
    file = place / 'out' / 'ratings' / 'Kim.json'
    file.write_text(file.read_text()[:-9])
    with pytest.raises(UsageError, match=r'ratings/Kim\.json is no file of ratings'):
        judged(place)


def test_a_face_that_a_curator_saw_stops_the_release(place: Path) -> None:
    """Otherwise the program outvotes the person whom it asked."""
    said = {row['path']: row for row in rows_of(place)}[FIRST]
    rate(place, FIRST, 'disagree', 'no findings')
    file = place / 'out' / 'ratings' / 'Kim.json'
    content = json.loads(file.read_text())
    content['ratings'][0] |= {name: said[name] for name in ('parts_left', 'brain_loss')}
    file.write_text(json.dumps(content))
    gate = judged(place)
    assert gate.outcome == 'do not share'
    assert 'Kim' in named(gate)


def test_refaced_scans_need_their_originals(place: Path) -> None:
    """Whose face it is, nothing but the original can tell."""
    for label in PEOPLE:
        save(place, scan_of(place, label, 'defaced'), measures=WHOLE_FACE, faces=boxes(1))
    assert judged(place).outcome == 'do not share'
    for label in PEOPLE:
        files = ScanFiles.of(scan_of(place, label, 'raw'), place / 'out')
        files.record.unlink()
    gate = judged(place, refaced=('defaced',))
    assert gate.outcome == 'look first'
    assert FIRST in named(gate)


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
@pytest.mark.parametrize('path', ['sub-01/anat/sub-01_T2w.nii', 'sourcedata'])
def test_what_may_not_be_read_is_no_pass(place: Path, path: str) -> None:
    """Who uploads may be allowed more than who audits."""
    put(place, 'sub-01/anat/sub-01_T2w.nii', volume())
    (place / 'defaced' / 'sourcedata').mkdir()
    (place / 'defaced' / path).chmod(0)
    gate = judged(place)
    (place / 'defaced' / path).chmod(0o700)
    assert gate.outcome == 'look first'
    assert path in named(gate)


# ---- what a volume's header hides ----

SHAPE = (40, 42, 44)
MM = np.diag([5.0, 5.0, 5.0, 1.0])


def head() -> np.ndarray:
    """Return a ball of noise that stands for a head, brighter than the air."""
    x, y, z = np.indices(SHAPE)
    ball = (x - 20) ** 2 + (y - 21) ** 2 + (z - 22) ** 2 < 15**2
    noise = np.random.default_rng(1).integers(400, 600, SHAPE)
    return (ball * noise).astype(np.int16)


def cut() -> np.ndarray:
    """Return the ball without its front."""
    data = head()
    data[:, 28:] = 0
    return data


def written(folder: Path, data: np.ndarray, changes: dict[int, bytes] | None = None) -> Path:
    """Write a volume, and then some bytes of its header."""
    content = bytearray(nib.Nifti1Image(data, MM).to_bytes())
    for at, some in (changes or {}).items():
        content[at : at + len(some)] = some
    path = folder / 'x.nii'
    path.write_bytes(content)
    return path


def floats(*numbers: float) -> bytes:
    return np.array(numbers, '<f4').tobytes()


@pytest.mark.parametrize('packed', [False, True])
@pytest.mark.parametrize(
    'volumes',
    [(cut, head), (cut, cut, cut, head), (lambda: 0 * head(), head)],
    ids=['second', 'last', 'first empty'],
)
def test_a_later_volume_is_seen(
    tmp_path: Path, volumes: tuple[Callable[[], np.ndarray], ...], packed: bool
) -> None:
    """Of several echoes the first was de-faced."""
    path = written(tmp_path, np.stack([one() for one in volumes], axis=-1))
    if packed:
        path = path.rename(tmp_path / 'x.nii.gz')
        path.write_bytes(gzip.compress(path.read_bytes()))
    seen = load_volume(path)
    shown = seen.data > seen.data.max() / 4
    np.testing.assert_array_equal(shown, head() > 0)
    assert any('show more' in note for note in seen.notes)


def test_volumes_alike_leave_the_first_as_it_is(tmp_path: Path) -> None:
    """What is measured of series that are de-faced as a whole must not change."""
    dark = (cut() * 0.3).astype(np.int16)
    seen = load_volume(written(tmp_path, np.stack([cut(), dark, cut()], axis=-1)))
    np.testing.assert_array_equal(seen.data, cut())
    assert seen.notes == ('only the first of 3 volumes was used',)


NOT_A_NUMBER = np.where(head() > 0, np.nan, 0).astype(np.float32)
NUMBERS: dict[str, tuple[np.ndarray, dict[int, bytes]]] = {
    'far from zero': (head(), {112: floats(1, 1e12)}),
    'huge numbers': (head().astype(np.float64) * 1e302, {}),
    'tiny numbers': (head().astype(np.float64) * 1e-300, {}),
    'negative slope': (head(), {112: floats(-1, 0)}),
    'no slope': (head(), {112: floats(np.nan, np.nan)}),
    'a head of no numbers': (NOT_A_NUMBER, {}),
}


@pytest.mark.parametrize(('data', 'changes'), NUMBERS.values(), ids=NUMBERS)
def test_numbers_hide_no_head(tmp_path: Path, data: np.ndarray, changes: dict[int, bytes]) -> None:
    """A volume that is read as empty needs no look."""
    seen = load_volume(written(tmp_path, data, changes)).data
    outside = seen[0, 0, 0]
    shown = np.abs(seen - outside) > np.abs(seen - outside).max() / 4
    np.testing.assert_array_equal(shown, head() > 0)


def test_bytes_that_a_header_does_not_tell_of_are_told(tmp_path: Path) -> None:
    """A second volume behind the first, or in front of it, is in the file that is shared."""
    both = np.stack([cut(), head()], axis=-1)
    behind = written(tmp_path, both, {40: np.array([3], '<i2').tobytes()})
    with pytest.raises(ScanError, match='do not belong to the volume'):
        load_volume(behind)
    packed = tmp_path / 'y.nii.gz'
    packed.write_bytes(gzip.compress(behind.read_bytes()))
    with pytest.raises(ScanError, match='do not belong to the volume'):
        load_volume(packed)
    content = bytearray(written(tmp_path, cut()).read_bytes())
    content[108:112] = floats(352 + head().nbytes)
    content[352:352] = head().tobytes(order='F')
    (tmp_path / 'z.nii').write_bytes(content)
    with pytest.raises(ScanError, match='do not belong to the volume'):
        load_volume(tmp_path / 'z.nii')


@pytest.mark.parametrize(
    'shape', [(1, *SHAPE), (3, *SHAPE), (SHAPE[0], 1, *SHAPE[1:]), (480_000, 1, 1)], ids=str
)
def test_axes_out_of_order_are_told(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """What programs that know no NIfTI write is a volume all the same."""
    data = np.random.default_rng(0).integers(0, 99, shape).astype(np.int16)
    path = tmp_path / 'x.nii'
    nib.save(nib.Nifti2Image(data, np.eye(4)), path)
    record = look(tmp_path, Image('x.nii', 'nifti', None, 'a' * 64))
    assert record.status == 'failed'
    assert 'inspect it' in (record.reason or '')


def test_a_later_time_of_a_dicom_series_is_seen(tmp_path: Path) -> None:
    """Somebody de-faced the first echo."""
    files, series = [], ''
    for number, data in enumerate((cut(), head())):
        folder = tmp_path / f'{number}'
        folder.mkdir()
        for path in WRITERS['dicom'](folder, data, MM):
            one = pydicom.dcmread(path)
            series = series or one.SeriesInstanceUID
            one.SeriesInstanceUID = series
            one.InstanceNumber = int(one.InstanceNumber) + 1000 * number
            one.save_as(path)
            files.append(path)
    seen = read_series(files).volume
    assert seen is not None
    shown = np.abs(seen.data - seen.data.min()) > np.ptp(seen.data) / 4
    assert shown.sum() == np.sum(head() > 0)
    # of another size, it is no later time
    other = dicom_file(np.ones((9, 9), np.int16), series, 1)
    for number in range(MIN_SLICES):
        other.ImagePositionPatient, other.PixelSpacing = [0, 0, number], [1, 1]
        other.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        files.append(tmp_path / f'{number}.dcm')
        other.save_as(files[-1], enforce_file_format=True)
    with pytest.raises(ScanError, match='several volumes'):
        read_series(files)


@pytest.mark.parametrize('body', [WHOLE, NIFTI, f'data:video/webm;base64,{FILM}'])
def test_what_a_page_embeds_is_told_as_unread(tmp_path: Path, body: str) -> None:
    """A viewer's page holds the volume itself: nobody opens it, and it must not be forgotten."""
    (tmp_path / 'x.html').write_text(page(f'<script>v = "{body}"</script>'))
    faces = document_faces(tmp_path / 'x.html')
    assert (faces.n_pictures, faces.n_unreadable) == (0, 1)


# ---- both levels, with the real models ----

SPACING = 2.4


def outcome_of(call: Call, release: Path, out: Path) -> tuple[int, dict[str, dict[str, str]], str]:
    """Run both levels; return the exit code, the rows of the release by path, and what it said."""
    levels = ('participant', 'group', '--max-findings', 0, '--extractors', 'orb')
    done = call('bids-reid', release, out, *levels, '--nprocs', 2)
    rows = {row['path']: row for row in read_table(out / 'group_images.tsv')}
    return done.returncode, rows, done.stdout + done.stderr


def tricks(folder: Path) -> list[str]:
    """Hide a whole head in several ways beside one that is de-faced; return the paths."""
    (who,) = draw_people(1, seed=[3])
    whole, none = (
        scan_defaced(name, who, seed=[1], spacing=SPACING) for name in ('intact', 'plane')
    )
    affine = whole.affine
    head, without = (np.asarray(one.data, np.int16) for one in (whole, none))
    write_dataset_files(folder)
    paths = []

    def add(path: str, data: np.ndarray, at: np.ndarray = affine) -> Path:
        paths.append(path)
        return put_volume(folder, path, data, at)

    put_volume(folder, FIRST, without, affine)
    echoes = np.stack([without, head], axis=-1)
    add('sub-01/anat/sub-01_acq-echoes_T1w.nii.gz', echoes)
    add('sub-01/func/sub-01_task-x_bold.nii.gz', head)
    add('derivatives/fs/sub-01/mri/orig.mgz', head)
    add('derivatives/masks/sub-01_desc-head_mask.nii.gz', (head > head.max() / 12).astype('u1'))
    small = np.diag([0.01, 0.01, 0.01, 1.0])
    add('sourcedata/small.nii.gz', head.transpose(2, 0, 1)[::-1], small)
    far = add('sourcedata/far.nii', head)
    content = bytearray(far.read_bytes())
    content[112:120] = floats(1, 1e11)
    far.write_bytes(content)
    packed = gzip.compress((folder / FIRST).read_bytes())
    put_file(folder, 'lh.thickness', packed)
    put_file(folder, 'code/view.html', page(f'v = "{base64.b64encode(packed).decode()}"'))
    return [*paths, 'lh.thickness', 'code/view.html']


@pytest.mark.slow
def test_a_whole_head_in_many_disguises_is_no_pass(call: Call, tmp_path: Path) -> None:
    """Each has to have a row of its own that is a finding or a gap."""
    release = tmp_path / 'release'
    paths = tricks(release)
    exit_code, rows, said = outcome_of(call, release, tmp_path / 'out')
    assert exit_code == 3, said
    assert rows[FIRST]['verdict'] == 'no findings'
    verdicts = {path: rows[path]['verdict'] for path in paths}
    assert 'no findings' not in verdicts.values(), verdicts
    seen = [path for path in paths if path.endswith(('.gz', '.mgz', '.nii'))]
    assert {verdicts[path] for path in seen} == {'review'}, verdicts
    assert call('bids-reid-check', tmp_path / 'out', release).returncode == 3


@pytest.mark.slow
def test_ordinary_company_is_no_hindrance(call: Call, tmp_path: Path) -> None:
    """An audit that finds something in every dataset is one that nobody reads."""
    release = tmp_path / 'release'
    write_dataset_files(release)
    (who,) = draw_people(1, seed=[3])
    write_company(release, '01', who, SPACING)
    commit(release, 'all')
    put_file(release, 'README', 'More about it.\n' * 99)
    put_file(release, 'code/run.py', 'print(2)\n' * 99)
    commit(release, 'more')
    exit_code, rows, said = outcome_of(call, release, tmp_path / 'out')
    found = {path: row['reason'] for path, row in rows.items() if row['verdict'] != 'no findings'}
    assert not found
    assert exit_code == 0, said
    assert len(rows) > 10
    done = call('bids-reid-check', tmp_path / 'out', release)
    assert done.returncode == 0, done.stdout
