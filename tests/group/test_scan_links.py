"""Linkage reads what the participant level wrote, of this run and of an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_reid.bids.files import read_json, write_json
from bids_reid.bids.layout import ScanFiles
from bids_reid.errors import NoInputError, NothingSelectedError, UsageError
from bids_reid.faces.extractors import load_extractor
from bids_reid.group.merging import MergeError, read_result
from bids_reid.group.scan_links import LinkedScan, link_scans, linkage_rows, linked_scans
from bids_reid.group.selection import read_against
from bids_reid.participant.library import read_scans
from bids_reid.risk import linkage
from bids_reid.risk.linkage import Comparison, LinkageRow
from bids_reid.settings import Settings
from bids_reid.surface.gifti import write_surface
from tests.support.scan_records import WHOLE_FACE, scan_record

Links = Mapping[tuple[Comparison, str], tuple[LinkageRow, ...]]
NAMES = ('01', '02', '03')
WAYS = ('face_recognition', 'surface')


def output(folder: Path, session: str, seed: int, failed: str | None = None) -> Path:
    """What the participant level leaves of three people, alike up to noise for every seed."""
    own = np.random.default_rng(0)
    rng = np.random.default_rng(seed)
    ball = rng.normal(size=(30_000, 3))
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    for name in NAMES:
        features = np.tile(own.normal(size=128), (9, 1)) + 0.1 * rng.normal(size=(9, 128))
        size = [60, 90, 80] + 20 * own.random(3)
        place = folder / f'sub-{name}' / f'ses-{session}' / 'anat'
        place.mkdir(parents=True)
        files = ScanFiles(place, f'sub-{name}_ses-{session}', 'T1w')
        record = scan_record('face_recognition', status='failed' if name == failed else 'ok')
        if name != failed:
            points = (ball * size).astype(np.float32)
            write_surface(files.skin, points, np.array([[0, 1, 2]], np.int32))
            template = files.template('facerecognition')
            np.savez(template, features=features.astype(np.float32), view=np.arange(9))
            write_json(
                template.with_suffix('.json'), load_extractor('face_recognition').identity()
            )
        write_json(files.record, record.to_json())
    return folder


def links_of(scans: list[LinkedScan], folder: Path) -> list[Links]:
    """What the step of each way leaves."""
    files = [folder / f'{way}.pickle' for way in WAYS]
    for way, file in zip(WAYS, files, strict=True):
        link_scans(scans, way, None, 0, file)
    return [read_result(file) for file in files]


def rows_of(scans: list[LinkedScan], folder: Path) -> tuple[LinkageRow, ...]:
    return linkage_rows(links_of(scans, folder), scans, WAYS, None)


def test_an_earlier_output_is_linked_and_failures_count(tmp_path: Path) -> None:
    """With --against, a scan that failed there must lower no denominator."""
    scans = read_scans(output(tmp_path / 'now', '01', 1))
    earlier = read_scans(output(tmp_path / 'earlier', '01', 2, failed='02'))
    rows = rows_of(linked_scans(scans, earlier, 'earlier'), tmp_path)
    assert [(row.extractor, row.decision) for row in rows] == [
        *(('face_recognition', decision) for decision in ('pose', 'centred')),
        *(('surface', region) for region in ('face', 'head')),
    ]
    for row in rows:
        assert (row.probe_dataset, row.gallery_dataset) == ('earlier', 'this')
        assert (row.probe_session, row.gallery_session) == ('01', '01')
        assert (row.n_probes, row.n_failed_probe, row.n_gallery) == (3, 1, 3)
    assert [row.n_correct for row in rows] == [2, 2, 2, 2]


def test_rows_are_found_by_way_and_comparison(tmp_path: Path) -> None:
    """Otherwise the links of one pair of sets are told as those of another, or of none."""
    for session, seed in (('01', 1), ('02', 2), ('03', 3)):
        output(tmp_path / 'now', session, seed)
    scans = linked_scans(read_scans(tmp_path / 'now'))
    vectors, surface = links_of(scans, tmp_path)
    rows = linkage_rows([vectors, surface], scans, WAYS, None)
    assert [(row.probe_session, row.gallery_session) for row in rows[::4]] == [
        ('02', '01'),
        ('03', '01'),
        ('03', '02'),
    ]
    assert [row.extractor for row in rows] == [way for _ in range(3) for way in WAYS for _ in 'ab']
    assert linkage_rows([surface, vectors], scans, WAYS, None) == rows
    assert linkage_rows([dict(reversed(vectors.items())), surface], scans, WAYS, None) == rows
    with pytest.raises(MergeError, match='no result for linkage'):
        linkage_rows([vectors], scans, WAYS, None)
    with pytest.raises(MergeError, match='two results for linkage'):
        linkage_rows([vectors, surface, surface], scans, WAYS, None)
    with pytest.raises(MergeError, match='no result for linkage'):
        linkage_rows([dict(list(vectors.items())[1:]), surface], scans, WAYS, None)
    with pytest.raises(MergeError, match='which was not asked for'):
        linkage_rows([vectors, surface], scans, WAYS[1:], None)


def test_an_earlier_output_that_is_none_is_told(tmp_path: Path) -> None:
    """A wrong folder must not look like scans that cannot be linked."""
    now = output(tmp_path / 'now', '01', 1)
    (tmp_path / 'empty').mkdir()

    def against(folder: Path | None, **options: tuple[str, ...]) -> list[object]:
        settings = Settings(
            bids_dir=tmp_path, output_dir=now, levels=('group',), against=folder, **options
        )
        return list(read_against(settings))

    assert against(None) == []
    with pytest.raises(NoInputError, match='empty holds no results'):
        against(tmp_path / 'empty')
    with pytest.raises(UsageError, match='--against names output_dir'):
        against(tmp_path / 'empty' / '..' / 'now')
    earlier = output(tmp_path / 'earlier', '01', 2)
    assert len(against(earlier)) == 3
    with pytest.raises(NothingSelectedError):
        against(earlier, modalities=('FLAIR',))


def test_a_folder_named_like_the_run_is_another_dataset(tmp_path: Path) -> None:
    """Otherwise its scans are counted as this run's, and linked with nothing."""
    scans = read_scans(output(tmp_path / 'now', '01', 1))
    for name, expected in (('this', 'against-this'), ('', 'against-'), ('that', 'that')):
        linked = linked_scans(scans, scans, name)
        assert {scan.scan_set.dataset for scan in linked} == {'this', expected}


