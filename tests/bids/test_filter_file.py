"""The filter file of fMRIPrep's users: what it leaves out is said, and it never adds anybody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bids_reid.bids.raw_scans import find_scans
from bids_reid.errors import NothingSelectedError, UsageError
from tests.bids.test_inputs import names, put


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / 'data'
    put(
        folder,
        'sub-1/ses-01/anat/sub-1_ses-01_T1w.nii.gz',
        'sub-1/ses-02/anat/sub-1_ses-02_T1w.nii.gz',
        'sub-1/ses-02/anat/sub-1_ses-02_acq-x_run-01_T1w.nii.gz',
        'sub-1/ses-02/anat/sub-1_ses-02_FLAIR.nii.gz',
        'sub-2/ses-01/anat/sub-2_ses-01_T1w.nii.gz',
        'sub-2/ses-01/func/sub-2_ses-01_task-x_bold.nii.gz',
    )
    (folder / 'dataset_description.json').write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    return folder


def found(root: Path, filters: object, **options: object) -> tuple[list[str], list[str]]:
    """Names of the T1w scans without ``sub-``, and what was said without the file's name."""
    file = root.parent / 'filter.json'
    if isinstance(filters, bytes):
        file.write_bytes(filters)
    else:
        file.write_text(json.dumps(filters))
    said: list[str] = []
    scans = find_scans(root, filter_file=file, note=said.append, may_be_none=True, **options)  # type: ignore[arg-type]
    return (
        [name[4:-4] for name in names(scans) if name.endswith('T1w')],
        [line.removeprefix(f'{file}: ') for line in said],
    )


ALL = ['1_ses-01', '1_ses-02', '1_ses-02_acq-x_run-01', '2_ses-01']


@pytest.mark.parametrize(
    ('wanted', 'expected'),
    [
        ({}, ALL),
        ({'acquisition': '*'}, ALL[2:3]),
        ({'acquisition': None}, [ALL[0], ALL[1], ALL[3]]),
        ({'acquisition': ['*', None]}, ALL),
        ({'session': '02'}, ALL[1:3]),
        ({'session': 'ses-02'}, ALL[1:3]),
        ({'session': 2}, ALL[1:3]),
        ({'session': ['ses-01', 2]}, ALL),
        ({'subject': 'sub-2', 'datatype': 'anat', 'suffix': 'T1w'}, ALL[3:]),
        ({'run': '01'}, ALL[2:3]),
        ({'run': 1, 'extension': '.nii.gz'}, ALL[2:3]),
        ({'session': '07'}, []),
    ],
)
def test_values_mean_what_they_mean_to_fmriprep(
    root: Path, wanted: object, expected: list[str]
) -> None:
    """The same file serves both; a star that is taken for a name drops all scans."""
    scans, said = found(root, {'t1w': wanted})
    assert scans == expected
    left_out = len(ALL) - len(expected)
    which = 'all 4' if left_out == len(ALL) else f'{left_out} of 4'
    assert f'the filter for T1w leaves out {which} images' in said


def test_the_file_does_not_override_the_command_line(root: Path) -> None:
    """People and sessions that nobody asked for were processed."""
    scans, said = found(root, {'t1w': {'session': '02'}}, sessions=['01'])
    assert (scans, said) == ([], ['the filter for T1w leaves out all 2 images'])
    scans, said = found(root, {'t1w': {'subject': '2'}}, participants=['1'])
    assert scans == []
    scans, _ = found(root, {'t1w': {'subject': ['1', '2'], 'session': '01'}}, participants=['2'])
    assert scans == ['2_ses-01']
    # nothing is left, and that is an error as without a file
    file = root.parent / 'filter.json'
    file.write_text('{"t1w": {"session": "02"}, "flair": {"session": "02"}}')
    with pytest.raises(NothingSelectedError, match='passes the filters'):
        find_scans(root, filter_file=file, sessions=['01'])


def test_a_filter_for_another_suffix_leaves_out_its_own(root: Path) -> None:
    """All T1w scans were dropped, and the line said that none was."""
    scans, said = found(root, {'t1w': {'suffix': 'FLAIR'}})
    assert (scans, said) == ([], ['the filter for T1w leaves out 4 of 5 images'])


def test_a_misspelt_entity_is_told_in_plain_words(root: Path) -> None:
    """The advice of pybids was to set an argument of Python."""
    with pytest.raises(UsageError, match='has an entity sesion: use long entity names') as caught:
        found(root, {'t1w': {'sesion': '01'}})
    assert 'invalid_filters' not in str(caught.value)


def test_filters_of_other_queries_are_told_once(root: Path) -> None:
    """fMRIPrep's files have them; a misspelt suffix looks the same, and would do nothing."""
    filters = {'bold': {'task': 'x'}, 'fmap': {'datatype': 'fmap'}, 'T1': {'run': 1}}
    scans, said = found(root, {**filters, 'FLAIR': {}})
    assert scans == ALL
    assert said == [
        'the filter for FLAIR leaves out 0 of 1 image',
        'no selected image has the suffix bold, fmap, t1',
    ]


def test_a_number_that_is_taken_for_a_label_is_told(root: Path) -> None:
    """Session 2 is nobody's but ses-02's, unless there is a ses-2."""
    _, said = found(root, {'T1w': {'session': 2}})
    assert said[0] == 'T1w: session 2 is taken for 02'
    put(root, 'sub-2/ses-2/anat/sub-2_ses-2_T1w.nii.gz')
    scans, said = found(root, {'T1w': {'session': 2}})
    assert scans == ['2_ses-2']
    assert len(said) == 1


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_a_byte_order_mark_is_no_damage(root: Path, encoding: str) -> None:
    """The file was refused as if it were no JSON."""
    scans, _ = found(root, '{"t1w": {"acquisition": "x"}}'.encode(encoding))
    assert scans == ALL[2:3]


def test_a_filter_where_nobody_has_sessions(tmp_path: Path) -> None:
    """An entity that no file has is no fault of the file's."""
    root = tmp_path / 'data'
    put(root, 'sub-1/anat/sub-1_T1w.nii.gz')
    (root / 'dataset_description.json').write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    assert found(root, {'t1w': {'session': None}})[0] == ['1']
    assert found(root, {'t1w': {'session': '01'}})[0] == []
