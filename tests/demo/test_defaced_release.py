"""Originals of synthetic people, and the release of them that the demonstration audits."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_reid.demo.command import FEWEST_RELEASED
from bids_reid.demo.defaced_release import MIN_PEOPLE, treated_images, write_release
from bids_reid.demo.release_demo import Drawn, closing_lines, opening_lines, verdict_of

SMALL = {'people': MIN_PEOPLE, 'spacing': 5.0}
SHALLOW, REFACED, TWICE, DEEP = '02', '03', '04', '05'


@pytest.fixture(scope='module')
def bad(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a release with problems, of coarse scans."""
    root = tmp_path_factory.mktemp('bad')
    write_release(root, **SMALL)
    return root


@pytest.fixture(scope='module')
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a release of the same people without problems."""
    root = tmp_path_factory.mktemp('good')
    write_release(root, **SMALL, good=True)
    return root


def volumes(folder: Path) -> dict[str, np.ndarray]:
    """Return the content of all volumes by path."""
    return {
        path.relative_to(folder).as_posix(): np.asarray(nib.load(path).dataobj)
        for path in sorted(folder.rglob('*.nii.gz'))
    }


def removed(root: Path, label: str, suffix: str = 'T1w') -> float:
    """Return the share of an original's voxels that are empty in the release only."""
    path = f'sub-{label}/anat/sub-{label}_{suffix}.nii.gz'
    before, after = volumes(root / 'originals')[path], volumes(root / 'release')[path]
    assert np.array_equal(after[after != 0], before[after != 0]), 'what is kept is not touched'
    return float(((after == 0) & (before != 0)).mean())


def test_every_original_has_its_place_in_the_release(bad: Path) -> None:
    """The audit would end with "look first", since a version is missing."""
    originals, release = volumes(bad / 'originals'), volumes(bad / 'release')
    assert len(originals) == MIN_PEOPLE + 1
    copies = {path for path in release if path.startswith('derivatives/')}
    assert set(release) - copies == set(originals)
    assert copies == {'derivatives/refaced/sub-03/anat/sub-03_desc-refaced_T1w.nii.gz'}
    for folder in ('originals', 'release', 'release/derivatives/refaced'):
        assert (bad / folder / 'dataset_description.json').is_file()


def test_problems_are_where_they_are_said_to_be(bad: Path, good: Path) -> None:
    """The demonstration would point at the wrong images."""
    problems = {
        one.path for one in treated_images(MIN_PEOPLE, 'T1w', good=False) if one.is_problem
    }
    before, after = volumes(bad / 'release'), volumes(good / 'release')
    assert {path for path in before if not np.array_equal(before[path], after[path])} == problems
    assert [one.path for one in treated_images(MIN_PEOPLE, 'T1w', good=True)] == [
        'derivatives/refaced/sub-03/anat/sub-03_desc-refaced_T1w.nii.gz'
    ]


def test_each_treatment_is_what_its_name_says(bad: Path, good: Path) -> None:
    """A demonstration of problems that are none would show false alarms, or none at all."""
    assert removed(bad, TWICE, 'T2w') == 0.0
    assert removed(good, TWICE, 'T2w') > 0.03
    assert 0.01 < removed(bad, SHALLOW) < removed(good, SHALLOW)
    assert removed(bad, DEEP) > removed(good, DEEP) + 0.01
    path = f'sub-{REFACED}/anat/sub-{REFACED}_T1w.nii.gz'
    original = volumes(bad / 'originals')[path]
    changed = volumes(bad / 'release' / 'derivatives' / 'refaced')[
        path.replace('_T1w', '_desc-refaced_T1w')
    ]
    differs = np.abs(changed - original) > 0
    assert 0.02 < differs.mean() < 0.6, 'a face is replaced, and the head is not'


