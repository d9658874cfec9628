"""The audit of a release: a pass that should be none lets faces out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from bids_reid.group.account import IS_TEMPLATE, Survey
from bids_reid.group.assembly import cleared_remarks
from bids_reid.group.audit import audit, not_assessed
from bids_reid.group.result import ImageLine, PhotoLine
from bids_reid.group.selection import Choice
from bids_reid.records import AttackKey, Score
from bids_reid.risk.attacks import strongest_attacks
from bids_reid.risk.controls import ControlRow
from bids_reid.risk.gate import Gate, Reason
from tests.support.images import image_line
from tests.support.scan_records import enrolled

N = 400
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
    *others: ImageLine,
    photos: bool = True,
    photographed: list[str] = PEOPLE,
    missing: tuple[str, ...] = (),
    **options: object,
) -> Gate:
    """Nobody of 400 is recognised from their de-faced T1w scans, which show no face either."""
    attack = AttackKey('defaced', 'T1w', 'orb', 'best')
    scores = [Score(label, '', 'ok', rank=9) for label in photographed]
    strongest = strongest_attacks({attack: scores}, {attack: N})
    choice = Choice((), (), audited='defaced', max_risk=0.05 if photos else None)
    return audit(
        choice,
        Survey(Path('defaced'), 'defaced', (), {}, missing=missing),
        [*map(image_line, PEOPLE), *others],
        photographs=photos,
        strongest=strongest if photos else (),
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize('photos', [True, False])
@pytest.mark.parametrize('verdict', ['could not assess', 'not looked at', 'review'])
def test_one_image_is_enough(photos: bool, verdict: str) -> None:
    """One whole face among hundreds of scans is somebody's face, whatever the rate is."""
    assert judged(photos=photos).outcome == 'nothing found'
    gate = judged(image_line('x', verdict=verdict, reason='why'), photos=photos)
    assert gate.outcome == ('do not share' if verdict == 'review' else 'look first')
    assert 'sub-x_T1w.nii.gz' in gate.reasons[0].sentence
    assert 'why' in gate.reasons[0].sentence
    # of scans that stay at home nothing is asked
    elsewhere = image_line('x', verdict=verdict, in_release=False, condition='raw')
    assert judged(elsewhere, photos=photos).outcome == 'nothing found'


def test_a_pass_by_the_word_of_people_names_them() -> None:
    """The terminal and bids-reid-check said "Nothing found: all images were looked at"."""
    seen = {'reviewed_by': 'Kim', 'program_verdict': 'review', 'face_present': 'yes'}
    gate = judged(image_line('x', **seen), photos=False)
    assert gate.sentence == (
        'Nothing found, but 1 of 401 images passes only because a person said so (Kim): the '
        'program saw a face or a part of one in 1.'
    )
    unread = {'reviewed_by': 'Lee', 'program_verdict': 'could not assess'}
    unseen = {'reviewed_by': 'Kim', 'program_verdict': 'not looked at'}
    both = judged(image_line('x', **unread), image_line('y', **unseen), photos=False)
    assert 'said so (Kim, Lee): the program could not assess 1; it did not look at 1.' in (
        both.sentence
    )


def test_an_image_that_a_person_let_pass_is_told_beside_a_gap() -> None:
    """Once the gap is mended, nobody would look for it any more."""
    seen = {'reviewed_by': 'Kim', 'program_verdict': 'review', 'face_present': 'yes'}
    images = [image_line('x', **seen), image_line('y', verdict='could not assess')]
    gate = judged(*images, photos=False)
    (said,) = cleared_remarks(images, gate)
    assert said.startswith('1 of 402 images passes only because a person said so (Kim)')
    assert cleared_remarks(images[1:], gate) == []
    passed = judged(images[0], photos=False)
    assert cleared_remarks(images[:1], passed) == [], 'its sentence has it'


