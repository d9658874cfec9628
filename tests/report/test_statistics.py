"""Each test names what a user loses if it fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bids_reid.group.assembly import statistics_of
from bids_reid.group.result import Curve, GroupResult
from bids_reid.group.summaries import PhotographControl, Rules, summary_of
from bids_reid.records import AttackKey, Score
from bids_reid.report import words
from bids_reid.report.findings import group_findings
from bids_reid.report.group import group_page
from bids_reid.report.group_figures import group_drawings
from bids_reid.report.statistics import (
    VERDICTS,
    changes,
    differences,
    linkage_sentence,
    links,
    presence_sentence,
)
from bids_reid.report.summary import group_summary
from bids_reid.report.tables import ALL
from bids_reid.risk.changes import change_rows
from bids_reid.risk.comparisons import comparison_rows
from bids_reid.risk.controls import positive_control
from bids_reid.risk.gate import gate, percent, risk_result
from bids_reid.risk.identification import Searches
from bids_reid.risk.linkage import Comparison, ScanSet, link
from bids_reid.risk.pairing import reduction_row
from tests.report.test_pages import (
    IMAGES,
    PROVENANCE,
    Outline,
    make_report,
    make_results,
    text_of,
)
from tests.support.images import image_line

N_PEOPLE = 24
ATTACKS = (('face_recognition', 'best', 2.0), ('face_recognition', 'adapted', 3.0))


def make_searches(separation, seed):
    """Two photographs of each of 24 people, the mated score ``separation`` above the others."""
    rng = np.random.default_rng(seed)
    people = tuple(f'{number:02}' for number in range(N_PEOPLE))
    owners = np.repeat(np.arange(N_PEOPLE), 2)
    scores = rng.standard_normal((len(owners), N_PEOPLE)).astype(np.float32)
    scores[np.arange(len(owners)), owners] += separation
    return Searches(
        scores=scores,
        photos=tuple(f'photo {number}' for number in range(len(owners))),
        photo_participants=tuple(people[owner] for owner in owners),
        acquired=np.ones(len(owners), bool),
        scan_participants=people,
        enrolled=np.ones(N_PEOPLE, bool),
        distractors=rng.standard_normal((40, N_PEOPLE)).astype(np.float32),
    )


@pytest.fixture(scope='module')
def full_report():
    """A run with two conditions, two attacks, distractors, linkage and a limit."""
    sex = {f'{number:02}': 'FM'[number % 2] for number in range(N_PEOPLE)}
    rules = Rules(seed=0, variables={'sex': sex}, order={})
    attacks, searched = {}, {}
    for condition, weaker in (('raw', 0.0), ('defaced', 1.5)):
        for number, (extractor, decision, separation) in enumerate(ATTACKS):
            attack = AttackKey(condition, 'T1w', extractor, decision)
            searched[attack] = make_searches(separation - weaker, seed=number)
            attacks[attack] = summary_of(searched[attack], attack, rules)
    owners = [f'{number // 2:02}' for number in range(2 * N_PEOPLE)]
    same = np.equal.outer(owners, owners).astype(np.float32)
    row = positive_control(same, owners, 'face_recognition', seed=0)
    controls = {'face_recognition': PhotographControl('face_recognition', row, {})}
    raw, defaced = (AttackKey(c, 'T1w', 'face_recognition', 'best') for c in ('raw', 'defaced'))
    changed = change_rows(searched[raw], searched[defaced], defaced, baseline='raw')
    statistics = replace(statistics_of(attacks, controls, [], {}), changes=tuple(changed))
    return replace(
        make_report(make_results(1, 2), 2),
        rows=tuple(row for summary in attacks.values() for row in summary.rows),
        curves=tuple(Curve(key, summary.curve) for key, summary in attacks.items()),
        statistics=statistics,
        reductions=(reduction_row(searched[raw], searched[defaced], defaced, baseline='raw'),),
        linkage=(make_link(),),
        audited='defaced',
        gate=gate(
            [image_line()],
            condition='defaced',
            max_risk=0.05,
            risk=risk_result(
                statistics.strongest, condition='defaced', modalities=['T1w'], max_risk=0.05
            ),
        ),
    )


def test_every_figure_is_on_the_page_with_its_numbers(full_report):
    """A figure that is drawn and not shown helps nobody; one without a table is no evidence."""
    drawings = group_drawings(full_report)
    names = [drawing.name for drawing in drawings]
    groups = [
        f'{kind}_T1w-{name}'
        for kind in ('cmc', 'distributions', 'growth')
        for name in ('raw', 'defaced')
    ]
    assert sorted(names) == sorted([*groups, 'changes_T1w-defaced', 'det', 'published'])
    page = group_page(full_report, drawings)
    assert page == group_page(full_report)
    for drawing in drawings:
        assert page.count(f'id="{drawing.name}-title"') == 1
        assert f'href="figures/{drawing.name}.svg"' in page
        assert f'href="figures/{drawing.name}.pdf"' in page
        assert drawing.table.removesuffix('.tsv') in ALL
        assert f'href="{drawing.table}"' in page
    # the participants named beside the lines are those that the table of changes names
    (row,) = full_report.reductions
    (figure,) = (drawing for drawing in drawings if drawing.kind == 'changes')
    assert f'{row.n_before} of {N_PEOPLE} first' in figure.inline
    assert f'{row.n_after} of {N_PEOPLE} first' in figure.inline
    assert all(f'sub-{label}' in figure.inline for label in row.still_identified[:5])


def make_link():
    people = tuple(f'{number:02}' for number in range(8))
    return link(
        Comparison(ScanSet('this', 'refaced', '1', 'T1w'), ScanSet('this', 'raw', '1', 'T1w')),
        np.eye(8, dtype=np.float32),
        probe_participants=people,
        gallery_participants=people,
        probe_enrolled=np.ones(8, bool),
        gallery_enrolled=np.ones(8, bool),
        extractor='surface',
        decision='head',
    )


def test_who_is_linked_by_elimination_does_not_lead(full_report):
    """Otherwise one person searched among themselves makes the headline, with chance at 100%."""
    row = full_report.linkage[0]
    alone = replace(row, extractor='x', n_gallery=1, n_correct=8, rate=1.0, chance=1.0)
    honest = replace(row, extractor='y', n_gallery=8, n_correct=3, rate=3 / 8)
    (link,) = links([alone, honest])
    assert link.strongest == honest
    assert '3 of 8 participants' in linkage_sentence([link], 'refaced')


def test_the_sentence_is_about_the_condition_that_would_be_shared(full_report):
    """Otherwise a link of another version, or of the originals, is told as that of the release."""
    row = full_report.linkage[0]
    other = replace(row, probe_condition='defaced', n_correct=2, rate=1 / 4, ci_low=0.1)
    found = links([row, other])
    assert 'their refaced T1w' in linkage_sentence(found, 'refaced')
    assert 'their defaced T1w' in linkage_sentence(found, 'defaced')


def test_a_link_by_the_skull_says_why_it_is_no_finding(full_report):
    """Under a green box, "6 of 6 participants were linked" reads as a contradiction."""
    row = full_report.linkage[0]
    (skull,) = links([row])
    assert linkage_sentence([skull], 'refaced').endswith(
        'This link is by the shape of the skull and ears. It is no finding: it helps only '
        'somebody who already holds the raw T1w ses-1 scans.'
    )
    # a face that links, or a link by chance, is not explained away
    for other in (replace(row, decision='face'), replace(row, ci_low=0.0)):
        assert 'no finding' not in linkage_sentence(links([other]), 'refaced')


def test_page_tells_what_a_release_needs(full_report):
    """Otherwise what was measured of de-facing, linkage and controls is only in tables."""
    page = group_page(full_report)
    assert page == group_page(full_report), 'growth is drawn alike each time'
    Outline(page)
    text = text_of(page)
    assert text.index('Do not share') < text.index('recognised at first rank')
    assert 'from their defaced T1w scan' in text.split('Identification rates')[1]
    assert '8 of 8 participants (100%' in text
    assert 'linked from their refaced T1w ses-1 scan to their raw T1w ses-1 scan' in text
    assert '5 controls passed' in text
    assert 'Modelled from the scores of this run' in text
    assert 'first in 2 of 2' in text
    assert 'bootstrap over people' in text
    assert 'Detection error trade-off: strongest attacks' in page
    (eer,) = (
        row.rate
        for row in full_report.statistics.verification
        if (row.measure, row.condition, row.decision) == ('eer', 'raw', 'adapted')
    )
    assert f'face_recognition (adapted): equal error rate {eer:.0%}' in page
    for group in ('F', 'M'):
        assert f'sex {group} T1w · raw 12' in text


def test_page_table_and_gate_say_the_same_interval(full_report):
    """Otherwise a steward reads two upper ends of one risk, and quotes the smaller one."""
    row = next(row for row in full_report.statistics.strongest if row.condition == 'defaced')
    judged = full_report.gate
    assert judged.risk.ci_high == row.ci_high_corrected
    low, high = map(percent, (row.ci_low_corrected, row.ci_high_corrected))
    assert f'the 95% interval, allowing for all attacks, is {low} to {high}' in judged.sentence
    low, high = (words.percent(end) for end in (row.ci_low_corrected, row.ci_high_corrected))
    interval = f'95% interval {low.removesuffix("%")}{words.EN_DASH}{high}, allowing for all 2'
    assert interval in group_findings(full_report)[0].sentence
    assert interval in text_of(group_page(full_report))


def page_with(report, *controls):
    """Text of the page of a run with other controls."""
    statistics = replace(report.statistics, controls=controls)
    return text_of(group_page(replace(report, statistics=statistics)))


def test_failed_controls_stand_at_the_top(full_report):
    """Otherwise rates are used that a broken search made."""
    control = full_report.statistics.controls[0]
    text = page_with(full_report, replace(control, verdict='not_ok', reason='why it is so'))
    assert text.index('1 control failed') < text.index('recognised at first rank')
    assert 'why it is so' in text


def test_an_extractor_that_sees_nothing_is_named(full_report):
    """Otherwise the low rates of a weak extractor pass for safety, or spoil the others."""
    positive = full_report.statistics.controls[0]
    weak = replace(positive, extractor='orb', verdict='not_ok')
    text = page_with(full_report, positive, weak)
    assert 'orb does not recognise the same person' in text
    assert 'control failed' not in text
    assert '1 control failed' in page_with(full_report, weak)


def test_page_without_photographs_leads_with_faces_and_links(full_report):
    """Otherwise most labs, which have no photographs, find nothing on the page."""
    report = GroupResult(
        'demo', full_report.scans, PROVENANCE, IMAGES, linkage=full_report.linkage
    )
    page = group_page(report)
    Outline(page)
    text = text_of(page)
    assert text.index('1 of 2 images with a finding') < text.index('Every image')
    assert 'Of 2 images in the folder, 1 shows a face or a part of a face' in text
    assert text.index('Without any photograph, 8 of 8 participants') < text.index('Every image')


def test_machines_read_the_same(full_report):
    """Otherwise a pipeline acts on other numbers than people do."""
    summary = group_summary(full_report, {})
    assert summary['outcome'] == full_report.gate.outcome == 'do not share'
    assert summary['limits'] == {
        'max_findings': 0.0,
        'max_risk': 0.05,
        'parts': ['brow', 'eyes', 'nose', 'mouth', 'chin'],
    }
    assert summary['reasons'][0]['sentence'] in text_of(group_page(full_report))
    assert summary['images']['n'] == 2
    assert summary['controls'] == {
        'ok': 5,
        'not_ok': 0,
        'blind_extractors': [],
        'not_done': 0,
    }
    assert summary['linkage'][0]['n_correct'] == 8
    assert set(summary['verdicts']['raw']) == set(VERDICTS)
    assert summary['strongest_attack']['condition'] == 'defaced'
    assert {row['decision'] for row in summary['strongest']} <= {'best', 'adapted'}


def test_brain_that_was_cut_is_no_face():
    """Otherwise de-faced scans without any face are called faces."""
    images = [
        image_line(verdict='review', brain_loss='yes'),
        image_line(brain_loss='no'),
        image_line(face_present='unsure', verdict='review', brain_loss='yes'),
        image_line(verdict='could not assess', brain_loss=None),
        image_line(verdict='not looked at', face_present=None),
        image_line(verdict='review', face_present='yes', in_release=False),
    ]
    assert presence_sentence(images) == (
        'Of 5 images in the folder, 1 shows a face or a part of a face, 2 show no face, '
        '1 cannot be assessed and 1 was not looked at. Brain seems to be cut on 2 images.'
    )


def test_replaced_faces_are_not_those_with_findings():
    """Otherwise "3 show a face" stands beside "2 of 8 images have findings"."""
    shown = [
        *(image_line(verdict='review', face_present='yes') for _ in range(2)),
        image_line(face_present='yes', deidentification='claimed'),
        *(image_line() for _ in range(5)),
    ]
    assert presence_sentence(shown) == (
        'Of 8 images in the folder, 2 show a face or a part of a face, 1 shows a replaced face '
        'and 5 show no face.'
    )


def test_features_of_a_face_are_not_counted_as_showing_none():
    """Otherwise "10 show no face" stands beside a finding that names one of the ten."""
    own = image_line(path='sub-01/a.npz', format='template', verdict='review', face_present=None)
    assert presence_sentence([own, image_line()]) == (
        'Of 2 images in the folder, 1 holds results of bids_reid and 1 shows no face.'
    )


def test_the_word_of_people_counts_beside_the_images():
    """Otherwise the page says that no image shows a face, and "Do not share" above it."""
    seen = image_line(verdict='review', program_verdict='no findings', reviewed_by='Kim')
    cleared = image_line(face_present='yes', brain_loss='yes', program_verdict='review')
    assert presence_sentence([seen, cleared]) == (
        'Of 2 images in the folder, 1 has a finding that a person saw and 1 shows no face.'
    )


def test_completed_faces_are_counted_beside_the_rates(full_report):
    """A rate of average chins would pass for one of faces as they were scanned."""
    scan = replace(full_report.scans[0], status='ok')

    def report(*answers):
        scans = [replace(scan, face_completed=answer) for answer in answers]
        failed = replace(scan, status='failed', face_completed=None)
        # without the figures of growth, which take long to draw
        return make_report(make_results(1, 2), 2, scans=(*scans, failed))

    plain, mixed = report(None, None), report('yes', 'no', None)
    assert '--complete-face' not in text_of(group_page(plain))
    assert group_summary(plain, {})['face_completed'] == {'yes': 0, 'no': 0, 'not_asked': 2}
    page = text_of(group_page(mixed))
    assert 'In 1 of 3 scans searched, a part of the face' in page
    assert '1 was processed without that option' in page
    assert page.index('In 1 of 3 scans') < page.index('Share of participants')
    assert group_summary(mixed, {})['face_completed'] == {'yes': 1, 'no': 1, 'not_asked': 1}
    assert 'without that option' not in text_of(group_page(report('yes', 'no')))


def test_the_stronger_attack_is_named_as_such():
    """Otherwise the column called Stronger holds the weaker."""
    weak, strong = (
        [Score(f'{n:02}', '', 'ok', rank=1 if n < found else 2) for n in range(30)]
        for found in (3, 20)
    )
    names = (('orb', weak), ('sift', strong))
    rows, other = (
        comparison_rows({AttackKey('raw', 'T1w', name, 'best'): found for name, found in order})
        for order in (names, names[::-1])
    )
    assert (rows[0].a, rows[0].rate_a) == ('orb', 0.1)
    (row,) = differences(rows)
    assert (row.a, row.b, row.n_only_a) == ('sift', 'orb', 17)
    assert [row.ci_low, row.ci_high] == pytest.approx([other[0].ci_low, other[0].ci_high])
    assert replace(row, ci_low=0, ci_high=0) == replace(other[0], ci_low=0, ci_high=0)
    assert differences(other) == other


def test_an_attack_on_a_few_does_not_lead_the_changes(full_report):
    """Otherwise the page says of de-facing what is true of elimination."""
    row = full_report.reductions[0]
    few = replace(row, decision='svm', n_gallery_after=1, n_after=row.n_after + 1)
    (change,) = changes([few, row])
    assert change.strongest == row
    few = replace(few, still_identified=())
    page = text_of(group_page(replace(full_report, reductions=(few, row))))
    assert 'n/a: too few to search among' in page
