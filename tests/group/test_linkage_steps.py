"""Linkage reads what the participant level wrote, of this run and of an earlier one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from bids_reid.group.linkage_steps import linkage_rows, linkage_tables, linked_scans

from bids_reid.bids.files import read_json, write_json
from bids_reid.bids.layout import ScanFiles
from bids_reid.bids.tables import read_table, write_table
from bids_reid.errors import NoInputError
from bids_reid.faces.extractors import load_extractor
from bids_reid.participant.library import read_scans
from bids_reid.risk import linkage
from bids_reid.surface.gifti import write_surface

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ('01', '02', '03')


def output(folder: Path, session: str, seed: int, failed: str | None = None) -> Path:
    """What the participant level leaves of three people, alike up to noise for every seed."""
    own = np.random.default_rng(0)
    rng = np.random.default_rng(seed)
    ball = rng.normal(size=(60_000, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    for name in NAMES:
        features = np.tile(own.normal(size=128), (9, 1)) + 0.1 * rng.normal(size=(9, 128))
        size = [60, 90, 80] + 20 * own.random(3)
        place = folder / f'sub-{name}' / f'ses-{session}' / 'anat'
        place.mkdir(parents=True)
        files = ScanFiles(place, f'sub-{name}_ses-{session}', 'T1w')
        record = {
            'Status': 'failed' if name == failed else 'ok',
            'Reason': None,
            'Condition': 'raw',
            'Sources': ['bids:raw:x'],
            'ViewsWithFace': 9,
        }
        if name != failed:
            frame = {'Origin': [0, 0, 0], 'Forward': [0, 1, 0], 'Up': [0, 0, 1], 'Scale': 1.0}
            record['FaceFrame'] = frame | {'Source': 'face'}
            points = (ball * size).astype(np.float32)
            write_surface(files.skin, points, np.array([[0, 1, 2]], np.int32))
            template = files.template('facerecognition')
            np.savez(template, features=features.astype(np.float32), view=np.arange(9))
            write_json(
                template.with_suffix('.json'), load_extractor('face_recognition').identity()
            )
        write_json(files.record, record)
    return folder


def test_an_earlier_output_is_linked_and_failures_count(tmp_path: Path) -> None:
    """With --against, a scan that failed there must lower no denominator."""
    scans = read_scans(output(tmp_path / 'now', '01', 1))
    earlier = output(tmp_path / 'earlier', '01', 2, failed='02')
    rows = linkage_tables(linked_scans(scans, earlier), ['face_recognition', 'surface'])
    assert [(row.extractor, row.decision) for row in rows] == [
        *(('face_recognition', decision) for decision in ('pose', 'centred')),
        *(('surface', region) for region in ('face', 'head')),
    ]
    for row in rows:
        assert (row.probe_dataset, row.gallery_dataset) == ('earlier', 'this')
        assert (row.n_probes, row.n_failed_probe, row.n_gallery) == (3, 1, 3)
    assert [row.n_correct for row in rows] == [2, 2, 2, 2]
    write_table(tmp_path / 'group_linkage.tsv', 'group_linkage', linkage_rows(rows))
    assert read_table(tmp_path / 'group_linkage.tsv')[0]['probe_session'] == 'ses-01'


def test_an_earlier_output_that_is_none_is_said(tmp_path: Path) -> None:
    """A wrong folder must not look like scans that cannot be linked."""
    scans = read_scans(output(tmp_path / 'now', '01', 1))
    with pytest.raises(NoInputError):
        linked_scans(scans, tmp_path)


def test_a_folder_named_like_the_run_is_another_dataset(tmp_path: Path) -> None:
    """Otherwise its scans are counted as this run's, and linked with nothing."""
    scans = read_scans(output(tmp_path / 'now', '01', 1))
    sets = {
        scan.scan_set.dataset for scan in linked_scans(scans, output(tmp_path / 'this', '01', 2))
    }
    assert sets == {'this', 'against-this'}


@pytest.mark.parametrize('damage', ['nan', 'cut surface', 'no surface', 'no scale', 'no template'])
def test_one_damaged_scan_costs_itself_only(tmp_path: Path, damage: str) -> None:
    """A file that was cut off must not end the group level, nor unlink everybody else."""
    scans = read_scans(output(tmp_path / 'now', '01', 1))
    earlier = output(tmp_path / 'earlier', '01', 2)
    files = read_scans(earlier)[1].files
    template = files.template('facerecognition')
    if damage == 'nan':
        features = np.ones((9, 128), np.float32)
        features[3, 5] = np.nan
        np.savez(template, features=features, view=np.arange(9))
    elif damage == 'cut surface':
        files.skin.write_bytes(files.skin.read_bytes()[:3000])
    elif damage == 'no surface':
        files.skin.unlink()
    elif damage == 'no template':
        template.write_bytes(template.read_bytes()[:100])
    else:
        record = read_json(files.record)
        del record['FaceFrame']['Scale']
        write_json(files.record, record)
    rows = linkage_tables(linked_scans(scans, earlier), ['face_recognition', 'surface'])
    hit = 'face_recognition' if damage in {'nan', 'no template'} else 'surface'
    for row in rows:
        n_failed = int(row.extractor == hit)
        assert (row.n_probes, row.n_failed_probe) == (3, n_failed)
        assert row.n_correct == 3 - n_failed


def test_what_cannot_be_compared_is_no_zero(tmp_path: Path) -> None:
    """Templates of another version of the model: 0% linked would read as safe."""
    scans = read_scans(output(tmp_path / 'now', '01', 1))
    earlier = output(tmp_path / 'earlier', '01', 2)
    for scan in read_scans(earlier):
        sidecar = scan.files.template('facerecognition').with_suffix('.json')
        content = read_json(sidecar)
        write_json(sidecar, content | dict.fromkeys(content, 'another'))
        scan.files.skin.unlink()
    linked = linked_scans(scans, earlier)
    assert linkage_tables(linked, ['face_recognition', 'surface']) == []


def test_who_is_not_compared_is_in_no_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of large sets a part is compared: the others must not count as not linked."""
    monkeypatch.setattr(linkage.compared_participants, '__defaults__', (2,))
    scans = read_scans(output(tmp_path / 'now', '01', 1))
    earlier = output(tmp_path / 'earlier', '01', 2)
    rows = linkage_tables(linked_scans(scans, earlier), ['face_recognition', 'surface'])
    assert {(row.n_probes, row.n_gallery, row.n_correct) for row in rows} == {(2, 2, 2)}
