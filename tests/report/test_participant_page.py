"""The page of a participant: what a curator sees first, and what the group level adds to it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.promises.setting import PAGE_END
from bids_reid.bids.layout import ScanFiles
from bids_reid.group.result import GroupResult, ImageLine, Statistics, Uncounted
from bids_reid.participant.content import (
    FacePicture,
    ParticipantReport,
    Provenance,
    ScanLine,
    ScanReport,
    TemplateLine,
    ViewLine,
)
from bids_reid.participant.library import EnrolledScan, read_scans
from bids_reid.participant.page import participant_report
from bids_reid.records import Keypoints, KeypointTemplate, Scan, Template
from bids_reid.report.head_picture import CLASSES, base_address
from bids_reid.report.overview import (
    Exposure,
    filled,
    lead,
    slot_names,
    version_key,
    version_of,
)
from bids_reid.report.page_update import NO_RESULT, update_pages
from bids_reid.report.participant import (
    participant_page,
    participant_page_path,
    write_participant_page,
)
from bids_reid.report.view_grid import view_grid
from bids_reid.risk.attacks import ParticipantRow
from bids_reid.risk.gate import Outcome, gate
from bids_reid.risk.presence import Verdict
from bids_reid.surface.parts import PARTS, face_parts
from bids_reid.views.cameras import standard_views
from tests.support.images import image_line
from tests.support.scan_records import enrolled, save_results

PROVENANCE = Provenance('0', 'bids-reid')
CUT = 'a' * len(face_parts().points)
WHOLE = 'd' * len(face_parts().points)
RAW = ScanLine(
    *('01', '1', 'T1w', 'raw', 'sub-01/sub-01_ses-1_T1w.nii', 'ok', 'yes', 0.99, 81, 'review'),
    brain_loss='no',
    parts_left=', '.join(PARTS),
    parts=dict.fromkeys(PARTS, 'left'),
    reason='a face is there',
)
DEFACED = replace(
    RAW,
    condition='defaced',
    status='no_face',
    verdict='no findings',
    face_score=0.03,
    parts_left='none',
    parts=dict.fromkeys(PARTS, 'removed'),
    reason='every part is removed',
    n_views_with_face=0,
)
SHA_RAW, SHA_DEFACED = 'a' * 64, 'b' * 64
VERSIONS = (
    ScanReport(RAW, face_map=WHOLE, sha256=SHA_RAW),
    ScanReport(DEFACED, face_map=CUT, sha256=SHA_DEFACED),
)


def report_of(*scans: ScanReport) -> ParticipantReport:
    return ParticipantReport('demo', '01', scans, PROVENANCE)


def text_of(page: str) -> str:
    pattern = r'<(style|script).*?</\1>|<[^>]+>'
    return ' '.join(re.sub(pattern, ' ', page, flags=re.DOTALL).split())


def test_the_verdicts_come_first() -> None:
    """Otherwise a curator reads voxel sizes before learning that a face is left."""
    text = text_of(participant_page(report_of(*VERSIONS)))
    start = text.index('This participant has 2 scans: 1 shows a face')
    row = text.index('ses-1 · T1w · raw Review all parts 0.99 no n/a Do not share this scan')
    other = text.index(
        'ses-1 · T1w · defaced No findings none 0.03 no n/a No finding on this scan.'
    )
    facts = text.index('Technical facts')
    assert start < row < other < facts < text.rindex('How this page was made')
    assert 'Exposure is not known' in text


def test_a_whole_face_is_not_green() -> None:
    """Green beside a face reads as a pass."""
    page = participant_page(report_of(VERSIONS[0]))
    assert 'class="verdict risk"' in page
    assert 'class="verdict none"' not in page
    assert 'class="state' not in page


def test_versions_of_a_scan_stand_side_by_side() -> None:
    """Otherwise nobody sees what a tool took away."""
    other = ScanReport(replace(RAW, modality='FLAIR', source='f.nii'), sha256='c' * 64)
    page = participant_page(report_of(*VERSIONS, other))
    (first, second) = page.split('<section id="series-')[1:]
    assert (first.count('<article'), second.count('<article')) == (2, 1)
    assert first.index('>raw</h3>') < first.index('>defaced</h3>')
    # one legend for both, with the colours of each
    assert first.count('<ul class="key">') == 1
    assert CLASSES['d'].text in first
    assert CLASSES['a'].text in first


def test_the_light_on_the_head_is_there_once() -> None:
    """It is the larger part of a picture: a page of five scans had 340 KB, 1,000 pages 340 MB."""
    one = participant_page(report_of(VERSIONS[0]))
    lines = [replace(RAW, source=f'{number}.nii') for number in range(6)]
    many = participant_page(report_of(*(replace(VERSIONS[0], line=line) for line in lines)))
    assert one.count(base_address()) == many.count(base_address()) == 1
    assert len(one) < 75_000
    assert len(many) < 150_000
    assert base_address() not in participant_page(report_of(ScanReport(RAW)))


def test_views_are_told_by_what_differs() -> None:
    """A grid of 81 equal cells hides the one that matters."""
    views = [ViewLine(view, True) for view in standard_views()]
    all_found = view_grid(views)
    assert all_found is not None
    assert all_found.sentence == 'The detector found a face in all 81 views.'
    assert not all_found.lines + all_found.always + all_found.never
    none = view_grid([replace(line, face_found=False) for line in views])
    assert none is not None
    assert none.sentence == 'The detector found no face in any of 81 views.'
    assert view_grid([]) is None
    some = view_grid([replace(line, face_found=line.view.index not in (4, 9)) for line in views])
    assert some is not None
    assert some.sentence == 'The detector found a face in 79 of 81 views.'
    assert len(some.always) == 7
    assert [line.camera for line in some.lines] == ['15° down, 20° right', '15° down']
    assert {line.found.count(False) for line in some.lines} == {1}


@pytest.mark.parametrize(('verdict', 'said'), [('no findings', True), ('review', False)])
def test_a_detector_that_reacts_to_no_face_is_explained(verdict: Verdict, said: bool) -> None:
    """Otherwise "a face in 81 views" beside "No findings" reads as a contradiction."""
    views = tuple(ViewLine(view, True) for view in standard_views())
    scan = ScanReport(replace(DEFACED, verdict=verdict), views=views)
    text = text_of(participant_page(report_of(scan)))
    assert ('The detector also reacts where the face is gone' in text) == said
    none = replace(scan, views=tuple(replace(view, face_found=False) for view in views))
    assert 'The detector also reacts' not in text_of(participant_page(report_of(none)))


def test_views_of_the_study_and_in_soft_light_are_counted_apart(tmp_path: Path) -> None:
    """90 features where the study has 81 views, or none where the detector found no face."""
    path = tmp_path / 'raw' / 'sub-01' / 'anat' / 'sub-01_T1w.nii'
    path.parent.mkdir(parents=True)
    path.write_bytes(b'scan')
    scan, views = Scan('01', None, 'T1w', 'sub-01', path), np.arange(90, dtype=np.int32)
    found = np.zeros(90, bool)
    keypoints = Keypoints(
        np.zeros((180, 32), np.uint8), np.zeros((180, 2), np.float32), np.arange(91) * 2
    )
    templates = {
        'orb': KeypointTemplate(keypoints, views),
        'face_recognition': Template(np.ones((90, 128), np.float32), views, found),
    }
    save_results(scan, tmp_path / 'raw', tmp_path / 'out', templates)
    files = ScanFiles.of(scan, tmp_path / 'out')
    content = participant_report(
        '01', read_scans(tmp_path / 'out'), dataset='', command='', show_faces=False
    )
    assert files.skin.exists()
    assert content.scans[0].templates == (
        TemplateLine('face_recognition', 128, 81, 9, 0),
        TemplateLine('orb', 32, 81, 9, 81, 180),
    )
    text = text_of(participant_page(content))
    assert '81 views of the study and 9 in soft light; 180 keypoints of 32 bytes' in text
    assert 'The detector found the face in 0; in the other 81 the shape of the head' in text
    assert '90 features' not in text


def test_pictures_of_faces_stand_below_their_version() -> None:
    picture = FacePicture(b'\x89PNG\r\n\x1a\n0', 'from the front')
    with_faces = participant_page(report_of(*(replace(one, faces=(picture,)) for one in VERSIONS)))
    assert with_faces.count('<ul class="faces">') == 2
    assert 'This page contains pictures' in with_faces
    assert '<ul class="faces">' not in participant_page(report_of(*VERSIONS))


def test_a_rating_is_of_what_the_page_says() -> None:
    """The form takes bytes and verdict from here: wrong ones rate another image."""
    page = participant_page(report_of(*VERSIONS))
    key = version_key('defaced', DEFACED.source)
    (cell,) = re.findall(rf'<td [^>]*data-rating="{key}"[^>]*>', page)
    assert f'data-sha256="{SHA_DEFACED}"' in cell
    assert 'data-verdict="no findings"' in cell
    assert 'data-parts-left="none"' in cell
    assert f'data-for="{key}"' in page
    without = participant_page(report_of(ScanReport(replace(RAW, parts_left=None))))
    assert 'data-sha256' not in re.sub(r'<script.*?</script>', '', without, flags=re.DOTALL)
    assert 'data-parts-left' not in without


def test_the_form_says_what_not_sure_does() -> None:
    """It said that a second person has to decide, and that the more careful verdict counts."""
    text = text_of(participant_page(report_of(*VERSIONS)))
    assert 'does not count once somebody else says agree or disagree.' in text
    assert 'If one person agrees and another disagrees, the more careful verdict counts.' in text
    assert 'A second person has to decide' not in text


def scans() -> list[EnrolledScan]:
    """Return the scans as the group level reads them."""
    base = enrolled('01')
    found = []
    for version in VERSIONS:
        origin = replace(base.record.origin, source_sha256=version.sha256)
        found.append(EnrolledScan(version.line, base.files, replace(base.record, origin=origin)))
    return found


def line_of(line: ScanLine, sha256: str, **changes: object) -> ImageLine:
    values = {
        'path': line.source,
        'sha256': sha256,
        'condition': line.condition,
        'verdict': line.verdict,
        'parts_left': line.parts_left,
        'brain_loss': line.brain_loss,
        'reason': line.reason,
    }
    return image_line(**(values | changes))


IMAGES = (
    line_of(RAW, SHA_RAW, in_release=False),
    line_of(
        DEFACED,
        SHA_DEFACED,
        verdict='review',
        program_verdict='no findings',
        reviewed_by='Kim',
        reason='a person saw a face: Kim',
    ),
)
EXPOSED = ParticipantRow('sub-01', 'defaced', 'T1w', 1, 24, 4, 4, 3, 1, 'high')
RESULT = GroupResult(
    'demo', (), PROVENANCE, IMAGES, statistics=Statistics(participants=(EXPOSED,))
)


def test_the_group_level_brings_a_page_up_to_date(tmp_path: Path) -> None:
    """Otherwise a page says no findings of a scan that the audit stopped."""
    path = write_participant_page(tmp_path, report_of(*VERSIONS))
    before = path.read_text()
    # no link leads to a page that nobody has written yet
    assert 'group.html' not in re.sub(r'<section id="rating">.*', '', before, flags=re.DOTALL)
    assert update_pages(tmp_path, RESULT, scans()) == 1
    page = path.read_text()
    text = text_of(page)
    assert 'This participant has 1 scan in the release: 1 shows a face' in text
    assert 'defaced Review rated by Kim none' in text
    assert 'high first by 3 of 4 attacks, among 24 participants' in text
    assert 'Reason: a person saw a face: Kim' in text
    assert 'It is not in the release: keep it private.' in text
    assert 'href="group.html#participants"' in page
    # a rating is of the program's verdict, not of another person's
    key = version_key('defaced', DEFACED.source)
    (cell,) = re.findall(rf'<td [^>]*data-rating="{key}"[^>]*>', page)
    assert 'data-verdict="no findings"' in cell
    # pictures and facts stay, and the same result changes nothing
    assert page.count('<img') == before.count('<img') == 2
    assert update_pages(tmp_path, RESULT, scans()) == 0
    # the participant level finds its own page in it
    write_participant_page(tmp_path, report_of(*VERSIONS))
    assert path.read_text() == page


def test_a_page_written_anew_keeps_the_word_of_the_group_level(tmp_path: Path) -> None:
    """After a purge, participant --reports-only lost verdicts of people and exposure."""
    template = TemplateLine('orb', 32, 81, 0, 81)
    path = write_participant_page(tmp_path, report_of(*VERSIONS))
    update_pages(tmp_path, RESULT, scans())
    updated = path.read_text()
    write_participant_page(tmp_path, report_of(*VERSIONS), anew=True)
    assert path.read_text() == updated
    with_template = [replace(one, templates=(template,)) for one in VERSIONS]
    write_participant_page(tmp_path, report_of(*with_template))
    page = path.read_text()
    assert 'Template of orb' in page
    assert 'Reason: a person saw a face: Kim' in text_of(page)
    assert 'high first by 3 of 4 attacks' in text_of(page)


@pytest.mark.parametrize('change', ['bytes', 'verdict', 'scan'])
def test_the_word_about_other_scans_does_not_stay(tmp_path: Path, change: str) -> None:
    """A page would show the verdict of bytes that are gone."""
    path = write_participant_page(tmp_path, report_of(*VERSIONS))
    update_pages(tmp_path, RESULT, scans())
    raw, defaced = VERSIONS
    others = {
        'bytes': (raw, replace(defaced, sha256='f' * 64)),
        'verdict': (raw, replace(defaced, line=replace(DEFACED, verdict='could not assess'))),
        'scan': (raw,),
    }
    write_participant_page(tmp_path, report_of(*others[change]), anew=True)
    page = path.read_text()
    assert 'Kim' not in page
    assert 'attacks, among' not in page


def test_a_page_is_whole_for_the_measurement_of_kills(tmp_path: Path) -> None:
    """It takes two minutes, and knows half a page by its end."""
    path = write_participant_page(tmp_path, report_of(*VERSIONS))
    update_pages(tmp_path, RESULT, scans())
    assert PAGE_END.search(path.read_text())
    assert not PAGE_END.search(path.read_text()[:-100])


def test_a_result_that_does_not_count_is_named(tmp_path: Path) -> None:
    """Otherwise the verdict of other bytes stays on the page."""
    path = write_participant_page(tmp_path, report_of(*VERSIONS))
    gone = Uncounted('raw', RAW.source, 'the scan has other content')
    update_pages(tmp_path, replace(RESULT, uncounted=(gone,)), scans()[1:])
    page = path.read_text()
    assert page.count('Not counted: the scan has other content') == 2
    assert SHA_RAW not in re.sub(r'<details>.*?</details>', '', page, flags=re.DOTALL)
    update_pages(tmp_path, replace(RESULT, images=()), [])
    assert path.read_text().count(NO_RESULT) == 4
    assert 'None of these scans has a result that counts.' in path.read_text()


def test_scans_without_a_hash_are_not_mixed_up(tmp_path: Path) -> None:
    """Otherwise a page shows the verdict of another participant's image."""
    path = write_participant_page(tmp_path, report_of(*VERSIONS))
    (base, _) = scans()
    origin = replace(base.record.origin, source_sha256=None)
    scan = replace(base, record=replace(base.record, origin=origin))
    other = image_line(
        '02', condition='raw', sha256=None, verdict='not looked at', reason='not here yet'
    )
    update_pages(tmp_path, replace(RESULT, images=(other,)), [scan])
    assert 'not here yet' not in path.read_text()
    own = replace(other, path=RAW.source, participant='01')
    update_pages(tmp_path, replace(RESULT, images=(other, own)), [scan])
    assert 'not here yet' in path.read_text()


