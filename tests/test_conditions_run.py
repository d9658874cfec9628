"""The audit of a folder of versions, from the scans to the check before the upload."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from bids_reid.bids.tables import read_table
from bids_reid.demo.phantom_dataset import write_phantom_dataset

Call = Callable[..., 'subprocess.CompletedProcess[str]']

FIRST, SECOND = 'sub-01_T1w_defaced.nii.gz', 'sub-02_T1w_defaced.nii.gz'


def cut_face(source: Path, target: Path, other: Path | None = None) -> None:
    """Write a scan without what lies before the brain and below the brow.

    In its place comes what is there on ``other``, somebody else's scan.
    """
    image = nib.load(source)
    data = np.asarray(image.dataobj).copy()
    _, y, z = nib.affines.apply_affine(
        image.affine, np.moveaxis(np.indices(data.shape), 0, -1)
    ).transpose(3, 0, 1, 2)
    front = y[data > data.max() / 4].max()
    # chins may lie further back
    face = ((y > front - 35) & (z < 30)) | ((y > front - 60) & (z < -45))
    data[face] = 0 if other is None else np.asarray(nib.load(other).dataobj)[face]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(nib.Nifti1Image(data, image.affine).to_bytes(), mtime=0))


@dataclass(frozen=True)
class Study:
    """Raw scans of three people, de-faced and re-faced versions of two, and the output."""

    bids: Path
    photos: Path
    defaced: Path
    refaced: Path
    out: Path

    def summary(self) -> dict[str, Any]:
        """Return what the last group level wrote for programs."""
        return json.loads((self.out / 'group_summary.json').read_text())

    def reasons(self) -> list[tuple[str, list[str]]]:
        """Return the outcome and the paths of each reason of the last group level."""
        return [(one['outcome'], one['paths']) for one in self.summary()['reasons']]


def make_study(folder: Path) -> Study:
    """Re-facing gives the first person somebody else's face, and forgets about the second."""
    bids, photos = write_phantom_dataset(
        folder, people=3, photos_per_person=1, distractors=0, spacing=2.4, n_procs=2, seed=4
    )
    defaced, refaced = folder / 'defaced', folder / 'refaced'
    one, two, three = (bids / f'sub-0{n}' / 'anat' / f'sub-0{n}_T1w.nii.gz' for n in (1, 2, 3))
    cut_face(one, defaced / FIRST)
    cut_face(two, defaced / SECOND)
    claim = {'DeidentificationMethod': ['pydeface']}
    (defaced / FIRST.replace('nii.gz', 'json')).write_text(json.dumps(claim))
    cut_face(one, refaced / one.name, three)
    shutil.copy(two, refaced / two.name)
    return Study(bids, photos, defaced, refaced, folder / 'out')


@pytest.mark.slow
def test_the_audit_of_versions(call: Call, tmp_path: Path) -> None:
    """May this folder be shared? Each answer is a false pass, or a false alarm, if it is wrong."""
    study = make_study(tmp_path)
    versions = ('-d', f'refaced={study.refaced}', f'defaced={study.defaced}')
    measuring = (*versions, '--extractors', 'orb', '--nprocs', 2)
    before = {path: path.read_bytes() for path in study.defaced.iterdir()}

    def group(*options: object) -> subprocess.CompletedProcess[str]:
        return call('bids-reid', study.bids, study.out, 'group', *options)

    both = ('participant', 'group', '--photos', study.photos, '--max-findings', 0)
    done = call('bids-reid', study.bids, study.out, *both, *measuring)
    assert done.returncode == 3, done.stdout + done.stderr
    assert {path: path.read_bytes() for path in study.defaced.iterdir()} == before
    check_files_of_both(study)
    check_two_of_three(study, done.stdout)
    # the same files again: nothing is left to do
    again = call('bids-reid', study.bids, study.out, 'participant', *measuring)
    assert '7 scans of 3 participants, 0 to do' in again.stdout

    # without -d it is the raw scans that would be shared; what was made of what, the records know
    forward = (study.out / 'group_reduction.tsv').read_bytes()
    raw = group('--photos', study.photos)
    assert raw.returncode == 0, 'nobody asked for an exit code'
    assert 'DO NOT SHARE: bids, 3 images' in raw.stdout
    assert (study.out / 'group_reduction.tsv').read_bytes() == forward

    check_limits(study, group, call)
    check_refaced(study, group)
    check_withdrawn(study, group, call)
    missing = group('--max-findings', '100%', '--audit', 'blurred')
    assert missing.returncode == 18
    assert '-d blurred=DIR' in missing.stderr


