"""Images that a person has looked at, as the program cannot open every file.

A review belongs to bytes, as a verdict does, and bears the name of its author.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bids_reid.bids.user_rows import MISSING, read_rows
from bids_reid.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from bids_reid.group.result import ImageLine

COLUMNS = ('sha256', 'by', 'note')
_SHA256 = re.compile('[0-9a-f]{64}')


@dataclass(frozen=True, slots=True)
class Review:
    """Who looked at an image, and what they say of it."""

    by: str
    note: str


def read_reviews(path: Path | None) -> dict[str, Review]:
    """Read the file of ``--reviewed``: a TSV with the columns ``sha256``, ``by`` and ``note``.

    Returns
    -------
    dict
        SHA-256 of an image to its review; nothing without a file.

    Raises
    ------
    NoInputError
        It cannot be read.
    UsageError
        It is not such a table: a column is missing, a hash is malformed, or nobody signed a line.
    """
    if path is None:
        return {}
    reviews = {}
    for row in read_rows(path, COLUMNS).rows:
        content, by, note = (row[name] for name in COLUMNS)
        if not _SHA256.fullmatch(content.lower()):
            raise UsageError(f'{path}, line {row.line}: {content!r} is not a SHA-256')
        if by in MISSING:
            raise UsageError(f'{path}, line {row.line}: nobody signed it: fill the column by')
        reviews[content.lower()] = Review(by, note)
    return reviews


def reviewed(lines: Iterable[ImageLine], reviews: Mapping[str, Review]) -> Iterator[ImageLine]:
    """Let the word of a person stand above the verdict on the images that they looked at."""
    for line in lines:
        review = reviews.get(line.sha256 or '')
        if review is None or line.verdict == 'no findings':
            yield line
            continue
        said = f'looked at by {review.by}: {review.note or "no finding"}'
        reason = f'{said} (before that: {line.verdict}: {line.reason})'
        yield replace(line, verdict='no findings', reviewed_by=review.by, reason=reason)
