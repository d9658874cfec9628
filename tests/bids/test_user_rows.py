"""Tables as spreadsheets and people write them: no row is lost, and none is made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_reid.bids.user_rows import read_rows
from bids_reid.errors import NoInputError, UsageError


def cells(path: Path) -> list[tuple[int, dict[str, str]]]:
    return [(row.line, dict(row.cells)) for row in read_rows(path).rows]


@pytest.mark.parametrize(
    'encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le-bom', 'latin-1', 'cp1252']
)
@pytest.mark.parametrize('end', ['\n', '\r\n', '\r'])
def test_every_encoding_and_line_end_reads_alike(tmp_path: Path, encoding: str, end: str) -> None:
    """Excel writes UTF-16 and Latin-1, editors of Windows a mark: ages must not vanish for it."""
    table, text = tmp_path / 't.tsv', f'Participant_ID\tName{end}sub-01\tJörg{end}{end}02\tÄnne'
    content = (
        b'\xff\xfe' + text.encode('utf-16-le')
        if encoding == 'utf-16-le-bom'
        else text.encode(encoding)
    )
    table.write_bytes(content)
    assert cells(table) == [
        (2, {'participant_id': 'sub-01', 'name': 'Jörg'}),
        (4, {'participant_id': '02', 'name': 'Änne'}),
    ]


def test_quoted_cells_are_read_and_stray_marks_swallow_nothing(tmp_path: Path) -> None:
    """One inch mark in a note would take all rows up to the next one into its cell."""
    table = tmp_path / 't.tsv'
    table.write_text(
        '"id"\t"note"\n"01"\t"a ""b"""\n02\t5" tall\n03\t"never closed\n04\t "x" y\n05\n06\ta\tb\n'
    )
    assert [(row['id'], row['note']) for row in read_rows(table).rows] == [
        ('01', 'a "b"'),
        ('02', '5" tall'),
        ('03', '"never closed'),
        ('04', '"x" y'),
        ('05', ''),
        ('06', 'a'),
    ]


def test_what_is_no_table_is_one_line(tmp_path: Path) -> None:
    """Otherwise it is a traceback, or a table without rows."""
    table = tmp_path / 't.tsv'
    with pytest.raises(NoInputError, match=r't\.tsv'):
        read_rows(table)
    with pytest.raises(NoInputError):
        read_rows(tmp_path)
    table.write_text('participant_id,age\n01,3\n')
    with pytest.raises(UsageError, match=r'no column participant_id: .* with tabs'):
        read_rows(table, ['participant_id'])
    table.write_bytes(b'\x89PNG\0\0')
    with pytest.raises(UsageError, match='is not a text file'):
        read_rows(table)
    table.write_text('Age\tage\n1\t2\n')
    with pytest.raises(UsageError, match='the column age twice'):
        read_rows(table, ['age'])
    table.write_text('')
    assert read_rows(table).rows == ()
