"""Images that a person has looked at: their word bears a name, and belongs to bytes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bids_reid.bids.ratings import Answer, Rating, RatingFile
from bids_reid.errors import UsageError
from bids_reid.group.result import ImageLine
from bids_reid.group.reviews import Review, ratings_line, read_reviews, reviewed, unused_ratings
from bids_reid.risk.gate import gate
from tests.support.images import image_line

PDF = image_line(
    path='protocol.pdf',
    kind='document',
    status='failed',
    verdict='not looked at',
    reason='2 pictures cannot be taken out',
)


def test_a_person_can_open_what_the_program_cannot(tmp_path: Path) -> None:
    """Otherwise a dataset with a form in it is never released, or the audit is left out."""
    table = tmp_path / 'reviewed.tsv'
    table.write_text(f'by\tsha256\tnote\nKim\t{"A" * 64}\ta form, nobody on it\n')
    reviews = read_reviews(table)
    assert reviews == {'a' * 64: Review('Kim', 'a form, nobody on it')}
    (line,) = reviewed([PDF], reviews)
    assert (line.verdict, line.reviewed_by) == ('no findings', 'Kim')
    assert 'Kim: a form, nobody on it' in line.reason
    assert '2 pictures cannot be taken out' in line.reason
    assert read_reviews(None) == {}


def test_a_review_is_of_these_bytes_only() -> None:
    """A page that was exchanged since shows something else."""
    (line,) = reviewed([PDF], {'b' * 64: Review('Kim', '')})
    assert line == PDF


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('sha256\tby\n', 'no column note'),
        ('', 'no column sha256, by, note'),
        (f'sha256\tby\tnote\n{"a" * 64}\t\tfine\n', 'line 2: nobody signed it'),
        (f'sha256\tby\tnote\n{"a" * 64}\tn/a\tfine\n', 'line 2: nobody signed it'),
        ('sha256\tby\tnote\nprotocol.pdf\tKim\tfine\n', "'protocol.pdf' is not a SHA-256"),
        (f'sha256\tby\tnote\n{"a" * 64}\n', 'nobody signed it'),
    ],
)
def test_a_table_that_says_nothing_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """A line that is not understood would pass for a review, or be one of nobody."""
    table = tmp_path / 'reviewed.tsv'
    table.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_reviews(table)


CLEAN = image_line(parts_left='none', brain_loss='no')
CHIN = replace(CLEAN, verdict='review', parts_left='chin', reason='chin left')
UNREAD = replace(CLEAN, verdict='could not assess', parts_left=None, reason='too noisy')


def rating(line: ImageLine, answer: Answer, by: str = 'Kim', **changes: Any) -> Rating:
    """Return what the form on a page saves about a line."""
    one = Rating(
        sha256=line.sha256 or '',
        path=line.path,
        condition=line.condition,
        verdict=line.verdict,
        parts_left=line.parts_left,
        brain_loss=line.brain_loss,
        rating=answer,
        note='',
        by=by,
        date='2026-01-31T12:00:00Z',
    )
    return replace(one, **changes)


def rated(line: ImageLine, *ratings: Rating) -> ImageLine:
    (after,) = reviewed([line], {}, [RatingFile('ratings/a.json', ratings)])
    return after


@pytest.mark.parametrize(
    ('line', 'answer', 'verdict'),
    [
        (CLEAN, 'agree', 'no findings'),
        (CLEAN, 'disagree', 'review'),
        (CLEAN, 'not sure', 'could not assess'),
        (CHIN, 'agree', 'review'),
        (CHIN, 'disagree', 'no findings'),
        (CHIN, 'not sure', 'review'),
        (UNREAD, 'agree', 'could not assess'),
        (UNREAD, 'disagree', 'no findings'),
        (UNREAD, 'not sure', 'could not assess'),
        (PDF, 'agree', 'not looked at'),
        (PDF, 'disagree', 'no findings'),
        (PDF, 'not sure', 'not looked at'),
    ],
)
def test_each_answer_has_its_effect(line: ImageLine, answer: Answer, verdict: str) -> None:
    """A curator who sees a face, or none, decides; who does not know passes nothing."""
    after = rated(line, rating(line, answer, note='I looked'))
    assert after.verdict == verdict
    assert after.program_verdict == line.verdict
    assert after.reviewed_by == 'Kim'
    assert 'I looked' in after.reason
    assert line.reason in after.reason


@pytest.mark.parametrize('answer', ['agree', 'disagree', 'not sure'])
def test_the_documentation_says_what_each_answer_does(answer: Answer) -> None:
    """A curator who rates by a wrong table passes a face, or stops a release."""
    audit = (Path(__file__).parents[2] / 'docs' / 'audit.md').read_text()
    (row,) = re.findall(rf'^\| \*{answer}\* \| (.*) \| (.*) \|$', audit, re.MULTILINE)
    for said, lines in zip(row, ([CLEAN], [CHIN, UNREAD, PDF]), strict=True):
        for line in lines:
            expected = re.findall('`(.+)`', said) or [line.verdict]
            assert [rated(line, rating(line, answer)).verdict] == expected


def test_a_face_that_a_person_saw_stops_the_release() -> None:
    """Otherwise a lab shares a face that its own curator found."""
    after = rated(CLEAN, rating(CLEAN, 'disagree', note='the nose is there'))
    assert gate([CLEAN], condition='defaced').outcome == 'nothing found'
    judged = gate([after], condition='defaced')
    assert judged.outcome == 'do not share'
    assert 'a person saw a face' in after.reason
    assert 'Kim: the nose is there' in after.reason


@pytest.mark.parametrize('order', [1, -1])
def test_of_two_people_the_more_careful_one_counts(order: int) -> None:
    several = [rating(CHIN, 'disagree'), rating(CHIN, 'agree', 'Lee')][::order]
    after = rated(CHIN, *several)
    assert after.verdict == 'review'
    assert set((after.reviewed_by or '').split(', ')) == {'Kim', 'Lee'}
    assert 'they differ: the more careful verdict counts' in after.reason
    several = [rating(CLEAN, 'agree'), rating(CLEAN, 'disagree', 'Lee')][::order]
    assert rated(CLEAN, *several).verdict == 'review'
    # who is not sure leaves it to the other
    several = [rating(CLEAN, 'agree'), rating(CLEAN, 'not sure', 'Lee')][::order]
    assert rated(CLEAN, *several).verdict == 'no findings'
    several = [rating(UNREAD, 'disagree'), rating(UNREAD, 'not sure', 'Lee')][::order]
    assert rated(UNREAD, *several).verdict == 'no findings'


def test_the_last_word_of_a_person_counts() -> None:
    """Otherwise nobody can mend a slip."""
    first = rating(CHIN, 'disagree')
    later = rating(CHIN, 'agree', ' kim ', date='2026-01-31T13:00:00+00:00')
    for several in ([first, later], [later, first]):
        assert rated(CHIN, *several).verdict == 'review'
    # of two answers at the same time nobody knows which is the last
    both = [first, rating(CHIN, 'agree')]
    assert rated(CHIN, *both).verdict == rated(CHIN, *both[::-1]).verdict == 'review'


@pytest.mark.parametrize(
    'changes',
    [
        {'sha256': 'b' * 64},
        {'verdict': 'could not assess'},
        {'parts_left': 'nose'},
        {'brain_loss': 'yes'},
    ],
)
def test_no_pass_comes_from_a_rating_of_something_else(changes: dict[str, Any]) -> None:
    """A cap on one scan says nothing of the nose that is found in it now, or of other bytes."""
    old = rating(CHIN, 'disagree', **changes)
    assert rated(CHIN, old) == CHIN
    (said,) = unused_ratings([CHIN], [RatingFile('ratings/a.json', (old,))])
    assert said.startswith('ratings/a.json: 1 rating not used')
    assert CHIN.path in said
    assert ('no image has the same bytes' in said) == ('sha256' in changes)
    assert ('rate the image again' in said) == ('sha256' not in changes)
    right = RatingFile('ratings/a.json', (rating(CHIN, 'disagree'),))
    assert unused_ratings([CHIN], [right]) == []


def test_the_word_that_there_is_a_face_is_never_lost() -> None:
    """A new version of the program may be blind to what a person saw in the same bytes."""
    saw = rating(CHIN, 'agree')
    after = rated(CLEAN, saw)
    assert after.verdict == 'could not assess'
    assert unused_ratings([CLEAN], [RatingFile('ratings/a.json', (saw,))]) == []
    assert 'Kim saw a finding before the verdict changed' in after.reason
    # the others do not outvote it, and it makes no verdict milder
    assert rated(CLEAN, saw, rating(CLEAN, 'agree', 'Lee')).verdict == 'could not assess'
    nose = replace(CHIN, parts_left='nose')
    assert rated(nose, saw).verdict == 'review'
    assert rated(nose, saw, rating(nose, 'disagree', 'Lee')).verdict == 'review'
    # Kim may look again
    assert rated(CLEAN, saw, rating(CLEAN, 'agree')).verdict == 'no findings'


def test_a_finding_seen_later_outlives_a_verdict_that_changes_back() -> None:
    """Otherwise an upgrade and a downgrade revive a pass that its own author took back."""
    cleared = rating(CHIN, 'disagree')
    saw = rating(CLEAN, 'disagree', ' KIM', date='2026-02-01T12:00:00Z')
    for several in ([cleared, saw], [saw, cleared]):
        assert rated(CHIN, *several).verdict == 'review'
        assert rated(UNREAD, *several).verdict == 'could not assess'
    again = rating(CHIN, 'disagree', date='2026-02-02T12:00:00Z')
    assert rated(CHIN, cleared, saw, again).verdict == 'no findings'


def test_a_table_and_a_rating_stand_side_by_side() -> None:
    file = RatingFile('ratings/a.json', (rating(CHIN, 'agree', 'Lee'),))
    (after,) = reviewed([CHIN], {'a' * 64: Review('Kim', 'a cap')}, [file])
    assert after.verdict == 'review'
    assert after.reviewed_by == 'Kim, Lee'


def test_that_people_changed_verdicts_is_told() -> None:
    """Files in a folder that nobody thinks of would change an audit in silence."""
    files = [
        RatingFile('ratings/a.json', (rating(CHIN, 'agree'), rating(CLEAN, 'agree', 'kim'))),
        RatingFile('ratings/b.json', ()),
    ]
    assert ratings_line(files) == '2 ratings by 1 person in 2 files of ratings/'
