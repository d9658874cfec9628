"""The gate on a run: a pass that should be none lets faces out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from bids_reid.group.audit import audit, not_assessed
from bids_reid.group.result import PhotoLine
from bids_reid.participant.library import EnrolledScan
from bids_reid.records import AttackKey, Score
from bids_reid.risk.attacks import strongest_attacks
from bids_reid.risk.controls import ControlRow
from bids_reid.risk.gate import Gate
from tests.support.scan_records import enrolled

N = 100
PEOPLE = [f'{number:03}' for number in range(N)]
CONTROL = ControlRow(
    *('defaced', 'T1w', 'orb', 'best', 'negative', N, N, N, 0.01, 0.0, 0.02, 0.01, 9, 0),
    verdict='ok',
    reason=None,
)
SEEN = replace(CONTROL, condition=None, modality=None, decision=None, control='positive')


def photographs(people: list[str]) -> list[PhotoLine]:
    return [PhotoLine(f'{label}.jpg', label, True, 'ok') for label in people]


def judged(
    n_versions: int = N,
    *,
    photos: bool = True,
    others: list[EnrolledScan] | None = None,
    photographed: list[str] | None = None,
    **options: object,
) -> Gate:
    """Nobody of 100 is recognised from their de-faced T1w scans, which show no face either."""
    scans = [enrolled(label) for label in PEOPLE]
    scans += [enrolled(label, condition='defaced') for label in PEOPLE[:n_versions]]
    scans += others or []
    people = PEOPLE if photographed is None else photographed
    lines = photographs(people)
    searched = [label for label in PEOPLE[:n_versions] if label in people]
    attack = AttackKey('defaced', 'T1w', 'orb', 'best')
    strongest = strongest_attacks(
        {attack: [Score(label, '', 'ok', rank=9) for label in searched]},
        {attack: n_versions},
        not_assessed(scans, lines),
    )
    given = lines if photos else None
    return audit('defaced', 0.05, scans, given, strongest, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize('photos', [True, False])
def test_what_was_not_looked_at_is_no_pass(photos: bool) -> None:
    """The scans that a tool failed to de-face are those that show a face."""
    assert judged(photos=photos).passed
    gate = judged(90, photos=photos)
    assert not gate.passed
    assert gate.sentence.endswith(' But 10 of 100 raw scans have no defaced version.')
    gate = judged(photos=photos, without_result=['x'])
    assert not gate.passed
    assert gate.sentence.endswith(' But 1 participant has scans and no result.')


@pytest.mark.parametrize('photos', [True, False])
def test_versions_are_counted_per_modality(photos: bool) -> None:
    """A FLAIR scan that was not de-faced shows the face that the T1w scan beside it hides."""
    gate = judged(photos=photos, others=[enrolled('007', modality='FLAIR')])
    assert not gate.passed
    assert gate.sentence.endswith(' But 1 of 101 raw scans has no defaced version.')
    # the same person's version in the other modality makes up for nothing
    both = [
        enrolled(label, condition=name, modality='FLAIR')
        for label in PEOPLE
        for name in ('raw', 'defaced')
    ]
    gate = judged(90, photos=photos, others=both)
    assert not gate.passed
    assert ' 10 of 200 raw scans have no defaced version.' in gate.sentence


def test_a_modality_in_which_nobody_was_photographed_never_passes() -> None:
    """Its risk is not known, however low that of the other modality is."""
    others = [enrolled('200', condition=name, modality='FLAIR') for name in ('raw', 'defaced')]
    assert judged().passed
    gate = judged(others=others)
    assert not gate.passed
    assert gate.modality == 'FLAIR'
    assert 'nobody with a defaced FLAIR scan could be searched for' in gate.sentence
    # without a photograph of anybody at all
    gate = judged(photographed=[])
    assert not gate.passed
    assert 'so the risk is not known' in gate.sentence


def test_photographed_people_whose_scans_all_failed_are_counted() -> None:
    """Otherwise those on whom a tool fails are taken for people who were not recognised."""
    defaced = partial(enrolled, condition='defaced')
    failed = partial(defaced, status='failed')
    scans = [defaced('001'), failed('002'), failed('003'), defaced('003'), failed('004')]
    scans += [enrolled('002')]
    lines = photographs(['001', '002', '003'])
    assert not_assessed(scans, lines) == {('defaced', 'T1w'): 1, ('raw', 'T1w'): 0}
    # a photograph without a face says nothing of the scan
    lines[1] = replace(lines[1], status='no_face')
    assert not_assessed(scans, lines)['defaced', 'T1w'] == 0


def test_rates_that_the_controls_refute_are_no_pass() -> None:
    """Photographs that show nobody find nobody: 0% would be told as safety."""
    unseen = replace(SEEN, verdict='not_ok')
    assert judged(controls=[CONTROL, SEEN]).passed
    assert not judged(controls=[CONTROL, unseen]).passed
    gate = judged(controls=[replace(CONTROL, verdict='not_ok'), SEEN])
    assert not gate.passed
    assert 'controls failed' in gate.sentence
    # one extractor is blind to these photographs, another is not
    assert judged(controls=[CONTROL, unseen, replace(SEEN, extractor='sift')]).passed
    # the raw scans are not what is judged
    assert judged(controls=[replace(CONTROL, verdict='not_ok', condition='raw'), SEEN]).passed
