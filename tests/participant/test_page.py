"""The page of a participant, from what this and earlier versions left."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bids_reid.bids.files import write_text
from bids_reid.bids.layout import ScanFiles
from bids_reid.participant.page import participant_report
from tests.support.scan_records import enrolled

PLACE = '-20\t-15'


@pytest.mark.parametrize('styles', [True, False])
def test_the_page_shows_the_views_of_the_study(tmp_path: Path, styles: bool) -> None:
    """A table of an earlier version, of a condition not named now, must not end the run."""
    files = ScanFiles(tmp_path, 'sub-01', 'T1w')
    rows = [
        'view\tcamera_yaw\tcamera_pitch\tlight_azimuth\tlight_elevation\tface_found\tstyle',
        f'0\t{PLACE}\t-40\t30\tyes\tplain',
        f'81\t{PLACE}\tn/a\tn/a\tyes\tsoft',
    ]
    if not styles:
        rows = [row.rpartition('\t')[0] for row in rows[:2]]
    write_text(files.views, '\n'.join(rows) + '\n')
    scan = replace(enrolled('01', 'face_recognition'), files=files)
    report = participant_report('01', [scan], dataset='ds', command='', show_faces=False)
    (line,) = report.scans[0].views
    assert (line.view.index, line.view.light, line.face_found) == (0, (-40, 30), True)
