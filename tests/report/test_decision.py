"""The decision in plain sentences; each test names what a user loses if it fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bids_reid.group.account import NEVER_DEFACED
from bids_reid.group.result import GroupResult, Stamp, Statistics
from bids_reid.report.decision import CHECK, SEVERITY, decision
from bids_reid.report.group import group_page
from bids_reid.risk.attacks import StrongestRow
from bids_reid.risk.controls import UNSURE, ControlRow
from bids_reid.risk.gate import Gate, Kind, Reason, gate, risk_result
from tests.report.test_pages import (
    PROVENANCE,
    SCANS,
    Outline,
    make_report,
    make_results,
    text_of,
)
from tests.support.images import image_line

CLEAN = tuple(image_line(f'{n:02}') for n in range(20))
FACES = tuple(
    image_line(f'{n:02}', verdict='review', face_present='yes', reason=f'the nose is left {n}')
    for n in range(4)
)
FIRST_THREE = 'sub-00_T1w.nii.gz, sub-01_T1w.nii.gz, sub-02_T1w.nii.gz'


def judged(images, **changes):
    """A result about these images, and the gate's outcome for them."""
    limit = {name: changes.pop(name) for name in ('max_risk', 'risk', 'gaps') if name in changes}
    condition = changes.pop('condition', 'defaced')
    return GroupResult(
        'demo',
        SCANS,
        PROVENANCE,
        tuple(images),
        release='upload',
        audited=condition,
        gate=gate(images, condition=condition, **limit),
        **changes,
    )


def strongest(n_correct, n, low, high):
    return StrongestRow(
        condition='defaced',
        modality='T1w',
        extractor='face_recognition',
        decision='adapted',
        n_attacks=4,
        n_people=n,
        n_gallery=n,
        n_failed_acquire=0,
        n_failed_enrol=0,
        n_assessed=n,
        n_correct=n_correct,
        rate=n_correct / n,
        ci_low=low,
        ci_high=high,
        ci_low_corrected=low,
        ci_high_corrected=high,
        note='',
    )


def risk(*row, max_risk=0.05):
    return risk_result(
        [strongest(*row)], condition='defaced', modalities=['T1w'], max_risk=max_risk
    )


def test_nothing_audited_is_no_decision():
    """A page would claim a decision that nobody asked for."""
    assert decision(GroupResult('demo', SCANS, PROVENANCE)) is None


def test_faces_left_are_counted_and_named():
    """Otherwise a board reads that something is wrong, but not with which images."""
    said = decision(judged([*FACES, *CLEAN[4:]]))
    assert said.headline == 'Do not share'
    assert said.why == (
        f'A face or a part of a face is left in 4 of 20 images: {FIRST_THREE} and 1 more.'
    )
    assert said.next_step.startswith('De-face these images again, then run bids-reid again.')
    assert "rate it on the participant's page" in said.next_step
    assert (said.release, said.condition, said.n_images) == ('upload', 'defaced', 20)
    raw = decision(judged(FACES, condition='raw'))
    assert 'is left in all 4 images' in raw.why
    assert raw.next_step.startswith('De-face these images')


def test_forgotten_originals_are_counted():
    """Otherwise the lab looks for the fault in a tool that never saw these scans."""
    forgotten = replace(FACES[0], reason=NEVER_DEFACED)
    assert decision(judged([forgotten, *FACES[1:]])).why.endswith(
        '1 of these images is byte for byte the original: never de-faced.'
    )
    assert decision(judged([forgotten])).why.endswith(
        'The image is byte for byte the original: never de-faced.'
    )
    assert 'original' not in decision(judged(FACES)).why


def test_cut_brain_and_doubts_are_not_called_faces():
    """A lab would de-face once more what was de-faced too much."""
    cut = [image_line(verdict='review', brain_loss='yes')]
    said = decision(judged(cut))
    assert said.why == 'Brain seems to be cut in the only image: sub-01_T1w.nii.gz.'
    assert 'with more care' in said.next_step
    doubt = [image_line(verdict='review', face_present='unsure'), CLEAN[2]]
    assert 'face may be left in 1 of 2 images' in decision(judged(doubt)).why
    assert 'is left in both images' in decision(judged(FACES[:2])).why
    both = [*cut, image_line('03', verdict='review', face_present='yes')]
    why = decision(judged(both)).why
    assert '(a face or a part of one in 1 and cut brain in 1)' in why


