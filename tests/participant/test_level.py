"""The participant level's choice of scans, and what becomes of results of former choices."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bids_reid import participant_level as level
from bids_reid.bids.derivatives import (
    LEFT_OUT_BY_FILTER,
    read_record,
    read_template,
    save_failure,
)
from bids_reid.bids.files import write_json
from bids_reid.bids.layout import ScanFiles, scan_files
from bids_reid.engine import participant_run
from bids_reid.engine.crashes import NO_MEMORY
from bids_reid.engine.participant_run import STOPPED
from bids_reid.engine.plugins import KILLED
from bids_reid.engine.workers import Workers
from bids_reid.errors import CannotWriteError, Exit, MachineError, RenderingError
from bids_reid.participant.selection import remove_stale, select
from bids_reid.participant_level import participant_level
from bids_reid.records import Origin, Scan, Template
from bids_reid.settings import Settings
from tests.support.scan_records import save_results, scan_record


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Two participants; a de-faced image of the first stands among the raw ones."""
    bids = tmp_path / 'bids'
    for name in ('sub-01_T1w', 'sub-01_rec-defaced_T1w', 'sub-02_T1w'):
        path = bids / name[:6] / 'anat' / f'{name}.nii'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'12345678')
    description = {'Name': 'tiny', 'BIDSVersion': '1.10.0'}
    write_json(bids / 'dataset_description.json', description)
    return Settings(
        bids_dir=bids,
        output_dir=tmp_path / 'out',
        levels=('participant',),
        participants=('01',),
        derivatives=(('defaced', bids),),
    )


def left(
    settings: Settings,
    stem: str,
    condition: str = 'raw',
    status: str = 'failed',
    source: str | None = None,
) -> str:
    """Leave a record as an earlier run would have; return its file's name."""
    stem, _, modality = stem.partition('/')
    modality = modality or 'T1w'
    files = ScanFiles(settings.output_dir / stem[:6] / 'anat', stem, modality, condition)
    source = source or f'{stem[:6]}/anat/{stem}_{modality}.nii'
    origin = Origin(condition, (f'bids:{condition}:{source}',), None, {'bids_reid': '0'})
    record = scan_record(status=status, condition=condition, origin=origin)
    write_json(files.record, record.to_json())
    return files.record.name


def reasons(settings: Settings) -> dict[str, str | None]:
    """Why each record that is there does not count."""
    found = {each.record.name: read_record(each) for each in scan_files(settings.output_dir)}
    return {name: record.left_out for name, record in found.items() if record is not None}


