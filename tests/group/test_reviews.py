"""Images that a person has looked at: their word bears a name, and belongs to bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_reid.errors import UsageError
from bids_reid.group.reviews import Review, read_reviews, reviewed
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
