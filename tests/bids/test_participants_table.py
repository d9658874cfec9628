"""Ages and sexes, from tables as they are: no rate is empty for the dialect of a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_reid.bids.participants_table import participant_variables
from bids_reid.errors import UsageError

PEOPLE = ('01', '02', '10')


def read(
    folder: Path, text: str | bytes, names: list[str] | None = None
) -> tuple[dict[str, dict[str, str]], list[str]]:
    said: list[str] = []
    content = text if isinstance(text, bytes) else text.encode()
    (folder / 'participants.tsv').write_bytes(content)
    return participant_variables(folder, names, PEOPLE, said.append), said


PLAIN = 'participant_id\tage\tsex\nsub-01\t30\tF\nsub-02\t41\tM\n'
EXPECTED = {'age': {'01': '30', '02': '41'}, 'sex': {'01': 'F', '02': 'M'}}


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'latin-1'])
def test_the_encoding_does_not_matter(tmp_path: Path, encoding: str) -> None:
    """A mark before the header made the first column unknown."""
    text = PLAIN.replace('sex\n', 'sex\tcity\n').replace('F\n', 'F\tKöln\n')
    assert read(tmp_path, text.encode(encoding)) == (EXPECTED, [])


@pytest.mark.parametrize(
    'text',
    [
        PLAIN.replace('age\tsex', 'Age\tSex'),
        PLAIN.replace('\n', '\r\n'),
        PLAIN.replace('sub-', ''),
        '"participant_id"\t"age"\t"sex"\n"sub-01"\t"30"\t"F"\n"sub-02"\t"41"\t"M"\n',
        PLAIN.replace('participant_id', 'Participant_ID') + 'sub-99\t1\tF\n\n',
        # one row per session, with the same values or none
        PLAIN + 'sub-01\t30\tF\nsub-01\tn/a\t\n',
    ],
)
def test_each_dialect_says_the_same(tmp_path: Path, text: str) -> None:
    """Rates by age were missing without a word."""
    assert read(tmp_path, text) == (EXPECTED, [])


def test_lost_zeros_are_found_and_told(tmp_path: Path) -> None:
    """A spreadsheet makes 1 of 01; 1 is nobody's if it may be two people's."""
    values, said = read(tmp_path, PLAIN.replace('sub-0', ''))
    assert values == EXPECTED
    assert said == [
        '2 labels differ slightly between participants.tsv and the dataset: '
        '1 for sub-01, 2 for sub-02'
    ]
    # 01 has a row of its own
    values, said = read(tmp_path, PLAIN + '1\t99\tM\n')
    assert (values, said) == (EXPECTED, [])


def test_values_that_differ_are_told(tmp_path: Path) -> None:
    """Nobody has two sexes in a table on purpose; ages are those of the first session."""
    values, said = read(tmp_path, PLAIN + 'sub-01\t31\tM\n')
    assert values['age']['01'] == '30'
    assert values['sex']['01'] == 'n/a'
    assert [line.partition(':')[0] for line in said] == [
        'participants.tsv has several values of age for sub-01',
        'participants.tsv has several values of sex for sub-01',
    ]


def test_gender_stands_in_for_sex(tmp_path: Path) -> None:
    """OpenNeuro's tables have either."""
    assert read(tmp_path, 'participant_id\tGender\n01\tF\n')[0] == {'gender': {'01': 'F'}}
    assert set(read(tmp_path, 'participant_id\tgender\tsex\n01\tF\tF\n')[0]) == {'sex'}


def test_columns_that_were_named_have_to_be_there(tmp_path: Path) -> None:
    """Without this a breakdown that was asked for is missing."""
    assert read(tmp_path, PLAIN, ['SEX'])[0] == {'SEX': EXPECTED['sex']}
    with pytest.raises(UsageError, match=r'participants\.tsv has no column site'):
        read(tmp_path, PLAIN, ['age', 'site'])
    with pytest.raises(UsageError, match='no column participant_id'):
        read(tmp_path, 'id\tage\n01\t3\n', ['age'])
    (tmp_path / 'participants.tsv').unlink()
    with pytest.raises(UsageError, match=r'participants\.tsv'):
        participant_variables(tmp_path, ['age'], PEOPLE)
    assert participant_variables(tmp_path, None, PEOPLE) == {}


@pytest.mark.parametrize(
    ('text', 'why'),
    [
        ('id\tage\n01\t3\n', 'has no column participant_id'),
        ('participant_id\tage\nx\t3\n', 'has no row for a participant of the dataset'),
        (b'\0\1', 'is not a text file'),
    ],
)
def test_a_table_that_says_nothing_of_anybody_is_told(
    tmp_path: Path, text: str | bytes, why: str
) -> None:
    """An empty breakdown looks as if there were no risk for anybody."""
    values, said = read(tmp_path, text)
    assert not any(values.values())
    assert [why in line for line in said] == [True]
