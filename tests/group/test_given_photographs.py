"""What is wrong with photographs ends the run in one line, before any work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bids_reid.errors import Exit, UsageError
from bids_reid.group.given_photographs import (
    GivenPhotographs,
    check_photographs,
    read_photographs,
)
from bids_reid.records import STRANGER
from bids_reid.settings import Settings

DATASET = ('01', '02')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photographs, beside a dataset and an output folder."""
    for name in ('bids/sub-01', 'bids/sub-02', 'bids/sourcedata', 'out/sub-01', 'photos'):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path / 'photos'


def settings(folder: Path, source: Path | None = None) -> Settings:
    root = folder.parent
    return Settings(
        bids_dir=root / 'bids',
        output_dir=root / 'out',
        levels=('group',),
        photos=source or folder,
        derivatives=(('defaced', root / 'defaced'),),
    )


def given(folder: Path, files: dict[str, str]) -> GivenPhotographs:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    return read_photographs(settings(folder), folder, DATASET)


def refusal(folder: Path, files: dict[str, str]) -> str:
    """Return the line that refuses these photographs."""
    with pytest.raises(UsageError) as caught:
        given(folder, files)
    assert caught.value.exit_code == Exit.USAGE
    assert '\n' not in str(caught.value)
    return str(caught.value)


def test_labels_that_were_matched_loosely_are_told(folder: Path) -> None:
    """Whoever meant something else sees it before the numbers."""
    found = given(folder, {'sub-1_a.jpg': 'a', 'sub-02.jpg': 'b', 'SUB-2_c.jpg': 'c'})
    assert sorted(photo.participant or '' for photo in found.photos) == ['01', '02', '02']
    assert (found.n_loosely, found.n_strangers, found.n_twice) == (2, 0, 0)
    (note,) = found.notes
    assert note.startswith('2 photographs were matched although their labels differ slightly')
    assert '1 for sub-01' in note
    assert '2 for sub-02' in note


def test_labels_of_nobody_are_told_without_names(folder: Path) -> None:
    """That they are distractors has to be known; who they are is nobody's business."""
    found = given(folder, {'sub-01.jpg': 'a', 'sub-77_b.jpg': 'b', 'sub-JaneDoe_c.jpg': 'c'})
    assert [photo.participant for photo in found.photos] == ['01', STRANGER, STRANGER]
    assert found.n_strangers == 2
    assert found.notes == (
        '2 photographs have a label that is not in the dataset, such as 77: counted as '
        'distractors',
    )


@pytest.mark.parametrize(
    ('names', 'shown'), [(('sub-77.jpg', 'x.jpg'), 'sub-77'), (('sub-JaneDoe.jpg',), '')]
)
def test_photographs_of_nobody_in_the_dataset_are_refused(
    folder: Path, names: tuple[str, ...], shown: str
) -> None:
    """A mistake in the labels would be a run that measures nothing, after hours."""
    said = refusal(folder, {name: name for name in names})
    assert said.startswith('none of 1 labelled photograph in ')
    assert 'the dataset has labels such as sub-01' in said
    assert shown in said
    assert 'Jane' not in said


def test_names_that_look_like_labels_are_refused(folder: Path) -> None:
    """Files called 01.jpg, 02.jpg would all be distractors."""
    said = refusal(folder, {'01.jpg': 'a', '2/x.jpg': 'b', 'Jane Doe.jpg': 'c'})
    assert 'a name such as 01 must start with sub-01' in said
    assert 'Jane' not in said


def test_photographs_without_any_label_are_refused(folder: Path) -> None:
    """Both levels would run for hours, and measure nothing."""
    said = refusal(folder, {'IMG_1.jpg': 'a', 'Jane Doe.jpg': 'b'})
    assert said == (
        f'no photograph in {folder} names a participant: name files like sub-01_photo-1.jpg, or '
        'give a table (TSV) of the photographs'
    )


def test_a_table_without_any_label_is_refused(folder: Path) -> None:
    """So would they with a table of distractors alone."""
    (folder / 'a.jpg').write_text('a')
    table = folder / 'photos.tsv'
    table.write_text('path\tparticipant_id\na.jpg\tn/a\n')
    with pytest.raises(UsageError, match='such as sub-01 in the column participant_id'):
        read_photographs(settings(folder, table), table, DATASET)


