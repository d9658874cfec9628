"""Two conditions of three synthetic people through both levels, as a user runs them."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_reid.bids.tables import read_table
from bids_reid.demo.phantom_dataset import write_phantom_dataset
from bids_reid.risk.gate import people_needed
from bids_reid.risk.intervals import normal_quantile

Call = Callable[..., 'subprocess.CompletedProcess[str]']


def cut_face(source: Path, target: Path) -> None:
    """Write a scan without what lies in front of the face's plane and below the brow."""
    image = nib.load(source)
    data = np.asarray(image.dataobj).copy()
    _, y, z = nib.affines.apply_affine(
        image.affine, np.moveaxis(np.indices(data.shape), 0, -1)
    ).transpose(3, 0, 1, 2)
    front = y[data > data.max() / 4].max()
    data[(y > front - 45) & (z < 40)] = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(nib.Nifti1Image(data, image.affine).to_bytes(), mtime=0))


@pytest.mark.slow
def test_before_and_after(call: Call, tmp_path: Path) -> None:
    """The whole answer to "did de-facing work", with the exit code that scripts read."""
    bids, photos = write_phantom_dataset(
        tmp_path, people=3, photos_per_person=1, distractors=0, spacing=2.4, n_procs=2, seed=4
    )
    defaced = tmp_path / 'defaced'
    for label in ('01', '02'):
        source = bids / f'sub-{label}' / 'anat' / f'sub-{label}_T1w.nii.gz'
        cut_face(source, defaced / f'sub-{label}_T1w_defaced.nii.gz')
    (defaced / 'sub-01_T1w_defaced.json').write_text(
        json.dumps({'DeidentificationMethod': ['pydeface']})
    )
    before = {path: path.read_bytes() for path in defaced.iterdir()}
    out = tmp_path / 'out'
    options = ['-d', f'defaced={defaced}', '--extractors', 'orb', '--nprocs', 2]
    done = call(
        *('bids-reid', bids, out, 'participant', 'group', '--photos', photos),
        *(*options, '--max-risk', 0.05),
    )
    assert done.returncode == 3, done.stdout + done.stderr
    attacks = read_table(out / 'group_strongest.tsv')
    (n_attacks,) = (int(row['n_attacks']) for row in attacks if row['condition'] == 'defaced')
    quantile = normal_quantile(1 - 0.05 / n_attacks)
    assert f'at least {people_needed(0.05, quantile)} would be needed' in done.stdout
    assert 'Besides, 1 of 3 raw scans has no defaced version' in done.stdout
    assert {path: path.read_bytes() for path in defaced.iterdir()} == before
    folder = out / 'sub-01' / 'anat'
    assert (folder / 'sub-01_desc-defacedskin_T1w.surf.gii').exists()
    assert (folder / 'sub-01_desc-skin_T1w.surf.gii').exists()
    with np.load(folder / 'sub-01_desc-defacedorb_T1w.npz') as template:
        assert len(template['found']) == len(template['view']) == 81
    scans = read_table(out / 'group_images.tsv')
    claims = {(row['participant_id'], row['condition']): row['deidentification'] for row in scans}
    assert len(claims) == 5
    assert [key for key, claim in claims.items() if claim == 'claimed'] == [('sub-01', 'defaced')]
    for row in read_table(out / 'group_reduction.tsv'):
        assert (row['n_people'], row['n_gallery_before']) == ('2', '2')
    page = (out / 'sub-01.html').read_text('utf-8')
    assert 'T1w · raw' in page
    assert 'T1w · defaced' in page
    # the same files again: nothing is left to do, and one condition alone can be judged
    again = call('bids-reid', bids, out, 'participant', *options)
    assert '5 scans of 3 participants, 0 to do' in again.stdout
    alone = call('bids-reid', bids, out, 'group', '--max-risk', 0.9, '--audit', 'raw')
    assert alone.returncode == 3, alone.stdout + alone.stderr
    assert 'Not passed: 3 of 3 raw scans (100.0%) have findings' in alone.stdout
    # of these coarse scans one is cut into the brain, which is a finding too
    those = ('group', '-d', f'defaced={defaced}', '--max-risk', 0.5, '--participant-label')
    removed = call('bids-reid', bids, out, *those, '01', '02')
    assert removed.returncode == 0, removed.stdout + removed.stderr
    assert json.loads((out / 'group_summary.json').read_text())['Gate']['passed'] is True
    missing = call('bids-reid', bids, out, 'group', '--max-risk', 1, '--audit', 'refaced')
    assert missing.returncode == 18
    assert '-d refaced=DIR' in missing.stderr
