"""Tables: a TSV and the dictionary of its columns beside it."""

from __future__ import annotations

import json
import math
import re
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from bids_reid.bids.files import Batch, packaged_text
from bids_reid.faces.extractors import descriptions
from bids_reid.printable import escaped, unescaped
from bids_reid.records import TOGETHER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

NOT_AVAILABLE = 'n/a'
FUSED_SCORES = 'The scores of these extractors fused.'
_FORMULA = re.compile("'*[=+@\\-\uff1d\uff0b\uff20\uff0d]")
"""Characters at the start of a cell that spreadsheets calculate, and so may run a program."""


def write_table(path: Path, kind: str, rows: Iterable[Mapping[str, object]]) -> None:
    """Write a TSV and its dictionary, as `add_table` does.

    Raises
    ------
    CannotWriteError
        They cannot be written.
    """
    with Batch() as batch:
        add_table(batch, path, kind, rows)
        batch.publish()


def add_table(batch: Batch, path: Path, kind: str, rows: Iterable[Mapping[str, object]]) -> None:
    """Write a TSV and its dictionary among other files.

    Parameters
    ----------
    batch : Batch
        Publishes them.
    path : Path
        The ``.tsv``; the dictionary goes beside it.
    kind : str
        Which of ``data/columns/<kind>.json`` describes it.
    rows : iterable of mapping
        One mapping from every column to its value; ``None`` becomes ``n/a``.
    """
    rows, dictionary = list(rows), columns(kind)
    if 'Levels' in dictionary.get('extractor', {}):
        names = {str(row['extractor']) for row in rows}
        together = sorted(name for name in names if TOGETHER in name)
        dictionary['extractor']['Levels'] |= dict.fromkeys(together, FUSED_SCORES)
    lines = ['\t'.join(dictionary)]
    lines += ['\t'.join(written(row[column]) for column in dictionary) for row in rows]
    batch.json(path.with_suffix('.json'), dictionary)
    batch.text(path, '\n'.join(lines) + '\n')


def columns(kind: str) -> dict[str, dict[str, Any]]:
    """Describe the columns of a table, in their order, as BIDS has it.

    ``data/columns/shared.json`` describes once what several tables have. A table's own file names
    its columns, with what differs from the shared description, or a ``Note`` that follows it.
    Extractors of other packages are described by these.
    """
    shared = json.loads(packaged_text('columns/shared.json'))
    own = json.loads(packaged_text(f'columns/{kind}.json'))
    described = {
        column: _described(shared.get(column, {}) | entry) for column, entry in own.items()
    }
    if 'Levels' in described.get('extractor', {}):
        others = {name: f'{text}.' for name, text in descriptions().items()}
        described['extractor']['Levels'] |= others
    return described


def _described(entry: dict[str, Any]) -> dict[str, Any]:
    note = entry.pop('Note', None)
    return entry | {'Description': f'{entry["Description"]} {note}'} if note else entry


def remove_table(path: Path) -> None:
    """Remove a TSV that `write_table` wrote, and its dictionary; neither need be there."""
    path.unlink(missing_ok=True)
    path.with_suffix('.json').unlink(missing_ok=True)


def written(value: object) -> str:
    """Return the cell of a value.

    Control characters of text are escaped, which `read_cell` undoes. An apostrophe before what
    would be a formula keeps spreadsheets from calculating it.
    """
    if isinstance(value, Real):
        whole = isinstance(value, Integral)
        return str(value) if whole else _of_float(float(value))
    text = '' if value is None else escaped(str(value))
    return f"'{text}" if _FORMULA.match(text) else text or NOT_AVAILABLE


def _of_float(number: float) -> str:
    return NOT_AVAILABLE if math.isnan(number) else f'{number:.6g}'


def read_cell(text: str) -> str:
    """Return the text of which `written` made a cell.

    >>> read_cell(written('=1+2')), written('=1+2'), written(-3.5)
    ('=1+2', "'=1+2", '-3.5')
    """
    return unescaped(text[1:] if text[:1] == "'" and _FORMULA.match(text) else text)


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a TSV that `write_table` wrote.

    Raises
    ------
    OSError, ValueError
        It cannot be read, or is damaged.
    """
    header, *lines = path.read_text(encoding='utf-8').removesuffix('\n').split('\n')
    columns = header.split('\t')
    return [dict(zip(columns, map(read_cell, line.split('\t')), strict=True)) for line in lines]