def test_one_photograph_of_two_people_is_refused(folder: Path) -> None:
    """One of the labels is wrong: no rate with it can be right."""
    said = refusal(folder, {'sub-01_a.jpg': 'same', 'sub-02_b.jpg': 'same', 'x.jpg': 'more'})
    assert said == (
        'the same photograph is given for sub-01 (sub-01_a.jpg) and sub-02 (sub-02_b.jpg): '
        'correct the wrong label'
    )


@pytest.mark.parametrize('name', ['Jane Doe.jpg', 'sub-JaneDoe.jpg'])
def test_a_participant_among_the_distractors_is_refused(folder: Path, name: str) -> None:
    """Their own photograph would count as that of somebody who must not be found."""
    said = refusal(folder, {'sub-01_a.jpg': 'same', name: 'same'})
    assert said.startswith(
        'the photograph sub-01_a.jpg of sub-01 is also given as a photograph of a stranger'
    )
    assert 'Jane' not in said


def test_the_same_file_counts_once(folder: Path) -> None:
    """Copies make a person's photographs look many; empty files are told as unreadable."""
    files = {'sub-01_a.jpg': 'x', 'sub-01/b.jpg': 'x', 'y.jpg': 'y', 'z.jpg': 'y'}
    found = given(folder, {**files, 'sub-01_e.jpg': '', 'sub-02_e.jpg': ''})
    assert [photo.participant for photo in found.photos] == ['01', '01', '02', None]
    assert found.n_twice == 2
    assert found.notes == ('2 photographs were left out because they are exact copies of others',)


def place(folder: Path, kind: str) -> Path:
    """Return what somebody gives in place of the folder of photographs."""
    root = folder.parent
    if kind == 'other results':
        other = root / 'other'
        (other / 'sub-01').mkdir(parents=True)
        description = {'DatasetType': 'derivative', 'GeneratedBy': [{'Name': 'bids_reid'}]}
        (other / 'dataset_description.json').write_text(json.dumps(description))
        return other / 'sub-01'
    if kind == 'link':
        (root / 'link').symlink_to(root / 'out')
        return root / 'link'
    return {
        'dataset': root / 'bids',
        'condition': root / 'defaced',
        'results': root / 'out',
        'in results': root / 'out' / 'sub-01',
        'above': root,
    }[kind]


@pytest.mark.parametrize(
    'kind',
    ['dataset', 'condition', 'results', 'in results', 'above', 'other results', 'link'],
)
def test_pictures_that_nobody_took_are_refused(folder: Path, kind: str) -> None:
    """A render of a scan finds that scan: everybody would be recognised."""
    (folder.parent / 'defaced').mkdir()
    source = place(folder, kind)
    (source / 'sub-01_a.png').touch()
    with pytest.raises(
        UsageError, match=r'--photos .*name (the|a) folder|not photographs'
    ) as caught:
        read_photographs(settings(folder, source), source, DATASET)
    assert str(source) in str(caught.value)


@pytest.mark.parametrize('how', ['table', 'link'])
def test_no_picture_of_the_results_comes_in_by_another_way(folder: Path, how: str) -> None:
    """Tables and links name files anywhere."""
    render = folder.parent / 'out' / 'sub-01' / 'sub-01_view.png'
    render.touch()
    source = folder
    if how == 'table':
        source = folder / 'photos.tsv'
        source.write_text(f'path\tparticipant_id\n{render}\t01\n')
    else:
        (folder / 'sub-01.png').symlink_to(render)
    with pytest.raises(UsageError, match='1 picture of --photos is in '):
        read_photographs(settings(folder, source), source, DATASET)


def test_photographs_in_the_dataset_are_taken(folder: Path) -> None:
    """BIDS keeps what it has no name for in sourcedata."""
    source = folder.parent / 'bids' / 'sourcedata'
    (source / 'sub-01.jpg').touch()
    (photo,) = read_photographs(settings(folder, source), source, DATASET).photos
    assert photo.participant == '01'


def test_it_is_told_before_the_long_work(folder: Path) -> None:
    """After a night at the participant level it would be too late."""
    (folder / 'sub-77.jpg').touch()
    asked = settings(folder)
    with pytest.raises(UsageError, match='labelled photograph'):
        check_photographs(asked)
    # whose images are gone: the results know the people
    for person in ('sub-01', 'sub-02'):
        (asked.bids_dir / person).rmdir()
    check_photographs(asked)


