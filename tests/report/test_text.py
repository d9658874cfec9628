"""What the terminal shows of a result."""

from __future__ import annotations

from bids_reid.group.result import PhotoLine
from bids_reid.records import STRANGER
from bids_reid.report.text import unread_photographs


def test_photographs_that_cannot_be_read_are_named() -> None:
    """A person whose only photograph is damaged is in no rate: nobody would know."""
    photos = [
        PhotoLine('a.jpg', '01', True, 'ok'),
        PhotoLine('b.jpg', '02', True, 'unreadable', 'too large: 1 x 2 pixels'),
        PhotoLine('c.jpg', '03', True, 'no_face', 'no face was found'),
    ]
    assert list(unread_photographs(photos)) == ['NOT READ b.jpg: too large: 1 x 2 pixels']


def test_those_of_distractors_are_counted_only() -> None:
    """The name of a file may be a stranger's."""
    photos = [
        PhotoLine('distractor 1', None, False, 'unreadable', 'damaged'),
        PhotoLine('distractor 2', STRANGER, False, 'unreadable', 'damaged'),
        PhotoLine('distractor 3', None, False, 'unreadable', 'gone'),
        PhotoLine('distractor 4', None, False, 'ok'),
    ]
    assert list(unread_photographs(photos)) == [
        'NOT READ 2 photographs of distractors: damaged',
        'NOT READ 1 photograph of distractors: gone',
    ]
