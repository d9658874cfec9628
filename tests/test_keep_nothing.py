"""``--keep nothing``, from scans to an output without a face: the same answers, fewer files."""

from __future__ import annotations

from pathlib import Path

import pytest

import bids_reid
from bids_reid.bids.sensitive import sensitive_amounts
from bids_reid.demo.phantom_dataset import write_phantom_dataset
from bids_reid.errors import NoInputError
from tests.test_conditions_run import cut_face

PEOPLE = ('01', '02')


def faces(out: Path) -> dict[str, int]:
    """How many files of each kind can give a face back."""
    amounts = sensitive_amounts(out)
    return {kind: amount.files for kind, amount in amounts.items() if amount.files}


@pytest.mark.slow
def test_the_answers_are_those_of_a_run_that_keeps_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A steward of many scans has no room for skins, and no wish to guard templates."""
    bids, photos = write_phantom_dataset(
        tmp_path, people=2, photos_per_person=1, distractors=0, spacing=2.4, n_procs=2, seed=4
    )
    defaced = tmp_path / 'defaced'
    for label in PEOPLE:
        scan = bids / f'sub-{label}' / 'anat' / f'sub-{label}_T1w.nii.gz'
        cut_face(scan, defaced / f'sub-{label}_T1w_defaced.nii.gz')
    options = {'derivatives': {'defaced': defaced}, 'extractors': 'face_recognition'}
    whole, none = tmp_path / 'whole', tmp_path / 'none'
    bids_reid.run(bids, whole, photos=photos, n_procs=2, **options)
    assert faces(whole) == {'skins': 4, 'templates': 4}

    # as tasks of a cluster, and a group level when they have ended
    bids_reid.run(bids, none, 'participant', keep='nothing', n_procs=2, **options)
    # a template and a shape of each
    assert faces(none) == {'templates': 8}
    bids_reid.run(bids, none, 'group', photos=photos, keep='nothing', **options)
    assert faces(none) == {}
    tables = {path.name: path.read_bytes() for path in whole.glob('group_*.tsv')}
    assert len(tables) > 10
    assert 'group_linkage.tsv' in tables
    assert {path.name: path.read_bytes() for path in none.glob('group_*.tsv')} == tables
    summary = bids_reid.load(none).summary
    assert {one['files'] for one in summary['sensitive_files'].values()} == {0}

    capsys.readouterr()
    bids_reid.run(bids, none, 'participant', keep='nothing', **options)
    assert '4 scans of 2 participants, 0 to do' in capsys.readouterr().out
    with pytest.raises(NoInputError, match='templates of 4 scans were not kept'):
        bids_reid.run(bids, none, 'group', photos=photos, **options)
    bids_reid.run(bids, none, photos=photos, keep='nothing', n_procs=2, **options)
    assert '4 scans of them processed again' in capsys.readouterr().out
    assert faces(none) == {}
    assert {path.name: path.read_bytes() for path in none.glob('group_*.tsv')} == tables