def test_reasons_of_one_kind_are_one_line():
    """Forty reasons that differ in a word bury the one that matters."""
    images = [
        *FACES,
        replace(FACES[0], path='x/eyes.nii', reason='the eyes are left'),
        image_line('08', verdict='could not assess', reason='poor'),
        image_line('09', verdict='not looked at', reason='absent'),
    ]
    report = judged(images)
    assert len(report.gate.reasons) == 4
    said = decision(report)
    assert 'in 5 of 7 images' in said.why
    assert [point.kind for point in said.others] == ['not looked at', 'not assessed']
    assert said.others[0].sentence == '1 of 7 images was not looked at: sub-09_T1w.nii.gz.'
    assert said.others[1].label == 'Not known'


def test_recognised_people_are_counted_without_the_name_of_a_program():
    """A board must not have to know what face_recognition (adapted) is."""
    said = decision(judged(CLEAN, max_risk=0.05, risk=risk(20, 24, 0.6, 0.95)))
    assert said.why == (
        'Face recognition found 20 of 24 participants from defaced T1w scans; the limit is 5%.'
    )
    no_limit = decision(judged(CLEAN, risk=risk(20, 24, 0.6, 0.95, max_risk=None)))
    assert no_limit.why.endswith('guessing would recognise 4%.')
    few = decision(judged(CLEAN, max_risk=0.05, risk=risk(2, 8, 0.02, 0.65)))
    assert few.headline == 'Look first'
    assert few.why.startswith('8 people are too few to measure the risk (the limit is 5%)')
    assert 'people are enough in four of five cases' in few.next_step
    pair = decision(judged(CLEAN, risk=risk(2, 2, 0.08, 1.0, max_risk=None)))
    assert pair.why == (
        '2 people are too few to tell recognition from guessing: face recognition found 2 of 2 '
        'participants from defaced T1w scans.'
    )
    for one in (said, no_limit, few, pair):
        assert 'face_recognition' not in f'{one.why}{one.next_step}{one.caveat}'


def test_nobody_photographed_is_said_with_the_remedy():
    """A limit without photographs looks like a risk within it."""
    unknown = risk_result([], condition='defaced', modalities=['T1w'], max_risk=0.05)
    said = decision(judged(CLEAN, max_risk=0.05, risk=unknown))
    assert said.why.startswith('No participant with defaced T1w scans could be searched for')
    assert '--photos' in said.next_step
    said = decision(judged(CLEAN, max_risk=0.05))
    assert said.why == 'The risk of recognition was not measured, but a limit of 5% is set.'
    assert '--photos' in said.next_step


def test_a_pass_says_what_it_rests_on_and_how_to_keep_it():
    """Files that change between audit and upload would be shared under its name."""
    said = decision(judged(CLEAN))
    assert said.headline == 'Nothing found'
    assert said.why == 'All 20 images were looked at, and none shows a face.'
    assert said.next_step == CHECK
    assert said.caveat.startswith('Recognition was not measured')
    refaced = decision(judged([*CLEAN[1:], replace(CLEAN[0], face_present='yes')]))
    assert refaced.why.endswith('faces in 1 of them are replaced ones.')
    person = decision(judged([*CLEAN[1:], replace(CLEAN[0], reviewed_by='A. B.')]))
    assert person.why.startswith('All 20 images were looked at (1 by a person), and none')
    measured = decision(judged(CLEAN, max_risk=0.3, risk=risk(0, 24, 0.0, 0.2, max_risk=0.3)))
    assert measured.why.endswith(
        'none of 24 participants were recognised, within the limit of 30%.'
    )


def test_a_pass_names_the_findings_that_it_tolerates():
    """Otherwise a face goes out under "Nothing found", and nobody knows on which image."""
    row = strongest(0, 200, 0.0, 0.02)
    risk = risk_result([row], condition='defaced', modalities=['T1w'], max_risk=0.05)
    images = (*CLEAN[1:], FACES[0])
    some = replace(
        judged(images), gate=gate(images, condition='defaced', max_findings=0.1, risk=risk)
    )
    said = decision(some)
    assert said.outcome == 'nothing found'
    assert said.why.startswith('Findings on 1 of 20 images are within the limit of 10%')
    assert 'sub-00_T1w.nii.gz' in said.why
    assert 'none of 200 participants were recognised' in said.why


