"""Files of one scan: a second run does what is missing or changed, no more and no less."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bids_reid.bids import derivatives
from bids_reid.bids.derivatives import (
    is_up_to_date,
    leave_out,
    read_record,
    record_state,
    renew_record,
    save_failure,
)
from bids_reid.bids.files import file_sha256, read_json
from bids_reid.bids.layout import ScanFiles
from bids_reid.bids.tables import read_table
from bids_reid.bids.template_files import read_template
from bids_reid.bids.unchanged import CHANGED, file_state
from bids_reid.errors import ScanError
from bids_reid.records import FaceBoxes, Keypoints, KeypointTemplate, Scan, Template
from tests.support.scan_records import WHOLE_FACE, boxes, save_results

N_VIEWS = 90
FACES = FaceBoxes(((1, 2, 3, 4),) * 40 + (None,) * 50, (True,) * 40 + (False,) * 50)
NOWHERE = FaceBoxes((None,) * N_VIEWS, (False,) * N_VIEWS)
FEATURES = np.arange(6, dtype=np.float32).reshape(2, 3)
VIEWS = np.array([4, 7], np.int32)


class Bench:
    """A dataset with one scan, and what its results were."""

    def __init__(self, folder: Path) -> None:
        self.raw, self.out = folder / 'raw', folder / 'out'
        path = self.raw / 'sub-01' / 'anat' / 'sub-01_T1w.nii'
        path.parent.mkdir(parents=True)
        path.write_bytes(b'scan')
        self.scan = Scan('01', None, 'T1w', 'sub-01', path)
        self.files = ScanFiles.of(self.scan, self.out)

    def save(
        self,
        *extractors: str,
        renders: bool = False,
        mark: float = 0,
        completes: bool = False,
        templates: dict[str, Template | KeypointTemplate] | None = None,
        **changes: Any,
    ) -> Path:
        names = extractors or ('face_recognition',)
        given: dict[str, Any] = {
            'measures': replace(WHOLE_FACE, complete_face=completes),
            'faces': FACES,
            'renders': np.full((N_VIEWS, 4, 4), int(mark), np.uint8) if renders else None,
        }
        made = templates or {name: Template(FEATURES + mark, VIEWS) for name in names}
        return save_results(self.scan, self.raw, self.out, made, **given | changes)

    def done(self, *extractors: str, model: str = 'm', **asked: bool) -> bool:
        models = {name: {'Model': model} for name in extractors or ('face_recognition',)}
        wishes = {'keep_renders': False, 'complete_face': False} | asked
        return is_up_to_date(self.scan, self.out, models=models, **wishes)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_completed_faces_and_cut_ones_are_not_confused(bench: Bench) -> None:
    """A rate of faces that were completed would pass for one of faces as they were scanned."""
    bench.save('face_recognition', 'orb')
    assert not bench.done(complete_face=True)
    bench.save('face_recognition', completes=True)
    assert bench.done(complete_face=True)
    assert not bench.done()
    # what the other extractor made of the cut face is gone
    assert read_template(bench.files, 'orb') is None


def test_a_damaged_template_is_named(bench: Bench) -> None:
    """A traceback from the depths of a zip file helps nobody."""
    bench.save()
    path = bench.files.template('facerecognition')
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ScanError, match=path.name):
        read_template(bench.files, 'face_recognition')
    np.savez(path, view=VIEWS)
    with pytest.raises(ScanError, match=path.name):
        read_template(bench.files, 'face_recognition')


def test_a_saved_scan_is_not_done_again(bench: Bench) -> None:
    """Otherwise every run starts from nothing."""
    assert not bench.done()
    assert bench.save() == bench.files.record
    assert bench.done()
    # a scan in which no face was found is a result too
    bench.save(faces=NOWHERE)
    assert bench.done()


def test_a_changed_scan_is_done_again(bench: Bench) -> None:
    """Otherwise a scan that was de-faced since keeps its old, high risk; dates tell nothing."""
    bench.save()
    bench.scan.path.write_bytes(b'scan')
    assert bench.done()
    bench.scan.path.write_bytes(b'scAn')
    assert not bench.done()


def test_another_model_or_version_does_it_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise features of two versions are compared with each other: nobody is recognised."""
    bench.save()
    assert bench.done()
    assert not bench.done(model='n')
    monkeypatch.setattr(derivatives, '__version__', '99')
    assert not bench.done()


