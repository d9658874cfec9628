"""A dataset with everything wrong at once that users reported: nothing is lost without a word."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bids_reid.bids.tables import read_table
from bids_reid.demo.phantom_dataset import write_phantom_dataset
from tests.support.audits import write_volume

Call = Callable[..., 'subprocess.CompletedProcess[str]']

MISNAMED = (
    'sub-01/anat/sub-01_run-2_T1w.NII.GZ',
    'sub-01/anat/sub-01_t1w.nii.gz',
    'sub-01/anat/sub-01_T1w_defaced.nii.gz',
    'sub-01/anat/sub-01_T1w (1).nii.gz',
    'sub-01/anat/sub-01_PDw.mgz',
    'sub-01/anat/sub-02_FLAIR.nii.gz',
    'sub-01/Anat/sub-01_FLAIR.nii.gz',
    'sub-01/sub-01_T1w.nii.gz',
    'sub-02/ses-01_b/anat/sub-02_ses-01_b_T1w.nii.gz',
    'sub-PAT_001/anat/sub-PAT_001_T1w.nii.gz',
    'sub-x.1/anat/sub-x.1_T1w.nii.gz',
)
ONLY_FUNC = 'sub-05/func/sub-05_task-rest_bold.nii.gz'


@dataclass(frozen=True)
class Mess:
    """The dataset and what lies beside it."""

    bids: Path
    root: Path

    @property
    def out(self) -> Path:
        return self.root / 'out'


def make_mess(root: Path) -> Mess:
    """Three people with scans, one of whom is called a+b, and the troubles of many datasets."""
    bids, photos = write_phantom_dataset(
        root, people=3, photos_per_person=1, distractors=1, spacing=2.4, n_procs=2, seed=4
    )
    rename(bids / 'sub-03', photos / 'sub-03_photo-1.jpg', 'a+b')
    (bids / 'sub-04' / 'anat').mkdir(parents=True)
    for seed, name in enumerate((*MISNAMED, ONLY_FUNC)):
        write_volume(bids / name, seed)
    mend(bids / 'dataset_description.json', 'utf-8-sig')
    rows = [
        '"participant_id"\tAge\tSex\tcity',
        '1\t30\tF\tKöln',
        '2\t40\tM\t5" off',
        'a+b\t50\tF\t',
    ]
    (bids / 'participants.tsv').write_bytes('\r\n'.join(rows).encode('latin-1'))
    (root / 'consent.tsv').write_bytes(
        'Participant_ID\tConsent\r\n1\tyes\r\nsub-a+b\tYes\r\n02\tno\r\n'.encode('utf-16')
    )
    (root / 'filter.json').write_bytes(
        '{"t1w": {"reconstruction": null}, "bold": {"task": "rest"}}'.encode('utf-8-sig')
    )
    # searching with it would be an error of permissions, or a promise that is broken
    (photos / 'sub-02_photo-1.jpg').write_text('not to be opened')
    return Mess(bids, root)


def rename(person: Path, photo: Path, label: str) -> None:
    for path in (person / 'anat').iterdir():
        path.rename(path.with_name(path.name.replace(person.name, f'sub-{label}')))
    person.rename(person.with_name(f'sub-{label}'))
    photo.rename(photo.with_name(f'sub-{label}_photo-1.jpg'))


def mend(path: Path, encoding: str) -> None:
    path.write_bytes(path.read_text(encoding='utf-8').encode(encoding))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file()
    }


@pytest.mark.slow
def test_every_file_of_a_messy_dataset_has_a_row_or_a_line(call: Call, tmp_path: Path) -> None:
    """Whatever is silent here is an image that is shared without anybody's look."""
    mess = make_mess(tmp_path)
    before = contents(mess.bids)
    options = ('--extractors', 'orb', '--nprocs', 2)
    check_labels_are_refused(mess, call)
    check_chosen(mess, call, *options)
    given = ('--photos', mess.root / 'photos', '--consent', mess.root / 'consent.tsv')
    done = call(
        *('bids-reid', mess.bids, mess.out, 'participant', 'group', '--skip-bids-validation'),
        *('--bids-filter-file', mess.root / 'filter.json', *given, *options),
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert 'Traceback' not in done.stdout + done.stderr
    check_rows(mess, done.stdout)
    check_consent(mess, done.stdout)
    assert 'sub-PAT_001 has a label that BIDS does not allow' in done.stdout
    assert 'no selected image has the suffix bold' in done.stdout
    assert 'the filter for T1w leaves out 0 of 3 images' in done.stdout
    assert '2 labels differ slightly between participants.tsv and the dataset' in done.stdout
    assert {row['variable'] for row in read_table(mess.out / 'group_breakdown.tsv')} == {
        'age',
        'sex',
    }
    assert contents(mess.bids) == before


def check_labels_are_refused(mess: Mess, call: Call) -> None:
    """Look that nothing is done for labels that are none."""
    for level in ('participant', 'group'):
        done = call('bids-reid', mess.bids, mess.out, level)
        assert done.returncode == 16, done.stdout + done.stderr
        assert '3 folders with a label that BIDS does not allow' in done.stderr
        assert len(done.stderr.splitlines()) == 1
    done = call('bids-reid', mess.bids, mess.out, 'participant', '--participant-label', 'PAT_001')
    assert done.returncode == 16
    assert not list(mess.out.glob('sub-*'))


def check_chosen(mess: Mess, call: Call, *options: object) -> None:
    """Look at a task for some of the participants."""
    people = ('sub-a+b', '04', '05')
    done = call(
        'bids-reid', mess.bids, mess.out, 'participant', '--participant-label', *people, *options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'sub-04: no scan: there is no image in ' in done.stdout
    assert 'sub-05: no scan: the options do not select the only image in ' in done.stdout
    assert (mess.out / 'sub-a+b' / 'anat' / 'sub-a+b_desc-skin_T1w.json').is_file()
    assert [path.name for path in mess.out.glob('sub-*.html')] == ['sub-a+b.html']
    none = call('bids-reid', mess.bids, mess.out, 'participant', '--participant-label', '04')
    assert none.returncode == 18, none.stdout + none.stderr


def check_rows(mess: Mess, said: str) -> None:
    """Look that each volume has one row, with the reason if it is no scan, and a line."""
    rows = {row['path']: row for row in read_table(mess.out / 'group_images.tsv')}
    volumes = {
        str(path.relative_to(mess.bids))
        for path in mess.bids.rglob('*')
        if '.nii' in path.name.lower() or path.suffix == '.mgz'
    }
    assert volumes == rows.keys()
    for name in MISNAMED:
        assert 'not treated as a scan: ' in rows[name]['reason']
        assert name in said
        # all got a look
        assert rows[name]['verdict'] != 'not looked at' or rows[name]['status'] == 'failed'
    assert rows['sub-01/anat/sub-02_FLAIR.nii.gz']['participant_id'] == 'sub-01'
    assert rows[MISNAMED[-2]]['participant_id'] == 'n/a'
    scans = [path for path, row in rows.items() if row['status'] in ('ok', 'no_face')]
    assert {f'sub-{label}/anat/sub-{label}_T1w.nii.gz' for label in ('01', '02', 'a+b')} <= {
        *scans
    }
    assert '2 participants have no scan: sub-04, sub-05' in said


def check_consent(mess: Mess, said: str) -> None:
    """Look that one participant is searched for by nobody's photograph, and that this is told."""
    assert '1 photograph was left out without being opened, for lack of consent' in said
    ranks = read_table(mess.out / 'group_ranks.tsv')
    assert {row['participant_id'] for row in ranks} == {'sub-01', 'sub-a+b'}
    photographs = json.loads((mess.out / 'group_summary.json').read_text())['photographs']
    assert photographs['without_consent'] == 1
    assert photographs['participants_without_consent'] == 1
    assert photographs['unreadable'] == 0
