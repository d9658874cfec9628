"""Finding scans: every head image of the dataset once, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bids_reid.bids.head_images import head_images, left_out_images
from bids_reid.bids.inputs import (
    check_dataset,
    check_labels,
    dataset_name,
    dataset_participants,
)
from bids_reid.bids.raw_scans import find_scans
from bids_reid.errors import (
    CannotWriteError,
    NoInputError,
    NotBidsError,
    NothingSelectedError,
    UsageError,
)
from bids_reid.records import Scan

B1, B2 = '1_ses-b_run-1_T1w', '1_ses-b_run-2_T1w'


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'12345678')


def names(scans: tuple[Scan, ...]) -> list[str]:
    return [f'{scan.source_name}_{scan.modality}' for scan in scans]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / 'data'
    folder.mkdir()
    (folder / 'dataset_description.json').write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    return folder


@pytest.fixture
def full(root: Path) -> Path:
    """Sessions, runs, both endings, other data, people with similar labels."""
    put(
        root,
        'sub-10/anat/sub-10_T1w.nii.gz',
        'sub-10/anat/sub-10_T1w.json',
        'sub-1/ses-b/anat/sub-1_ses-b_run-2_T1w.nii.gz',
        'sub-1/ses-b/anat/sub-1_ses-b_run-1_T1w.nii',
        'sub-1/ses-a/anat/sub-1_ses-a_FLAIR.nii.gz',
        'sub-1/ses-a/anat/sub-1_ses-a_acq-high_T1w.nii.gz',
        'sub-1/ses-a/anat/sub-1_ses-a_T2w.nii.gz',
        'sub-1/ses-a/func/sub-1_ses-a_task-x_bold.nii.gz',
        'sub-1/ses-a/func/sub-1_ses-a_T1w.nii.gz',
        'sub-2/anat/sub-2_T1w.nii.gz',
        'sub-2/anat/sub-2_T1wx.nii.gz',
        'sub-2/pet/sub-2_trc-fdg_pet.nii.gz',
        'derivatives/x/sub-2/anat/sub-2_desc-x_T1w.nii.gz',
        'sourcedata/sub-2/anat/sub-2_T1w.nii.gz',
    )
    return root


def test_every_head_image_is_found_once_and_in_order(full: Path) -> None:
    """Otherwise people are missing from the audit, or counted twice."""
    scans = find_scans(full)
    assert names(scans) == [
        'sub-1_ses-a_FLAIR',
        'sub-1_ses-a_T2w',
        'sub-1_ses-a_acq-high_T1w',
        'sub-1_ses-b_run-1_T1w',
        'sub-1_ses-b_run-2_T1w',
        'sub-10_T1w',
        'sub-2_T1w',
        'sub-2_T1wx',
        'sub-2_trc-fdg_pet',
    ]
    assert scans[3] == Scan(
        participant='1',
        session='b',
        modality='T1w',
        source_name='sub-1_ses-b_run-1',
        path=full / 'sub-1/ses-b/anat/sub-1_ses-b_run-1_T1w.nii',
    )
    assert scans[5].session is None
    assert dataset_participants(full) == {'1', '2', '10'}
    assert find_scans(full) == scans


def test_only_the_chosen_are_read(full: Path) -> None:
    """Otherwise people who did not agree are processed; 1 is not 10."""
    assert names(find_scans(full, participants=['1'], sessions=['b'])) == [
        'sub-1_ses-b_run-1_T1w',
        'sub-1_ses-b_run-2_T1w',
    ]
    some = find_scans(full, participants=['2', '10'], modalities=['T1w', 'FLAIR'])
    assert names(some) == ['sub-10_T1w', 'sub-2_T1w']
    assert names(find_scans(full, modalities=['T2w', 'pet'])) == [
        'sub-1_ses-a_T2w',
        'sub-2_trc-fdg_pet',
    ]
    # 'has no sub-3' alone leaves somebody to guess how labels are written here
    with pytest.raises(NothingSelectedError, match='has no sub-3: it has sub-1, sub-10, sub-2'):
        find_scans(full, participants=['1', '3'])
    with pytest.raises(NothingSelectedError, match='angio'):
        find_scans(full, modalities=['angio'])
    with pytest.raises(NothingSelectedError):
        find_scans(full, participants=['2'], sessions=['b'])


def test_what_is_no_scan_of_the_dataset_is_left_out(root: Path) -> None:
    """Two files of one name would overwrite each other's results and stop the whole run."""
    put(
        root,
        'sub-01/anat/sub-01_T1w.nii',
        'sub-01/anat/sub-01_T1w.nii.gz',
        'sub-01/anat/._sub-01_T1w.nii.gz',
        'sub-01/anat/old/sub-01_T1w.nii.gz',
        'sub-01/anat_backup/sub-01_T1w.nii.gz',
        'sub-01/anat/sub-02_FLAIR.nii.gz',
        'sub-01/ses-1/anat/sub-01_FLAIR.nii.gz',
        'sub-01/ses-1/anat/sub-01_ses-2_FLAIR.nii.gz',
        '.git/sub-01/anat/sub-01_run-2_T1w.nii.gz',
    )
    scans = find_scans(root)
    assert names(scans) == ['sub-01_T1w']
    assert scans[0].path == root / 'sub-01/anat/sub-01_T1w.nii.gz'


