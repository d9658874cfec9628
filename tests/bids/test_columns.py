"""The descriptions of columns: each is written once, and tells every value that occurs."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from bids_reid.bids.tables import columns
from bids_reid.faces.extractors import EXTRACTORS
from bids_reid.match.decisions import DECISIONS
from bids_reid.risk.attacks import ParticipantRow, StrongestRow
from bids_reid.risk.breakdown import BreakdownRow
from bids_reid.risk.changes import ChangeRow
from bids_reid.risk.comparisons import ComparisonRow
from bids_reid.risk.controls import ControlRow
from bids_reid.risk.distributions import DistributionRow
from bids_reid.risk.growth import GrowthRow
from bids_reid.risk.identification import IdentificationRow
from bids_reid.risk.openset import OpenSetRow
from bids_reid.risk.verification import DetRow, VerificationRow
from tests.support.plugins import write_plugin

FILES = {
    file.name.removesuffix('.json'): json.loads(file.read_text('utf-8'))
    for file in (resources.files('bids_reid') / 'data' / 'columns').iterdir()
}
SHARED = FILES.pop('shared')
SEARCHES = sorted(
    name for name, own in FILES.items() if 'decision' in own and name != 'group_linkage'
)
"""Tables of searches with photographs."""
ROWS = {
    'group_breakdown': BreakdownRow,
    'group_changes': ChangeRow,
    'group_comparisons': ComparisonRow,
    'group_controls': ControlRow,
    'group_growth': GrowthRow,
    'group_identification': IdentificationRow,
    'group_openset': OpenSetRow,
    'group_participants': ParticipantRow,
    'group_strongest': StrongestRow,
    'group_det': DetRow,
    'group_distributions': DistributionRow,
    'group_verification': VerificationRow,
}


@pytest.mark.parametrize('table', FILES)
def test_every_column_is_described(table: str) -> None:
    """A column without a sentence is a riddle, and the validator complains of it."""
    for column, entry in columns(table).items():
        assert entry['Description'].endswith('.'), column
        assert set(entry) <= {'Description', 'Levels', 'Units', 'Minimum', 'Maximum'}, column
        assert all(text.endswith('.') for text in entry.get('Levels', {}).values()), column


def test_what_is_shared_is_written_once() -> None:
    """Of two descriptions of the same thing one is forgotten when it changes."""
    tables = Counter(column for own in FILES.values() for column in own)
    assert [column for column in SHARED if tables[column] < 2] == []
    for table, own in FILES.items():
        for column in set(own) & set(SHARED):
            repeated = own[column].items() & SHARED[column].items() if own[column] else ()
            assert not repeated, (table, column)
    described = Counter(
        json.dumps(entry) for own in FILES.values() for entry in own.values() if entry
    )
    twice = [text for text, n in described.items() if n > 1 and 'Description' in text]
    assert not twice, 'to shared.json'


def test_a_note_follows_the_shared_description() -> None:
    """What holds in one table only is told there, beside what holds in all."""
    shared = SHARED['modality']['Description']
    assert columns('group_controls')['modality'] == {
        'Description': f'{shared} n/a for the positive control, which has no scans.'
    }


@pytest.mark.parametrize('table', SEARCHES)
def test_every_attack_is_described(table: str) -> None:
    """A rate of svm in a table that explains best alone cannot be understood."""
    described = columns(table)
    assert set(described['decision']['Levels']) == set(DECISIONS)
    assert set(described['extractor']['Levels']) >= set(EXTRACTORS)


@pytest.mark.parametrize('table', ROWS)
def test_the_columns_are_those_of_the_rows(table: str) -> None:
    """Otherwise a column reaches the user without a word, or its table cannot be written."""
    dictionary, hints = columns(table), get_type_hints(ROWS[table])
    assert list(dictionary) == [field.name for field in fields(ROWS[table])]
    for column, entry in dictionary.items():
        kinds = (hints[column], *get_args(hints[column]))
        words = {word for kind in kinds for word in get_args(kind) if isinstance(word, str)}
        assert not words or set(entry['Levels']) == words


def test_extractors_of_other_packages_are_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A level without a word is no BIDS dictionary, and nobody knows what made the rate."""
    monkeypatch.syspath_prepend(write_plugin(tmp_path / 'packages', 'acme'))
    assert columns('group_ranks')['extractor']['Levels']['acme'] == (
        'An extractor of the package acme-matcher 1.0: Compares quarters of faces.'
    )
    assert 'acme' not in str(columns('views'))
