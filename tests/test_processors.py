"""How many processes a run takes by itself: as many as are free, and never none."""

from __future__ import annotations

from pathlib import Path

import pytest

from bids_reid import processors, surroundings
from bids_reid.processors import Watch, allowed_cores, available_memory


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with four processors, of which this process may use the last three."""
    monkeypatch.setattr(processors.os, 'sched_getaffinity', lambda _: {1, 2, 3})
    (tmp_path / 'own').write_text('0::/job/step\n')
    (tmp_path / 'groups' / 'job' / 'step').mkdir(parents=True)
    monkeypatch.setattr(surroundings, '_OWN_GROUPS', tmp_path / 'own')
    monkeypatch.setattr(surroundings, '_CGROUPS', tmp_path / 'groups')
    monkeypatch.setattr(processors, '_PROC', tmp_path)
    return tmp_path


def test_a_quota_of_any_group_above_counts(cores: Path) -> None:
    """Docker's --cpus 2 on a large machine: more processes than that wait for each other."""
    assert allowed_cores() == 3
    (cores / 'groups' / 'job' / 'cpu.max').write_text('200000 100000\n')
    (cores / 'groups' / 'job' / 'step' / 'cpu.max').write_text('max 100000\n')
    assert allowed_cores() == 2
    (cores / 'groups' / 'cpu.max').write_text('50000 100000\n')
    assert allowed_cores() == 1


def test_version_1_of_control_groups_has_quotas_too(cores: Path) -> None:
    (cores / 'own').write_text('3:cpu,cpuacct:/job\n')
    group = cores / 'groups' / 'cpu,cpuacct' / 'job'
    group.mkdir(parents=True)
    (group / 'cpu.cfs_quota_us').write_text('-1\n')
    (group / 'cpu.cfs_period_us').write_text('100000\n')
    assert allowed_cores() == 3
    (group / 'cpu.cfs_quota_us').write_text('250000\n')
    assert allowed_cores() == 2


@pytest.mark.parametrize(
    ('used', 'n_procs', 'busy'),
    [
        # others use nothing, a little, one processor and a half, and more than all
        ((0, 0, 0), 3, 0),
        ((30, 10, 0), 3, 0),
        ((100, 50, 0), 1, 2),
        ((100, 100, 100), 1, 3),
    ],
)
def test_processors_that_others_use_are_left_to_them(
    cores: Path, monkeypatch: pytest.MonkeyPatch, used: tuple[int, ...], n_procs: int, busy: int
) -> None:
    """On a shared machine a run would slow down everybody; its own work is no reason to wait."""
    times, own = iter((0.0, 1.0)), iter((0, 100))
    monkeypatch.setattr(processors.time, 'monotonic', lambda: next(times))
    monkeypatch.setattr(processors, '_own_ticks', lambda _: next(own))
    monkeypatch.setattr(processors.os, 'sysconf', lambda _: 100)
    (cores / 'meminfo').write_text('MemAvailable: 64000000 kB\n')

    def stat(*ticks: int) -> None:
        rows = [f'cpu{n} {one} 0 0 900 50 0 0 0 0 0' for n, one in enumerate((7000, *ticks))]
        (cores / 'stat').write_text('cpu  1 2 3\n' + '\n'.join(rows))

    stat(10, 20, 30)
    watch = Watch()
    # this run itself has kept one busy
    stat(10 + used[0] + 100, 20 + used[1], 30 + used[2])
    choice = watch.choose()
    assert (choice.n_procs, choice.cores, choice.busy) == (n_procs, 3, busy)
    assert not choice.short_of_memory


def test_little_memory_makes_fewer_processes_but_one(cores: Path) -> None:
    """With one for each processor, the system kills them."""
    (cores / 'meminfo').write_text('MemAvailable: 3500000 kB\n')
    choice = Watch().choose()
    assert (choice.n_procs, choice.short_of_memory) == (2, True)
    (cores / 'meminfo').write_text('MemAvailable: 35000 kB\n')
    assert Watch().choose().n_procs == 1


def test_what_a_container_has_used_is_not_free(cores: Path) -> None:
    """Its limit alone promises memory that other processes in it hold."""
    (cores / 'meminfo').write_text('MemAvailable: 64000000 kB\n')
    group = cores / 'groups' / 'job'
    (group / 'memory.max').write_text('10000000000\n')
    (group / 'memory.current').write_text('7000000000\n')
    (group / 'memory.stat').write_text('anon 5000000000\ninactive_file 1000000000\n')
    assert available_memory() == 4_000_000_000


def test_this_machine_can_be_looked_at() -> None:
    """The kernel's files are as they are expected here."""
    watch = Watch()
    assert watch._first is not None
    assert watch._first.busy > 0
    assert 1 <= watch.choose().n_procs <= allowed_cores()
