"""Each test names what a user loses if it fails."""

from __future__ import annotations

import pytest

from bids_reid.records import AttackKey, Score
from bids_reid.risk.breakdown import bands, breakdown_rows
from bids_reid.risk.identification import wilson_interval

SERIES = AttackKey('raw', 'T1w', 'face_recognition', 'best')


def results(n):
    """Every third person is found; the first has no face."""
    found = [Score(f'{i:02}', '', 'ok', rank=1 if i % 3 == 0 else 4) for i in range(1, n)]
    return [Score('00', '', 'no_face'), *found]


def test_groups_and_what_is_pooled():
    """Otherwise small groups name people, or people drop out of the table."""
    sex = {f'{i:02}': 'FM'[i % 2] for i in range(26)} | {'24': 'O', '25': ' n/a '}
    rows = breakdown_rows(results(28), SERIES, {'sex': sex})
    assert [(row.group, row.n_people, row.pooled) for row in rows] == [
        ('F', 12, None),
        ('M', 12, None),
        ('pooled', 4, 'O; n/a'),
    ]
    first = rows[0]
    assert (first.n_correct, first.n_failed_acquire) == (3, 1)
    assert first.rate == 0.25
    assert (first.ci_low, first.ci_high) == pytest.approx(wilson_interval(3, 12))
    assert (rows[2].rate, rows[2].reason) == (None, 'fewer than 10 people')


def test_ages_come_in_bands():
    """Otherwise each age is a group of one and nothing is said."""
    ages = {f'{i:02}': str(20 + i) for i in range(25)} | {'24': '89+', '23': ''}
    rows = breakdown_rows(results(25), SERIES, {'age': ages, 'site': {}})
    assert [(row.variable, row.group, row.n_people) for row in rows] == [
        ('age', '20-29', 10),
        ('age', '30-39', 10),
        ('age', 'pooled', 5),
        ('site', 'n/a', 25),
    ]
    assert rows[2].pooled == '40-49; 80-89; n/a'


def test_codes_and_words_stay():
    """Otherwise sex coded 0 and 1 is one band, or a word among numbers stops the run."""
    assert bands({'a': '0', 'b': '1', 'c': ''}) == {'a': '0', 'b': '1', 'c': 'n/a'}
    many = {f'{n}': f'{n}' for n in range(12)}
    assert bands(many)['11'] == '10-19'
    assert bands(many | {'x': 'old'})['11'] == '11'
    assert bands(many | {'x': 'inf'})['x'] == 'inf'
    assert bands({**many, 'x': '-3'})['x'] == '-10--1'


def test_nobody():
    """Otherwise a run without photographs stops."""
    assert breakdown_rows([], SERIES, {'sex': {'a': 'F'}}) == []
    assert breakdown_rows(results(12), SERIES, {}) == []