def test_results_of_what_is_no_scan_any_more_are_removed(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else a de-faced scan counts as raw, and an ambiguity that was mended as a failure."""
    defaced = 'sub-01/anat/sub-01_rec-defaced_T1w.nii'
    stale = {
        left(settings, 'sub-01_rec-defaced', status='ok'),
        # renamed, or withdrawn
        left(settings, 'sub-01_run-4', status='ok'),
        left(settings, 'sub-01_run-4/FLAIR', 'defaced', status='ok'),
        # the ambiguity was mended; this image is another scan's version now
        left(settings, 'sub-01_run-2', 'defaced', source=defaced),
        left(settings, 'sub-01_run-3', 'defaced', status='ok', source=defaced),
    }
    kept = {
        left(settings, 'sub-01'),
        left(settings, 'sub-01', 'defaced', source=defaced),
        # another run's business: a condition, a participant
        left(settings, 'sub-01_run-3', 'refaced'),
        left(settings, 'sub-02_run-2', 'defaced'),
        left(settings, 'sub-03', status='ok'),
    }
    selection = select(settings)
    taken = [scan.source_name for scan in selection.versions_among_raw]
    assert taken == ['sub-01_rec-defaced']
    capsys.readouterr()
    remove_stale(selection, settings)
    assert reasons(settings) == dict.fromkeys(kept)
    messages = capsys.readouterr().out.splitlines()
    assert {line.split(': ')[0].removeprefix('removed ') for line in messages} == stale
    gone = f'removed sub-01_run-4_desc-skin_T1w.json: the image is gone from {settings.bids_dir}'
    assert gone in messages


def test_a_page_is_written_early_and_again_if_it_is_old(settings: Settings) -> None:
    """They take long; one of before the last scan would tell too little."""
    selection, asked = select(settings), list[str]()

    class Here(Workers):
        def submit(self, work: Callable[..., Any], *given: Any) -> Future[Any]:
            asked.extend(given)
            done: Future[Any] = Future()
            done.set_result(work(*given))
            return done

    scans = sorted(selection.scans)
    assert len(scans) == 2
    page = settings.output_dir / 'sub-01.html'
    early = level._EarlyPages(scans, settings, Here(1))
    for scan in scans:
        assert not page.exists()
        save_results(scan, settings.datasets[scan.condition], settings.output_dir, {})
        early.saved(scan)
    assert asked == ['01']
    written = page.stat().st_ino
    level._write_pages(selection, settings)
    assert page.stat().st_ino == written
    # what was saved after the page is in the last one
    save_failure(scans[0], settings.bids_dir, settings.output_dir, 'it broke')
    level._write_pages(selection, settings)
    assert 'it broke' in page.read_text('utf-8')


def add(folder: Path, *names: str, content: bytes = b'12345678') -> None:
    for name in names:
        path = folder / name[:6] / 'anat' / f'{name}.nii'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_another_folder_of_versions_ends_what_the_first_one_gave(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """De-faced again without one participant, the old result of that one made the run pass."""
    first, second = (settings.bids_dir.parent / name for name in ('first', 'second'))
    add(first, 'sub-01_T1w', 'sub-02_T1w')
    add(second, 'sub-01_T1w')
    for folder in (first, second):
        left(settings, 'sub-01', 'defaced')
        left(settings, 'sub-02', 'defaced', status='ok')
        (settings.output_dir / 'sub-02.html').write_text('a page with faces')
        again = replace(settings, participants=(), derivatives=(('defaced', folder),))
        remove_stale(select(again), again)
        stays = folder is first
        assert ('sub-02_desc-defacedskin_T1w.json' in reasons(settings)) == stays
        assert (settings.output_dir / 'sub-02.html').exists() == stays
    # a dataset that is not installed is an empty folder
    left(settings, 'sub-02', 'defaced', status='ok')
    (second / 'sub-02').mkdir()
    remove_stale(select(again), again)
    assert 'sub-02_desc-defacedskin_T1w.json' in reasons(settings)
    # nor is a link without content gone
    (second / 'sub-02' / 'anat').mkdir()
    (second / 'sub-02' / 'anat' / 'sub-02_T1w.nii').symlink_to('/nowhere/content')
    remove_stale(select(again), again)
    assert 'sub-02_desc-defacedskin_T1w.json' in reasons(settings)


def test_tasks_judge_their_own_participant_and_session_only(settings: Settings) -> None:
    """Otherwise parallel tasks take away what the others just wrote."""
    bids = settings.bids_dir
    for name in ('sub-02_ses-a_T1w', 'sub-02_ses-b_T1w'):
        path = bids / 'sub-02' / name[7:12] / 'anat' / f'{name}.nii'
        path.parent.mkdir(parents=True)
        path.write_bytes(b'12345678')
    for session in 'ab':
        folder = settings.output_dir / 'sub-02' / f'ses-{session}' / 'anat'
        for run in '12':
            record = scan_record(status='ok')
            name = f'sub-02_ses-{session}_run-{run}'
            write_json(ScanFiles(folder, name, 'T1w').record, record.to_json())
    left(settings, 'sub-01_run-9', status='ok')
    task = replace(settings, participants=('02',), sessions=('a',), derivatives=())
    remove_stale(select(task), task)
    assert sorted(name.partition('_desc')[0] for name in reasons(settings)) == [
        'sub-01_run-9',
        'sub-02_ses-b_run-1',
        'sub-02_ses-b_run-2',
    ]


def test_what_a_filter_leaves_out_is_marked_until_it_is_chosen_again(
    settings: Settings, tmp_path: Path
) -> None:
    """Scans that are filtered out stayed in all tables of the group without a word."""
    add(settings.bids_dir, 'sub-01_run-2_T1w', 'sub-01_T2w', 'sub-02_T2w')
    for stem in ('sub-01', 'sub-01_run-2', 'sub-01/T2w', 'sub-02/T2w'):
        left(settings, stem, status='ok')
    left(settings, 'sub-01', 'defaced', source='sub-01/anat/sub-01_rec-defaced_T1w.nii')
    file = tmp_path / 'filter.json'
    file.write_text('{"T1w": {"run": 2}, "T2w": {"acquisition": "x"}}')

    def marked(**changes: Any) -> set[str]:
        now = replace(settings, extractors=('orb',), **changes)
        level._bring_up_to_date(select(now), now)
        return {name for name, why in reasons(settings).items() if why == LEFT_OUT_BY_FILTER}

    first, version = 'sub-01_desc-skin_T1w.json', 'sub-01_desc-defacedskin_T1w.json'
    # what part of the work is done now marks nothing
    assert marked(modalities=('T1w',)) == set()
    assert marked(modalities=('T1w',), filter_file=file) == {first, version}
    t2w = 'sub-01_desc-skin_T2w.json'
    assert marked(filter_file=file) == {first, version, t2w}
    assert marked(modalities=('T2w',)) == {first, version}
    # of other conditions this says nothing
    assert marked(derivatives=()) == {version}
    assert marked() == set()
    assert all(why is None for why in reasons(settings).values())


def test_the_order_of_conditions_is_in_the_records(settings: Settings) -> None:
    """A group level that is called without -d would tell before and after backwards."""
    left(settings, 'sub-01', status='ok')
    left(settings, 'sub-01', 'defaced', status='ok')

    def orders(*names: str, **changes: Any) -> dict[str, str | None]:
        folders = tuple((name, settings.bids_dir) for name in names)
        now = replace(settings, derivatives=folders, **changes)
        level._bring_up_to_date(select(now), now)
        files = scan_files(settings.output_dir, ['01'])
        found = {each.condition: read_record(each) for each in files}
        return {name: record.origin.before for name, record in found.items() if record}

    assert orders('defaced') == {'raw': None, 'defaced': 'raw'}
    # the raw dataset is what is shared: its originals are the other ones
    assert orders('defaced', audit='raw') == {'raw': 'defaced', 'defaced': None}
    assert orders('defaced', 'other', audit='raw')['raw'] == 'defaced'
    # a run that does not say leaves what is known
    assert orders()['raw'] == 'defaced'
    assert orders('defaced') == {'raw': None, 'defaced': 'raw'}


def finished(settings: Settings, label: str) -> Scan:
    """Leave what an earlier run made of a scan with the extractor orb."""
    path = settings.bids_dir / f'sub-{label}' / 'anat' / f'sub-{label}_T1w.nii'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'12345678')
    scan = Scan(label, None, 'T1w', f'sub-{label}', path)
    template = Template(np.ones((2, 3), np.float32), np.array([4, 7], np.int32))
    save_results(scan, settings.bids_dir, settings.output_dir, {'orb': template})
    return scan


@pytest.mark.parametrize('ran_out', [KILLED, NO_MEMORY])
def test_what_was_not_run_keeps_what_it_had(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ran_out: str,
) -> None:
    """Else an extractor that is added, and one bad scan, cost the templates of a whole dataset."""
    bad, killed, changed, waiting = (finished(settings, label) for label in '3456')
    changed.path.write_bytes(b'87654321')
    # the larger one is first
    bad.path.write_bytes(b'no volume')
    asked = replace(
        settings,
        participants=('3', '4', '5', '6'),
        derivatives=(),
        extractors=('orb', 'sift'),
        stop_on_first_crash=True,
    )
    runs: list[list[Scan]] = []

    def stop(scans: Sequence[Scan], *_: Any) -> dict[Scan, str]:
        """Fail as the graph does when the first scan is bad and the second takes all memory."""
        runs.append(list(scans))
        reasons = {bad: 'sub-3_T1w.nii is empty', killed: ran_out}
        return {scan: why for scan, why in reasons.items() if scan in scans}

    monkeypatch.setattr(participant_run, 'run_scans', stop)
    monkeypatch.setattr(level, 'check_rendering', lambda: 'nothing')
    assert participant_level(asked) == Exit.SOME_FAILED
    assert runs == [[bad, killed, changed, waiting], [killed]]
    files = {scan: ScanFiles.of(scan, settings.output_dir) for scan in runs[0]}
    records = {scan: read_record(each) for scan, each in files.items()}
    assert {scan: record and record.status for scan, record in records.items()} == {
        bad: 'failed',
        killed: 'ok',
        changed: 'failed',
        waiting: 'ok',
    }
    for scan in (killed, waiting):
        assert read_template(files[scan], 'orb') is not None
    # a template of what the scan was before must not pass for one of what it is
    assert read_template(files[changed], 'orb') is None
    said = capsys.readouterr().out
    assert f'NOT DONE sub-4_T1w.nii: {ran_out} (earlier results are kept)' in said
    assert f'NOT DONE sub-6_T1w.nii: {STOPPED}' in said
    assert '4 scans; the face detector reacted to 2 and not to 0' in said
    assert '2 failed; 2 with earlier results only' in said

    # without a failure on record, the code still says that not all is done
    monkeypatch.setattr(
        participant_run, 'run_scans', lambda scans, *_: dict.fromkeys(scans, KILLED)
    )
    assert participant_level(replace(asked, participants=('6',))) == Exit.SOME_FAILED
    assert '0 failed; 1 with earlier results only' in capsys.readouterr().out


def test_an_extractor_that_fails_costs_nothing_that_others_made(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plug-in that is added and fails on a scan took the scan out of every gallery."""
    scan = finished(settings, '3')
    asked = replace(settings, participants=('3',), derivatives=(), extractors=('orb', 'sift'))
    monkeypatch.setattr(level, 'check_rendering', lambda: 'nothing')
    monkeypatch.setattr(
        participant_run, 'run_scans', lambda scans, *_: dict.fromkeys(scans, 'sift: no licence')
    )
    assert participant_level(asked) == Exit.SOME_FAILED
    files = ScanFiles.of(scan, settings.output_dir)
    record = read_record(files)
    assert record is not None
    assert record.status == 'ok'
    assert read_template(files, 'orb') is not None
    said = 'NOT DONE sub-3_T1w.nii: sift: no licence (earlier results are kept)'
    assert said in capsys.readouterr().out


def test_what_the_machine_refuses_costs_nothing_that_is_there(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk while an extractor was added took the first one's templates away.

    What failed of itself in an earlier graph is on record all the same.
    """
    bad, good = (finished(settings, label) for label in '34')
    # the larger one is first
    bad.path.write_bytes(b'no volume')
    before = read_record(ScanFiles.of(good, settings.output_dir))
    monkeypatch.setattr(level, 'check_rendering', lambda: 'nothing')
    for bound in ('PER_GRAPH', 'PER_PROCESS'):
        monkeypatch.setattr(participant_run, bound, 1)

    def full(scans: Sequence[Scan], *_: Any) -> dict[Scan, str]:
        if good in scans:
            raise MachineError('No space left on device')
        return {bad: 'sub-3_T1w.nii is empty'}

    monkeypatch.setattr(participant_run, 'run_scans', full)
    asked = replace(settings, participants=('3', '4'), derivatives=(), extractors=('orb', 'sift'))
    with pytest.raises(MachineError):
        participant_level(asked)
    assert read_record(ScanFiles.of(good, settings.output_dir)) == before
    assert read_template(ScanFiles.of(good, settings.output_dir), 'orb') is not None
    record = read_record(ScanFiles.of(bad, settings.output_dir))
    assert record is not None
    assert record.failed


def test_a_run_that_meets_another_changes_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the other one had just written was taken for a failure, and removed."""
    scan = finished(settings, '3')
    scan.path.write_bytes(b'87654321')
    asked = replace(settings, participants=('3',), derivatives=(), extractors=('orb',))
    before = read_record(ScanFiles.of(scan, settings.output_dir))

    def lockf(*_: Any) -> None:
        raise BlockingIOError(errno.EAGAIN, 'held')

    monkeypatch.setattr(fcntl, 'lockf', lockf)
    with pytest.raises(CannotWriteError, match='being written by another run'):
        participant_level(asked)
    assert read_record(ScanFiles.of(scan, settings.output_dir)) == before
    # who only asks what would be done disturbs nobody
    assert participant_level(replace(asked, dry_run=True)) == Exit.OK


def test_what_was_done_and_killed_is_done(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its results would be taken away although they are whole."""
    scan = finished(settings, '3')
    monkeypatch.setattr(level, 'unfinished', lambda *_: [scan])
    monkeypatch.setattr(participant_run, 'unfinished', lambda *_: [])
    monkeypatch.setattr(
        participant_run, 'run_scans', lambda scans, *_: dict.fromkeys(scans, KILLED)
    )
    monkeypatch.setattr(level, 'check_rendering', lambda: 'nothing')
    asked = replace(settings, participants=('3',), derivatives=(), extractors=('orb',))
    assert participant_level(asked) == Exit.OK
    assert read_template(ScanFiles.of(scan, settings.output_dir), 'orb') is not None


@pytest.mark.parametrize(
    ('plugin', 'refused'),
    [(None, True), ('Linear', True), ('MultiProc', True), ('SLURM', False), ('SGEGraph', False)],
)
def test_only_the_machine_that_renders_has_to(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    plugin: str | None,
    refused: bool,
) -> None:
    """Login nodes often have no EGL: their nodes, which have it, would never get the work."""
    scan = finished(settings, '3')

    def cannot() -> str:
        raise RenderingError('this machine cannot render')

    monkeypatch.setattr(level, 'check_rendering', cannot)
    monkeypatch.setattr(participant_run, 'run_scans', lambda *_: {scan: 'no such node'})
    file = settings.bids_dir.parent / 'plugin.yml'
    file.write_text(f'plugin: {plugin}\n')
    asked = replace(
        settings,
        participants=('3',),
        derivatives=(),
        extractors=('orb', 'sift'),
        plugin_file=file if plugin else None,
    )
    if refused:
        with pytest.raises(RenderingError):
            participant_level(asked)
        assert read_template(ScanFiles.of(scan, settings.output_dir), 'orb') is not None
    else:
        assert participant_level(asked) == Exit.SOME_FAILED
        said = capsys.readouterr().out
        assert f'rendering is left to the jobs of {plugin}' in said
        assert 'no such node' in said
