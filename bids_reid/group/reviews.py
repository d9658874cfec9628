"""Verdicts of people who looked at an image themselves.

A review belongs to bytes, as a verdict does, and bears the name of its author. There are two
kinds: a line of the table of ``--reviewed`` says that an image shows no face; a rating, from the
form on a participant's page, says whether a verdict of the program is right.

Of several people the most careful one counts, and no word that a face is there is ever lost.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bids_reid.bids.formats import OWN_RESULTS
from bids_reid.bids.ratings import FOLDER
from bids_reid.bids.user_rows import MISSING, read_rows
from bids_reid.errors import UsageError
from bids_reid.messages import count
from bids_reid.risk.gate import NAMED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from bids_reid.bids.ratings import Rating, RatingFile
    from bids_reid.group.result import ImageLine
    from bids_reid.risk.presence import Verdict

COLUMNS = ('sha256', 'by', 'note')
CAREFUL: Sequence[Verdict] = ('no findings', 'not looked at', 'could not assess', 'review')
"""Verdicts, from the least to the most careful."""
OTHER_BYTES = '{name}: {ratings} not used, as no image has the same bytes now: {paths}'
OTHER_VERDICT = (
    '{name}: {ratings} not used, as the verdict has changed: rate the image again: {paths}'
)
_SHA256 = re.compile('[0-9a-f]{64}')


@dataclass(frozen=True, slots=True)
class Review:
    """Who looked at an image, and what they say of it."""

    by: str
    note: str


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a person says of an image: the verdict that it should have, in words too.

    ``verdict`` is ``None`` if they are not sure.
    """

    by: str
    verdict: Verdict | None
    said: str


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


def reviewed(
    lines: Iterable[ImageLine],
    reviews: Mapping[str, Review],
    files: Iterable[RatingFile] = (),
) -> Iterator[ImageLine]:
    """Let the word of people stand above the verdicts on the images that they looked at.

    Parameters
    ----------
    reviews : mapping
        Of the table, by the SHA-256 of the image.
    files : iterable of RatingFile
        Ratings of a verdict; one of other bytes or of an earlier verdict changes nothing, unless
        it says that there is a finding.
    """
    rated: dict[str, list[Rating]] = defaultdict(list)
    for file in files:
        for rating in file.ratings:
            rated[rating.sha256].append(rating)
    for line in lines:
        content = line.sha256 or ''
        opinions = [*_of_table(reviews.get(content)), *_of_ratings(line, rated[content])]
        # results of this program must not be shared, whatever a person says of them
        own = line.format in OWN_RESULTS
        yield _judged(line, opinions) if opinions and not own else line


def unused_ratings(lines: Iterable[ImageLine], files: Iterable[RatingFile]) -> list[str]:
    """Name the ratings that change nothing: of other bytes, or of an earlier verdict.

    A finding that a person saw in the same bytes is not among them: it keeps its say.

    Parameters
    ----------
    lines : iterable of ImageLine
        With the verdicts of the program.
    """
    known: dict[str, list[ImageLine]] = defaultdict(list)
    for line in lines:
        known[line.sha256 or ''].append(line)
    said = []
    for file in files:
        gone = [one for one in file.ratings if one.sha256 not in known]
        old = [
            one
            for one in file.ratings
            if one.sha256 in known
            and not _saw_something(one)
            and not any(_is_of(line, one) for line in known[one.sha256])
        ]
        for text, some in ((OTHER_BYTES, gone), (OTHER_VERDICT, old)):
            if some:
                said.append(text.format(name=file.name, ratings=_number(some), paths=_paths(some)))
    return said


def ratings_line(files: Sequence[RatingFile]) -> str:
    """Say how many ratings there are: verdicts may be those of people."""
    ratings = [rating for file in files for rating in file.ratings]
    people = {rating.by.strip().casefold() for rating in ratings}
    said = f'{count(len(ratings), "rating")} by {count(len(people), "person", "people")}'
    return f'{said} in {count(len(files), "file")} of {FOLDER}/'


