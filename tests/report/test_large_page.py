"""The page of a large study stays small."""

from __future__ import annotations

from dataclasses import replace

from bids_reid.group.result import PhotoLine, Statistics
from bids_reid.participant.content import ScanLine
from bids_reid.report.group import group_page
from bids_reid.risk.attacks import ParticipantRow
from bids_reid.risk.gate import gate
from tests.report.test_pages import Outline, make_report, make_results, text_of
from tests.support.images import image_line

N_PEOPLE = 1000
MODALITIES = ('T1w', 'T2w', 'FLAIR')
LARGEST = 3_000_000


def test_a_thousand_participants_fit_into_three_megabytes():
    """A page that a browser cannot open, or that hides its decision, decides nothing."""
    labels = [f'{n:04}' for n in range(N_PEOPLE)]
    images = tuple(
        image_line(
            label,
            modality,
            verdict='review' if number % 2 else 'no findings',
            face_present='yes' if number % 2 else 'no',
            reason='the nose, the mouth and the chin are left' if number % 2 else 'removed',
        )
        for number, label in enumerate(labels)
        for modality in MODALITIES
    )
    scans = tuple(
        ScanLine(line.participant, None, line.modality, 'defaced', line.path, 'ok')
        for line in images
    )
    people = tuple(
        ParticipantRow(f'sub-{label}', 'raw', 'T1w', 2, N_PEOPLE, 4, 4, 2, 1, 'high')
        for label in labels
    )
    photos = tuple(
        PhotoLine(f'sub-{label}_{side}.jpg', label, True, 'no_face', 'no face found', 2, 2, 90)
        for label in labels
        for side in 'ab'
    )
    report = make_report(
        make_results(300, N_PEOPLE),
        N_PEOPLE,
        images=images,
        scans=scans,
        photos=photos,
        statistics=Statistics(participants=people),
        gate=gate(images, condition='defaced'),
        audited='defaced',
        release='upload',
        unprocessed=tuple(f'x{n}' for n in range(500)),
    )
    page = group_page(report)
    assert len(page.encode()) < LARGEST
    Outline(page)
    text = text_of(page)
    assert 'A face or a part of a face is left in 1,500 of 3,000 images' in text
    assert 'The first 200 of 3,000 rows are shown' in text
    assert 'Pages of the other participants (800)' in text
    assert text.index('Next step') < 1000, 'the decision comes first'
    assert all(f'href="sub-{label}.html"' in page for label in labels)
    failed = replace(report, photos=None, rows=(), curves=())
    assert len(group_page(failed).encode()) < LARGEST
