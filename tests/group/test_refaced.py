"""Re-faced images that were mixed up: a face that nobody replaced must not pass as replaced."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bids_reid.group import refaced
from bids_reid.group.refaced import NOT_REFACED, refaced_lines
from bids_reid.group.result import ImageLine
from bids_reid.participant.library import EnrolledScan
from bids_reid.risk.refacing import OTHER_FACE, SAME_FACE
from bids_reid.surface.change import FaceChange
from tests.support.images import image_line
from tests.support.scan_records import enrolled

SAME = FaceChange(0.99, None, None, 0.0, 0.1, 0.1, 0.0, 900, aligned=True)


def scan(label: str, condition: str, content: str) -> EnrolledScan:
    one = enrolled(label, condition=condition)
    origin = replace(one.record.origin, condition=condition, source_sha256=content)
    return replace(one, record=replace(one.record, origin=origin))


def line(label: str, content: str) -> ImageLine:
    return image_line(label, condition='refaced', verdict='review', sha256=content)


def judge(lines: list[ImageLine], scans: list[EnrolledScan]) -> list[tuple[str, str]]:
    order = {'refaced': 'raw'}
    judged = refaced_lines(lines, scans, ('refaced',), order, judged_by_risk=False)
    return [(one.verdict, one.reason) for one in judged]


@pytest.fixture(autouse=True)
def faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A face is its original's if both contents begin with the same letter."""

    def change(original: EnrolledScan, one: EnrolledScan) -> FaceChange:
        contents = [each.record.origin.source_sha256 or '' for each in (original, one)]
        share = 0.99 if contents[0][0] == contents[1][0] else 0.1
        return replace(SAME, share_unchanged=share)

    monkeypatch.setattr(refaced, '_change', change)


def test_each_image_is_judged_by_its_original() -> None:
    """Otherwise no re-faced dataset passes, or each does."""
    scans = [scan('01', 'raw', 'a'), scan('01', 'refaced', 'a2'), scan('02', 'raw', 'b')]
    scans.append(scan('02', 'refaced', 'x'))
    judged = judge([line('01', 'a2'), line('02', 'x')], scans)
    assert judged == [('review', SAME_FACE), ('no findings', OTHER_FACE)]


@pytest.mark.parametrize('turned', [False, True])
def test_a_copy_under_another_participant_hides_no_face(turned: bool) -> None:
    """A face that stayed was judged by the original of whoever the file was copied to."""
    scans = [scan(label, 'raw', content) for label, content in (('01', 'a'), ('02', 'b'))]
    scans += [scan('01', 'refaced', 'a2'), scan('02', 'refaced', 'a2')]
    lines = [line('01', 'a2'), line('02', 'a2')]
    assert judge(lines, scans[::-1] if turned else scans) == [('review', SAME_FACE)] * 2


def test_the_original_of_somebody_else_is_not_re_faced() -> None:
    """It has another face than the participant that it is named after, and it is somebody's."""
    scans = [scan('01', 'raw', 'a'), scan('02', 'raw', 'b'), scan('02', 'refaced', 'a')]
    assert judge([line('02', 'a')], scans) == [('review', NOT_REFACED)]
