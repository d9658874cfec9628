"""Tables: a TSV and the dictionary of its columns beside it."""

from __future__ import annotations

import json
import math
import re
from numbers import Integral, Real
from typing import TYPE_CHECKING

from bids_reid.bids.files import packaged_text, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

NOT_AVAILABLE = 'n/a'
_BREAKS = re.compile(r'[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]')
"""What ends a cell or, to some reader, a line."""


def write_table(path: Path, kind: str, rows: Iterable[Mapping[str, object]]) -> None:
    """Write a TSV and its dictionary.

    Parameters
    ----------
    path : Path
        The ``.tsv``; the dictionary goes beside it.
    kind : str
        Which of ``data/columns/<kind>.json`` describes it; its keys are the columns, in order.
    rows : iterable of mapping
        One mapping from every column to its value; ``None`` becomes ``n/a``.
    """
    dictionary = json.loads(packaged_text(f'columns/{kind}.json'))
    lines = ['\t'.join(dictionary)]
    lines += ['\t'.join(_cell(row[column]) for column in dictionary) for row in rows]
    write_text(path, '\n'.join(lines) + '\n')
    write_json(path.with_suffix('.json'), dictionary)


def remove_table(path: Path) -> None:
    """Remove a TSV that `write_table` wrote, and its dictionary; neither need be there."""
    path.unlink(missing_ok=True)
    path.with_suffix('.json').unlink(missing_ok=True)


def _cell(value: object) -> str:
    if isinstance(value, Real) and not isinstance(value, Integral):
        return NOT_AVAILABLE if math.isnan(value) else f'{float(value):.6g}'
    if value is None:
        return NOT_AVAILABLE
    return _BREAKS.sub(' ', str(value)) or NOT_AVAILABLE


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a TSV that `write_table` wrote."""
    header, *lines = path.read_text(encoding='utf-8').removesuffix('\n').split('\n')
    columns = header.split('\t')
    return [dict(zip(columns, line.split('\t'), strict=True)) for line in lines]
