"""The demonstration, which is the first thing that anybody runs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bids_reid.bids.tables import read_table
from bids_reid.demo.command import AS_IT_SHOULD_BE

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
