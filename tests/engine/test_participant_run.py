"""What a run that was killed leaves of scans that are done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bids_reid.engine import participant_run
from bids_reid.engine.participant_graph import scan_node_name
from bids_reid.engine.participant_run import (
    WORKFLOW,
    Failures,
    forget_finished,
    process_scans,
)
from bids_reid.engine.progress import Progress
from bids_reid.records import Scan
from bids_reid.settings import Settings


def test_nothing_that_shows_a_face_stays_of_a_scan_that_is_done(tmp_path: Path) -> None:
    """A run killed between the record of a scan and its clean-up would leave renders for good."""
    scans = [Scan(who, None, 'T1w', f'sub-{who}', tmp_path / f'{who}.nii') for who in ('01', '02')]
    settings = Settings(
        bids_dir=tmp_path / 'bids', output_dir=tmp_path / 'out', levels=('participant',)
    )
    above = settings.work / WORKFLOW
    for scan in scans:
        (above / scan_node_name(scan) / 'render').mkdir(parents=True)
    forget_finished(scans[:1], settings)
    # the other one is taken up
    assert [path.name for path in above.iterdir()] == [scan_node_name(scans[1])]
    forget_finished(scans, settings)
    assert not settings.work.exists()


@pytest.mark.parametrize(
    ('n_procs', 'plugin', 'sizes'),
    [(1, None, [4, 4, 1]), (3, None, [6, 3]), (1, 'Linear', [4, 4, 1]), (1, 'SLURM', [8, 1])],
)
def test_many_scans_are_run_in_several_graphs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_procs: int,
    plugin: str | None,
    sizes: list[int],
) -> None:
    """One graph of all takes memory and time that grow with the square of their number.

    Each must keep all processes busy, or all nodes of a cluster.
    """
    file = tmp_path / 'plugin.yml'
    file.write_text(f'plugin: {plugin}\n')
    settings = Settings(
        bids_dir=tmp_path,
        output_dir=tmp_path / 'out',
        levels=('participant',),
        n_procs=n_procs,
        plugin_file=file if plugin else None,
    )
    graphs: list[int] = []

    def run_scans(scans: Sequence[Scan], *_: Any) -> dict[Scan, str]:
        graphs.append(len(scans))
        return {}

    sizes_of = {'PER_GRAPH': 4, 'PER_PROCESS': 2, 'PER_JOBS': 8}
    for name, value in {'run_scans': run_scans, 'unfinished': lambda *_: [], **sizes_of}.items():
        monkeypatch.setattr(participant_run, name, value)
    scans = [Scan(f'{n}', None, 'T1w', f'sub-{n}', tmp_path / f'{n}.nii') for n in range(9)]
    assert process_scans(scans, settings) == Failures()
    assert graphs == sizes


def test_the_largest_scan_is_begun_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun last, it would be worked on alone while all other processes wait."""
    settings = Settings(bids_dir=tmp_path, output_dir=tmp_path / 'out', levels=('participant',))
    scans = [Scan(f'{n}', None, 'T1w', f'sub-{n}', tmp_path / f'{n}.nii') for n in range(4)]
    for scan, size in zip(scans, (2, 3, 2, 0), strict=True):
        scan.path.write_bytes(b'x' * size)
    graphs: list[list[str]] = []

    def run_scans(scans: Sequence[Scan], *_: Any) -> dict[Scan, str]:
        graphs.append([scan.participant for scan in scans])
        return {}

    monkeypatch.setattr(participant_run, 'run_scans', run_scans)
    monkeypatch.setattr(participant_run, 'unfinished', lambda *_: [])
    process_scans(scans, settings)
    assert graphs == [['1', '0', '2', '3']]


def test_a_file_that_changes_during_the_run_is_named_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its result is of other bytes and does not count: the line said that there was none."""
    path = tmp_path / 'sub-01_T1w.nii.gz'
    path.write_bytes(b'first')
    scan = Scan('01', None, 'T1w', 'sub-01', path)
    states = {scan: participant_run.file_state(path)}
    path.write_bytes(b'another')
    monkeypatch.setattr(participant_run, 'unfinished', lambda scans, _: scans)
    monkeypatch.setattr(participant_run, 'still_holds', lambda *_: True)
    settings = Settings(bids_dir=tmp_path, output_dir=tmp_path / 'out', levels=('participant',))
    failures = Failures()
    participant_run._save_failures(
        states, {}, settings, participant_run.NO_RESULT, failures, Progress(1)
    )
    assert list(failures.kept) == [path.name]
    assert failures.kept[path.name].startswith('its file was changed while this run read it')