def test_a_link_without_content_is_listed(root: Path) -> None:
    """A file that datalad has not fetched becomes a row with a reason, not a silent gap."""
    put(root, 'sub-01/anat/sub-01_T1w.nii.gz')
    (root / 'sub-01/anat/sub-01_FLAIR.nii.gz').symlink_to('/nowhere/content')
    assert names(find_scans(root)) == ['sub-01_FLAIR', 'sub-01_T1w']


def test_files_are_listed_by_the_name_the_user_gave(full: Path, tmp_path: Path) -> None:
    """Otherwise the sources in the sidecars lead nowhere, or the run ends in a traceback."""
    link = tmp_path / 'link'
    link.symlink_to(full)
    dots = full / 'sub-1' / '..'
    assert all(scan.path.is_relative_to(link) for scan in find_scans(link))
    assert all(scan.path.is_relative_to(dots) for scan in find_scans(dots))
    assert len(find_scans(dots)) == 9


@pytest.mark.parametrize(
    ('filters', 'expected'),
    [
        ({'T1w': {'acquisition': None}}, ['1_ses-a_FLAIR', B1, B2]),
        ({'t1w': {'acquisition': 'high'}}, ['1_ses-a_FLAIR', '1_ses-a_acq-high_T1w']),
        ({'flair': {'session': 'z'}, 't1w': {'run': [2]}}, [B2]),
        ({'T1w': {'session': 'b', 'run': 1}, 'bold': {'task': 'x'}}, ['1_ses-a_FLAIR', B1]),
        ({'T1w': {'run': [1, None]}, 'flair': {'run': 1.5}}, ['1_ses-a_acq-high_T1w', B1]),
        ({'T1w': {'suffix': 'T2w'}}, ['1_ses-a_FLAIR', '1_ses-a_T2w']),
    ],
)  # fmt: skip
def test_filters_select(
    full: Path, tmp_path: Path, filters: dict[str, object], expected: list[str]
) -> None:
    """Otherwise scans that the user left out are processed; null asks for absence."""
    file = tmp_path / 'filter.json'
    file.write_text(json.dumps(filters))
    modalities = ['T1w', 'FLAIR']
    scans = find_scans(full, participants=['1'], modalities=modalities, filter_file=file)
    assert names(scans) == [f'sub-{name}' for name in expected]


ANATOMY = """
    acq-a_T1w T2w FLAIR PDw UNIT1 inv-1_part-mag_MP2RAGE inv-2_MP2RAGE T2starw echo-2_MEGRE angio
    inplaneT2 T1map odd
"""
NO_SCANS = (
    'inv-2_part-phase_MP2RAGE',
    'mask',
    'part-imag_T2starw',
    'part-real_T2starw',
    'space-orig_dseg',
    'task-x_defacemask',
)


