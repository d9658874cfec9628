"""A result in a few words: the line that most people read, and often the only one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bids_reid.participant.content import ScanLine
from bids_reid.participant.in_words import look_in_words, scan_in_words, scan_name
from bids_reid.records import IDENTIFYING, PART_NAMES, ImageRecord, PictureFaces, Scan
from bids_reid.risk.presence import BRAIN, PRESENT, REMOVED, SKULL_STRIPPED, UNTRUSTED

REMOVED_ALL = dict.fromkeys((part for name in PART_NAMES for part in PART_NAMES[name]), 'removed')
LINE = ScanLine(
    *('01', None, 'T1w', 'defaced', 'sub-01/anat/sub-01_T1w.nii', 'ok'),
    face_present='no',
    verdict='no findings',
    reason=REMOVED,
    parts=REMOVED_ALL,
)


def found(line: ScanLine, **parts: str) -> tuple[str, str]:
    answers = REMOVED_ALL | {name.replace('_', ' '): answer for name, answer in parts.items()}
    return scan_in_words(replace(line, parts=answers), IDENTIFYING)


def test_a_scan_without_findings_has_no_face_left() -> None:
    assert found(LINE) == ('no face left', 'good')
    stripped = replace(LINE, reason=SKULL_STRIPPED)
    assert scan_in_words(stripped, IDENTIFYING) == ('no face left: skull-stripped', 'good')
    outside = dict.fromkeys(REMOVED_ALL, 'not in the image')
    assert found(LINE, **outside) == ('no part of a face in the image', 'good')


def test_what_is_left_is_named() -> None:
    """`review` alone sends people to a table for what one word says."""
    review = replace(LINE, verdict='review', face_present='unsure', reason='a part may be left')
    left = {'left_eye': 'left', 'right_eye': 'left', 'nose': 'left'}
    assert found(review, **left) == ('face left: eyes, nose', 'bad')
    assert found(review, left_eye='left', left_ear='left') == ('face left: left eye', 'bad')
    assert found(review, mouth='cannot tell') == ('a face may be left: mouth unclear', 'bad')
    assert found(review) == ('a part may be left', 'bad')
    everything = dict.fromkeys(REMOVED_ALL, 'left')
    assert found(replace(review, reason=PRESENT), **everything) == ('whole face', 'bad')


def test_brain_that_was_cut_is_told_beside_a_face_and_alone() -> None:
    cut = replace(LINE, verdict='review', brain_loss='yes', reason=f'{REMOVED}; {BRAIN}')
    assert found(cut) == ('no face left, but brain may be cut', 'bad')
    assert found(cut, nose='left') == ('face left: nose; brain may be cut', 'bad')


def test_what_could_not_be_assessed_has_its_reason() -> None:
    """It must not pass for a scan without a face."""
    unknown = replace(LINE, verdict='could not assess', reason=UNTRUSTED)
    assert scan_in_words(unknown, IDENTIFYING) == (f'could not assess: {UNTRUSTED}', 'caution')


@pytest.mark.parametrize(
    ('status', 'n_with_face', 'said'),
    [
        ('ok', 1, ('the picture shows a face', 'bad')),
        ('no_face', 0, ('no face was found in the picture', 'good')),
        ('failed', 0, ('could not assess: damaged', 'caution')),
    ],
)
def test_a_look_has_the_result_of_its_verdict(
    status: str, n_with_face: int, said: tuple[str, str]
) -> None:
    faces = None if status == 'failed' else PictureFaces(1, n_with_face, 0)
    reason = 'damaged' if status == 'failed' else None
    record = ImageRecord('00', 'jpeg', 'photograph', status, reason, {}, None, faces)  # type: ignore[arg-type]
    assert look_in_words(record, None, IDENTIFYING) == said


def test_a_scan_is_named_by_its_entities() -> None:
    """Several runs of a session are told apart; a condition is named where there are more."""
    scan = Scan('01', 'a', 'T1w', 'sub-01_ses-a_run-2', Path('x.nii'), 'defaced')
    assert scan_name(scan, several=False) == 'sub-01 ses-a run-2 T1w'
    assert scan_name(scan, several=True) == 'sub-01 ses-a run-2 T1w defaced'