@pytest.mark.parametrize('damage', ['nan', 'cut surface', 'no surface', 'brain', 'no template'])
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
        brain = replace(WHOLE_FACE, skull_stripped=True)
        write_json(files.record, scan_record('face_recognition', measures=brain).to_json())
    rows = rows_of(linked_scans(scans, read_scans(earlier)), tmp_path)
    hit = 'face_recognition' if damage in {'nan', 'no template'} else 'surface'
    assert len(rows) == 4
    for row in rows:
        n_failed = int(row.extractor == hit)
        assert (row.n_probes, row.n_failed_probe) == (3, n_failed)
        assert row.n_correct == 3 - n_failed


def test_soft_views_link_nothing(tmp_path: Path) -> None:
    """A scan of which an extractor took soft renders alone failed, and is not like nobody."""
    scans = read_scans(output(tmp_path / 'now', '01', 1))
    earlier = output(tmp_path / 'earlier', '01', 2)
    only, beside = (scan.files.template('facerecognition') for scan in read_scans(earlier)[:2])
    soft = np.ones((9, 128), np.float32)
    np.savez(only, features=soft, view=np.arange(81, 90))
    with np.load(beside) as content:
        plain = content['features']
    both = np.concatenate([plain, np.full_like(soft, 9)])
    np.savez(beside, features=both, view=np.array([*range(9), *range(81, 90)]))
    rows = rows_of(linked_scans(scans, read_scans(earlier)), tmp_path)
    counts = [(row.n_failed_probe, row.n_correct) for row in rows if row.extractor != 'surface']
    assert counts == [(1, 2), (1, 2)]


def test_what_cannot_be_compared_is_no_zero(tmp_path: Path) -> None:
    """Templates of another version of the model: 0% linked would read as safe."""
    scans = read_scans(output(tmp_path / 'now', '01', 1))
    earlier = read_scans(output(tmp_path / 'earlier', '01', 2))
    for scan in earlier:
        sidecar = scan.files.template('facerecognition').with_suffix('.json')
        content = read_json(sidecar)
        write_json(sidecar, content | dict.fromkeys(content, 'another'))
        scan.files.skin.unlink()
    # there is no row, and nothing is missing
    assert rows_of(linked_scans(scans, earlier), tmp_path) == ()


def test_who_is_not_compared_is_in_no_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of large sets a part is compared: the others must not count as not linked."""
    monkeypatch.setattr(linkage.compared_participants, '__defaults__', (2,))
    scans = read_scans(output(tmp_path / 'now', '01', 1))
    earlier = read_scans(output(tmp_path / 'earlier', '01', 2))
    rows = rows_of(linked_scans(scans, earlier), tmp_path)
    assert {(row.n_probes, row.n_gallery, row.n_correct) for row in rows} == {(2, 2, 2)}
