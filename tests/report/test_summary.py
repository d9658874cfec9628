"""The summary for machines keeps to its schema, which is in the package."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from bids_reid.bids.manifest import SCHEMA_VERSION
from bids_reid.bids.sensitive import Amount
from bids_reid.group.given_photographs import GivenPhotographs
from bids_reid.group.result import GroupResult, PhotoLine, Uncounted
from bids_reid.report.summary import group_summary
from bids_reid.report.text import sensitive_lines
from bids_reid.risk.attacks import StrongestRow
from bids_reid.risk.gate import Reason, RiskResult, gate
from bids_reid.risk.identification import IdentificationRow
from bids_reid.risk.linkage import LinkageRow
from bids_reid.risk.pairing import ReductionRow
from tests.report.test_pages import IMAGES, PROVENANCE, SCANS, make_report, make_results
from tests.support.images import image_line

SCHEMA: dict[str, Any] = json.loads(
    (resources.files('bids_reid') / 'data' / 'group_summary.schema.json').read_text('utf-8')
)
CHECK = Draft202012Validator(SCHEMA)
ROWS = (
    *(Reason, RiskResult, Uncounted, IdentificationRow, StrongestRow, LinkageRow, ReductionRow),
)
"""Dataclasses that the summary holds as they are."""


def written(report: GroupResult) -> Any:
    """Return the summary as a file holds it."""
    return json.loads(json.dumps(group_summary(report, {})))


def test_the_schema_is_one() -> None:
    """Otherwise it is in the package, and no program can use it."""
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA['properties']['schema_version'] == {
        **SCHEMA['properties']['schema_version'],
        'const': SCHEMA_VERSION,
    }


@pytest.mark.parametrize('row', ROWS)
def test_the_schema_has_every_column(row: type) -> None:
    """A new column that it does not know would make every summary wrong."""
    of_row = SCHEMA['$defs'][row.__name__]
    assert list(of_row['properties']) == [field.name for field in fields(row)]
    assert of_row['required'] == list(of_row['properties'])


@pytest.mark.parametrize('outcome', ['do not share', 'look first', 'nothing found'])
def test_what_is_written_keeps_to_it(outcome: str) -> None:
    """Whoever reads the summary by its schema would stumble over the very run that matters."""
    verdicts = {'do not share': 'review', 'look first': 'not looked at'}
    line = image_line(verdict=verdicts.get(outcome, 'no findings'), reason='why')
    report = GroupResult(
        'demo',
        SCANS,
        PROVENANCE,
        (*IMAGES, line),
        uncounted=(Uncounted('raw', 'sub-01_T1w.nii', 'it is gone'),),
        release='bids',
        gate=gate([line], condition='defaced'),
    )
    summary = written(report)
    CHECK.validate(summary)
    assert summary['outcome'] == outcome


def test_a_run_with_photographs_keeps_to_it() -> None:
    """Rates, intervals and risks are the larger part of it."""
    CHECK.validate(written(make_report(make_results(3, 20), 20)))


def test_what_is_wrong_with_photographs_is_counted() -> None:
    """A program that reads the summary has to see what the page says."""
    photos = (
        PhotoLine('a.jpg', '01', True, 'ok', n_faces=2, n_alike=2, turned=90),
        PhotoLine('b.jpg', '01', True, 'ok', n_faces=3, n_alike=1),
        PhotoLine('distractor 1', None, False, 'no_face', 'no face was found'),
    )
    given = GivenPhotographs(
        (), n_loosely=4, n_strangers=5, n_twice=6, without_consent=('07',), n_without_consent=8
    )
    summary = written(make_report(make_results(3, 20), 20, photos=photos, given=given))
    CHECK.validate(summary)
    assert summary['photographs'] == {
        'mated': 2,
        'not_processed': 0,
        'distractors': 1,
        'no_face': 1,
        'unreadable': 0,
        'several_faces': 2,
        'several_faces_as_large': 1,
        'turned': 1,
        'labels_matched_loosely': 4,
        'labels_of_nobody': 5,
        'given_twice': 6,
        'without_consent': 8,
        'participants_without_consent': 1,
    }


def test_another_key_or_style_is_no_summary() -> None:
    """The schema would otherwise allow whatever comes."""
    summary = written(make_report(make_results(3, 20), 20))
    assert not CHECK.is_valid(summary | {'Gate': None})
    assert not CHECK.is_valid({key: summary[key] for key in summary if key != 'outcome'})
    assert not CHECK.is_valid(summary | {'schema_version': 0})


def test_keys_have_one_style() -> None:
    """A mixture of styles is guessed wrong every other time."""
    objects = [SCHEMA, *SCHEMA['$defs'].values(), *SCHEMA['properties'].values()]
    names = [name for one in objects for name in one.get('properties', ())]
    assert len(names) > 100
    assert [name for name in names if not re.fullmatch('[a-z0-9]+(_[a-z0-9]+)*', name)] == []


def test_the_terminal_says_how_to_be_rid_of_faces() -> None:
    """Whoever is done should not have to look up what to delete."""
    out = Path('/data/my out')
    assert sensitive_lines(out, {}) == []
    lines = sensitive_lines(out, {'skins': Amount(2, 10), 'renders': Amount(1, 10)})
    assert len(lines) == 1
    assert lines[0].startswith('3 files of the output can give a face back')
    assert "bids-reid-purge '/data/my out' --keep-report" in lines[0]
