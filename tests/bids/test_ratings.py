"""Ratings of curators are read as they were meant, or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bids_reid.bids import ratings
from bids_reid.bids.ratings import FOLDER, read_ratings
from bids_reid.errors import NoInputError, UsageError

ENTRY: dict[str, Any] = {
    'sha256': 'a' * 64,
    'path': 'sub-01/anat/sub-01_T1w.nii.gz',
    'condition': 'defaced',
    'verdict': 'review',
    'parts_left': 'chin',
    'brain_loss': None,
    'rating': 'disagree',
    'note': 'a fold of the cap',
    'by': 'Kim',
    'date': '2026-01-31T12:00:00.123Z',
}
WHOLE: dict[str, Any] = {'schema_version': 1, 'participant': 'sub-01', 'ratings': [ENTRY]}


def save(out: Path, content: object, name: str = 'sub-01_ratings.json') -> Path:
    folder = out / FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def entry(**changes: object) -> dict[str, Any]:
    return WHOLE | {'ratings': [ENTRY, ENTRY | changes]}


def test_what_the_form_saves_is_read(tmp_path: Path) -> None:
    """Otherwise the work of a curator is lost."""
    assert read_ratings(tmp_path) == ()
    save(tmp_path, entry(date='2026-02-01', parts_left=None), 'sub-01_ratings (1).json')
    save(tmp_path, WHOLE | {'ratings': []}, 'b.JSON')
    save(tmp_path, 'left by a system', '._sub-01_ratings.json')
    empty, one = read_ratings(tmp_path)
    assert one.name == 'ratings/sub-01_ratings (1).json'
    assert empty.ratings == ()
    first, second = one.ratings
    assert (first.rating, first.by, first.parts_left) == ('disagree', 'Kim', 'chin')
    assert second.parts_left is None
    assert second.when > first.when


BROKEN = {
    'cut': (json.dumps(WHOLE)[:90], 'is no file of ratings'),
    'empty': ('', 'is no file of ratings'),
    'deep': ('[' * 99_999, 'nested too deeply'),
    'no object': ([], 'it is no JSON object'),
    'other version': (WHOLE | {'schema_version': 2}, 'its schema_version is 2, not 1'),
    'true': (WHOLE | {'schema_version': True}, 'its schema_version is True'),
    'unknown field': (WHOLE | {'more': 1}, "it has the unknown field 'more'"),
    'a field less': ({'schema_version': 1, 'ratings': []}, 'it lacks participant'),
    'no list': (WHOLE | {'ratings': {}}, 'ratings a list'),
    'no text': (WHOLE | {'participant': 1}, 'participant has to be text'),
    'no rating': (WHOLE | {'ratings': [3]}, 'rating 1 is no JSON object'),
    'field in a rating': (entry(colour='red'), "rating 2 has the unknown field 'colour'"),
    'short hash': (entry(sha256='ab'), "rating 2 has 'ab' as sha256"),
    'capital hash': (entry(sha256='A' * 64), 'as sha256'),
    'unknown verdict': (entry(verdict='fine'), "rating 2 has 'fine' as verdict: it has to be no"),
    'unknown answer': (entry(rating='yes'), "'yes' as rating: it has to be agree, disagree, not"),
    'nobody': (entry(by=' '), 'rating 2 has no name in by'),
    'number': (entry(note=3), 'rating 2 has 3 as note'),
    'no date': (entry(date='yesterday'), "rating 2 has 'yesterday' as date"),
}


@pytest.mark.parametrize('damage', BROKEN)
def test_a_damaged_file_ends_in_one_line(tmp_path: Path, damage: str) -> None:
    """A rating that is dropped in silence may be the one that says where a face is."""
    content, message = BROKEN[damage]
    save(tmp_path, content)
    with pytest.raises(UsageError) as caught:
        read_ratings(tmp_path)
    said = str(caught.value)
    assert message in said
    assert 'ratings/sub-01_ratings.json' in said
    assert '\n' not in said
    assert len(said) < 400


@pytest.mark.parametrize('name', ['sub-01_ratings.json.txt', 'sub-01_ratings.json.crdownload'])
def test_a_file_that_would_be_passed_over_is_named(tmp_path: Path, name: str) -> None:
    save(tmp_path, WHOLE, name)
    with pytest.raises(UsageError, match=r'move it out of ratings/'):
        read_ratings(tmp_path)


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FOLDER).write_text('no folder')
    with pytest.raises(NoInputError, match='cannot read'):
        read_ratings(tmp_path)
    (tmp_path / FOLDER).unlink()
    (tmp_path / FOLDER / 'sub-01.json').mkdir(parents=True)
    with pytest.raises(UsageError, match='move it out'):
        read_ratings(tmp_path)
    (tmp_path / FOLDER / 'sub-01.json').rmdir()
    os.mkfifo(tmp_path / FOLDER / 'pipe.json')
    with pytest.raises(UsageError, match='move it out'):
        read_ratings(tmp_path)
    (tmp_path / FOLDER / 'pipe.json').unlink()
    (tmp_path / FOLDER / 'gone.json').symlink_to('nowhere')
    with pytest.raises(NoInputError, match=r'cannot read .*gone\.json'):
        read_ratings(tmp_path)
    (tmp_path / FOLDER / 'gone.json').unlink()
    monkeypatch.setattr(ratings, 'LARGEST', 2**20)
    save(tmp_path, ' ' * (2**20 + 1))
    with pytest.raises(UsageError, match='is larger than 1 MiB'):
        read_ratings(tmp_path)