def test_results_in_the_release_are_never_put_up_with() -> None:
    """They are one image of many, and hold the skin of every face."""
    own = image_line('x', format='own output', verdict='review', path='derivatives/reid/')
    choice = Choice((), (), audited='defaced', max_findings=0.5)
    survey = Survey(Path('defaced'), 'defaced', (), {})
    gate = audit(choice, survey, [*map(image_line, PEOPLE), own], photographs=False)
    assert gate.outcome == 'do not share'
    assert gate.reasons[0].paths == ('derivatives/reid/',)


def test_a_stray_template_is_a_finding_that_names_the_remedy() -> None:
    """It holds the features of a face: with it anybody can search for the person."""
    path = 'sub-01/anat/sub-01_desc-orb_T1w.npz'
    own = image_line('x', format='template', verdict='review', path=path, reason=IS_TEMPLATE)
    survey = Survey(Path('defaced'), 'defaced', (), {})
    choice = Choice((), (), audited='defaced', max_findings=0.5)
    gate = audit(choice, survey, [*map(image_line, PEOPLE), own], photographs=False)
    assert gate.outcome == 'do not share'
    (reason,) = gate.reasons
    assert (reason.paths, reason.kind) == ((path,), 'own results')
    assert reason.sentence == (
        f'{path}: a template of bids_reid, which holds features of a face: remove it.'
    )


def test_the_release_is_called_by_its_own_name() -> None:
    """A folder that is no condition's holds other images than raw ones."""
    survey = Survey(Path('upload'), 'release', (), {})
    lines = [image_line('x'), image_line('y', condition='release')]
    gate = audit(Choice((), ()), survey, lines, photographs=False)
    assert gate.sentence == 'Nothing found: all 2 release images were looked at.'


@pytest.mark.parametrize('photos', [True, False])
def test_a_scan_without_a_version_is_told(photos: bool) -> None:
    """The scans that a tool failed to de-face are those that show a face."""
    gate = judged(photos=photos, missing=('sub-007_FLAIR.nii.gz',))
    assert gate.outcome == 'look first'
    (reason,) = gate.reasons
    assert reason.sentence == '1 raw scan has no defaced version.'
    assert reason.paths == ('sub-007_FLAIR.nii.gz',)


def test_a_modality_in_which_nobody_was_photographed_never_passes() -> None:
    """Its risk is not known, however low that of the other modality is."""
    gate = judged(image_line('200', 'FLAIR'))
    assert gate.outcome == 'look first'
    assert 'The risk of defaced FLAIR scans is not known' in gate.sentence
    # an image that is no scan was not to be searched
    mask = image_line('200', 'mask', n_views_with_face=None, status='not_needed')
    assert judged(mask).outcome == 'nothing found'
    # without a photograph of anybody at all
    gate = judged(photographed=[])
    assert gate.outcome == 'look first'
    assert 'scans is not known' in gate.sentence


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
    assert judged(controls=[CONTROL, unseen]).outcome == 'look first'
    gate = judged(controls=[replace(CONTROL, verdict='not_ok'), SEEN])
    assert gate.outcome == 'look first'
    assert 'Controls failed' in gate.sentence
    # one extractor is blind to these photographs, another is not
    assert judged(controls=[CONTROL, unseen, replace(SEEN, extractor='sift')]).passed
    # the raw scans are not what is judged
    assert judged(controls=[replace(CONTROL, verdict='not_ok', condition='raw'), SEEN]).passed


def test_a_positive_control_that_cannot_tell_is_a_gap() -> None:
    """Nobody may be found in the scans since nobody can be found on these photographs."""
    unsure = replace(SEEN, verdict=None, rate=0.5, reason='too few people')
    gate = judged(controls=[CONTROL, unsure])
    assert gate.outcome == 'look first'
    assert 'cannot tell whether photographs of the same person match' in gate.sentence
    # nobody has two photographs: nothing is said of them, as before
    assert judged(controls=[CONTROL, replace(unsure, rate=None)]).passed
    assert judged(controls=[CONTROL, unsure, replace(SEEN, extractor='sift')]).passed


def test_findings_of_other_kinds_count() -> None:
    """People who are linked by a replaced face are in no verdict on one image."""
    gate = judged(besides=[Reason('do not share', '3 people are linked.')])
    assert gate.outcome == 'do not share'