def check_files_of_both(study: Study) -> None:
    """Versions of a scan must not overwrite each other's results."""
    folder = study.out / 'sub-01' / 'anat'
    assert (folder / 'sub-01_desc-defacedskin_T1w.surf.gii').exists()
    assert (folder / 'sub-01_desc-skin_T1w.surf.gii').exists()
    with np.load(folder / 'sub-01_desc-defacedorb_T1w.npz') as template:
        assert len(template['found']) == len(template['view']) == 81
    page = (study.out / 'sub-01.html').read_text('utf-8')
    assert 'T1w · raw' in page
    assert 'T1w · defaced' in page


def check_two_of_three(study: Study, said: str) -> None:
    """Two clean images are no pass while the third is missing: nobody knows where that is."""
    summary = study.summary()
    assert (summary['condition'], summary['outcome']) == ('defaced', 'look first')
    assert summary['images']['verdicts']['no findings'] == summary['images']['n'] == 2
    assert ('look first', ['sub-03/anat/sub-03_T1w.nii.gz']) in study.reasons()
    assert 'LOOK FIRST: defaced, 2 images' in said
    assert '1 raw scan has no defaced version.' in said
    images = read_table(study.out / 'group_images.tsv')
    inside = {row['path']: row for row in images if row['in_release'] == 'yes'}
    assert set(inside) == {FIRST, SECOND}
    assert [inside[name]['deidentification'] for name in (FIRST, SECOND)] == ['claimed', 'none']
    # re-facing was not declared: a face is a face
    others = {(row['condition'], row['verdict']) for row in images if row['in_release'] == 'no'}
    assert others == {('raw', 'review'), ('refaced', 'review')}
    people = {
        (row['baseline'], row['condition'], row['n_people'], row['n_gallery_before'])
        for row in read_table(study.out / 'group_reduction.tsv')
    }
    assert people == {('raw', 'defaced', '2', '2'), ('raw', 'refaced', '2', '2')}


def check_limits(
    study: Study, group: Callable[..., subprocess.CompletedProcess[str]], call: Call
) -> None:
    """A script that uploads goes by these codes."""
    limited = group('--max-findings', '99%')
    assert limited.returncode == 3, limited.stdout
    assert study.reasons() == [
        ('do not share', [f'sub-0{n}/anat/sub-0{n}_T1w.nii.gz' for n in (1, 2, 3)])
    ]
    assert call('bids-reid-check', study.out, study.bids).returncode == 3
    # people who agreed to be seen
    agreed = group('--max-findings', '100%')
    assert agreed.returncode == 0, agreed.stdout
    assert ', within the limit of 100%' in agreed.stdout
    assert call('bids-reid-check', study.out, study.bids).returncode == 0
    assert call('bids-reid-check', study.out, study.defaced).returncode == 3


def check_refaced(study: Study, group: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """Somebody else's face is no finding, and the own one is, whatever was declared."""
    declared = ('-d', f'refaced={study.refaced}', '--refaced', 'refaced', '--max-findings', 0)
    done = group(*declared)
    assert done.returncode == 3, done.stdout + done.stderr
    assert study.summary()['condition'] == 'refaced'
    found = [paths for outcome, paths in study.reasons() if outcome == 'do not share']
    assert found == [['sub-02_T1w.nii.gz']]
    assert 'the file is identical to a scan that was not re-faced' in done.stdout


def check_withdrawn(
    study: Study, group: Callable[..., subprocess.CompletedProcess[str]], call: Call
) -> None:
    """Whole and clean has to pass, or nobody uses it; and what passed are bytes, no names."""
    shutil.rmtree(study.bids / 'sub-03')
    clean = group('-d', f'defaced={study.defaced}', '--max-findings', 0)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    assert 'NOTHING FOUND: defaced, 2 images' in clean.stdout
    assert study.summary()['outcome'] == 'nothing found'
    assert call('bids-reid-check', study.out, study.defaced).returncode == 0
    with (study.defaced / SECOND).open('ab') as scan:
        scan.write(b'x')
    changed = call('bids-reid-check', study.out, study.defaced)
    assert changed.returncode == 3
    assert f'{SECOND}: changed' in changed.stdout
