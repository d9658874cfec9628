"""The contents of ``participants.tsv``, whatever program exported the table."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from bids_reid.bids.photo_labels import DatasetLabels, examples
from bids_reid.bids.user_rows import MISSING, Rows, read_rows
from bids_reid.errors import NoInputError, UsageError
from bids_reid.messages import count

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

USUAL_VARIABLES = ('age', 'sex', 'gender')
"""Columns of participants.tsv that rates are broken down by unless others are named; gender is one
only where there is no sex."""
PARTICIPANT = 'participant_id'


def check_variables(bids_dir: Path, names: Sequence[str] | None) -> None:
    """Find out before any work whether ``participants.tsv`` has the columns named.

    Raises
    ------
    UsageError
        It lacks one.
    """
    if names:
        participant_variables(bids_dir, names, ())


def participant_variables(
    bids_dir: Path,
    names: Sequence[str] | None,
    dataset: Collection[str],
    note: Callable[[str], None] = lambda _: None,
) -> dict[str, dict[str, str]]:
    """Read columns of ``participants.tsv``.

    Parameters
    ----------
    bids_dir : Path
        Raw BIDS dataset.
    names : sequence of str or None
        Which columns, in any case; ``None`` for age and sex, as far as there are such.
    dataset : collection of str
        All participants, labels without prefix. Those in the table are compared without prefix,
        case and leading zeros if no other participant is meant as well.
    note : callable
        Called with each line that the user should read.

    Returns
    -------
    dict
        Column to value of each participant; nothing without a table. Of several rows of one
        participant that differ, the first number counts, as of the first session; words that
        differ become ``n/a``.

    Raises
    ------
    UsageError
        A column named is not there.
    """
    path = bids_dir / 'participants.tsv'
    try:
        table = read_rows(path, [name.lower() for name in (PARTICIPANT, *names)] if names else [])
    except (NoInputError, UsageError) as error:
        if names:
            raise UsageError(str(error)) from error
        if path.exists():
            note(f'no rates by age and sex: {error}')
        return {}
    wanted = list(names) if names else _usual(table.columns)
    if PARTICIPANT not in table.columns:
        if table.columns:
            note(f'no rates by age and sex: {path} has no column {PARTICIPANT}')
        return {}
    values, loosely = _values(table, wanted, dataset)
    if loosely:
        pairs = examples(f'{typed} for sub-{label}' for typed, label in loosely.items())
        differ = count(len(loosely), 'label differs', 'labels differ')
        note(f'{differ} slightly between participants.tsv and the dataset: {pairs}')
    if table.rows and not any(values.values()):
        note(f'no rates by age and sex: {path} has no row for a participant of the dataset')
    return {name: _each_once(name, values[name], note) for name in wanted}


def _usual(columns: Sequence[str]) -> list[str]:
    return [
        name
        for name in USUAL_VARIABLES
        if name in columns and not (name == 'gender' and 'sex' in columns)
    ]


def _values(
    table: Rows, wanted: Iterable[str], dataset: Collection[str]
) -> tuple[dict[str, dict[str, list[str]]], dict[str, str]]:
    """Collect the values of each participant, and labels that differ from the dataset's.

    A row of somebody else is left as it is: who left the dataset may still be in its table.
    """
    values: dict[str, dict[str, list[str]]] = {name: defaultdict(list) for name in wanted}
    labels, loosely = DatasetLabels(dataset), {}
    exact = {row[PARTICIPANT].removeprefix('sub-') for row in table.rows} & labels.known
    for row in table.rows:
        typed = row[PARTICIPANT]
        meant = labels.meant_by(typed)
        if len(meant) != 1:
            continue
        if typed.removeprefix('sub-') != meant[0]:
            if meant[0] in exact:
                # 01 has a row of its own, so 1 is somebody else
                continue
            loosely[typed] = meant[0]
        for name, by_label in values.items():
            by_label[meant[0]].append(row[name.lower()])
    return values, loosely


def _each_once(
    name: str, values: Mapping[str, Sequence[str]], note: Callable[[str], None]
) -> dict[str, str]:
    """Take one value of each participant."""
    once, differ = {}, []
    for label, some in values.items():
        said = [value for value in dict.fromkeys(some) if value not in MISSING]
        once[label] = said[0] if said else 'n/a'
        if len(said) > 1:
            differ.append(label)
            if not all(map(_is_number, said)):
                once[label] = 'n/a'
    if differ:
        of = examples(f'sub-{label}' for label in differ)
        note(
            f'participants.tsv has several values of {name} for {of}: the first number is used, '
            'as from the first session; texts that differ are not used'
        )
    return once


def _is_number(text: str) -> bool:
    try:
        float(text.replace(',', '.'))
    except ValueError:
        return False
    return True
