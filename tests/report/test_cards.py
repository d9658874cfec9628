"""The cards before and after; each test names what a user loses if it fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bids_reid.group.result import GroupResult, Statistics
from bids_reid.records import AttackKey
from bids_reid.report.cards import cards
from bids_reid.report.group import group_page
from bids_reid.report.image_table import image_groups, image_rows
from bids_reid.report.people import exposure_columns, people
from bids_reid.risk.attacks import ParticipantRow
from bids_reid.risk.gate import Outcome, gate, risk_result
from tests.report.test_pages import PROVENANCE, SCANS, combine, make_report, make_results, text_of
from tests.support.images import image_line


def images(condition, n, n_faces, *, in_release=False, modality='T1w'):
    """Images of one condition, some with a face."""
    return tuple(
        image_line(
            f'{number:02}',
            modality,
            condition=condition,
            in_release=in_release,
            verdict='review' if number < n_faces else 'no findings',
        )
        for number in range(n)
    )


BOTH = (*images('defaced', 8, 0, in_release=True), *images('raw', 24, 24))


def shown(report):
    return [
        (card.modality, [(one.condition, one.count, one.tone, one.audited) for one in card.steps])
        for card in cards(report)
    ]


def test_images_before_and_after_without_photographs():
    """Most labs have no photographs, and would see no change at all."""
    report = GroupResult('demo', SCANS, PROVENANCE, BOTH, audited='defaced')
    assert shown(report) == [
        ('T1w', [('raw', '24 of 24', 'risk', False), ('defaced', '0 of 8', 'none', True)])
    ]
    text = text_of(group_page(report))
    assert 'Faces left in the scans, before and after' in text
    unseen = replace(BOTH[0], verdict='not looked at')
    doubt = replace(report, images=(unseen, *BOTH[1:]))
    assert shown(doubt)[0][1][1][2] == 'gap', 'an image that nobody looked at is not green'


def test_images_that_were_left_out_are_not_among_those_without_a_finding():
    """With --participant-label, "8 of 30 with a finding" hides that 22 were not looked at."""
    faces = images('defaced', 8, 8, in_release=True)
    unseen = tuple(
        image_line(f'{number}', verdict='not looked at', kind='unreadable', status='not_looked_at')
        for number in range(50, 72)
    )
    report = GroupResult('demo', SCANS, PROVENANCE, (*faces, *unseen), audited='defaced')
    (card,) = cards(report)
    assert (card.steps[0].count, card.steps[0].details) == ('8 of 8', ('22 not looked at',))
    (first, second) = image_groups(report.images)
    assert (first.group, second.group) == ('T1w · defaced', 'not looked at · defaced')
    # nor are they unreadable: nobody tried
    text = text_of(group_page(report))
    assert 'unreadable · defaced' not in text
    none = replace(report, images=tuple(replace(one, verdict='not looked at') for one in faces))
    (step,) = cards(none)[0].steps
    assert (step.count, step.what, step.details) == ('0 of 8', 'images looked at', ())
    few = make_report(make_results(1, 24), 24, AttackKey('defaced', 'T1w', 'orb', 'best'))
    few = replace(few, images=report.images, audited='defaced')
    (searched,) = cards(few)[0].steps
    assert searched.faces == '8 of 8 images with a finding, 22 not looked at'


def test_every_condition_in_the_folder_is_marked():
    """Re-faced images in the folder would look as if they stayed at home."""
    both = (*BOTH, *images('refaced', 2, 0, in_release=True))
    report = GroupResult('demo', SCANS, PROVENANCE, both, audited='defaced')
    ((_, steps),) = shown(report)
    assert [(name, marked) for name, _, _, marked in steps] == [
        ('raw', False),
        ('defaced', True),
        ('refaced', True),
    ]


def test_whole_faces_are_red_and_defaced_ones_green():
    """Colours that say the opposite of the risk mislead whoever reads nothing else."""
    report = combine(
        make_report(make_results(23, 24), 24),
        make_report(make_results(1, 24), 24, AttackKey('defaced', 'T1w', 'orb', 'best')),
    )
    report = replace(report, images=BOTH, audited='defaced')
    assert shown(report) == [
        ('T1w', [('raw', '23 of 24', 'risk', False), ('defaced', '1 of 24', 'none', True)])
    ]
    limit = replace(report, gate=gate(BOTH[:8], condition='defaced', max_risk=0.05))
    assert shown(limit)[0][1][1][2] == 'gap', 'the interval reaches beyond the limit'
    faces = replace(report, images=(*images('defaced', 8, 1, in_release=True), *BOTH[8:]))
    assert shown(faces)[0][1][1][2] == 'risk', 'a face is left, though nobody was recognised'


@pytest.mark.parametrize(('outcome', 'tone'), [('do not share', 'risk'), ('look first', 'gap')])
def test_no_card_looks_better_than_the_outcome(outcome: Outcome, tone: str):
    """With enough people an upper end above the limit is a finding, and must not be amber."""
    report = make_report(make_results(1, 24), 24, AttackKey('defaced', 'T1w', 'orb', 'best'))
    risk = risk_result([], condition='defaced', modalities=['T1w'], max_risk=0.5)
    assert risk is not None
    judged = gate(BOTH[:8], condition='defaced', max_risk=0.5, risk=replace(risk, outcome=outcome))
    report = replace(report, images=BOTH[:8], audited='defaced')
    assert shown(report)[0][1][0][2] == 'none'
    assert shown(replace(report, gate=judged))[0][1][0][2] == tone


def test_the_modality_to_be_shared_comes_first():
    """Otherwise the first card is of scans that nobody wants to share."""
    report = GroupResult(
        'demo',
        SCANS,
        PROVENANCE,
        (*images('raw', 6, 6, modality='FLAIR'), *images('raw', 3, 3), *BOTH),
        audited='defaced',
    )
    assert [modality for modality, _ in shown(report)] == ['T1w', 'FLAIR']


def test_images_that_need_a_look_come_first():
    """The rows of a long table that are left out must be those without a finding."""
    found = image_line('90', verdict='review')
    poor = image_line('80', verdict='could not assess')
    other = image_line('70', condition='raw', in_release=False, verdict='review')
    clean = image_line('01')
    assert image_rows([clean, other, poor, found]) == [found, poor, clean, other]


def test_participants_at_risk_come_first_and_link_to_their_pages():
    """Whoever has to act on a participant would search among hundreds."""
    report = GroupResult(
        'demo', SCANS, PROVENANCE, (*BOTH, image_line('77', verdict='review')), audited='defaced'
    )
    first, *others = people(report)
    assert (first.label, first.n_findings, first.has_page) == ('sub-77', 1, False)
    assert {one.label for one in others if one.has_page} == {'sub-01', 'sub-02'}
    page = group_page(report)
    assert '<a href="sub-01.html">sub-01</a>' in page
    assert 'sub-77.html' not in page, 'a link to a page that is not there'


def test_within_a_level_the_most_attacks_come_first_and_the_shared_scans_are_marked():
    """Whoever has ten people at a high risk would start with the one found least often."""

    def row(label, condition, n_identified, level):
        return ParticipantRow(label, condition, 'T1w', 1, 24, 8, 8, n_identified, 1, level)

    rows = (
        row('sub-01', 'raw', 8, 'high'),
        row('sub-01', 'defaced', 4, 'high'),
        row('sub-02', 'raw', 8, 'high'),
        row('sub-02', 'defaced', 7, 'high'),
        row('sub-03', 'raw', 8, 'high'),
        row('sub-03', 'defaced', 0, 'low'),
        row('sub-04', 'raw', 8, 'high'),
        row('sub-04', 'defaced', 1, 'low'),
    )
    report = GroupResult(
        *('demo', (), PROVENANCE),
        (image_line('03', verdict='review'),),
        statistics=Statistics(participants=rows),
        audited='defaced',
    )
    labels = [one.label for one in people(report)]
    # a face that is left counts for more than a hit that may be luck
    assert labels == ['sub-02', 'sub-01', 'sub-03', 'sub-04']
    assert exposure_columns(report) == [('T1w · defaced', True), ('T1w · raw', False)]
    first = people(report)[0].rows[0]
    assert first is not None
    assert first.condition == 'defaced'