@pytest.fixture
def anatomy(root: Path) -> Path:
    """One participant with whatever a scanner can make of a head."""
    put(
        root,
        *(f'sub-1/anat/sub-1_{name}.nii.gz' for name in (*ANATOMY.split(), *NO_SCANS)),
        'sub-1/ct/sub-1_ct.nii.gz',
        'sub-1/func/sub-1_task-x_bold.nii.gz',
        'sub-1/dwi/sub-1_dwi.nii.gz',
        'sub-2/anat/sub-2_part-phase_T1w.nii.gz',
    )
    return root


def test_every_kind_of_head_image_is_taken_unless_some_are_named(anatomy: Path) -> None:
    """A dataset whose T1w are de-faced and whose T2w are not must not look safe."""
    told: list[str] = []
    scans = find_scans(anatomy, note=told.append)
    assert {name.removeprefix('sub-1_') for name in names(scans)} == {*ANATOMY.split(), 'ct'}
    assert list(scans) == head_images(anatomy)
    assert told == []
    some = find_scans(anatomy, modalities=['MP2RAGE', 'mask'])
    assert names(some) == ['sub-1_mask', 'sub-1_inv-1_part-mag_MP2RAGE', 'sub-1_inv-2_MP2RAGE']
    assert {*some} == {*head_images(anatomy, ['MP2RAGE', 'mask'])}
    assert head_images(anatomy, participants=['2']) == []


def test_what_is_left_out_is_listed_with_the_reason(anatomy: Path) -> None:
    """Each image of the release gets a row; without a reason it looks forgotten."""
    left = left_out_images(anatomy)
    assert [path.name for path, _ in left] == [
        *(f'sub-1_{name}.nii.gz' for name in NO_SCANS),
        'sub-2_part-phase_T1w.nii.gz',
    ]
    reasons = {path.name: reason for path, reason in left}
    assert reasons['sub-1_part-real_T2starw.nii.gz'].endswith(
        'part-real, not as a magnitude image'
    )
    assert 'label map' in reasons['sub-1_space-orig_dseg.nii.gz']
    assert left_out_images(anatomy, ['2']) == left[-1:]


def test_phase_images_are_there_for_whoever_asks(anatomy: Path, tmp_path: Path) -> None:
    """A filter that names ``part`` is no oversight."""
    file = tmp_path / 'filter.json'
    file.write_text('{"MP2RAGE": {"part": "phase"}, "t2starw": {"part": null}}')
    scans = names(find_scans(anatomy, filter_file=file))
    assert [name for name in scans if 'MP2RAGE' in name] == ['sub-1_inv-2_part-phase_MP2RAGE']
    assert [name for name in scans if 'T2starw' in name] == ['sub-1_T2starw']
    assert 'sub-1_acq-a_T1w' in scans


@pytest.mark.parametrize(
    'content',
    [
        *('', '{', '[]', '{"T1w": null}', '{"T1w": {"acq": "x"}}', '\xff'),
        *('{"T1w": {"run": {"a": 1}}}', '{"T1w": {"run": [[1]]}}', '{"T1w": {"run": [{}]}}'),
    ],
)
def test_a_damaged_filter_file_is_named(full: Path, tmp_path: Path, content: str) -> None:
    """Otherwise the run ends in a traceback, or unfiltered."""
    file = tmp_path / 'filter.json'
    file.write_bytes(content.encode('latin-1'))
    with pytest.raises(UsageError, match=r'filter\.json'):
        find_scans(full, filter_file=file)
    with pytest.raises(UsageError):
        find_scans(full, filter_file=tmp_path)
    with pytest.raises(NoInputError, match=r'gone\.json'):
        find_scans(full, filter_file=tmp_path / 'gone.json')


def test_a_kept_index_serves_every_later_choice(full: Path, tmp_path: Path) -> None:
    """An index made for one participant must not hide the others in the next run."""
    index = tmp_path / 'index'
    first = find_scans(full, participants=['2'], modalities=['T1w'], database_dir=index)
    assert names(first) == ['sub-2_T1w']
    files = {path: path.stat().st_mtime_ns for path in index.iterdir()}
    assert files
    assert names(find_scans(full, participants=['10'], database_dir=index)) == ['sub-10_T1w']
    assert find_scans(full, database_dir=index) == find_scans(full)
    # used, not made again
    assert {path: path.stat().st_mtime_ns for path in index.iterdir()} == files