def test_an_image_that_is_no_scan_is_on_the_page_of_its_participant(tmp_path: Path) -> None:
    """A forgotten T2w is found by whoever looks at the page of its participant."""
    path = write_participant_page(tmp_path, report_of(*VERSIONS))
    forgotten = image_line(
        path='sub-01/anat/sub-01_T2w.nii', sha256='d' * 64, verdict='not looked at', reason='why'
    )
    elsewhere = replace(forgotten, participant='02', path='sub-02/x.nii')
    images = (*IMAGES, forgotten, elsewhere)
    update_pages(tmp_path, replace(RESULT, images=images), scans())
    page = path.read_text()
    text = text_of(page)
    assert '2 images in the release: 1 shows a face, a part of one or cut brain, 1 was not' in text
    assert 'sub-01/anat/sub-01_T2w.nii Not looked at Reason: why Next step: Run the' in text
    assert f'data-sha256="{"d" * 64}"' in page
    assert page.count('<fieldset class="rate"') == 3
    assert 'sub-02' not in page
    # gone again when it is gone
    update_pages(tmp_path, RESULT, scans())
    assert 'sub-01_T2w.nii' not in path.read_text()


def test_pages_of_others_and_damaged_ones_stay(tmp_path: Path) -> None:
    other, damaged = participant_page_path(tmp_path, '02'), participant_page_path(tmp_path, '03')
    other.write_text('<p>mine</p>')
    damaged.write_bytes(b'\xff\xfe<!-- slot lead -->')
    assert update_pages(tmp_path, RESULT, scans()) == 0
    assert other.read_text() == '<p>mine</p>'
    assert damaged.read_bytes() == b'\xff\xfe<!-- slot lead -->'


