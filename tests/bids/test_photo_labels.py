"""Labels as people type them mean somebody of the dataset, or are said to mean nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_reid.bids.photo_labels import loose_key, match_labels, sayable
from bids_reid.bids.photos import find_photos
from bids_reid.errors import UsageError
from bids_reid.records import Photo
from tests.bids.test_inputs import put

DATASET = ('01', '02', 'AB12', 'ab003', 'C1c', 'pilot')


def photo(label: str | None) -> Photo:
    return Photo('x.jpg', label, Path('x.jpg'))


@pytest.mark.parametrize(
    ('typed', 'meant'),
    [
        ('1', '01'),
        ('001', '01'),
        ('0001', '01'),
        ('sub-01', '01'),
        ('Sub-1', '01'),
        ('SUB_1', '01'),
        ('sub 01', '01'),
        ('subject-01', '01'),
        ('sub01', '01'),
        ('ab12', 'AB12'),
        ('AB-12', 'AB12'),
        ('Ab012', 'AB12'),
        ('AB3', 'ab003'),
        ('c01C', 'C1c'),
        ('Pilot', 'pilot'),
    ],
)
def test_a_label_that_is_not_quite_the_datasets_is_matched(typed: str, meant: str) -> None:
    """Taken for a stranger's the photograph searches for nobody, and the risk looks small."""
    labelled = match_labels([photo(typed), photo('02'), photo(None)], DATASET)
    assert [one.participant for one in labelled.photos] == [meant, '02', None]
    assert labelled.loosely == {typed: meant}
    assert (labelled.n_loosely, labelled.strangers) == (1, ())


@pytest.mark.parametrize('typed', ['10', '1a', 'a1', 'AB1', 'AB120', '0', '1-2', 'pilots', 'Jane'])
def test_another_label_is_nobodys(typed: str) -> None:
    """A photograph under somebody else's label is a wrong number as well."""
    labelled = match_labels([photo(typed)], (*DATASET, '12'))
    assert labelled.photos == (photo(typed),)
    assert labelled.strangers == (typed,)
    assert not labelled.loosely


def test_an_exact_label_always_wins_and_nothing_is_guessed() -> None:
    """Where a dataset tells 1 from 01, only it knows who is 001."""
    dataset = ('1', '01', 'x')
    labelled = match_labels([photo('01'), photo('1'), photo('X')], dataset)
    assert [one.participant for one in labelled.photos] == ['01', '1', 'x']
    with pytest.raises(UsageError, match=r"^photographs of '001': it may be sub-01 or sub-1: "):
        match_labels([photo('001')], dataset)


@pytest.mark.parametrize(
    ('name', 'participant'),
    [
        ('sub-1_photo.jpg', '01'),
        ('sub-001/IMG_7.jpg', '01'),
        ('SUB-01.jpg', '01'),
        ('Sub-ab12_x.png', 'AB12'),
        ('sub_01.jpg', '01'),
        ('sub 01 left.jpg', '01'),
        ('sub-sub-01.jpg', '01'),
        ('sub01.jpg', '01'),
        ('sub-01_ses-02_photo.jpg', '01'),
        ('Sub_01/a.jpg', '01'),
        ('subway.jpg', None),
        ('submarine 1.jpg', None),
        ('subject.jpg', None),
        ('IMG_01.jpg', None),
        ('01.jpg', None),
    ],
)
def test_the_name_of_a_file_means_somebody(
    tmp_path: Path, name: str, participant: str | None
) -> None:
    """Names come from phones, spreadsheets and Windows."""
    put(tmp_path, name)
    (found,) = match_labels(find_photos(tmp_path), DATASET).photos
    assert found.participant == participant


@pytest.mark.parametrize('typed', ['1', 'sub-01', 'Sub-001', 'sub 1', 'SUB_01', 'sub-sub-01'])
def test_a_table_means_somebody(tmp_path: Path, typed: str) -> None:
    """Excel takes the zeros of 01 away."""
    put(tmp_path, 'x.jpg')
    table = tmp_path / 'photos.tsv'
    table.write_text(f'path\tparticipant_id\nx.jpg\t{typed}\n')
    (found,) = match_labels(find_photos(table), DATASET).photos
    assert found.participant == '01'


def test_the_key_of_a_label_is_never_empty_by_its_prefix() -> None:
    """A participant may be called sub."""
    assert loose_key('sub-sub') == ('sub',)
    assert loose_key('---') == ()


def test_only_labels_like_the_datasets_are_shown() -> None:
    """Whoever is nobody of the dataset may have been given their name as a label."""
    labels = ['99', 'Jane', 'ab77', 'jane1', '19800412', 'AB99', '99', '٣']
    assert sayable(labels, ('01', 'AB12')) == ['99', 'ab77', 'AB99', '٣']
    assert sayable(labels, ('Anna', 'Ben')) == []
