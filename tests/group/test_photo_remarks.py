"""What was done about photographs with several faces, or on a side, is said."""

from __future__ import annotations

from bids_reid.group.photo_remarks import photo_remarks
from bids_reid.group.result import PhotoLine
from bids_reid.records import STRANGER


def line(name: str, participant: str | None = '01', **changes: int) -> PhotoLine:
    numbers = {'n_faces': 1, 'n_alike': 1, 'turned': 0} | changes
    return PhotoLine(name, participant, bool(participant), 'ok', '', **numbers)


def test_nothing_is_said_of_ordinary_photographs() -> None:
    """Remarks that stand always are read never."""
    photos = [line('a.jpg'), PhotoLine('b.jpg', '01', True, 'no_face', 'no face was found')]
    assert list(photo_remarks(photos)) == []


def test_photographs_with_several_faces_are_named() -> None:
    """A rate with somebody else's face is wrong, and only who knows the people can mend it."""
    photos = [
        line('a.jpg', n_faces=2),
        line('b.jpg', n_faces=3, n_alike=2),
        line('distractor 1', None, n_faces=2),
        line('c.jpg'),
    ]
    assert list(photo_remarks(photos)) == [
        '3 photographs show more than one face; the largest face was used: a.jpg, b.jpg and '
        '1 distractor. On 1 of them another face is about as large, so the wrong face may '
        'have been used: b.jpg'
    ]


def test_turned_photographs_are_named_and_strangers_only_counted() -> None:
    """The name of a file may be a stranger's."""
    photos = [
        *(line(f'sub-{number}.jpg', turned=90) for number in range(7)),
        *(line('Jane.jpg', who, turned=180) for who in (None, STRANGER)),
    ]
    (remark,) = photo_remarks(photos)
    assert remark == (
        '9 photographs were rotated until a face was upright: sub-0.jpg, sub-1.jpg, sub-2.jpg, '
        'sub-3.jpg, sub-4.jpg, ... and 2 distractors'
    )
    assert list(photo_remarks(photos[-1:])) == [
        '1 photograph was rotated until a face was upright: 1 distractor'
    ]