def _number(ratings: Sequence[Rating]) -> str:
    return count(len(ratings), 'rating')


def _paths(ratings: Sequence[Rating]) -> str:
    paths = list(dict.fromkeys(rating.path for rating in ratings))
    more = len(paths) - NAMED
    return ', '.join(paths[:NAMED]) + (f' and {more:,} more' if more > 0 else '')


def _of_table(review: Review | None) -> Iterator[Opinion]:
    """Yield the word of the table, which is always that nothing was found."""
    if review is not None:
        said = f'looked at by {review.by}: {review.note or "no finding"}'
        yield Opinion(review.by, 'no findings', said)


def _of_ratings(line: ImageLine, ratings: Iterable[Rating]) -> Iterator[Opinion]:
    """Yield the word of each person: the latest one about this verdict, if there is one.

    A finding that they saw later stays, whatever the verdict was then: verdicts may change back.
    """
    people: dict[str, list[Rating]] = defaultdict(list)
    for rating in ratings:
        people[rating.by.strip().casefold()].append(rating)
    for mine in people.values():
        current = [rating for rating in mine if _is_of(line, rating)]
        latest = max((rating.when for rating in current), default=None)
        yield from (_opinion(line, one) for one in current if one.when == latest)
        saw = [rating for rating in mine if rating not in current and _saw_something(rating)]
        yield from (_kept(line, one) for one in saw if latest is None or one.when > latest)


def _is_of(line: ImageLine, rating: Rating) -> bool:
    """Whether a rating is of this verdict: of the same findings on the same bytes."""
    return (line.sha256, line.verdict, line.parts_left, line.brain_loss) == (
        *(rating.sha256, rating.verdict),
        *(rating.parts_left, rating.brain_loss),
    )


def _saw_something(rating: Rating) -> bool:
    return (rating.verdict, rating.rating) in (('review', 'agree'), ('no findings', 'disagree'))


def _kept(line: ImageLine, rating: Rating) -> Opinion:
    """Keep the word that there is a finding, though the program now says something else."""
    by = rating.by.strip()
    said = f'{by} saw a finding before the verdict changed: rate the image again'
    return Opinion(by, _more_careful([line.verdict, 'could not assess']), said)


def _opinion(line: ImageLine, rating: Rating) -> Opinion:
    by, note = rating.by.strip(), rating.note.strip()
    after = f': {note}' if note else ''
    if rating.rating == 'not sure':
        return Opinion(by, None, f'{by} is not sure{after}')
    if rating.rating == 'agree':
        return Opinion(by, line.verdict, f'{by} agrees{after}')
    if line.verdict == 'no findings':
        return Opinion(
            by, 'review', f'a person saw a face, a part of one or cut brain: {by}{after}'
        )
    return Opinion(by, 'no findings', f'looked at by {by}: {note or "no finding"}')


def _more_careful(verdicts: Iterable[Verdict]) -> Verdict:
    return max(verdicts, key=CAREFUL.index)


def _judged(line: ImageLine, opinions: Sequence[Opinion]) -> ImageLine:
    """Take the most careful verdict of all people; the row says what each of them said."""
    wanted = {one.verdict for one in opinions if one.verdict is not None}
    verdict = _more_careful(wanted) if wanted else line.verdict
    if not wanted and verdict == 'no findings':
        verdict = 'could not assess'
    said = list(dict.fromkeys(one.said for one in opinions))
    if len(wanted) > 1:
        said.append('they differ: the more careful verdict counts')
    reason = '; '.join(said)
    if verdict != line.verdict:
        reason = f'{reason} (before that: {line.verdict}: {line.reason})'
    else:
        reason = '; '.join(filter(None, [line.reason, reason]))
    by = ', '.join(dict.fromkeys(one.by for one in opinions))
    return replace(
        line, verdict=verdict, program_verdict=line.verdict, reviewed_by=by, reason=reason
    )
