"""What is said of a scan: no sentence says that there is no face and that there is one."""

from __future__ import annotations

from dataclasses import replace

from bids_reid.participant.remarks import NO_FACE as NOT_FOUND
from bids_reid.participant.remarks import THOUGH, shortcomings
from bids_reid.records import BrainCut
from bids_reid.risk.presence import PRESENT
from tests.support.scan_records import NO_FACE, WHOLE_FACE


def test_a_face_that_no_detector_found_is_told_as_such() -> None:
    """`no face: sub-01: a face is there` is what the terminal said."""
    (reason,) = shortcomings(WHOLE_FACE, 0)
    assert reason == THOUGH
    cut = replace(WHOLE_FACE, brain_cut=BrainCut(100.0, 50.0))
    (reason,) = shortcomings(cut, 0)
    assert reason.startswith(THOUGH)
    assert PRESENT not in reason


def test_whole_faces_that_are_found_have_no_shortcomings() -> None:
    assert shortcomings(WHOLE_FACE, 81) == []


def test_a_removed_face_is_told_with_what_was_found() -> None:
    first, second = shortcomings(NO_FACE, 0)
    assert first == NOT_FOUND
    assert 'removed' in second
