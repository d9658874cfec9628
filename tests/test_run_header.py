"""The header: five lines that answer what was run on what."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bids_reid import __version__, processors, run_header
from bids_reid.processors import Choice, available_memory
from bids_reid.run_header import header_lines
from bids_reid.settings import Settings
from bids_reid.surroundings import MemoryLimit

SETTINGS = Settings(
    bids_dir=Path('/data/bids'), output_dir=Path('/out'), levels=('participant', 'group')
)


def test_it_names_what_a_question_about_a_run_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log without it does not say which folder the result is about."""
    monkeypatch.setattr(run_header, 'available_memory', lambda: 12.34e9)
    monkeypatch.setattr(run_header.os, 'sched_getaffinity', lambda _: {0, 1})
    settings = replace(SETTINGS, derivatives=(('defaced', Path('/data/d')),), memory_gb=8.0)
    assert [line.text for line in header_lines(settings)] == [
        f'bids-reid {__version__}: participant and group levels',
        '  dataset:    /data/bids',
        '  conditions: raw, defaced; to be shared: defaced',
        '  output:     /out',
        '  machine:    2 cores, 12.3 GB of memory available, 1 process used, at most 8 GB',
    ]


def test_another_release_a_cluster_and_a_dry_run_are_named() -> None:
    settings = replace(
        SETTINGS,
        levels=('group',),
        release=Path('/share'),
        plugin_file=Path('/etc/slurm.yml'),
        dry_run=True,
    )
    first, _, conditions, _, machine = (line.text for line in header_lines(settings))
    assert first.endswith(': group level, dry run')
    assert conditions.endswith('to be shared: /share')
    assert machine.endswith('jobs by slurm.yml')


def test_what_was_chosen_is_told_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wonders why half of a machine is idle finds it in the first lines."""
    monkeypatch.setattr(run_header, 'available_memory', lambda: 4e9)
    settings = replace(SETTINGS, n_procs=2)
    busy = header_lines(settings, Choice(2, 4, busy=2))[-1].text
    assert busy.endswith('4 cores (2 busy), 4.0 GB of memory available, 2 processes used')
    short = header_lines(settings, Choice(2, 4, short_of_memory=True))[-1].text
    assert short.endswith('4 cores, 4.0 GB of memory available, 2 processes used as memory allows')


def test_a_limit_of_the_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's memory is no help where a container may take a tenth of it."""
    monkeypatch.setattr(processors, '_left_in_groups', lambda: iter(()))
    monkeypatch.setattr(processors, 'memory_limit', lambda: MemoryLimit(1000, 'x', False))
    assert available_memory() == 1000
    monkeypatch.setattr(processors, 'memory_limit', lambda: None)
    monkeypatch.setattr(processors, '_PROC', tmp_path)
    assert available_memory() is None