def test_a_photograph_in_the_folder_of_another_participant_is_refused(folder: Path) -> None:
    """Of the two labels one is wrong, and perhaps the one that has no consent is right."""
    message = refusal(folder, {'sub-01/sub-02_photo.jpg': 'a', 'sub-01.jpg': 'b'})
    assert 'sub-01/sub-02_photo.jpg is labelled sub-02 but lies in a folder of sub-01' in message
    (folder / 'sub-01' / 'sub-02_photo.jpg').unlink()
    # a folder of nobody says nothing
    found = given(folder, {'sub-set1/sub-02.jpg': 'a'})
    assert {photo.participant for photo in found.photos} == {'01', '02'}


def agreed(folder: Path, table: str) -> Settings:
    """Settings of a run with a table of consent."""
    (folder.parent / 'consent.tsv').write_text(table)
    return replace(settings(folder), consent=folder.parent / 'consent.tsv')


def test_what_shows_people_without_consent_is_never_opened(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were promised that nobody looks; a missing row is no yes."""
    files = (
        *('sub-01_a.jpg', 'sub-02_a.jpg', 'sub-02_b', 'sub-02/c.png', 'SUB-2.jpg'),
        *('sub-77.jpg', 'sub-88.jpg', 'sub-88_dicom', 'stranger.jpg'),
    )
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        # as long as each other, so that the hashes of all would be compared
        (folder / name).write_text(f'{files.index(name):05}')
    asked = agreed(folder, 'participant_id\tconsent\nsub-1\tYes\nsub-77\tyes\n')
    opened: list[str] = []

    def spy(path: Path, *args: object, **options: object) -> object:
        opened.append(path.name)
        return real_open(path, *args, **options)  # type: ignore[arg-type]

    real_open = Path.open
    monkeypatch.setattr(Path, 'open', spy)
    monkeypatch.setattr('builtins.open', lambda *_, **__: pytest.fail('opened'))
    found = read_photographs(asked, folder, DATASET)
    assert {'sub-01_a.jpg', 'sub-77.jpg', 'stranger.jpg'} <= set(opened)
    assert not {name.split('/')[-1] for name in files if '2' in name or '88' in name} & set(opened)
    assert len(found.photos) == 3
    assert {photo.participant for photo in found.photos} == {'01', STRANGER, None}
    assert (found.without_consent, found.n_without_consent) == (('02',), 6)
    (note,) = [line for line in found.notes if 'consent' in line]
    assert note.startswith('6 photographs were left out without being opened, for lack of consent')
    assert 'sub-02' in note
    assert '88' not in note


@pytest.mark.parametrize(
    ('rows', 'message'),
    [
        ('01\tno\n02\tn/a', '--consent has no yes for any participant on the 2 photographs'),
        ('01\tmaybe', "line 2: consent is yes, no or n/a, not 'maybe'"),
        ('01\tyes\n\nsub-01\tno', 'line 4: the row contradicts line 2'),
        ('01\tyes\n1\tno', 'line 3: the row contradicts line 2'),
        ('n/a\tyes', 'line 2: the row has no participant_id'),
    ],
)
def test_a_table_of_consent_that_is_not_clear_is_refused(
    folder: Path, rows: str, message: str
) -> None:
    """No answer is guessed: a photograph once searched with cannot be taken back."""
    for name in ('sub-01.jpg', 'sub-02.jpg'):
        (folder / name).write_text(name)
    asked = agreed(folder, f'participant_id\tconsent\n{rows}\n')
    with pytest.raises(UsageError, match=message):
        check_photographs(asked)


def test_a_label_that_may_mean_two_gives_no_consent(folder: Path) -> None:
    """1 is neither 01 nor 001 for certain."""
    (folder / 'sub-01.jpg').write_text('a')
    asked = agreed(folder, 'participant_id\tconsent\n1\tyes\n')
    with pytest.raises(UsageError, match="'1' may be sub-001 or sub-01"):
        read_photographs(asked, folder, ('01', '001'))
    asked = agreed(folder, 'participant_id\tagreed\n1\tyes\n')
    with pytest.raises(UsageError, match='has no column consent'):
        read_photographs(asked, folder, DATASET)
