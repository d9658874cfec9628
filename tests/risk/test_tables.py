"""What the rows hold is what the files' dictionaries describe."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args, get_type_hints

import pytest

from bids_reid.bids.tables import columns
from bids_reid.risk.attacks import ParticipantRow, StrongestRow
from bids_reid.risk.breakdown import BreakdownRow
from bids_reid.risk.comparisons import ComparisonRow
from bids_reid.risk.controls import ControlRow
from bids_reid.risk.growth import GrowthRow
from bids_reid.risk.identification import IdentificationRow
from bids_reid.risk.openset import OpenSetRow
from bids_reid.risk.verification import DetRow, VerificationRow

TABLES = {
    'group_breakdown': BreakdownRow,
    'group_comparisons': ComparisonRow,
    'group_controls': ControlRow,
    'group_growth': GrowthRow,
    'group_identification': IdentificationRow,
    'group_openset': OpenSetRow,
    'group_participants': ParticipantRow,
    'group_strongest': StrongestRow,
    'group_det': DetRow,
    'group_verification': VerificationRow,
}


@pytest.mark.parametrize('table', TABLES)
def test_every_column_is_described(table):
    """Otherwise a column reaches the user without a word, or its table cannot be written."""
    dictionary = columns(table)
    assert list(dictionary) == [field.name for field in fields(TABLES[table])]
    hints = get_type_hints(TABLES[table])
    for column, entry in dictionary.items():
        assert entry['Description'].endswith('.')
        literals = {
            value
            for kind in (hints[column], *get_args(hints[column]))
            for value in get_args(kind)
            if isinstance(value, str)
        }
        if literals:
            assert set(entry['Levels']) == literals
