"""The synthetic dataset on disk."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from bids_reid.demo import phantom_dataset
from bids_reid.demo.phantom_dataset import write_phantom_dataset


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """Two people and a distractor, small and coarse."""
    root = tmp_path_factory.mktemp('phantom')
    return write(root), root


def write(root: Path, **change):
    """Photographs are made at 64 pixels here: their look is tested elsewhere."""
    real = phantom_dataset.photograph
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            phantom_dataset, 'photograph', lambda *args, **names: real(*args, **names, size=64)
        )
        arguments = {'people': 2, 'photos_per_person': 2, 'distractors': 1, 'spacing': 5.0}
        return write_phantom_dataset(root, **(arguments | change))


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob('*'))
        if path.is_file()
    }


def test_files_are_where_users_look_for_them(small):
    """The demo's two commands would not find scans or photographs."""
    (bids, photos), root = small
    assert (bids, photos) == (root / 'bids', root / 'photos')
    assert {path.name for path in photos.iterdir()} == {
        'sub-01_photo-1.jpg',
        'sub-01_photo-2.jpg',
        'sub-02_photo-1.jpg',
        'sub-02_photo-2.jpg',
        'distractor-01.jpg',
    }
    assert set(digests(bids)) == {
        'README',
        'dataset_description.json',
        'participants.json',
        'participants.tsv',
        'sub-01/anat/sub-01_T1w.json',
        'sub-01/anat/sub-01_T1w.nii.gz',
        'sub-02/anat/sub-02_T1w.json',
        'sub-02/anat/sub-02_T1w.nii.gz',
    }


def test_same_arguments_same_bytes(small, tmp_path):
    """Two runs of the demo would give two different results and no second run could be skipped."""
    write(tmp_path)
    assert digests(tmp_path) == digests(small[1])


@pytest.mark.slow
def test_several_processes_write_the_same_bytes(tmp_path):
    """The demo would give another result on another machine."""
    few = {'people': 2, 'photos_per_person': 0, 'distractors': 0}
    write(tmp_path / 'one', **few)
    write(tmp_path / 'two', **few, n_procs=2)
    assert digests(tmp_path / 'one') == digests(tmp_path / 'two')


def test_more_people_change_nobody(small, tmp_path):
    """Rates of a larger demo could not be compared with those of a smaller one."""
    write(tmp_path, people=3, distractors=2)
    before, after = digests(small[1]), digests(tmp_path)
    kept = [name for name in before if 'sub-' in name or 'distractor' in name]
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


def test_scans_carry_their_geometry_and_nothing_else(small):
    """Viewers and surface extraction would put the head somewhere else, or upside down."""
    (bids, _), _ = small
    path = bids / 'sub-01' / 'anat' / 'sub-01_T1w.nii.gz'
    image = nib.load(path)
    assert nib.aff2axcodes(image.affine) == ('R', 'A', 'S')
    assert image.get_data_dtype() == np.int16
    assert image.header['sform_code'] == image.header['qform_code'] == 1
    np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-4)
    np.testing.assert_allclose(image.header.get_zooms(), 5.0)
    raw = path.read_bytes()
    assert raw[3] == 0  # gzip flags: no file name
    assert raw[4:8] == bytes(4)  # no time
    assert len(gzip.decompress(raw)) == 352 + 2 * np.prod(image.shape)


def test_photographs_are_plain_pictures(small):
    """EXIF or odd modes would test the reader instead of the search."""
    (_, photos), _ = small
    for path in photos.iterdir():
        with Image.open(path) as picture:
            assert picture.mode == 'RGB'
            assert not picture.getexif()


def test_participants_are_described(small):
    """Validators and readers of the group page would miss age and sex."""
    (bids, _), _ = small
    rows = [line.split('\t') for line in (bids / 'participants.tsv').read_text().splitlines()]
    assert rows[0] == ['participant_id', 'age', 'sex']
    assert [row[0] for row in rows[1:]] == ['sub-01', 'sub-02']
    assert all(18 <= int(row[1]) < 89 and row[2] in {'F', 'M'} for row in rows[1:])
    assert set(json.loads((bids / 'participants.json').read_text())) == {'age', 'sex'}


def test_progress_is_told_after_each_person(tmp_path):
    """Users would look at a silent terminal for minutes."""
    lines: list[str] = []
    write(tmp_path, people=1, photos_per_person=0, distractors=1, progress=lines.append)
    assert sorted(lines) == ['distractor-01: a photograph', 'sub-01: a scan and 0 photographs']


def test_flair_is_named_so(tmp_path):
    """The demo's FLAIR scans would be taken for T1-weighted ones."""
    bids, _ = write(tmp_path, people=1, photos_per_person=0, distractors=0, modality='FLAIR')
    assert (bids / 'sub-01' / 'anat' / 'sub-01_FLAIR.nii.gz').is_file()


@pytest.mark.slow
def test_the_validator_finds_no_error(small):
    """Other BIDS apps would refuse the demo's dataset."""
    (bids, _), _ = small
    found = shutil.which('bids-validator-deno', path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip('bids-validator-deno is not installed')
    done = subprocess.run(
        [found, '--json', str(bids)], capture_output=True, text=True, check=False
    )
    issues = json.loads(done.stdout)['issues']['issues']
    assert [issue for issue in issues if issue.get('severity') == 'error'] == []