def test_a_kept_index_does_not_hide_what_is_new(full: Path, tmp_path: Path) -> None:
    """Otherwise a participant scanned since is never audited, nor is one withdrawn forgotten."""
    index = tmp_path / 'index'
    find_scans(full, database_dir=index)
    put(full, 'sub-3/anat/sub-3_T1w.nii.gz', 'sub-2/anat/sub-2_FLAIR.nii.gz')
    (full / 'sub-10/anat/sub-10_T1w.nii.gz').unlink()
    scans = find_scans(full, database_dir=index)
    assert scans == find_scans(full)
    assert {'sub-3_T1w', 'sub-2_FLAIR'} < set(names(scans))
    assert 'sub-10_T1w' not in names(scans)
    # a run that was stopped while it made the index
    next(index.glob('*.txt')).write_text('unfinished')
    (index / 'layout_index.sqlite').write_bytes(b'')
    assert find_scans(full, database_dir=index) == scans


def test_an_index_of_another_program_is_used_but_not_changed(full: Path, tmp_path: Path) -> None:
    """fMRIPrep's index also holds what is not looked at here; made again, it would lose that."""
    index = tmp_path / 'index'
    find_scans(full, database_dir=index)
    next(index.glob('*.txt')).unlink()
    before = (index / 'layout_index.sqlite').read_bytes()
    put(full, 'sub-3/anat/sub-3_T1w.nii.gz')
    told: list[str] = []
    assert len(find_scans(full, database_dir=index, note=told.append)) == 9
    assert 'was made by another program' in told[0]
    assert (index / 'layout_index.sqlite').read_bytes() == before


@pytest.mark.parametrize('content', ['[1]', '3'])
def test_what_pybids_cannot_read_is_one_line(root: Path, content: str) -> None:
    """With --skip-bids-validation the description is not looked at before."""
    put(root, 'sub-1/anat/sub-1_T1w.nii')
    (root / 'dataset_description.json').write_text(content)
    with pytest.raises(NotBidsError, match=r'pybids cannot read .*data'):
        find_scans(root)


def test_an_index_of_another_dataset_is_refused(full: Path, tmp_path: Path) -> None:
    """pybids would silently give the scans of that other dataset."""
    find_scans(full, database_dir=tmp_path / 'index')
    other = tmp_path / 'other'
    put(other, 'sub-1/anat/sub-1_T1w.nii')
    with pytest.raises(UsageError, match='index of another dataset'):
        find_scans(other, database_dir=tmp_path / 'index')


def test_an_index_that_cannot_be_written_is_named(full: Path) -> None:
    with pytest.raises(CannotWriteError, match='below'):
        find_scans(full, database_dir=full / 'dataset_description.json' / 'below')


def test_a_description_with_a_byte_order_mark_is_one(root: Path) -> None:
    """Windows' editors write one; the dataset must not be refused for it."""
    for encoding in ('utf-8-sig', 'utf-16'):
        (root / 'dataset_description.json').write_bytes(
            '{"Name": "Größe", "BIDSVersion": "1.10.0"}'.encode(encoding)
        )
        check_dataset(root, validate=True)
        assert dataset_name(root) == 'Größe'


@pytest.mark.parametrize('label', ['sub-PAT_001', 'sub-PAT-001', 'sub-MÜ1', 'sub-x.1', 'sub-'])
def test_labels_that_bids_does_not_allow_end_the_run(root: Path, label: str) -> None:
    """Half the work was done before, and a name taken apart at its _ is another participant's."""
    put(root, f'{label}/anat/{label}_T1w.nii.gz', 'sub-a+b/anat/sub-a+b_T1w.nii.gz')
    with pytest.raises(NotBidsError, match=rf'1 folder with .* first: {label}: rename it') as told:
        check_labels(root, validate=True)
    assert '\n' not in str(told.value)
    assert check_labels(root, validate=True, participants=['a+b']) == []
    # nobody takes it for a participant, or half of it for one
    assert dataset_participants(root) == {'a+b'}
    assert names(find_scans(root)) == ['sub-a+b_T1w']
    (said,) = check_labels(root, validate=False)
    assert said.startswith(label)
    with pytest.raises(NotBidsError, match=label):
        check_labels(root, validate=False, participants=[label.removeprefix('sub-')])


