"""The page of a participant, from what this and earlier versions left."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from bids_reid.bids.derivatives import is_up_to_date, read_views
from bids_reid.bids.files import write_text
from bids_reid.bids.layout import ScanFiles
from bids_reid.errors import NoInputError
from bids_reid.participant.library import provenance_of, read_scans
from bids_reid.participant.page import participant_report
from bids_reid.records import Scan, Template
from tests.support.scan_records import enrolled, save_results

PLACE = '-20\t-15'


@pytest.mark.parametrize('styles', [True, False])
def test_the_page_shows_the_views_of_the_study(tmp_path: Path, styles: bool) -> None:
    """A table of an earlier version, of a condition not named now, must not end the run."""
    files = ScanFiles(tmp_path, 'sub-01', 'T1w')
    rows = [
        'view\tcamera_yaw\tcamera_pitch\tlight_azimuth\tlight_elevation\tface_found\tstyle',
        *(f'{number}\t{PLACE}\t-40\t30\tyes\tplain' for number in range(81)),
        f'81\t{PLACE}\tn/a\tn/a\tyes\tsoft',
    ]
    if not styles:
        rows = [row.rpartition('\t')[0] for row in rows[:-1]]
    write_text(files.views, '\n'.join(rows) + '\n')
    scan = replace(enrolled('01', 'face_recognition'), files=files)
    report = participant_report('01', [scan], dataset='ds', command='', show_faces=False)
    line, *others = report.scans[0].views
    assert len(others) == 80
    assert (line.view.index, line.view.light, line.face_found) == (0, (-40, 30), True)


def test_a_picture_says_where_camera_and_light_stand(tmp_path: Path) -> None:
    """Otherwise nobody can compare two versions of a scan picture by picture."""
    files = ScanFiles(tmp_path, 'sub-01', 'T1w')
    for number in (0, 44):
        path = files.render(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'\x89PNG\r\n\x1a\n0')
    scan = replace(enrolled('01', 'face_recognition'), files=files)
    shown = participant_report('01', [scan], dataset='', command='', show_faces=True)
    assert [picture.caption for picture in shown.scans[0].faces] == [
        'camera 15° down, 20° right; light 40° right',
        'camera front; light 60° up, 40° left',
    ]
    hidden = participant_report('01', [scan], dataset='', command='', show_faces=False)
    assert hidden.scans[0].faces == ()


BROKEN_VIEWS = {
    'cut in a line': lambda text: text[: len(text) // 2],
    'no header': lambda text: text.partition('\n')[2],
    'a column less': lambda text: text.replace('face_found', 'found'),
    'a cell less': lambda text: text.replace('\tyes', '', 1),
    'no number': lambda text: text.replace('-20', 'left', 1),
    'not finite': lambda text: text.replace('-20', 'nan', 1),
    'too many views': lambda text: text.replace('\n0\t', '\n99\t', 1),
    'neither yes nor no': lambda text: text.replace('\tyes', '\tmaybe', 1),
    'empty': lambda _text: '',
    'other bytes': lambda _text: '\x00\x01',
}


@pytest.mark.parametrize('damage', BROKEN_VIEWS)
def test_a_broken_table_of_views_is_told_and_done_again(tmp_path: Path, damage: str) -> None:
    """It ended the run in a traceback, after all the work."""
    path = tmp_path / 'raw' / 'sub-01' / 'anat' / 'sub-01_T1w.nii'
    path.parent.mkdir(parents=True)
    path.write_bytes(b'scan')
    scan, out = Scan('01', None, 'T1w', 'sub-01', path), tmp_path / 'out'
    template = Template(np.ones((2, 3), np.float32), np.array([4, 7], np.int32))
    save_results(scan, tmp_path / 'raw', out, {'orb': template})
    done = partial(is_up_to_date, scan, out, models={'orb': {'Model': 'm'}}, keep_renders=False)
    assert done()
    files = ScanFiles.of(scan, out)
    whole = files.views.read_text()
    files.views.write_text(BROKEN_VIEWS[damage](whole))
    assert not done()
    with pytest.raises(NoInputError, match=r'views_T1w\.tsv is damaged: delete it'):
        read_views(files)
    files.template('orb').write_bytes(b'')
    report = participant_report('01', read_scans(out), dataset='', command='', show_faces=False)
    (said,) = report.scans
    assert said.views == said.templates == ()
    assert said.warnings == tuple(
        f'{name} is damaged: run the participant level again'
        for name in ('the table of views', 'the template of orb')
    )


@pytest.mark.parametrize('sidecar', ['', '[]', '{"Model": 3}', '{"Package": "x"}', '{' * 9999])
def test_a_sidecar_that_does_not_name_its_model_ends_no_run(tmp_path: Path, sidecar: str) -> None:
    files = ScanFiles(tmp_path, 'sub-01', 'T1w')
    files.template('orb').with_suffix('.json').write_text(sidecar)
    scan = replace(enrolled('01', 'orb'), files=files)
    assert provenance_of([scan], ['orb'], '').models == ()
