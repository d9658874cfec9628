"""The participant level's choice of scans, and what becomes of results of former choices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bids_reid import participant_level as level
from bids_reid.bids.derivatives import read_record, read_template
from bids_reid.bids.files import write_json
from bids_reid.bids.layout import ScanFiles, scan_files
from bids_reid.engine import participant_run
from bids_reid.engine.plugins import KILLED
from bids_reid.errors import Exit, RenderingError
from bids_reid.participant.selection import remove_stale, select
from bids_reid.participant_level import participant_level
from bids_reid.records import Scan, Template
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


def left(settings: Settings, stem: str, condition: str = 'raw', status: str = 'failed') -> str:
    """Leave a record as an earlier run would have; return its file's name."""
    files = ScanFiles(settings.output_dir / stem[:6] / 'anat', stem, 'T1w', condition)
    write_json(files.record, scan_record(status=status, condition=condition).to_json())
    return files.record.name


def test_results_of_what_is_no_scan_any_more_are_removed(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else a de-faced scan counts as raw, and an ambiguity that was mended as a failure."""
    stale = {
        left(settings, 'sub-01_rec-defaced', status='ok'),
        left(settings, 'sub-01_run-2', 'defaced'),
    }
    kept = {
        left(settings, 'sub-01'),
        left(settings, 'sub-01', 'defaced'),
        # another run's business: a condition, a participant, and no failure
        left(settings, 'sub-01_run-3', 'refaced'),
        left(settings, 'sub-02_run-2', 'defaced'),
        left(settings, 'sub-01_run-4', status='ok'),
    }
    selection = select(settings)
    taken = [scan.source_name for scan in selection.versions_among_raw]
    assert taken == ['sub-01_rec-defaced']
    capsys.readouterr()
    remove_stale(selection, settings)
    assert {files.record.name for files in scan_files(settings.output_dir)} == kept
    messages = capsys.readouterr().out.splitlines()
    assert {line.rpartition(' ')[2] for line in messages} == stale


def finished(settings: Settings, label: str) -> Scan:
    """Leave what an earlier run made of a scan with the extractor orb."""
    path = settings.bids_dir / f'sub-{label}' / 'anat' / f'sub-{label}_T1w.nii'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'12345678')
    scan = Scan(label, None, 'T1w', f'sub-{label}', path)
    template = Template(np.ones((2, 3), np.float32), np.array([4, 7], np.int32))
    save_results(scan, settings.bids_dir, settings.output_dir, {'orb': template})
    return scan


def test_what_was_not_run_keeps_what_it_had(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else an extractor that is added, and one bad scan, cost the templates of a whole dataset."""
    bad, killed, changed, waiting = (finished(settings, label) for label in '3456')
    changed.path.write_bytes(b'87654321')
    asked = replace(
        settings,
        participants=('3', '4', '5', '6'),
        derivatives=(),
        extractors=('orb', 'sift'),
        stop_on_first_crash=True,
    )
    runs: list[list[Scan]] = []

    def stop(scans: Sequence[Scan], _: Settings) -> dict[Scan, str]:
        """Fail as the graph does when the first scan is bad and the second takes all memory."""
        runs.append(list(scans))
        reasons = {bad: 'sub-3_T1w.nii is empty', killed: KILLED}
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
    assert f'NOT DONE sub-4_T1w.nii: {KILLED} (its earlier results are kept)' in said
    assert 'NOT DONE sub-6_T1w.nii: not run: stopped at the first failure' in said
    assert '2 scans with a template, 0 without a face, 2 failed; of 2 only earlier results' in said

    # without a failure on record, the code still says that not all is done
    monkeypatch.setattr(
        participant_run, 'run_scans', lambda scans, _: dict.fromkeys(scans, KILLED)
    )
    assert participant_level(replace(asked, participants=('6',))) == Exit.SOME_FAILED
    assert '1 scans with a template, 0 without a face, 0 failed; of 1' in capsys.readouterr().out


def test_what_was_done_and_killed_is_done(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its results would be taken away although they are whole."""
    scan = finished(settings, '3')
    monkeypatch.setattr(level, 'unfinished', lambda *_: [scan])
    monkeypatch.setattr(participant_run, 'unfinished', lambda *_: [])
    monkeypatch.setattr(
        participant_run, 'run_scans', lambda scans, _: dict.fromkeys(scans, KILLED)
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
