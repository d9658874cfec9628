"""With ``--keep nothing`` no file is left that can give a face back, and nothing else is lost."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bids_reid.bids.derivatives import is_up_to_date, read_record, record_state
from bids_reid.bids.files import file_sha256
from bids_reid.bids.layout import ScanFiles
from bids_reid.bids.sensitive import output_files, sensitive_amounts
from bids_reid.bids.shape_files import read_shape
from bids_reid.bids.template_files import read_template
from bids_reid.errors import UsageError
from bids_reid.participant import not_kept
from bids_reid.participant.not_kept import drop_all, drop_skins, needed_results, shape_of
from bids_reid.records import SKIN, TEMPLATES, Scan, Template
from bids_reid.settings import Settings
from bids_reid.surface.gifti import write_surface
from bids_reid.surface.signature import directions
from tests.support.scan_records import WHOLE_FACE, save_results

MODELS = {'face_recognition': {'Model': 'm'}}


class Bench:
    """A dataset with scans of two people, each with a skin and a template."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / 'out'
        self.raw = folder / 'raw'
        self.settings = Settings(
            bids_dir=self.raw,
            output_dir=self.out,
            levels=('participant',),
            extractors=('face_recognition',),
            keep='nothing',
        )
        self.scans = [self.scan('01'), self.scan('02')]
        ball = np.random.default_rng(0).normal(size=(20_000, 3)).astype(np.float32)
        self.points = 90 * ball / np.linalg.norm(ball, axis=1, keepdims=True)
        for scan in self.scans:
            self.save(scan)

    def scan(self, label: str, session: str | None = None) -> Scan:
        name = f'sub-{label}' if session is None else f'sub-{label}_ses-{session}'
        path = self.raw / f'sub-{label}' / 'anat' / f'{name}_T1w.nii'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        return Scan(label, session, 'T1w', name, path)

    def save(self, scan: Scan, **changes: Any) -> ScanFiles:
        features = np.full((2, 128), int(scan.participant), np.float32)
        template = Template(features, np.array([4, 7], np.int32))
        save_results(scan, self.raw, self.out, dict.fromkeys(MODELS, template), **changes)
        files = ScanFiles.of(scan, self.out)
        if files.skin.exists():
            write_surface(files.skin, self.points, np.array([[0, 1, 2]], np.int32))
        return files

    @property
    def files(self) -> list[ScanFiles]:
        return [ScanFiles.of(scan, self.out) for scan in self.scans]

    def done(self, scan: Scan, *needed: str) -> bool:
        return is_up_to_date(scan, self.out, models=MODELS, keep_renders=False, needed=needed)

    def sensitive(self) -> int:
        return sum(amount.files for amount in sensitive_amounts(self.out).values())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_skin_that_was_kept_is_replaced_by_its_shape(bench: Bench) -> None:
    """Scans are linked by their skins, too: without a shape a link would be missed."""
    first, second = bench.files
    expected = shape_of(first.skin, WHOLE_FACE)
    assert np.isfinite(expected).mean() > 0.8
    drop_skins(bench.scans[:1], bench.settings)
    assert not first.skin.exists()
    np.testing.assert_array_equal(read_shape(first), expected)
    record = read_record(first)
    assert record is not None
    assert record.not_kept == (SKIN,)
    assert second.skin.exists()
    # templates are still needed by the group level, and there is nothing to do again
    assert read_template(first, 'face_recognition') is not None
    assert bench.done(bench.scans[0], TEMPLATES)
    assert not bench.done(bench.scans[0], SKIN, TEMPLATES)
    before = {path: path.stat().st_mtime_ns for path in bench.out.rglob('*')}
    drop_skins(bench.scans[:1], bench.settings)
    assert {path: path.stat().st_mtime_ns for path in bench.out.rglob('*')} == before


def test_a_new_scan_leaves_its_shape_alone(bench: Bench) -> None:
    """It is smaller by a factor of 200, and so are 100,000 of them."""
    scan = bench.scan('03')
    shape = np.arange(len(directions()), dtype=np.float32)
    files = bench.save(scan, shape=shape)
    assert not files.skin.exists()
    np.testing.assert_array_equal(read_shape(files), shape)
    assert bench.done(scan, TEMPLATES)
    # and whoever keeps skins again has no shape beside them
    assert bench.save(scan).skin.exists()
    assert not files.shape.exists()
    assert bench.done(scan, SKIN, TEMPLATES)
    assert not bench.save(scan, shape=shape).skin.exists()


def test_nothing_is_left_and_the_record_says_so(bench: Bench) -> None:
    """Somebody relies on it who gives the output to others."""
    pictures = np.zeros((90, 4, 4), np.uint8)
    bench.save(bench.scans[0], renders=pictures)
    drop_skins(bench.scans[1:], bench.settings)
    assert bench.sensitive() == 2 + 2 + 90
    reports = {file.path for file in output_files(bench.out) if not file.sensitive}
    assert drop_all(bench.settings) == 2
    assert bench.sensitive() == 0
    assert {file.path for file in output_files(bench.out)} == reports
    for scan, files in zip(bench.scans, bench.files, strict=True):
        record = read_record(files)
        assert record is not None
        assert record.not_kept == (SKIN, TEMPLATES)
        assert record.extractors == ('face_recognition',)
        # the result counts all the same
        assert record_state(files, record, bench.raw, file_sha256) is None
        assert bench.done(scan)
        assert not bench.done(scan, TEMPLATES)
    assert drop_all(bench.settings) == 0