def test_sidecars_claim_what_a_tool_would(bad: Path) -> None:
    """A claim is no proof: the badly de-faced image bears one, and the forgotten one does not."""

    def claims(label: str, suffix: str) -> bool:
        path = bad / 'release' / f'sub-{label}' / 'anat' / f'sub-{label}_{suffix}.json'
        return 'DeidentificationMethod' in json.loads(path.read_text())

    assert claims(SHALLOW, 'T1w')
    assert not claims(TWICE, 'T2w')


def test_same_arguments_same_bytes(bad: Path, tmp_path: Path) -> None:
    """Two runs of the demonstration would give two different results."""

    def digests(root: Path) -> dict[str, str]:
        return {
            path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(root.rglob('*'))
            if path.is_file()
        }

    lines: list[str] = []
    write_release(tmp_path, **SMALL, progress=lines.append)
    assert digests(tmp_path) == digests(bad)
    assert len(lines) == MIN_PEOPLE
    assert lines[3] == 'sub-04: T1w de-faced, T2w forgotten'


@pytest.mark.slow
@pytest.mark.parametrize('folder', ['originals', 'release', 'release/derivatives/refaced'])
def test_the_validator_finds_no_error(bad: Path, folder: str) -> None:
    """Other BIDS apps would refuse the dataset of the demonstration."""
    found = shutil.which('bids-validator-deno', path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip('bids-validator-deno is not installed')
    done = subprocess.run(
        [found, '--json', str(bad / folder)], capture_output=True, text=True, check=False
    )
    issues = json.loads(done.stdout)['issues']['issues']
    assert [issue for issue in issues if issue.get('severity') == 'error'] == []


def test_too_few_people_are_refused(tmp_path: Path) -> None:
    """There would be a problem fewer than was announced."""
    assert FEWEST_RELEASED == MIN_PEOPLE
    with pytest.raises(ValueError, match='at least 5'):
        write_release(tmp_path, people=4)


ROW = {
    'participant_id': 'sub-01',
    'verdict': 'no findings',
    'parts_left': 'left ear, right ear',
    'brain_loss': 'no',
    'reason': 'a reason',
}
FACE = 'brow, left eye, right eye, nose, mouth, chin'


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        ({}, 'no findings (a reason)'),
        ({'verdict': 'review', 'parts_left': FACE}, 'review (the whole face is left)'),
        (
            {'verdict': 'review', 'parts_left': 'brow, left eye, right ear'},
            'review (left of the face: brow, eyes)',
        ),
        ({'verdict': 'review', 'brain_loss': 'yes'}, 'review (brain is lost)'),
        ({'verdict': 'could not assess'}, 'could not assess (a reason)'),
    ],
)
def test_verdicts_come_from_the_results(change: dict[str, str], said: str) -> None:
    """A demonstration that says what should be found, and not what was, hides every miss."""
    assert verdict_of(ROW | change) == said


def test_a_miss_is_shown() -> None:
    """Of an image that was passed by mistake, nobody may read that it was found."""
    drawn = Drawn(people=6, seed=0, alike=0.0, modality='T1w', good=False)
    rows = {one.path: dict(ROW) for one in drawn.treated}
    rows |= {'a': dict(ROW), 'b': ROW | {'verdict': 'review'}}
    lines = list(closing_lines(drawn, rows))
    assert sum('Verdict: no findings (a reason)' in line for line in lines) == 4
    assert any('no findings on 1 of 2' in line for line in lines)


@pytest.mark.parametrize('good', [True, False])
def test_three_lines_say_what_will_be_shown(good: bool) -> None:
    """Somebody who sees the program for the first time would take the outcome for a failure."""
    drawn = Drawn(people=6, seed=0, alike=0.0, modality='T1w', good=good)
    lines = list(opening_lines(drawn))
    assert len(lines) == 3
    assert ('NOTHING FOUND' if good else 'DO NOT SHARE') in lines[2]
    assert ('sub-04 T2w' in lines[1]) != good