def test_every_missing_file_is_made_again(bench: Bench) -> None:
    """Otherwise the group level stops at a file that somebody removed."""
    bench.save(renders=True)
    assert bench.done(keep_renders=True)
    files = [path for path in bench.files.folder.rglob('*') if path.is_file()]
    needed = [path for path in files if path.suffix != '.png']
    assert len(files) - len(needed) == N_VIEWS
    assert len(needed) == 6
    for path in [*needed, bench.files.render(40), bench.files.render(89)]:
        content = path.read_bytes()
        path.unlink()
        assert not bench.done(keep_renders=True), path
        path.touch()
        assert not bench.done(keep_renders=True), f'{path} is empty'
        if path.suffix != '.png':
            path.write_bytes(content[: len(content) // 2])
            assert not bench.done(keep_renders=True), f'{path} is cut'
        path.write_bytes(content)
        assert bench.done(keep_renders=True)


def test_a_new_wish_is_fulfilled(bench: Bench) -> None:
    """Otherwise --extractors or --keep renders does nothing on a folder that has results."""
    bench.save()
    assert not bench.done('face_recognition', 'orb')
    assert not bench.done(keep_renders=True)
    bench.save('orb', renders=True)
    # the first extractor's template still holds: it is of the same scan and version
    assert bench.done('face_recognition', 'orb', keep_renders=True)
    assert read_json(bench.files.record)['Extractors'] == ['face_recognition', 'orb']


def test_results_of_the_old_scan_do_not_stay_beside_the_new(bench: Bench) -> None:
    """Otherwise one extractor's template, and the renders shown, are of the scan before."""
    bench.save('orb', 'face_recognition', renders=True)
    bench.scan.path.write_bytes(b'defaced')
    bench.save('face_recognition', mark=9)
    assert bench.done('face_recognition')
    assert not bench.done('orb')
    assert read_template(bench.files, 'orb') is None
    assert not bench.files.renders.exists()
    assert not bench.done(keep_renders=True)
    assert read_json(bench.files.record)['Extractors'] == ['face_recognition']


def test_the_neighbour_keeps_its_files(bench: Bench) -> None:
    """Names that begin alike must not be taken for the same scan."""
    others = [
        Scan('01', None, 'T1w', 'sub-01_run-2', bench.scan.path),
        Scan('01', None, 'FLAIR', 'sub-01', bench.scan.path),
    ]
    for scan in others:
        other = ScanFiles.of(scan, bench.out).record
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_text('{}')
    bench.save()
    save_failure(bench.scan, bench.raw, bench.out, 'why')
    assert all(ScanFiles.of(scan, bench.out).record.exists() for scan in others)


def test_content_that_was_dropped_keeps_its_results(bench: Bench) -> None:
    """After ``datalad drop`` a second run must not fail, nor throw good results away."""
    bench.save()
    bench.scan.path.unlink()
    bench.scan.path.symlink_to('/nowhere')
    assert bench.done()
    assert not bench.done('orb')
    save_failure(bench.scan, bench.raw, bench.out, 'gone')
    assert read_json(bench.files.record)['SourceSHA256'] is None


def test_a_failure_is_a_row_with_its_reason(bench: Bench) -> None:
    """Otherwise a scan that failed still counts with its old template, or is not counted."""
    bench.save('face_recognition', 'orb', renders=True)
    save_failure(bench.scan, bench.raw, bench.out, 'sub-01_T1w.nii is empty')
    assert list(bench.files.folder.iterdir()) == [bench.files.record]
    record = read_json(bench.files.record)
    assert record['Status'] == 'failed'
    assert record['Reason'] == 'sub-01_T1w.nii is empty'
    assert record['Sources'] == ['bids:raw:sub-01/anat/sub-01_T1w.nii']
    assert record['ViewsWithFace'] is None
    assert not bench.done()


def test_a_reason_tells_no_folder_of_the_machine(bench: Bench) -> None:
    """Libraries name a file as they were given it; the tables and pages are shared."""
    link = bench.raw.with_name('link')
    link.symlink_to(bench.raw)
    for folder in (bench.raw, link):
        scan = replace(bench.scan, path=folder / bench.scan.path.relative_to(bench.raw))
        save_failure(scan, folder, bench.out, f'Empty file: {scan.path} ({bench.scan.path})')
        text = bench.files.record.read_text()
        assert str(bench.raw.parent) not in text
        assert 'Empty file: sub-01_T1w.nii (sub-01_T1w.nii)' in text


def test_a_measure_that_is_no_number_is_not_written(bench: Bench) -> None:
    """A record that nobody can read would block both levels."""
    bench.save()
    with pytest.raises(ScanError, match='measurements are invalid'):
        bench.save(measures=replace(WHOLE_FACE, volume_litres=float('inf')))
    assert bench.done()


def test_a_scan_that_may_not_be_read_is_one_failed_row(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One file of another user must not end the run, nor pass for done with its old results."""
    bench.save()
    assert bench.done()

    def refuse(path: Path) -> str:
        raise PermissionError(13, 'Permission denied', str(path))

    # tests may run as root, who may read everything
    monkeypatch.setattr(derivatives, 'file_sha256', refuse)
    assert not bench.done()
    save_failure(bench.scan, bench.raw, bench.out, 'sub-01_T1w.nii cannot be read')
    record = read_json(bench.files.record)
    assert (record['Status'], record['SourceSHA256']) == ('failed', None)
    assert record['Reason'] == 'sub-01_T1w.nii cannot be read'


def test_a_template_comes_back_as_it_was(bench: Bench) -> None:
    """A template that changes on disk changes who is recognised."""
    bench.save()
    template = read_template(bench.files, 'face_recognition')
    assert template is not None
    np.testing.assert_array_equal(template.features, FEATURES)
    np.testing.assert_array_equal(template.views, VIEWS)
    assert template.features.dtype == np.float32
    assert read_template(bench.files, 'orb') is None


def test_a_template_of_keypoints_comes_back_as_it_was(bench: Bench) -> None:
    """Descriptors that get positions of others find nobody, or anybody."""
    rng = np.random.default_rng(0)
    keypoints = Keypoints(
        rng.integers(0, 256, (5, 32), dtype=np.uint8),
        rng.random((5, 2), dtype=np.float32),
        np.array([0, 3, 3, 5]),
    )
    views = np.array([4, 40, 80], np.int32)
    bench.save('face_recognition')
    bench.save(templates={'orb': KeypointTemplate(keypoints, views)})
    assert bench.done('face_recognition', 'orb')
    assert not bench.done('orb', model='another')
    template = read_template(bench.files, 'orb')
    assert isinstance(template, KeypointTemplate)
    assert template.shape == (5, 32)
    np.testing.assert_array_equal(template.views, views)
    arrays = template.keypoints.arrays()
    for name, values in keypoints.arrays().items():
        np.testing.assert_array_equal(arrays[name], values)
        assert arrays[name].dtype == values.dtype


def test_the_same_results_give_the_same_bytes(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise nobody can check by hash that a run was repeated."""

    def content() -> dict[str, str]:
        files = (path for path in bench.files.folder.rglob('*') if path.is_file())
        return {path.name: file_sha256(path) for path in files}

    bench.save(renders=True)
    before = content()
    assert len(before) == N_VIEWS + 6
    later = time.time() + 1e7
    monkeypatch.setattr(time, 'time', lambda: later)
    monkeypatch.setattr(time, 'localtime', lambda *_: time.gmtime(later))
    bench.save(renders=True)
    assert content() == before


def test_what_the_files_say(bench: Bench) -> None:
    """Reports and auditors read these."""
    bench.save()
    sidecar = read_json(bench.files.template('facerecognition').with_suffix('.json'))
    assert sidecar['Extractor'] == 'face_recognition'
    assert sidecar['Sources'] == ['bids:raw:sub-01/anat/sub-01_T1w.nii']
    assert sidecar['SourceSHA256'] == file_sha256(bench.scan.path)
    assert {'bids_reid', 'vtk', 'numpy'} <= set(sidecar['SoftwareVersions'])
    rows = read_table(bench.files.views)
    assert [row['view'] for row in rows] == [str(number) for number in range(N_VIEWS)]
    styles = [row['style'] for row in rows]
    assert styles == ['plain'] * 81 + ['soft'] * 9
    assert [row['light_azimuth'] for row in rows[80:82]] == ['40', 'n/a']
    assert rows[39]['face_found'] == 'yes'
    assert rows[39]['box'] == '1,2,3,4'
    assert rows[40]['face_found'] == 'no'
    assert rows[40]['box'] == 'n/a'


def test_renders_are_pictures_of_their_views(bench: Bench) -> None:
    from PIL import Image

    bench.save(renders=True, mark=200)
    pictures = sorted(bench.files.renders.iterdir())
    assert [path.name for path in pictures[::40]] == ['view-00.png', 'view-40.png', 'view-80.png']
    with Image.open(pictures[5]) as picture:
        assert picture.mode == 'L'
        assert np.asarray(picture).tolist() == [[200] * 4] * 4


def test_other_conditions_keep_their_files(bench: Bench) -> None:
    """A changed original must not take the results of its de-faced version away, nor this that."""
    raw, version = bench.scan, replace(bench.scan, condition='defaced')
    kept: dict[str, set[Path]] = {}
    for scan in (raw, version):
        bench.scan = scan
        bench.save('face_recognition', 'orb', renders=True)
    everything = set(bench.files.folder.iterdir())
    kept['raw'] = {path for path in everything if '_desc-defaced' not in path.name}
    kept['defaced'] = everything - kept['raw']
    assert len(kept['raw']) == len(kept['defaced']) == 9
    for scan, other in ((raw, 'defaced'), (version, 'raw')):
        save_failure(scan, bench.raw, bench.out, 'why')
        left = set(bench.files.folder.iterdir()) - kept[other]
        assert left == {ScanFiles.of(scan, bench.out).record}
        assert kept[other] <= set(bench.files.folder.iterdir())
        bench.scan = scan
        bench.save('face_recognition', 'orb', renders=True)
    record = read_json(ScanFiles.of(version, bench.out).record)
    assert record['Sources'] == ['bids:defaced:sub-01/anat/sub-01_T1w.nii']


def test_only_the_adaptive_attacker_gets_what_no_detector_found(bench: Bench) -> None:
    """Otherwise the naive attacker's rate is that of one who knows the face frame."""
    found = np.array([False, True])
    keypoints = Keypoints(
        np.arange(10, dtype=np.uint8).reshape(5, 2),
        np.zeros((5, 2), np.float32),
        np.array([0, 3, 5]),
    )
    templates: dict[str, Template | KeypointTemplate] = {
        'face_recognition': Template(FEATURES, VIEWS, found),
        'orb': KeypointTemplate(keypoints, VIEWS, found),
    }
    bench.save(templates=templates, faces=boxes(80))
    for only, rows in ((True, [1]), (False, [0, 1])):
        for name in templates:
            template = read_template(bench.files, name, found_only=only)
            assert template is not None
            assert template.views.tolist() == VIEWS[rows].tolist()
            if isinstance(template, Template):
                np.testing.assert_array_equal(template.features, FEATURES[rows])
                continue
            some = template.keypoints
            assert some.offsets.tolist() == ([0, 2] if only else [0, 3, 5])
            assert some.descriptors[:, 0].tolist() == ([6, 8] if only else [0, 2, 4, 6, 8])
    sources = [(row['face_found'], row['box_source']) for row in read_table(bench.files.views)]
    assert sources[79:82] == [('no', 'frame'), ('yes', 'detector'), ('no', 'frame')]


def test_a_claim_is_read_again_without_any_work(bench: Bench) -> None:
    """A sidecar that was mended must not need the scan to be rendered again."""
    bench.save()
    assert read_json(bench.files.record)['Deidentification'] == {'Claimed': None, 'Methods': []}
    sidecar = bench.scan.path.with_suffix('.json')
    sidecar.write_text('{"DeidentificationMethod": ["pydeface"]}')
    assert bench.done()
    renew_record(bench.scan, bench.raw, bench.out)
    record = read_json(bench.files.record)
    assert record['Deidentification'] == {'Claimed': True, 'Methods': ['pydeface']}
    assert record['Status'] == 'ok'
    assert bench.done()


def test_an_image_that_moved_keeps_its_results(bench: Bench) -> None:
    """A .nii that was packed, or another folder of -d, must not look like a scan withdrawn."""
    bench.save('orb')
    moved = bench.raw / 'sub-01' / 'anat' / 'sub-01_acq-x_T1w.nii'
    bench.scan.path.rename(moved)
    scan = replace(bench.scan, path=moved)
    renew_record(scan, bench.raw, bench.out, 'originals')
    sources = ['bids:raw:sub-01/anat/sub-01_acq-x_T1w.nii']
    for file in (bench.files.record, bench.files.template('orb').with_suffix('.json')):
        content = read_json(file)
        assert (content['Sources'], content['Before']) == (sources, 'originals')
    assert read_json(bench.files.template('orb').with_suffix('.json'))['Model'] == 'm'
    # other bytes are another image, whatever its name
    other = moved.with_name('sub-01_acq-y_T1w.nii')
    other.write_bytes(b'else')
    renew_record(replace(scan, path=other), bench.raw, bench.out, 'originals')
    assert read_json(bench.files.record)['Sources'] == sources


def test_what_has_not_changed_is_not_written_again(bench: Bench) -> None:
    """A second run of 10,000 scans would write as many files."""
    bench.save()
    before = bench.files.record.stat().st_ino
    renew_record(bench.scan, bench.raw, bench.out)
    assert bench.files.record.stat().st_ino == before
    renew_record(bench.scan, bench.raw, bench.out, 'originals')
    assert bench.files.record.stat().st_ino != before


def test_a_record_is_read_once_and_never_an_old_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rerun would read every record four times, or a stale one would let an image pass."""
    bench.save()
    first = read_record(bench.files)
    assert first is not None
    read = []
    monkeypatch.setattr(
        derivatives, 'read_json', lambda path: read.append(path) or read_json(path)
    )
    # it changed just now, and could change again at once
    assert read_record(bench.files) == read_record(bench.files) == first
    assert len(read) == 2
    monkeypatch.setattr(derivatives, 'RACY_NS', 0)
    read.clear()
    assert [read_record(bench.files) for _ in range(3)] == [first] * 3
    assert len(read) == 1
    leave_out(bench.files, first, 'left out')
    assert read_record(bench.files) == replace(first, left_out='left out')
    save_failure(bench.scan, bench.raw, bench.out, 'broken')
    now = read_record(bench.files)
    assert now is not None
    assert now.failed
    bench.files.record.unlink()
    assert read_record(bench.files) is None


def test_a_record_that_could_not_be_read_for_a_moment_is_read_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of a network may fail; the scan would be done again, or be called failed."""
    bench.save()
    monkeypatch.setattr(derivatives, 'RACY_NS', 0)
    with monkeypatch.context() as patch:
        patch.setattr(derivatives, 'read_json', lambda _: {})
        assert read_record(bench.files) is None
    assert read_record(bench.files) is not None


class TestRecordState:
    """A result counts only for the bytes that were measured."""

    def state(
        self, bench: Bench, folder: Path | None = None, sha256: str | None = None
    ) -> str | None:
        """State by the hash given, or by that of the file."""
        record = read_record(bench.files)
        assert record is not None

        def sha256_of(path: Path) -> str | None:
            return sha256 or (file_sha256(path) if path.is_file() else None)

        return record_state(bench.files, record, folder or bench.raw, sha256_of)

    def test_of_its_own_image_it_counts(self, bench: Bench) -> None:
        bench.save()
        assert self.state(bench) is None
        save_failure(bench.scan, bench.raw, bench.out, 'why')
        assert self.state(bench) is None

    def test_a_renamed_or_withdrawn_scan_does_not(self, bench: Bench) -> None:
        bench.save()
        bench.scan.path.rename(bench.scan.path.with_name('sub-01_run-2_T1w.nii'))
        assert self.state(bench) == ('the scan is no longer there: it was renamed or withdrawn')

    def test_one_whose_skin_was_purged_does_not(self, bench: Bench) -> None:
        """It would be searched and linked by files that are gone."""
        bench.save()
        bench.files.skin.unlink()
        assert 'bids-reid-purge' in (self.state(bench) or '')

    def test_a_replaced_scan_does_not(self, bench: Bench) -> None:
        """De-faced after it was measured, or measured de-faced and then put back."""
        bench.save()
        bench.scan.path.write_bytes(b'else')
        assert 'has changed since it was measured' in (self.state(bench) or '')
        assert not bench.done()
        # the new bytes fail: nothing of the old ones is left to count for them
        save_failure(bench.scan, bench.raw, bench.out, 'broken')
        assert list(bench.files.folder.iterdir()) == [bench.files.record]
        assert self.state(bench) is None

    def test_one_that_was_replaced_while_it_was_measured_does_not(self, bench: Bench) -> None:
        """From reading to the record it takes hours in a large run; de-facers may run beside."""
        read = file_sha256(bench.scan.path)
        bench.scan.path.write_bytes(b'else')
        bench.save(source_sha256=read)
        assert 'has changed since it was measured' in (self.state(bench) or '')
        assert not bench.done()

    def test_content_that_is_not_here_counts_by_its_key(self, bench: Bench) -> None:
        bench.save()
        key = file_sha256(bench.scan.path)
        bench.scan.path.unlink()
        bench.scan.path.symlink_to('/nowhere')
        assert self.state(bench, sha256=key) is None
        assert 'has changed since' in (self.state(bench, sha256='f' * 64) or '')
        assert 'content of the scan is not on this machine' in (self.state(bench) or '')

    def test_one_that_a_filter_leaves_out_does_not(self, bench: Bench) -> None:
        bench.save()
        record = read_record(bench.files)
        assert record is not None
        leave_out(bench.files, record, 'left out by --bids-filter-file')
        assert self.state(bench) == 'left out by --bids-filter-file'
        assert bench.done(), 'it would be made again when it is chosen again'
        renew_record(bench.scan, bench.raw, bench.out)
        assert self.state(bench) is None

    def test_a_folder_that_nobody_names_hides_nothing(self, bench: Bench) -> None:
        bench.save()
        record = read_record(bench.files)
        assert record is not None
        files = replace(bench.files, condition='defaced')
        why = record_state(files, record, None, file_sha256)
        assert why == 'the folder of defaced is not known: name it with -d defaced='
        assert 'does not exist' in (self.state(bench, bench.raw / 'gone') or '')

    def test_a_failure_of_other_bytes_is_of_none(self, bench: Bench) -> None:
        """The new file would have the failure of the one before it, and never be done."""
        state = file_state(bench.scan.path)
        save_failure(bench.scan, bench.raw, bench.out, 'broken', state=state)
        assert read_json(bench.files.record)['Reason'] == 'broken'
        assert self.state(bench) is None
        bench.scan.path.write_bytes(b'else')
        save_failure(bench.scan, bench.raw, bench.out, 'broken', state=state)
        assert 'has changed since it was measured' in (self.state(bench) or '')
        assert CHANGED in read_json(bench.files.record)['Reason']