def test_another_model_or_scan_is_done_again_all_the_same(bench: Bench) -> None:
    drop_all(bench.settings)
    scan, other = bench.scans
    asked: dict[str, Any] = {'keep_renders': False, 'needed': ()}
    models = {'face_recognition': {'Model': 'another'}}
    assert not is_up_to_date(scan, bench.out, models=models, **asked)
    assert not is_up_to_date(scan, bench.out, models={**MODELS, 'orb': {'Model': 'm'}}, **asked)
    other.path.write_bytes(b'other')
    assert not bench.done(other)


def test_results_made_again_are_whole(bench: Bench) -> None:
    """A record that names templates of the run before, which are gone, would end the search."""
    scan, files = bench.scans[0], bench.files[0]
    template = Template(np.ones((2, 32), np.float32), np.array([4, 7], np.int32))
    save_results(scan, bench.raw, bench.out, {'orb': template})
    drop_all(bench.settings)
    bench.save(scan)
    record = read_record(files)
    assert record is not None
    assert (record.extractors, record.not_kept) == (('face_recognition',), ())
    assert bench.done(scan, SKIN, TEMPLATES)


@pytest.mark.parametrize('left', ['skin', 'shape', 'template'])
def test_what_a_killed_run_left_goes_with_the_next(bench: Bench, left: str) -> None:
    """The record is written first: files that it says are gone may still be there."""
    files = bench.files[0]
    path = files.template('facerecognition') if left == 'template' else getattr(files, left)
    drop_all(bench.settings)
    path.write_bytes(b'x')
    drop_skins(bench.scans, bench.settings)
    assert bench.sensitive() == 0


def test_others_keep_theirs(bench: Bench) -> None:
    """A task of a cluster, and a group level of some, take nothing from the rest."""
    drop_all(replace(bench.settings, participants=('02',)))
    assert bench.done(bench.scans[0], SKIN, TEMPLATES)
    assert not bench.done(bench.scans[1], TEMPLATES)
    for other in ({'sessions': ('a',)}, {'modalities': ('FLAIR',)}):
        assert drop_all(replace(bench.settings, **other)) == 0


def test_a_damaged_skin_is_left_for_who_mends_it(bench: Bench) -> None:
    bench.files[0].skin.write_bytes(b'<GIFTI')
    drop_skins(bench.scans, bench.settings)
    assert not bench.done(bench.scans[0], TEMPLATES)
    assert bench.done(bench.scans[1], TEMPLATES)


@pytest.mark.parametrize('damage', [b'', b'PK', None])
def test_a_damaged_shape_is_made_again(bench: Bench, damage: bytes | None) -> None:
    drop_skins(bench.scans, bench.settings)
    path = bench.files[0].shape
    if damage is None:
        path.unlink()
        record = read_record(bench.files[0])
        assert record is not None
        assert record_state(bench.files[0], record, bench.raw, file_sha256) is not None
    else:
        path.write_bytes(damage)
    assert not bench.done(bench.scans[0], TEMPLATES)


GROUP = ('participant', 'group')


@pytest.mark.parametrize(
    ('changes', 'needed'),
    [
        ({}, ()),
        ({'keep': 'templates'}, (SKIN, TEMPLATES)),
        ({'keep': 'renders'}, (SKIN, TEMPLATES)),
        # one scan of each participant cannot be linked with another
        ({'levels': GROUP}, ()),
        ({'levels': GROUP, 'photos': Path('p')}, (TEMPLATES,)),
        ({'levels': GROUP, 'against': Path('p')}, (TEMPLATES,)),
        ({'levels': GROUP, 'refaced': ('b',)}, (SKIN,)),
    ],
)
def test_what_is_needed(bench: Bench, changes: dict[str, Any], needed: tuple[str, ...]) -> None:
    """Too little ends the group level; too much is hours of work that nobody needs."""
    assert needed_results(replace(bench.settings, **changes), bench.scans) == needed


def test_two_scans_of_a_participant_are_linked(bench: Bench) -> None:
    both = replace(bench.settings, levels=GROUP)
    assert needed_results(both, [*bench.scans, bench.scan('01', 'b')]) == (TEMPLATES,)
    # one of them was processed by another run
    bench.save(bench.scan('02', 'b'))
    assert needed_results(both, bench.scans) == (TEMPLATES,)


def test_pictures_that_are_to_be_shown_are_not_nothing(bench: Bench) -> None:
    with pytest.raises(UsageError, match='--report-faces keeps renders'):
        replace(bench.settings, report_faces=True)


def test_a_removal_that_is_interrupted_names_nothing_that_is_gone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that says there is a template, where there is none, blocks the group level."""

    def killed(*_: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(not_kept, '_remove', killed)
        with pytest.raises(KeyboardInterrupt):
            drop_all(bench.settings)
    record = read_record(bench.files[0])
    assert record is not None
    assert record.not_kept == (SKIN, TEMPLATES)
    drop_all(bench.settings)
    assert bench.sensitive() == 0


def test_an_output_from_elsewhere_is_read(bench: Bench, tmp_path: Path) -> None:
    """Paths in it are of no folder above it."""
    drop_skins(bench.scans, bench.settings)
    shutil.move(bench.out, tmp_path / 'moved')
    files = ScanFiles.of(bench.scans[0], tmp_path / 'moved')
    assert read_shape(files) is not None
