"""Tables written by people and spreadsheets, as rows of text: one reader for all of them."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bids_reid.bids.text_files import read_text
from bids_reid.errors import NoInputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MISSING = ('', 'n/a')
"""Cells that stand for a missing value."""
_BREAK = re.compile(r'\r\n|\r|\n')


@dataclass(frozen=True, slots=True)
class Row:
    """A row with the number of its line, from 1; every column has a cell, without spaces around.

    Names of columns are in lower case.
    """

    line: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]


@dataclass(frozen=True, slots=True)
class Rows:
    """A table; ``columns`` are names in lower case, in order."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_rows(path: Path, needed: Sequence[str] = ()) -> Rows:
    r"""Read a TSV, whoever wrote it: in UTF-8, UTF-16 or Latin-1, with quoted cells or without.

    A quotation mark that is opened and not closed in its line is text: it never swallows lines.
    Empty lines are left out.

    Parameters
    ----------
    needed : sequence of str
        Columns that have to be there, in lower case; of the table any case will do.

    Raises
    ------
    NoInputError
        The file cannot be read.
    UsageError
        It is binary, lacks a column, or has two of the same name.
    """
    try:
        text = read_text(path)
    except OSError as error:
        raise NoInputError(f'cannot read {path}: {error.strerror}') from error
    if '\0' in text:
        raise UsageError(f'{path} is not a text file: give a table as TSV')
    lines = [
        (number, _cells(line))
        for number, line in enumerate(_BREAK.split(text), start=1)
        if line.strip()
    ]
    columns = tuple(name.lower() for name in lines[0][1]) if lines else ()
    _check_columns(path, columns, needed)
    width = len(columns)
    return Rows(
        path,
        columns,
        tuple(
            Row(number, dict(zip(columns, [*cells, *[''] * width][:width], strict=True)))
            for number, cells in lines[1:]
        ),
    )


def _cells(line: str) -> list[str]:
    """Split a line at tabs; cells may be in quotation marks, as spreadsheets write them."""
    cells = line.split('\t')
    if '"' in line:
        try:
            cells = next(csv.reader([line], delimiter='\t', strict=True))
        except csv.Error:
            # a mark that is a part of the text
            cells = line.split('\t')
    return [cell.strip() for cell in cells]


def _check_columns(path: Path, columns: Sequence[str], needed: Sequence[str]) -> None:
    missing = [name for name in needed if name not in columns]
    if missing:
        separated = len(columns) == 1 and re.search('[,;]', columns[0])
        hint = ': separate the cells with tabs' if separated else ''
        raise UsageError(f'{path} has no column {", ".join(missing)}{hint}')
    twice = [name for name in needed if columns.count(name) > 1]
    if twice:
        raise UsageError(f'{path} has the column {twice[0]} twice')