def test_labels_of_sessions_are_looked_at_as_well(root: Path) -> None:
    """ses-01_b would be ses-01, and its scan that of another day."""
    put(root, 'sub-01/ses-01_b/anat/sub-01_ses-01_b_T1w.nii', 'sub-02/ses-1/anat/x.json')
    with pytest.raises(NotBidsError, match='first: sub-01/ses-01_b'):
        check_labels(root, validate=True)
    assert check_labels(root, validate=True, participants=['02']) == []
    assert check_labels(root, validate=True, sessions=['01']) == []
    assert find_scans(root, may_be_none=True) == ()


def test_labels_that_differ_in_case_only_are_told(root: Path) -> None:
    """A disk that takes both for one would mix two people."""
    put(root, 'sub-a/anat/sub-a_T1w.nii', 'sub-A/anat/sub-A_T1w.nii')
    if len(list(root.glob('sub-*'))) < 2:
        pytest.skip('this disk takes both for one')
    (said,) = check_labels(root, validate=True)
    assert 'sub-A and sub-a' in said
    assert [(scan.participant, scan.path.name) for scan in find_scans(root)] == [
        ('A', 'sub-A_T1w.nii'),
        ('a', 'sub-a_T1w.nii'),
    ]


def test_whom_a_label_without_its_zeros_may_mean_is_said(root: Path) -> None:
    """Nothing is selected, and the one line should help."""
    put(root, 'sub-01/anat/sub-01_T1w.nii')
    with pytest.raises(NothingSelectedError, match='has no sub-1: did you mean sub-01'):
        find_scans(root, participants=['1'])
    with pytest.raises(NothingSelectedError, match=r'no t1w scan in .*: did you mean T1w'):
        find_scans(root, modalities=['t1w'])


def test_a_label_with_a_plus_is_one_participant(root: Path) -> None:
    """BIDS allows it, and in a pattern it would mean something else."""
    put(root, *(f'sub-{label}/anat/sub-{label}_T1w.nii' for label in ('a+b', 'aab', 'ab')))
    assert names(find_scans(root, participants=['a+b'])) == ['sub-a+b_T1w']
    assert len(find_scans(root)) == 3
    assert [scan.participant for scan in head_images(root, participants=['a+b'])] == ['a+b']


@pytest.mark.parametrize(
    'content', [None, '', '{', '[]', '3', '{"Name": "x"}', '{"BIDSVersion": "1"}']
)
def test_what_is_not_bids_is_refused_unless_told(root: Path, content: str | None) -> None:
    """Otherwise a wrong folder is searched, or the reason is a traceback."""
    description = root / 'dataset_description.json'
    check_dataset(root, validate=True)
    description.unlink()
    if content is not None:
        description.write_text(content)
    with pytest.raises(NotBidsError, match=r'dataset_description\.json'):
        check_dataset(root, validate=True)
    check_dataset(root, validate=False)
    with pytest.raises(NoInputError):
        check_dataset(root / 'gone', validate=False)


def test_whose_head_was_scanned_is_known_without_an_index(tmp_path: Path) -> None:
    """Otherwise people without a head scan, or a mask, stand in the way of every pass."""
    put(
        tmp_path,
        'sub-01/ses-a/anat/sub-01_ses-a_angio.nii.gz',
        'sub-01/ses-a/anat/sub-01_ses-a_T1w.nii',
        'sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz',
        'sub-02/func/sub-02_task-rest_bold.nii',
        'sub-03/anat/sub-03_dseg.nii.gz',
    )
    scans = head_images(tmp_path)
    assert names(tuple(scans)) == ['sub-01_ses-a_T1w', 'sub-01_ses-a_angio']
    assert (scans[0].session, scans[0].path.suffix) == ('a', '.gz')
    assert head_images(tmp_path, ['bold', 'FLAIR']) == []
    assert head_images(tmp_path, ['dseg'], ['03', '04'])[0].participant == '03'