def test_no_text_of_a_user_is_a_slot() -> None:
    """Otherwise a reason with a comment in it swallows the rest of a page."""
    nasty = replace(RAW, reason='<!-- slot lead --> <!-- /slot lead -->')
    page = participant_page(report_of(ScanReport(nasty, sha256=SHA_RAW)))
    assert sorted(slot_names(page)) == sorted(set(slot_names(page)))
    assert len(slot_names(page)) == 5
    assert filled(page, {}) == page


@pytest.mark.parametrize(
    ('changes', 'step'),
    [
        ({'condition': 'defaced'}, 'de-face it again or rate it'),
        (
            {
                'condition': 'defaced',
                'brain_loss': 'yes',
                'parts_left': 'none',
                'face_present': 'no',
            },
            'De-face the original again, less deeply',
        ),
        ({'condition': 'defaced', 'brain_loss': 'yes'}, 'a face is left, and brain seems'),
        ({'brain_loss': 'yes'}, 'de-face it first'),
        ({'brain_loss': 'yes', 'parts_left': 'none', 'face_present': 'no'}, 'Look at the scan'),
        ({'verdict': 'could not assess'}, 'Open the scan in a viewer'),
        ({'verdict': 'not looked at'}, 'Run the participant level again'),
    ],
)
def test_each_verdict_has_a_next_step(changes: dict[str, str], step: str) -> None:
    assert step in version_of(replace(RAW, **changes), 'x.nii', SHA_RAW).step


