"""Each test names what a user loses if it fails."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser

import pytest

from bids_reid.group.given_photographs import GivenPhotographs
from bids_reid.group.result import Curve, GroupResult, PhotoLine, Statistics, Uncounted
from bids_reid.participant.content import (
    FacePicture,
    Model,
    ParticipantReport,
    Provenance,
    ScanLine,
    ScanReport,
    TemplateLine,
    ViewLine,
)
from bids_reid.records import STRANGER, AttackKey, Score
from bids_reid.report import participant as report_of_participant
from bids_reid.report.findings import group_findings
from bids_reid.report.group import group_page
from bids_reid.report.html import read_script
from bids_reid.report.image_table import MOST_ROWS
from bids_reid.report.participant import participant_page
from bids_reid.risk.attacks import strongest_attacks
from bids_reid.risk.gate import gate
from bids_reid.risk.identification import cmc, identification_rows
from bids_reid.risk.pairing import ReductionRow
from bids_reid.views.cameras import standard_views
from tests.support.images import image_line

NASTY = '<script>alert("x")</script>&$a_b$'
ATTACK = AttackKey('raw', 'T1w', 'face_recognition', 'best')
PROVENANCE = Provenance(
    version='0.1.0',
    command='bids-reid in out group --photos "my photos"',
    software=(('numpy', '2.4'),),
    models=(Model('face_recognition', 'resnet.dat', 'ab' * 32),),
    renderer='llvmpipe',
)
SOURCE = 'sub-01/anat/sub-01_T1w.nii.gz'
SCANS = (
    ScanLine('01', None, 'T1w', 'raw', SOURCE, 'ok', 'yes', 0.97, 60, 'review'),
    replace(
        ScanLine('02', '1', 'T1w', 'raw', 'sub-02_T1w.nii.gz', 'failed'),
        verdict='could not assess',
        reason='brain only',
    ),
)
IMAGES = (
    image_line('01', condition='raw', path=SOURCE, verdict='review', face_present='yes'),
    image_line(
        '02',
        condition='raw',
        verdict='could not assess',
        face_present=None,
        status='failed',
        reason='brain only',
    ),
)
OF_THE_OUTPUT = (
    r'#[\w-]+|group_\w+\.tsv|sub-\d+\.html|figures/[\w-]+\.(svg|pdf)|logs/CITATION\.(md|bib)'
)
"""Places that a page may lead to: in itself, and files of the output beside it."""
VOID = {'input', 'meta', 'path', 'use', 'img', 'br', 'link', 'hr'}


class Outline(HTMLParser):
    """Checks that tags close in order, and collects what a page refers to."""

    def __init__(self, page):
        super().__init__()
        self.open, self.ids, self.links, self.names, self.tags = [], [], [], [], set()
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        for name, value in attrs:
            if name == 'id':
                self.ids.append(value)
            if name in {'src', 'href', 'xlink:href'}:
                self.links.append(value)
            if name == 'aria-labelledby':
                self.names += value.split()
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def make_results(n_found, n_probes, *, n_no_face=0, n_no_template=0):
    statuses = ['no_face'] * n_no_face + ['no_template'] * n_no_template
    searched = n_probes - len(statuses)
    results = [
        Score(f'{i:02}', '', 'ok', 1 if i < n_found else 2, 0.0, -1.0) for i in range(searched)
    ]
    failed = [Score(f'{searched + i:02}', '', s) for i, s in enumerate(statuses)]
    return tuple(results + failed)


def make_report(results, n_gallery, attack=ATTACK, **changes):
    rows = [
        row
        for unit in ('participant', 'photo')
        for row in identification_rows(results, attack, unit=unit, n_gallery=n_gallery)
    ]
    values = {
        'dataset': 'demo',
        'scans': SCANS,
        'images': IMAGES,
        'provenance': PROVENANCE,
        'photos': (PhotoLine('sub-01_photo.jpg', '01', True, 'ok'),),
        'rows': tuple(rows),
        'curves': (Curve(attack, tuple(cmc(results, n_gallery).tolist())),),
    }
    return GroupResult(**(values | changes))


def combine(*reports):
    first = reports[0]
    return replace(
        first,
        **{
            name: tuple(value for report in reports for value in getattr(report, name))
            for name in ('rows', 'curves')
        },
    )


def text_of(page):
    text = re.sub(r'<(style|svg|script).*?</\1>|<[^>]+>', ' ', page, flags=re.S)
    return ' '.join(unescape(text).split())


def test_page_leads_with_the_sentence_a_steward_acts_on():
    """Otherwise the number that matters, or what it rests on, is hard to find."""
    report = make_report(make_results(14, 24, n_no_face=2, n_no_template=1), 23)
    (finding,) = group_findings(report)
    assert finding.sentence.replace('\N{EN DASH}', '-') == (
        'With face_recognition, 14 of 24 participants (58%, 95% interval 39-76%) were recognised '
        'at first rank from their T1w scan, each searched among 23 participants; '
        'guessing would give 4%.'
    )
    assert [note[:38] for note in finding.notes] == [
        '2 participants with no face found in a',
        '1 participant with no template from an',
    ]
    page = text_of(group_page(report))
    assert finding.sentence in page
    assert '14 of 24 recognised 58%; 95% interval 39' in page
    assert 'searched among 23 people' in page
    assert 'brain only' in page
    assert 'ab' * 32 in page


@pytest.mark.parametrize(
    ('results', 'n_gallery', 'sentence', 'note'),
    [
        (make_results(0, 12), 12, 'none of 12 participants (0%', 'includes guessing'),
        (make_results(1, 1), 1, '1 of 1 participant (100%', 'nothing about the risk'),
        (make_results(0, 3, n_no_template=3), 0, 'nobody could be searched for', 'no template'),
        ((), 5, 'recognition was not measured', None),
    ],
)
def test_edge_cases_are_said_in_words(results, n_gallery, sentence, note):
    """Otherwise 0%, 100% of one person or an empty gallery reads like a result."""
    report = make_report(results, n_gallery)
    (finding,) = group_findings(report)
    assert sentence in finding.sentence
    assert note is None or note in ' '.join(finding.notes)
    page = group_page(report)
    Outline(page)
    assert 'nan' not in text_of(page)
    assert ('<svg' in page) == bool(results and n_gallery)


def test_strongest_attack_on_the_most_exposed_scans_comes_first():
    """Otherwise a weak attack hides the risk that a stronger one has shown."""
    report = combine(
        make_report(make_results(1, 20), 20, AttackKey('defaced', 'T1w', 'sift', 'best')),
        make_report(make_results(3, 20), 20),
        make_report(make_results(9, 20), 20, replace(ATTACK, decision='svm')),
    )
    findings = group_findings(report)
    assert [finding.group for finding in findings] == ['T1w · raw', 'T1w · defaced']
    assert 'With face_recognition (svm), the strongest of 2 attacks' in findings[0].sentence
    assert 'from their defaced T1w scan' in findings[1].sentence
    page = group_page(report)
    Outline(page)
    assert page.count('<svg') == 2
    assert 'picked after the fact' in page


def test_an_attack_without_a_gallery_does_not_lead():
    """Otherwise a page on well de-faced scans says that nobody could be searched for."""
    report = combine(
        make_report(make_results(0, 20, n_no_template=20), 0, replace(ATTACK, extractor='orb')),
        make_report(make_results(1, 20, n_no_template=19), 1, replace(ATTACK, extractor='sift')),
        make_report(make_results(0, 20), 20),
        make_report(make_results(0, 20), 15, replace(ATTACK, decision='svm')),
    )
    (finding,) = group_findings(report)
    assert 'With face_recognition, the strongest of 2 attacks tried, none of 20' in (
        finding.sentence
    )
    assert finding.row.n_gallery == 20


def test_nobody_assessed_is_a_page_without_an_interval():
    """Photographs without a face end the run after the whole search, and the gate says nothing."""
    results = make_results(0, 2, n_no_face=2)
    strongest = strongest_attacks({ATTACK: results}, {ATTACK: 24})
    report = make_report(results, 24, statistics=Statistics(strongest=tuple(strongest)))
    (finding,) = group_findings(report)
    assert 'none of 2 participants (0%, no interval, as nobody could be assessed)' in (
        finding.sentence
    )
    text = text_of(group_page(report))
    assert finding.sentence in text
    assert 'no interval, as nobody could be assessed; guessing 4%' in text


def test_page_without_photographs_says_so():
    """Otherwise a run without photographs looks like one that found no risk."""
    report = GroupResult('demo', SCANS, PROVENANCE, IMAGES)
    page = text_of(group_page(report))
    assert 'so recognition by photograph was not measured.' in page
    said = (
        'Of 2 images in the folder, 1 shows a face or a part of a face and 1 cannot be assessed.'
    )
    assert said in page
    assert '1 of 2 scans gave a template' in page
    nobody = replace(report, photos=(PhotoLine('a.jpg', STRANGER, False, 'ok'),))
    assert 'No photograph shows a participant' in text_of(group_page(nobody))


def test_every_word_of_the_user_is_escaped():
    """Otherwise a file name can run a script in the browser of whoever opens the page."""
    results = (Score(NASTY, NASTY, 'ok', 1, 0.0, None), Score('02', 'b', 'no_face'))
    report = make_report(
        results,
        2,
        AttackKey(NASTY, NASTY, NASTY, NASTY),
        dataset=NASTY,
        scans=(ScanLine(NASTY, NASTY, NASTY, NASTY, NASTY, 'failed', NASTY, None, NASTY),),
        images=(image_line(NASTY, NASTY, condition=NASTY, verdict='review', reason=NASTY),),
        uncounted=(Uncounted(NASTY, NASTY, NASTY),),
        release=NASTY,
        gate=gate([image_line(NASTY, verdict='review', reason=NASTY)], condition=NASTY),
        photos=(
            PhotoLine(NASTY, STRANGER, False, 'unreadable', NASTY),
            PhotoLine(NASTY, '01', True, 'no_face', NASTY),
            PhotoLine(NASTY, NASTY, False, 'ok'),
        ),
        unprocessed=(NASTY,),
        provenance=Provenance(
            NASTY, NASTY, ((NASTY, NASTY),), (Model(NASTY, NASTY, NASTY),), NASTY
        ),
    )
    scan = ScanReport(
        report.scans[0], ((NASTY, NASTY),), (), (TemplateLine(NASTY, 1, 2),), (NASTY,)
    )
    participant = ParticipantReport(NASTY, NASTY, (scan,), report.provenance)
    own = {read_script(name).text for name in ('tables.js', 'rating.js')}
    for page in (group_page(report), participant_page(participant)):
        assert set(scripts_of(page)) <= own
        assert page.count('alert(') == page.count('&lt;script&gt;alert(')


def test_pages_need_nothing_from_elsewhere():
    """Otherwise opening the page tells somebody else that this dataset is being audited."""
    page = group_page(make_report(make_results(2, 4), 4))
    outline = Outline(page)
    assert all(re.fullmatch(OF_THE_OUTPUT, address) for address in outline.links)
    assert not outline.tags & {'link', 'iframe', 'img'}
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', '', page)
    assert not re.search(r'https?:|@import|url\((?!#)', without_names)


def test_ids_are_unique_and_links_lead_somewhere():
    """Otherwise a screen reader names the wrong figure and links of the page are dead."""
    report = combine(
        make_report(make_results(3, 20), 20),
        make_report(make_results(9, 20), 20, replace(ATTACK, condition='defaced')),
    )
    outline = Outline(group_page(report))
    assert len(outline.ids) == len(set(outline.ids))
    targets = {address[1:] for address in outline.links if address.startswith('#')}
    assert targets | set(outline.names) <= set(outline.ids)
    files = {address for address in outline.links if not address.startswith('#')}
    assert {one for one in files if one.endswith('.html')} == {'sub-01.html', 'sub-02.html'}
    tables = {one.removesuffix('.tsv') for one in files if one.endswith('.tsv')}
    assert tables == {'group_strongest', 'group_cmc'}
    drawn = {f'figures/cmc_T1w-{name}' for name in ('raw', 'defaced')}
    assert {one.rpartition('.')[0] for one in files if 'figures' in one} == drawn


def test_ranks_beyond_the_gallery_and_empty_rows_are_left_out():
    """100% within the first 10 of 4 people looks like a risk, and rows of n/a bury the others."""
    few = group_page(make_report(make_results(1, 4), 4))
    assert 'Rank 1<' in few
    assert 'Rank 5<' not in few
    many = group_page(make_report(make_results(1, 20), 20))
    assert 'Rank 5<' in many
    assert 'Rank 10<' in many
    nobody = replace(ATTACK, extractor='unsearched')
    both = combine(make_report(make_results(1, 20), 20), make_report((), 20, nobody))
    page = text_of(group_page(both))
    assert 'unsearched decision' not in page
    assert '1 attack without any search is not shown' in page


def test_long_lists_of_people_still_recognised_are_cut():
    """Five hundred labels in a cell push the numbers from the screen."""
    row = ReductionRow(
        condition='defaced',
        modality='T1w',
        extractor='x',
        decision='best',
        baseline='raw',
        n_people=24,
        n_gallery_before=24,
        n_gallery_after=24,
        n_before=24,
        n_after=13,
        n_only_before=11,
        n_only_after=0,
        rate_before=1.0,
        rate_after=13 / 24,
        reduction=11 / 24,
        ci_low=0.2,
        ci_high=0.6,
        relative_reduction=11 / 24,
        p=0.01,
        ci_low_corrected=0.2,
        ci_high_corrected=0.6,
        p_holm=0.01,
        n_tests=1,
        still_identified=tuple(f'{n:02}' for n in range(1, 14)),
    )
    page = group_page(make_report(make_results(1, 2), 2, reductions=(row,)))
    text = text_of(page)
    assert 'sub-10 and 3 more ( group_reduction.tsv' in text
    assert '<a href="sub-01.html">sub-01</a>' in page.split('id="changes"')[1]
    back = replace(row, condition='raw', baseline='defaced')
    page = group_page(make_report(make_results(1, 2), 2, reductions=(back,)))
    assert 'id="changes"' not in page, 'raw scans are never what comes after'


def test_same_input_makes_the_same_page():
    """Otherwise a second run looks like a change, and nobody can compare two audits."""
    report = make_report(make_results(2, 40), 40)
    page = group_page(report)
    assert page == group_page(report)
    assert not re.search(r'\b20\d\d-\d\d-\d\d', page)
    assert 'currentColor' in page
    assert '#000000' not in page


def scripts_of(page):
    return re.findall(r'<script>(.*?)</script>', page, flags=re.DOTALL)


def test_the_browser_runs_the_script_of_the_page_and_no_other():
    """Tables could not be searched; or a name in a table could run as a script."""
    page = group_page(make_report(make_results(2, 4), 4))
    (script,) = scripts_of(page)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert 'unsafe-inline' not in page.split('script-src')[1].split('"')[0]
    # no other part of the policy stands in for these two
    assert "base-uri 'none'; form-action 'none';" in page


def test_the_script_is_small_and_asks_for_nothing():
    """A page that is read beside scans should hold no more code than somebody can read."""
    text = read_script('tables.js').text
    assert len(text.encode()) < 6000
    assert not re.search(r'fetch|XMLHttp|import|eval|innerHTML|</|https?:|cookie|storage', text)


def test_a_long_table_holds_its_first_rows_and_says_where_all_are():
    """Thousands of images bury the methods and limits, and the page takes minutes to open."""
    clean = tuple(image_line(f'{n:03}') for n in range(300))
    page = group_page(make_report((), 4, images=(*clean, IMAGES[1])))
    Outline(page)
    rows = re.findall('<code>([^<]*nii.gz)</code>', page)
    assert len(rows) == MOST_ROWS
    assert rows[0] == IMAGES[1].path, 'an image that needs a look comes first'
    text = text_of(page)
    assert 'The first 200 of 301 rows are shown; all are in group_images.tsv' in text
    assert '1 image needs a look' in text


def test_photographs_are_counted_by_what_they_were_used_for():
    """Otherwise a typing error in a label silently turns a participant into a distractor."""
    photos = (
        PhotoLine('a.jpg', '01', True, 'ok'),
        PhotoLine('b.jpg', '01', True, 'no_face', 'nothing found'),
        PhotoLine('distractor 1', STRANGER, False, 'ok'),
        PhotoLine('distractor 2', None, False, 'ok'),
        PhotoLine('distractor 3', None, False, 'unreadable', 'not an image'),
    )
    report = make_report(make_results(1, 2), 2, photos=photos)
    page = text_of(group_page(report))
    assert 'Of participants 2 1 1 0 1 participant searched for' in page
    assert 'Distractors 3 2 0 1' in page
    assert '2 without a label, 1 with a label that is not in the dataset' in page
    assert 'Photographs whose label is not in the dataset (1) distractor 1.' in page
    assert 'distractor 2' not in page
    assert 'no processed scan' not in page


def test_photographs_with_several_faces_or_turned_are_listed():
    """Whoever knows the people can cut the others off; strangers have numbers."""
    numbers = {'n_faces': 1, 'n_alike': 1}
    photos = (
        PhotoLine('sub-01_a.jpg', '01', True, 'ok', **numbers),
        PhotoLine('sub-01_b.jpg', '01', True, 'ok', n_faces=3, n_alike=2),
        PhotoLine('distractor 1', None, False, 'ok', **numbers, turned=270),
    )
    html = group_page(make_report(make_results(1, 2), 2, photos=photos))
    Outline(html)
    page = text_of(html)
    assert 'Photographs with several faces, or turned (2)' in page
    assert 'sub-01_b.jpg 3 2 0°' in page
    assert 'distractor 1 1 1 270°' in page
    assert 'sub-01_a.jpg' not in page
    plain = group_page(make_report(make_results(1, 2), 2, photos=photos[:1]))
    assert 'several faces' not in text_of(plain)


def test_labels_matched_loosely_and_copies_are_counted():
    """They change rates, and stand in no other place of the page."""
    given = GivenPhotographs(
        (), n_loosely=1, n_twice=2, without_consent=('03',), n_without_consent=2
    )
    page = text_of(group_page(make_report(make_results(1, 2), 2, given=given)))
    assert "The label of 1 photograph differs from the dataset's" in page
    assert '2 files given a second time were left out' in page
    assert '2 photographs were left out and not opened, for lack of consent' in page
    assert 'those of 1 participant of the dataset' in page


def test_photographs_of_the_unprocessed_are_no_distractors():
    """Otherwise a participant level that was never run looks like a participant not recognised."""
    photos = (
        PhotoLine('a.jpg', '01', True, 'ok'),
        PhotoLine('f.jpg', '05', False, 'ok'),
        PhotoLine('g.jpg', '05', False, 'no_face', 'nothing found'),
        PhotoLine('h.jpg', '04', False, 'ok'),
    )
    html = group_page(make_report(make_results(1, 2), 2, photos=photos))
    Outline(html)
    page = text_of(html)
    assert 'Of participants 1 1 0 0 1 participant searched for' in page
    assert 'Not processed 3 2 1 0 in no rate: 2 participants without' in page
    assert 'Distractors 0 0 0 0' in page
    assert 'Participants with photographs but no processed scan (2)' in page
    assert 'sub-04 h.jpg sub-05 f.jpg, g.jpg' in page
    nobody = replace(GroupResult('demo', SCANS, PROVENANCE, IMAGES), photos=photos[1:])
    page = text_of(group_page(nobody))
    assert 'No photograph shows a participant with a processed scan' in page
    assert 'Check the labels' not in page


@pytest.mark.parametrize('photos', [None, (), (PhotoLine('a.jpg', '01', True, 'ok'),)])
@pytest.mark.parametrize('measured', [True, False])
def test_participants_without_results_are_told_at_once(photos, measured):
    """Otherwise a rate of half the dataset is taken for that of the dataset."""
    report = make_report(make_results(1, 2), 2) if measured else make_report((), 0)
    report = report if measured else replace(report, rows=(), curves=())
    html = group_page(replace(report, photos=photos, unprocessed=('04', '05')))
    Outline(html)
    warning = (
        '2 participants of the dataset have no result of the participant level '
        'and are in no rate: sub-04, sub-05'
    )
    assert text_of(html).count(warning) == 1
    assert html.index('class="banner"') < html.index('id="result"')
    assert 'in no rate' not in text_of(group_page(replace(report, photos=photos)))
    many = replace(report, photos=photos, unprocessed=tuple(f'{i:02}' for i in range(11)))
    html = group_page(many)
    Outline(html)
    assert 'sub-08, sub-09 and 1 more (' in text_of(html)
    one = text_of(group_page(replace(report, photos=photos, unprocessed=('04',))))
    assert '1 participant of the dataset has no result' in one


def test_participants_bear_their_bids_name():
    """Otherwise 01 in one table and sub-01 in another look like two people."""
    page = text_of(group_page(make_report(make_results(1, 2), 2)))
    assert 'sub-02/anat/sub-02_T1w.nii.gz' in page
    assert 'sub-02 02' not in page


def test_methods_say_how_faces_were_looked_for():
    """Otherwise readers take the number of views with a face for 81 looks of the detector."""
    page = text_of(group_page(make_report(make_results(1, 2), 2)))
    assert '81 images: 9 cameras in front of the face, each with 9 lights' in page
    assert 'until one showed it' in page
    assert 'On a scan taken for skull-stripped no face was looked for.' in page
    assert 'looked for in each image' not in page


def make_participant(**changes):
    views = tuple(ViewLine(v, v.camera_yaw == 0) for v in standard_views())
    good = ScanReport(
        ScanLine('01', None, 'T1w', 'raw', 'sub-01_T1w.nii.gz', 'ok', 'yes', 0.97, 27),
        surface=(('Voxel size', '1 mm'),),
        views=views,
        templates=(TemplateLine('face_recognition', 128, 81, 9, 27),),
        warnings=('The neck is cut off.',),
    )
    failed = ScanLine('01', '2', 'FLAIR', 'raw', 'f.nii.gz', 'failed', reason='disk <full>')
    scans = (replace(good, **changes), ScanReport(failed))
    return ParticipantReport('demo', '01', scans, PROVENANCE)


def test_participant_page_shows_what_became_of_each_scan():
    """Otherwise whoever has to mend a failed scan does not learn why it failed."""
    page = participant_page(make_participant())
    Outline(page)
    text = text_of(page)
    assert 'The detector found a face in 27 of 81 views.' in text
    assert '81 views of the study and 9 in soft light; 128 numbers each' in text
    assert 'The detector found the face in 27' in text
    assert 'The scan could not be processed' in text
    assert 'Reason: disk &lt;full&gt;' in ' '.join(re.sub(r'<[^>]+>', ' ', page).split())
    assert text.index('15° up, 20° right') < text.index('15° down, 20° left')
    empty = participant_page(ParticipantReport('demo', '01', (), PROVENANCE))
    assert 'No scan of this participant' in empty


def test_faces_are_shown_only_if_given_and_with_a_warning():
    """Otherwise a page that was thought harmless carries somebody's face."""
    assert '<img' not in participant_page(make_participant())
    picture = FacePicture(b'\x89PNG\r\n\x1a\n0', 'from the front')
    page = participant_page(make_participant(faces=(picture,)))
    assert 'This page contains pictures' in page
    assert '<img src="data:image/png;base64,iVBORw0KGgow" alt="Render of the face: from' in page
    with pytest.raises(ValueError, match='is not a PNG'):
        FacePicture(b'GIF89a', 'no')


