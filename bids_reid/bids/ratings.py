"""Ratings of images: JSON files in ``ratings/``, as the form on a page saves them."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

from bids_reid.bids.text_files import parse_json, read_text
from bids_reid.errors import NoInputError, UsageError
from bids_reid.json_fields import as_field
from bids_reid.risk.presence import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOLDER = 'ratings'
SCHEMA_VERSION = 1
LARGEST = 16 * 2**20
"""Bytes of a file; a rating has some 500."""
Answer = Literal['agree', 'disagree', 'not sure']
REMEDY = 'mend the file, save it again from the page, or move it out of the folder'
_SHA256 = re.compile('[0-9a-f]{64}')
_KEYS = frozenset({'schema_version', 'participant', 'ratings'})


@dataclass(frozen=True, slots=True)
class Rating:
    """What a person says of the verdict on an image.

    Attributes
    ----------
    sha256 : str
        Of the image; the rating belongs to these bytes, whatever their name.
    path, condition : str
        Name of the image when it was rated.
    verdict, parts_left, brain_loss : str
        What the program said of the image: a rating is of this and nothing else.
    rating : str
        The answer to "is the verdict right?".
    by, date : str
        Who gave it, and when (ISO 8601).
    """

    sha256: str
    path: str
    condition: str
    verdict: Verdict
    parts_left: str | None
    brain_loss: str | None
    rating: Answer
    note: str
    by: str
    date: str

    @property
    def when(self) -> datetime:
        """The date, in UTC unless it says otherwise."""
        when = datetime.fromisoformat(self.date)
        return when if when.tzinfo else when.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RatingFile:
    """The ratings of one file; ``name`` is its path in the output folder."""

    name: str
    ratings: tuple[Rating, ...]


_TYPES = {name: hint for name, hint in get_type_hints(Rating).items() if name != 'when'}


def read_ratings(output_dir: Path) -> tuple[RatingFile, ...]:
    """Read all files in ``ratings/``, by name.

    Hidden files, which systems leave beside others, are passed over. Any other file has to hold
    ratings: one that is left out might be the one that says where a face is.

    Raises
    ------
    UsageError
        A file is damaged, or is none of ratings.
    NoInputError
        A file cannot be read.
    """
    folder = output_dir / FOLDER
    if not folder.exists() and not folder.is_symlink():
        return ()
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith('.'))
    except OSError as error:
        raise NoInputError(f'cannot read {folder}: {error.strerror}') from error
    return tuple(_read(path) for path in paths)


def _read(path: Path) -> RatingFile:
    # a pipe would never end
    if path.suffix.lower() != '.json' or (path.exists() and not path.is_file()):
        raise UsageError(f'{path} is no JSON file of ratings: move it out of {FOLDER}/')
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f'{path} is larger than {LARGEST // 2**20} MiB: {REMEDY}')
        text = read_text(path)
    except OSError as error:
        raise NoInputError(f'cannot read {path}: {error.strerror}') from error
    try:
        return RatingFile(f'{FOLDER}/{path.name}', tuple(_ratings(parse_json(text))))
    except ValueError as error:
        raise UsageError(f'{path} is no file of ratings: {_why(error)}: {REMEDY}') from error


def _why(error: ValueError) -> str:
    """Say what is wrong in one line; the reader of JSON says where."""
    return ' '.join(str(error).split())


def _ratings(content: Any) -> Iterator[Rating]:
    """Take the ratings of the object in a file; ValueError says what is wrong with it."""
    _check_keys(content, _KEYS, 'it')
    version = content['schema_version']
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise ValueError(f'its schema_version is {version!r:.40}, not {SCHEMA_VERSION}')
    listed = content['ratings']
    if not isinstance(content['participant'], str) or not isinstance(listed, list):
        raise ValueError('participant has to be text, and ratings a list')
    for number, entry in enumerate(listed, start=1):
        yield _rating(entry, f'rating {number}')


def _check_keys(content: Any, known: frozenset[str], what: str) -> None:
    if not isinstance(content, dict):
        raise ValueError(f'{what} is no JSON object')
    missing, unknown = sorted(known - content.keys()), sorted(content.keys() - known)
    if missing:
        raise ValueError(f'{what} lacks {", ".join(missing)}')
    if unknown:
        raise ValueError(f'{what} has the unknown field {unknown[0]!r:.40}')


def _rating(entry: Mapping[str, Any], what: str) -> Rating:
    _check_keys(entry, frozenset(field.name for field in fields(Rating)), what)
    values = {}
    for name, hint in _TYPES.items():
        try:
            values[name] = as_field(hint, entry[name])
        except TypeError as error:
            raise ValueError(f'{what} has {entry[name]!r:.40} as {name}{_choice(hint)}') from error
    rating = Rating(**values)
    if not _SHA256.fullmatch(rating.sha256):
        raise ValueError(f'{what} has {rating.sha256!r:.80} as sha256, 64 digits of 0-9 and a-f')
    if not rating.by.strip():
        raise ValueError(f'{what} has no name in by')
    try:
        _ = rating.when
    except ValueError:
        raise ValueError(f'{what} has {rating.date!r:.40} as date, not 2026-01-31') from None
    return rating


def _choice(hint: Any) -> str:
    """Name the values that a field can have."""
    named = [one for one in get_args(hint) if isinstance(one, str)]
    return f': it has to be {", ".join(named)}' if named else ''