@pytest.mark.parametrize(
    ('outcome', 'level', 'step'),
    [
        (None, None, 'No finding on this scan.'),
        ('nothing found', 'low', 'Nothing to do.'),
        ('nothing found', 'high', 'No finding on this scan. Consider de-facing it again.'),
        (
            'do not share',
            None,
            'No finding on this scan alone. Outcome of the release: do not share (see the group '
            'report).',
        ),
    ],
)
def test_a_scan_without_a_finding_is_no_pass_of_the_release(
    outcome: Outcome | None, level: str | None, step: str
) -> None:
    """Otherwise a page says "Nothing to do" of a scan in a release that must not be shared."""
    exposure = None if level is None else Exposure(level, '')
    version = version_of(
        DEFACED, 'x.nii', SHA_DEFACED, in_release=True, outcome=outcome, exposure=exposure
    )
    assert version.step == step


def test_the_outcome_of_the_release_reaches_the_page(tmp_path: Path) -> None:
    """A curator reads one page, and clears a scan of a release that must not be shared."""
    path = write_participant_page(tmp_path, report_of(*VERSIONS))
    clean = line_of(DEFACED, SHA_DEFACED)
    reviewed = image_line('02', verdict='review', sha256='e' * 64)
    images = (IMAGES[0], clean, reviewed)
    stopped = gate([clean, reviewed], condition='defaced')
    update_pages(tmp_path, replace(RESULT, images=images, gate=stopped), scans())
    assert 'Outcome of the release: do not share (see the group report). Consider' in text_of(
        path.read_text()
    )


def test_the_lead_counts_scans_of_the_release_only() -> None:
    raw = version_of(RAW, 'a.nii', SHA_RAW, in_release=False)
    defaced = version_of(DEFACED, 'b.nii', SHA_DEFACED, in_release=True)
    assert lead([raw, defaced]) == 'This participant has 1 scan in the release: 1 has no findings.'
    assert lead([raw]) == 'None of these scans is in the release.'