def test_both_pages_say_that_images_were_sent() -> None:
    """Nobody must believe that faces stayed on the machine because they usually do."""
    sent = Model('cloud', 'm', None, package='acme-cloud 1.0', uses_network=True)
    report = make_report((), 2)
    provenance = replace(PROVENANCE, models=(*PROVENANCE.models, sent))
    said = 'package acme-cloud 1.0; <b>it sent images of faces to a network</b>'
    person = ParticipantReport('d', '01', (), provenance)
    for page in (group_page(replace(report, provenance=provenance)), participant_page(person)):
        assert page.count('sent images') == 1
        assert said in page
    assert 'sent images' not in group_page(report)


def test_a_page_is_painted_again_only_if_it_says_anything_else(tmp_path, monkeypatch):
    """A run of a thousand people with nothing to do took minutes; a stale page misleads."""
    line = ScanLine('01', None, 'T1w', 'raw', 'sub-01_T1w.nii', 'ok', reason='as it was')
    content = ParticipantReport(
        'demo', '01', (ScanReport(line),), Provenance('0', 'bids-reid', (), (), None)
    )
    painted = []
    real = report_of_participant.participant_page
    monkeypatch.setattr(
        report_of_participant,
        'participant_page',
        lambda report: painted.append(report) or real(report),
    )
    write = report_of_participant.write_participant_page
    page = write(tmp_path, content)
    whole = page.read_bytes()
    write(tmp_path, content)
    assert len(painted) == 1
    page.write_bytes(whole[: len(whole) // 2])
    write(tmp_path, content)
    assert page.read_bytes() == whole
    write(tmp_path, content, anew=True)
    assert len(painted) == 3
    other = replace(line, reason='a face is there')
    write(tmp_path, replace(content, scans=(ScanReport(other),)))
    assert 'a face is there' in page.read_text()
