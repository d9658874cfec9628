"""Tables that R, pandas and the validator read."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest

from bids_reid.bids.files import read_json
from bids_reid.bids.tables import read_table, write_table, written
from bids_reid.records import AttackKey


def row(**values: object) -> dict[str, object]:
    return dict.fromkeys(ROW_COLUMNS) | values


ROW_COLUMNS = (
    'path', 'in_release', 'bytes', 'sha256', 'annex_key', 'format', 'kind', 'participant_id',
    'session_id', 'modality', 'condition', 'status', 'verdict', 'program_verdict',
    'face_present', 'face_score', 'parts_left', 'parts_unclear', 'brain_loss',
    'n_views_with_face', 'deidentification', 'face_completed', 'reviewed_by', 'reason',
)  # fmt: skip


def test_missing_values_are_told_as_bids_tells_them(tmp_path: Path) -> None:
    """Otherwise R and pandas read 'None' and 'nan' as text, and an empty cell is not BIDS."""
    table = tmp_path / 'group_images.tsv'
    rows = [
        row(),
        row(n_views_with_face=float('nan'), reason='', path=0.1 + 0.2, session_id=0),
    ]
    write_table(table, 'group_images', rows)
    first, second = read_table(table)
    assert set(first.values()) == {'n/a'}
    assert second['n_views_with_face'] == second['reason'] == 'n/a'
    assert second['path'] == '0.3'
    assert second['session_id'] == '0'


@pytest.mark.parametrize('bad', '\t\n\r\v\f\x1c\x85\u2028')
def test_no_text_breaks_a_table(tmp_path: Path, bad: str) -> None:
    """File names and error messages hold anything; one must not make the table unreadable."""
    table = tmp_path / 'group_images.tsv'
    rows = [row(reason=f'one{bad}two'), row(reason='é "quoted" 日本', path='last')]
    write_table(table, 'group_images', rows)
    # and none is lost
    reasons = [cells['reason'] for cells in read_table(table)]
    assert reasons == [f'one{bad}two', 'é "quoted" 日本']
    lines = table.read_text(encoding='utf-8').splitlines()
    assert {line.count('\t') for line in lines} == {len(ROW_COLUMNS) - 1}
    assert len(lines) == 3
    assert table.read_bytes().endswith(b'\n')
    assert b'\r' not in table.read_bytes()


def test_a_name_that_is_not_utf8_is_written(tmp_path: Path) -> None:
    """One file name from an old disk must not stop the group level."""
    name = os.fsdecode(b'fa\xe7ade.jpg')
    write_table(tmp_path / 't.tsv', 'group_images', [row(path=name)])
    assert 'fa\\udce7ade.jpg' in (tmp_path / 't.tsv').read_text(encoding='utf-8')
    assert read_table(tmp_path / 't.tsv')[0]['path'] == name


FORMULAS = ('=cmd|x', '+1', '-2+3', '@SUM(1)', '\uff1d1', "'=1", "''-1", "'n't'", '\t=1')


@pytest.mark.parametrize('text', FORMULAS)
def test_no_cell_is_a_formula(tmp_path: Path, text: str) -> None:
    """A file name would run a program in the spreadsheet of whoever looks at the table."""
    write_table(tmp_path / 't.tsv', 'group_images', [row(reason=text, face_score=-3.25)])
    cells = (tmp_path / 't.tsv').read_text(encoding='utf-8').splitlines()[1].split('\t')
    assert not any(cell.startswith(tuple('=+@\uff1d\t')) for cell in cells)
    assert [cell for cell in cells if cell.startswith('-')] == ['-3.25'], 'a number stays one'
    assert read_table(tmp_path / 't.tsv')[0]['reason'] == text


def test_two_names_are_two_rows_that_can_be_told_apart(tmp_path: Path) -> None:
    names = ['a\nb', 'a b', r'a\nb', r'a\\nb', 'a\tb', "'=b", '=b']
    write_table(tmp_path / 't.tsv', 'group_images', [row(path=name) for name in names])
    assert [cells['path'] for cells in read_table(tmp_path / 't.tsv')] == names
    assert len(set(map(written, names))) == len(names)


@pytest.mark.parametrize('kind', ['views', 'group_images', 'group_identification', 'group_ranks'])
def test_every_column_is_described_beside_its_table(tmp_path: Path, kind: str) -> None:
    """Otherwise nobody knows what a column means, and the validator complains."""
    table = tmp_path / f'{kind}.tsv'
    write_table(table, kind, [])
    dictionary = read_json(table.with_suffix('.json'))
    assert list(dictionary) == table.read_text().rstrip('\n').split('\t')
    assert all(column['Description'] for column in dictionary.values())
    assert all(name == name.lower() for name in dictionary)
    if kind == 'group_ranks':
        of_searches = ('participant_id', 'photo', 'status', 'rank', 'score', 'best_nonmated_score')
        attack = [field.name for field in fields(AttackKey)]
        of_photos = ('n_faces', 'n_faces_as_large', 'turned')
        assert list(dictionary) == [*attack, *of_searches, *of_photos]
    elif kind == 'group_images':
        assert list(dictionary) == list(ROW_COLUMNS)


def test_a_row_without_a_column_is_refused(tmp_path: Path) -> None:
    """Otherwise cells move to another column."""
    with pytest.raises(KeyError):
        write_table(tmp_path / 'x.tsv', 'group_images', [{'participant_id': 'sub-01'}])
    assert list(tmp_path.iterdir()) == []
