"""The demonstration, which is the first thing that anybody runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bids_reid.bids.tables import read_table
from bids_reid.demo.command import AS_IT_SHOULD_BE
from bids_reid.demo.defaced_release import write_release
from bids_reid.demo.release_demo import IMAGES_SECTION
from bids_reid.risk.refacing import OTHER_FACE

Call = Callable[..., 'subprocess.CompletedProcess[str]']

FEW = ('--people', '6', '--distractors', '1')
SMALL = ('--people', '1', '--distractors', '0', '--nprocs', '1')


def rank_1(folder: Path) -> dict[str, str]:
    """Row of the participant unit at rank 1."""
    rows = read_table(folder / 'derivatives' / 'bids_reid' / 'group_identification.tsv')
    wanted = {'extractor': 'face_recognition', 'decision': 'best', 'unit': 'participant', 'k': '1'}
    return next(row for row in rows if wanted.items() <= row.items())


def test_it_never_writes_into_a_folder_of_something_else(call: Call, tmp_path: Path) -> None:
    """Somebody's home folder is no place for synthetic people."""
    (tmp_path / 'thesis.txt').write_text('two years of work')
    done = call('bids-reid-demo', tmp_path, *SMALL)
    assert done.returncode == 73
    assert 'choose another folder' in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.txt']


@pytest.mark.parametrize(
    'wrong',
    [
        ('--alike', '1'),
        ('--alike', '-0.7'),
        ('--people', '0'),
        ('--distractors', '-1'),
        ('--seed', 'x'),
    ],
)
def test_wrong_numbers_end_with_64(call: Call, tmp_path: Path, wrong: tuple[str, str]) -> None:
    """A typing error must not start minutes of work."""
    done = call('bids-reid-demo', tmp_path / 'demo', *wrong)
    assert done.returncode == 64
    assert wrong[0] in done.stderr


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        (('--good',), '--defaced'),
        (('--defaced', '--people', '4'), 'at least 5'),
        (('--defaced', '--distractors', '2'), '--distractors'),
    ],
)
def test_options_that_exclude_each_other_end_with_64(
    call: Call, tmp_path: Path, options: tuple[str, ...], named: str
) -> None:
    """Somebody would wait for minutes, and see another demonstration than asked for."""
    done = call('bids-reid-demo', tmp_path / 'demo', *options)
    assert done.returncode == 64
    assert named in done.stderr
    assert not (tmp_path / 'demo').exists()


@pytest.mark.slow
def test_a_release_is_audited_before_and_after_it_is_mended(call: Call, tmp_path: Path) -> None:
    """The main use of the program: exactly the planted problems are found, and named at the end.

    With false alarms on the images that are de-faced as they should be, nobody would listen.
    """
    done = call('bids-reid-demo', tmp_path, '--defaced', '--people', '5')
    assert done.returncode == 3, done.stdout + done.stderr
    lines = done.stdout.strip().splitlines()
    page = Path(lines[-1].removeprefix('report: '))
    assert f'<h2>{IMAGES_SECTION}</h2>' in page.read_text('utf-8')
    summary = json.loads((page.parent / 'group_summary.json').read_text())
    assert summary['outcome'] == 'do not share'
    assert sorted(path for one in summary['reasons'] for path in one['paths']) == [
        'sub-02/anat/sub-02_T1w.nii.gz',
        'sub-04/anat/sub-04_T2w.nii.gz',
        'sub-05/anat/sub-05_T1w.nii.gz',
    ]
    told = {line.split('(')[0].strip(): line for line in lines if 'Verdict: ' in line}
    assert 'review (left of the face: brow, eyes, nose)' in told['sub-02 T1w']
    assert 'review (the whole face is left)' in told['sub-04 T2w']
    assert 'review (brain is lost)' in told['sub-05 T1w']
    assert f'no findings ({OTHER_FACE})' in told['re-faced copy of sub-03 T1w']
    assert 'no findings on 3 of 3' in told['The other images']

    # both kinds of demonstration, or both releases, would overwrite each other
    good = call('bids-reid-demo', tmp_path, '--defaced', '--people', '5', '--good')
    assert good.returncode == call('bids-reid-demo', tmp_path).returncode == 73

    originals, release = write_release(tmp_path, people=5, good=True)
    versions = (f'refaced={release}/derivatives/refaced', f'defaced={release}')
    which = ('-d', *versions, '--refaced', 'refaced', '--release', release)
    levels = ('participant', 'group', '--extractors', 'orb')
    mended = call('bids-reid', originals, page.parent, *levels, *which)
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert 'NOTHING FOUND: release, 7 images' in mended.stdout


@pytest.mark.slow
def test_the_demo_shows_a_risk_and_differences(call: Call, tmp_path: Path) -> None:
    """6 unlike people are recognised far above chance, 6 look-alikes clearly less.

    Measured: all, and one.
    """
    done = call('bids-reid-demo', tmp_path / 'unlike', *FEW)
    assert done.returncode == 0, done.stdout + done.stderr
    *_, report, last = done.stdout.strip().splitlines()
    assert Path(report.removeprefix('report: ')).is_file()
    assert 'DO NOT SHARE: bids, 6 images' in done.stdout
    assert last == AS_IT_SHOULD_BE, 'the first outcome that anybody sees looks like a failure'
    unlike = rank_1(tmp_path / 'unlike')
    assert unlike['n_probes'] == '6'
    assert float(unlike['ci_low']) > float(unlike['chance'])
    assert call('bids-reid-demo', tmp_path / 'alike', *FEW, '--alike', '0.8').returncode == 0
    alike = rank_1(tmp_path / 'alike')
    assert float(alike['rate']) < float(unlike['rate'])

    # a second call makes nobody again, and another crowd wants another folder
    again = call('bids-reid-demo', tmp_path / 'unlike', *FEW)
    assert '0 to do' in again.stdout
    assert 'making' not in again.stdout
    assert call('bids-reid-demo', tmp_path / 'unlike', *FEW, '--seed', '1').returncode == 73
