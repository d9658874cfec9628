"""Which extractors search by default: those that can search every scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bids_reid.bids.layout import ScanFiles
from bids_reid.faces.extractors import EXTRACTORS
from bids_reid.participant.content import ScanLine
from bids_reid.participant.library import (
    EnrolledScan,
    _read_scan,
    left_out,
    searchable_extractors,
)


def scan(*extractors: str, status: str = 'ok') -> EnrolledScan:
    line = ScanLine('01', None, 'T1w', 'raw', 'x', status)
    files = ScanFiles(Path('/nowhere'), 'sub-01', 'T1w')
    return EnrolledScan(line, files, {'Extractors': list(extractors)})


def test_an_extractor_that_lacks_templates_is_left_out_and_says_so() -> None:
    """Scans without a template of it would pass for failures to enrol, and lower the rate."""
    scans = [
        scan('face_recognition', 'deepface-Dlib'),
        scan('face_recognition', 'deepface-ArcFace'),
        scan(status='failed'),
    ]
    names, reasons = searchable_extractors(scans)
    assert names == ('face_recognition',)
    assert reasons['deepface-Dlib'] == '1 of 2 scans have no template of it'
    assert 'fetch' in reasons['deepface-ArcFace']
    assert 'ran without it' in reasons['orb']
    assert {*names, *reasons} == set(EXTRACTORS)


def test_what_was_named_at_the_participant_level_is_searched() -> None:
    scans = [scan('face_recognition', 'deepface-Dlib')] * 2
    assert searchable_extractors(scans)[0] == ('face_recognition', 'deepface-Dlib')


def test_nobody_enrolled_is_a_result() -> None:
    """Failures stay in the denominator even when there is nothing else."""
    scans = [scan('face_recognition', status='no_face')]
    assert searchable_extractors(scans)[0] == ('face_recognition',)


def test_an_extractor_that_never_ran_is_not_searched_where_no_face_was_seen() -> None:
    """Otherwise de-faced scans pass for failures to enrol with it, and the risk for gone."""
    scans = [scan('face_recognition'), scan(status='no_face')]
    assert 'face_recognition' not in searchable_extractors(scans)[0]


@pytest.mark.parametrize(
    ('asked', 'added', 'expected'),
    [
        (True, {'Share': 0.2, 'Parts': ['chin']}, 'yes'),
        (True, None, 'no'),
        (False, None, None),
    ],
)
def test_a_completed_face_is_told_in_the_table(
    asked: bool, added: dict[str, Any] | None, expected: str | None
) -> None:
    """Rates of completed and of cut faces could not be taken apart."""
    record = {
        'Condition': 'raw', 'Sources': ['bids:raw:x'], 'Status': 'ok', 'ViewsWithFace': 81,
        'CompleteFace': asked, 'FaceCompleted': added,
    }  # fmt: skip
    files = ScanFiles(Path('/nowhere'), 'sub-01', 'T1w')
    assert _read_scan(files, record).line.face_completed == expected


def test_what_nobody_asked_for_is_said() -> None:
    _, found = searchable_extractors([scan('face_recognition', 'deepface-Dlib')])
    reasons = left_out(found, ['deepface-Dlib'], 'a reason')
    assert reasons['face_recognition'] == 'a reason'
    assert 'deepface-Dlib' not in reasons