def test_a_limit_is_named_as_it_was_given():
    """Otherwise a board reads "within the limit of 12%" where 12.5% was allowed."""
    said = decision(judged(CLEAN, max_risk=0.125)).why
    assert 'a limit of 12.5% is set' in said
    row = strongest(0, 300, 0.0, 0.02)
    risk = risk_result([row], condition='defaced', modalities=['T1w'], max_risk=0.025)
    passed = judged(CLEAN, max_risk=0.025, risk=risk)
    assert 'within the limit of 2.5%' in decision(passed).why
    assert 'within the limit of 2.5%' in passed.gate.sentence


def test_a_replaced_face_stays_one_when_a_person_agrees():
    """Otherwise the page says that no image shows a face, and every re-faced one does."""
    by_kim = {'program_verdict': 'no findings', 'reviewed_by': 'Kim'}
    agreed = replace(CLEAN[0], face_present='yes', **by_kim)
    other = replace(CLEAN[1], face_present='yes')
    assert 'faces in 2 of them are replaced ones' in decision(judged([agreed, other])).why
    cleared = replace(agreed, program_verdict='review')
    assert 'Faces in 1 of the others are replaced ones' in decision(judged([cleared, other])).why


def test_a_pass_by_the_word_of_a_person_says_so():
    """Otherwise "Nothing found" hides that the program found faces, and who said otherwise."""
    by_ann = {'reviewed_by': 'Ann', 'program_verdict': 'review'}
    cleared = [
        replace(CLEAN[0], face_present='yes', sha256='b' * 64, **by_ann),
        replace(CLEAN[1], face_present='unsure', **by_ann),
        replace(CLEAN[2], brain_loss='yes', **by_ann),
    ]
    said = decision(judged([*cleared, *CLEAN[3:8]]))
    assert said.why == (
        '3 of 8 images pass only because a person said so (Ann): the program saw a face or a part '
        'of one in 2 and cut brain in 1.'
    )
    assert said.caveat.startswith('This pass rests on the word of Ann against the program.')
    assert FIRST_THREE in said.caveat
    raw = replace(cleared[0], condition='raw', in_release=False)
    original = decision(judged([*cleared, *CLEAN[3:8], raw]))
    assert 'Byte for byte an original, so never de-faced: sub-00/anat' in original.why
    # the others may be looked at again as well, but this one is sure
    assert original.caveat.endswith(
        'look at this image before you share the folder: sub-00_T1w.nii.gz.'
    )


@pytest.mark.parametrize(('outcome', 'kind'), SEVERITY)
def test_every_kind_of_reason_has_a_sentence_and_a_next_step(outcome, kind: Kind):
    """A new reason would end the run with a traceback, or stand there without a remedy."""
    reason = Reason(outcome, 'Why it is so.', ('sub-01/anat/sub-01_T1w.nii.gz',), kind)
    made = replace(judged(CLEAN).gate, outcome=outcome, reasons=(reason,))
    measured = risk(2, 8, 0.02, 0.65)
    made = replace(made, max_risk=0.05, risk=replace(measured, outcome=outcome))
    said = decision(replace(judged(CLEAN), gate=made))
    assert not said.why[0].islower()
    assert said.why.endswith('.')
    assert said.next_step.endswith('.')
    page = group_page(replace(judged(CLEAN), gate=made))
    Outline(page)
    assert said.next_step in text_of(page)


def test_a_linkage_finding_is_about_all_scans():
    """Nobody is named, so a lab would look for the scans to mend, or mend a few."""
    linked = Reason('do not share', 'People were linked.', kind='linkage')
    said = decision(judged(CLEAN, gaps=[linked]))
    assert 'does not name the people who were linked' in said.next_step
    assert 'in all defaced scans' in said.next_step


def test_images_are_named_in_the_order_of_their_paths():
    """Reasons in words that differ would put sub-03 before sub-01."""
    reasons = ('the nose is left', 'the chin is left', 'the brow is left')
    images = [
        image_line(f'{n:02}', verdict='review', face_present='yes', reason=reason)
        for n, reason in enumerate(reasons)
    ]
    result = judged(images)
    assert FIRST_THREE in decision(result).why
    assert [reason.paths[0][:6] for reason in result.gate.reasons] == [
        'sub-00',
        'sub-01',
        'sub-02',
    ]


def test_no_kind_of_reason_is_forgotten():
    """A reason that no line shows is a finding that nobody reads."""
    kinds = {kind for _, kind in SEVERITY}
    assert kinds == set(Kind.__args__)
    sides = {(outcome, kind) for outcome, kind in SEVERITY}
    assert {('do not share', kind) for kind in ('images', 'recognition', 'linkage')} <= sides


def test_the_worst_caveat_is_the_one_that_is_said():
    """A rate of a broken search, or of half a dataset, would be quoted without it."""
    rates = make_report(make_results(0, 8), 8, audited='raw', gate=judged(CLEAN).gate)
    assert decision(rates).caveat == (
        'Only 8 people were searched for in raw T1w scans. The true share may be anything from '
        '0% to 32%.'
    )
    many = make_report(make_results(0, 400), 400, audited='raw', gate=judged(CLEAN).gate)
    assert decision(many).caveat.startswith('The rate is a lower bound')
    missing = replace(rates, unprocessed=('77',))
    assert decision(missing).caveat.startswith('1 participant of the dataset has no result')
    failed = ControlRow(
        'raw', 'T1w', 'x', 'best', 'negative', 8, 8, 8, 0.9, 0.5, 1, 0.1, 9, 0, 'not_ok', 'why'
    )
    broken = replace(missing, statistics=Statistics(controls=(failed,)))
    assert decision(broken).caveat == '1 control failed: do not use the rates.'


def test_a_control_with_too_few_people_has_not_failed():
    """A lab would look for a fault that is none, rather than take more photographs."""
    row = ControlRow(
        *(None, None, 'x', None, 'positive', 2, 2, 9, 0.5, 0.002, 0.998, 0.12, None, 0, None),
        'too few people have two photographs',
    )
    gap = Reason('look first', UNSURE, kind='controls')
    report = replace(
        make_report(make_results(0, 400), 400, audited='raw'),
        statistics=Statistics(controls=(row,)),
        gate=gate(CLEAN, condition='raw', gaps=[gap]),
    )
    assert decision(report).why.startswith('Too few people have two photographs.')
    assert 'second photograph' in decision(report).next_step
    text = text_of(group_page(report))
    assert '1 had too few people to tell' in text
    assert 'failed' not in decision(report).caveat
    found = replace(report, gate=gate(FACES, condition='raw', gaps=[gap]))
    assert 'second photograph' in text_of(group_page(found))


def test_the_page_leads_with_the_decision():
    """An ethics board has one minute."""
    report = judged([*FACES, *CLEAN[4:]])
    page = group_page(report)
    assert page.count('<h1>') == 1
    assert '<h1>Do not share</h1>' in page
    assert '<title>Do not share: upload (bids_reid)</title>' in page
    text = text_of(page)
    said = decision(report)
    places = [text.index(part) for part in (said.why, said.next_step, said.caveat, 'Every image')]
    assert places == sorted(places)


def test_date_and_folder_only_if_asked_for():
    """Equal inputs would give unequal bytes, or a board could not tell which folder it is."""
    report = judged(CLEAN)
    assert '2026-03-01' not in group_page(report)
    stamped = text_of(group_page(replace(report, stamp=Stamp('2026-03-01 12:00 UTC', '/d/up'))))
    assert 'Date 2026-03-01 12:00 UTC Path /d/up' in stamped


def test_long_lists_of_files_are_cut():
    """A thousand names would push everything else from the page."""
    images = [image_line(f'{n:04}', verdict='not looked at', reason='absent') for n in range(900)]
    page = group_page(judged([*FACES, *images]))
    reasons = page.split('id="reasons"')[1].split('</section>')[0]
    assert reasons.count('_T1w.nii.gz') == 3 + 10
    assert 'and 890 more' in reasons
    assert isinstance(judged(images).gate, Gate)
